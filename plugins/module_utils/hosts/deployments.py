# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the clusters of this machine have planned on it: two of them may share a fleet."""

from __future__ import annotations

from typing import Any

from ..checks import from_json
from ..errors import DroverError
from ..serving.cluster import CLUSTERS_FOLDER, Cluster
from . import cgroups
from .memory import held_bytes
from .tree import Tree


def units_of(cluster: Cluster) -> tuple[str, str]:
    """The units that hold memory on behalf of a cluster."""
    return cluster.rpc_unit, cluster.server_unit


def read_deployments(tree: Tree) -> dict[str, dict[str, Any]]:
    """The deployments on this machine, by the name of their cluster. A file that is cut off or was never one counts as
    none: its own cluster says so when it starts, and others need not stop for it."""
    found = {}
    for name in tree.names(CLUSTERS_FOLDER):
        try:
            content = from_json(tree.text(Cluster(name).deployment_path) or "")
        except (ValueError, DroverError):
            continue
        if isinstance(content, dict):
            found[name] = content
    return found


def others_bytes(tree: Tree, deployments: dict[str, dict[str, Any]], cluster: str) -> int:
    """Bytes of memory that ``deployments`` of other clusters plan here and their units do not hold yet.

    What they hold is missing from the machine's available memory anyway; the rest looks free while they start, and is
    not. It stays so for weights that a leader maps from its disk: the kernel could take these pages back, and the other
    cluster would read its disk for every token.
    """
    total = 0
    for name, deployment in deployments.items():
        planned = deployment.get("memory_bytes")
        if name == cluster or not isinstance(planned, int) or isinstance(planned, bool):
            continue
        held = held_bytes(tree, cgroups.unit_processes(tree, units_of(Cluster(name))))
        total += max(0, planned - held)
    return total
