# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that a leader runs, as it was written there, and whether another one changes anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..checks import from_json
from ..errors import DroverError
from ..serving.cluster import Cluster
from .document import places_the_same, read_plan

__all__ = ["places_the_same", "running_plan", "running_plans", "running_under"]


def running_plan(cluster: str = "main", path: str | None = None) -> dict[str, Any] | None:
    """Return the plan of ``cluster`` (or the one in ``path``), or None on a host that does not lead it.

    A file that holds no plan (cut off, edited by hand) counts as none: it is only used to prefer what is there, and the
    next deployment writes it anew.
    """
    try:
        with open(path or Cluster(cluster).plan_path, encoding="utf-8") as file:
            plan = from_json(file.read())
    except (OSError, ValueError):
        return None
    return plan if isinstance(plan, dict) and "leader" in plan else None


def running_plans(found: Iterable[object], cluster: str) -> list[dict[str, Any]]:
    """Of what was found on hosts, the plans that ``cluster`` may run; there are several where leaders changed.

    What is none, does not fit, or was written by another version of Drover is left out.
    """
    plans = []
    for value in found:
        try:
            plan = read_plan(value)
        except DroverError:
            continue
        if plan["feasible"] and plan["cluster"] == cluster:
            plans.append(plan)
    return plans


def running_under(plans: Iterable[dict[str, Any]], leader: str | None) -> dict[str, Any] | None:
    """The one of ``plans`` that stands on ``leader``, which is what a new plan under it replaces; else the first."""
    return min(plans, key=lambda plan: bool(plan["leader"] != leader), default=None)
