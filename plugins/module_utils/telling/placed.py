# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a filled tensor cache somebody ought to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..text import counted, size_text


def placed_sentences(done: Mapping[str, Any], bound: str = "rpc_server_cache_max_bytes") -> list[str]:
    """Sentences about ``done``, what weights.placing.place returned; none where all went as one would think. ``bound``:
    what bounds the cache, as its owner knows it."""
    told = []
    if done["left_out_bytes"]:
        told.append(
            f"{size_text(done['left_out_bytes'])} of weights found no room on its disk or within {bound}, so the "
            "leader sends them."
        )
    if done["damaged"]:
        told.append(f"{counted(len(done['damaged']), 'damaged file')} went, for the right bytes to be fetched anew.")
    return told
