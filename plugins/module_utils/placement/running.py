# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that a leader runs, as the role llama_server wrote it."""

from __future__ import annotations

import json
from typing import Any

PATH = "/etc/drover/plan.json"


def running_plan(path: str = PATH) -> dict[str, Any] | None:
    """Return the plan in ``path``, or None on a host that leads nothing.

    A file that holds no plan (cut off, edited by hand) counts as none: it is only used to prefer what is there, and the
    next deployment writes it anew.
    """
    try:
        with open(path, encoding="utf-8") as file:
            plan = json.load(file)
    except (OSError, ValueError):
        return None
    return plan if isinstance(plan, dict) and "leader" in plan else None
