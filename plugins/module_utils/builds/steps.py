# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of llama.cpp is still to be compiled, by what Ninja would do."""

from __future__ import annotations

import re

_NOTHING = "no work to do"
_STEP = re.compile(r"^\[\d+/(\d+)\]", re.MULTILINE)


def steps_left(said: str) -> int | None:
    """The steps that ``ninja -n``, which said this, would take; None when that is not told."""
    steps = _STEP.findall(said)
    if steps:
        return int(steps[-1])
    return 0 if _NOTHING in said else None
