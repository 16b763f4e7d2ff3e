# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that a leader runs, as it was written there."""

from __future__ import annotations

import json
from typing import Any

from ..serving.cluster import Cluster
from .document import places_the_same

__all__ = ["places_the_same", "running_plan"]


def running_plan(cluster: str = "main", path: str | None = None) -> dict[str, Any] | None:
    """Return the plan of ``cluster`` (or the one in ``path``), or None on a host that does not lead it.

    A file that holds no plan (cut off, edited by hand) counts as none: it is only used to prefer what is there, and the
    next deployment writes it anew.
    """
    try:
        with open(path or Cluster(cluster).plan_path, encoding="utf-8") as file:
            plan = json.load(file)
    except (OSError, ValueError):
        return None
    return plan if isinstance(plan, dict) and "leader" in plan else None
