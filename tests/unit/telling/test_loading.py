# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.telling.loading import loading_text
from unit.placement.fleets import MIB


def plan(sent, least=None):
    predicted = {"load_bytes_over_network": sent * MIB}
    return {"predicted": predicted if least is None else {**predicted, "load_bytes_once_cached": least * MIB}}


@pytest.mark.parametrize(
    ("one", "received", "text"),
    [
        (
            plan(800, 143),
            [100 * MIB, 44 * MIB],
            "Loading   sent 144 MiB to the workers (predicted: 143 MiB of weights where workers have cached the rest, "
            "else 800 MiB)",
        ),
        (plan(5, 5), [6 * MIB], "Loading   sent 6.0 MiB to the workers (predicted: 5.0 MiB)"),
        (plan(5), [6 * MIB], "Loading   sent 6.0 MiB to the workers (predicted: 5.0 MiB)"),
        (plan(5), [6 * MIB, None], ""),
        (plan(0), [], ""),
    ],
)
def test_what_a_start_has_sent(one, received, text):
    assert loading_text(one, received) == text
