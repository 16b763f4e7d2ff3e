# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover status``: how the cluster is that this host leads, by what its watch has written."""

from __future__ import annotations

from ..errors import DroverError
from ..healing.telling import heal_lines, moment
from ..healing.told import read_told
from ..serving.cluster import Cluster
from ..serving.deployment import REMEDY
from ..telling.table import plan_lines
from .decisions import decision, read_document
from .documents import print_document
from .say import say


def print_status(name: str, as_json: bool = False) -> bool:
    """Print it, for people or as JSON; tell whether all is well."""
    cluster = Cluster(name)
    written, decided = read_document(cluster.watch_path), decision(cluster)
    if written is None or decided is None:
        raise DroverError(f"This host leads no cluster {name} that heals itself: ask its leader, or {REMEDY}.")
    told = read_told(written)
    if as_json:
        print_document({"plan": decided["plan"], "told": told})
        return True
    say("\n".join([*plan_lines(decided["plan"]), "", *heal_lines(told, moment)]))
    return bool(told["healthy"])
