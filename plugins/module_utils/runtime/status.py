# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover status``: how the cluster is that this host leads, by what its watch has written."""

from __future__ import annotations

from ..errors import DroverError
from ..healing.telling import heal_lines, moment
from ..healing.told import read_told
from ..hosts.tree import Tree
from ..serving.cluster import led
from ..serving.deployment import REMEDY
from ..telling.measured import measured_lines
from ..telling.status import standby_lines
from ..telling.table import plan_lines
from .decisions import decision, read_document
from .documents import print_document
from .say import say
from .standby import standing_by


def print_status(name: str, as_json: bool = False) -> bool:
    """Print it, for people or as JSON; tell whether all is well."""
    cluster = led(name)
    standby = standing_by(cluster, Tree())
    if standby:
        say(standby)
        return True
    written, decided = read_document(cluster.watch_path), decision(cluster)
    if written is None or decided is None:
        raise DroverError(f"This host leads no cluster {name} that heals itself: ask its leader, or {REMEDY}.")
    told = read_told(written)
    plan = decided["plan"]
    if as_json:
        print_document({"plan": plan, "told": told})
        return True
    measured = measured_lines(plan, [read_document(cluster.measured_path)])
    say("\n".join([*plan_lines(plan), *standby_lines(plan), "", *measured, "", *heal_lines(told, moment)]))
    return bool(told["healthy"])
