# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a card reads its memory, measured where a tool for it is there: what bounds the generation of tokens."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from . import card_copy
from .figures import keep, recall
from .program import printed

MIB = 1024 * 1024
# What the copy takes, and the driver's context.
FREE_BYTES = 2 * card_copy.COPIED_BYTES + 768 * MIB
# The first use of a card after a boot loads firmware.
SECONDS = 30

Measure = Callable[[str], "int | None"]


def card_speed(gpu: dict[str, Any], folder: str, may_write: bool, measure: Measure | None = None) -> int | None:
    """Bytes a second of ``gpu`` (of the list of ``gpus.read_gpus``), or None where it cannot be measured now: only
    NVIDIA's with memory of their own are, by a copy that reads and writes, while nothing of Drover's computes there and
    there is room.

    The figure of an earlier run is taken from ``folder``, and written there only when ``may_write``.
    """
    if gpu["kind"] != "cuda" or gpu["unified"]:
        return None
    identity = {key: gpu[key] for key in ("id", "name", "total_bytes")}
    path = os.path.join(folder, f"{gpu['id']}.json")
    known = recall(path, identity)
    if isinstance(known, int):
        return known
    if gpu["held_bytes"] or gpu["usable_bytes"] < FREE_BYTES:
        return None
    measured = (measure or _in_a_process)(gpu["id"])
    if measured and may_write:
        keep(path, identity, measured)
    return measured


def _in_a_process(uuid: str) -> int | None:
    """What ``card_copy`` prints where it sees this card alone."""
    program = f"import sys; sys.path[:] = {sys.path!r}; from {card_copy.__name__} import main; main()"
    told = printed([sys.executable, "-c", program], SECONDS, {**os.environ, "CUDA_VISIBLE_DEVICES": uuid}) or ""
    return int(told) if told.strip().isdigit() else None
