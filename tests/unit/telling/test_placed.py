# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.telling.placed import placed_sentences
from unit.placement.fleets import MIB

NO_ROOM = (
    "60.0 MiB of weights found no room on its disk or within rpc_server_cache_max_bytes, so the leader sends them."
)


@pytest.mark.parametrize(
    ("left_out", "damaged", "told"),
    [
        (0, [], []),
        (60 * MIB, [], [NO_ROOM]),
        (0, ["0" * 16], ["1 damaged file went, for the right bytes to be fetched anew."]),
        (60 * MIB, ["0" * 16] * 2, [NO_ROOM, "2 damaged files went, for the right bytes to be fetched anew."]),
    ],
)
def test_what_of_a_cache_somebody_ought_to_know(left_out, damaged, told):
    done = {"present_bytes": 5, "fetched_bytes": 5, "left_out_bytes": left_out, "damaged": damaged, "pruned": []}
    assert placed_sentences(done) == told
