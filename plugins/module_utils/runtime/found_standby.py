# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host that stands by has for that, and whether it leads now."""

from __future__ import annotations

import os
from typing import Any

from ..hosts.process import marked_process
from ..hosts.tree import Tree
from ..serving.cluster import Standby
from .decisions import decision, read_document
from .running import complete, runs


def found_standby(tree: Tree, cluster: str, memory: dict[str, Any] | None) -> dict[str, Any] | None:
    """``deployment`` (None unless its service runs by it), ``members`` (their digest), ``complete``, ``leads``, and the
    ``plan`` by which it does; None on a host that does not stand by for ``cluster``. ``memory`` is its tally's."""
    standby = Standby(cluster)
    deployment = read_document(tree.path(standby.deployment_path))
    if not isinstance(deployment, dict):
        # A damaged one is taken off, or written anew.
        there = os.path.lexists(tree.path(standby.deployment_path))
        nothing = {"deployment": None, "members": None, "complete": False, "leads": False, "plan": None}
        return nothing if there else None
    members, leading = (read_document(tree.path(path)) for path in (standby.members_path, standby.leading_path))
    leads = isinstance(leading, dict) and leading.get("leads") is True
    leads = leads and marked_process(tree, str(leading.get("mark"))) is not None
    decided = decision(standby, tree) if leads else None
    return {
        "deployment": deployment if runs(tree, standby, deployment) else None,
        "members": members.get("lasting") if isinstance(members, dict) else None,
        "complete": complete(tree, standby, deployment, memory),
        "leads": leads,
        "plan": decided["plan"] if decided else None,
    }
