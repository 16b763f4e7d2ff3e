# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host's service runs by what is written for it, or was started before that was written.

A run that was broken off between writing and restarting has left exactly that, and nothing else tells the next one.
"""

from __future__ import annotations

import os
import time
from typing import Any

from ..errors import DroverError
from ..hosts import cgroups
from ..hosts.listener import find_listeners
from ..hosts.process import started_seconds
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from ..serving.deployment import read_deployment
from ..serving.drop_ins import drop_ins
from ..serving.tunnel import listened
from .installed import FILES, USER

# What makes a unit start after a boot, as its [Install] section says.
WANTED = "/etc/systemd/system/multi-user.target.wants"
KEY_MODE = 0o640


def runs(tree: Tree, cluster: Cluster, deployment: dict[str, Any] | None, now: float | None = None) -> bool:
    """Tell whether the service of ``deployment`` runs, and was started after the deployment, its units and the files
    that it needs were written. ``now`` is the moment, in seconds since the machine was started, and is for tests."""
    if deployment is None:
        return False
    starts = [started_seconds(tree, pid) for pid in cgroups.unit_processes(tree, [_unit(cluster, deployment)])]
    known = [start for start in starts if start is not None]
    if not known:
        return False
    # Since its start the clock may have been set: what counts is how long ago it was.
    age = (time.clock_gettime(time.CLOCK_BOOTTIME) if now is None else now) - min(known)
    started = time.time() - age
    files = deployment.get("files") if isinstance(deployment.get("files"), list) else []
    paths = [cluster.deployment_path, *FILES.values(), *(str(file["path"]) for file in files or [] if "path" in file)]
    return all(written <= started for written in map(_written, (tree.path(path) for path in paths)))


def complete(
    tree: Tree, cluster: Cluster, deployment: dict[str, Any] | None, memory: dict[str, Any] | None, owner: int = 0
) -> bool:
    """Tell whether what ``deployment`` needs besides a running service is there: the service starts after a boot, what
    is added to its unit is what it is to be on a host whose tally has this ``memory``, a leader has its key, and
    whoever heals answers and has the secret, which ``owner`` (root, but in tests) may change and the service may read,
    and nobody else."""
    try:
        known = read_deployment(deployment)
        added = drop_ins(known, memory)
    except DroverError:  # none, or one that was cut off or edited
        return False
    if any((tree.text(each["path"]) or "") != each["text"].strip() for each in added):
        return False
    if not os.path.lexists(tree.path(f"{WANTED}/{_unit(cluster, known)}")):
        return False
    leads = known["part"] == "leader"
    if "tunnel" in known and not _is_tunnelled(tree, cluster, known["tunnel"]):
        return False
    if known["healing"]:
        healer = cluster.watch_unit if leads else cluster.agent_unit
        if not os.path.lexists(tree.path(f"{WANTED}/{healer}")) or not _is_secret(tree, cluster.secret_path, owner):
            return False
        # Whatever has ended it: it is to answer.
        if healer not in [each["unit"] for each in find_listeners(tree, [known["healing"]["port"]])]:
            return False
    return not leads or _is_secret(tree, cluster.api_key_path, owner)


def _is_tunnelled(tree: Tree, cluster: Cluster, tunnel: dict[str, Any]) -> bool:
    """Whether this host's end of the ``tunnel`` starts after a boot and listens wherever it is to."""
    wanted = {(each["port"], each["address"]) for each in listened(tunnel)}
    found = find_listeners(tree, {port for port, _address in wanted})
    held = {(each["port"], each["address"]) for each in found if each["unit"] == cluster.tunnel_unit}
    return os.path.lexists(tree.path(f"{WANTED}/{cluster.tunnel_unit}")) and wanted <= held


def _is_secret(tree: Tree, path: str, owner: int) -> bool:
    """Whether the file is there, not empty, and readable by the service alone, besides ``owner``, who may change it."""
    try:
        key = os.stat(tree.path(path))
    except OSError:
        return False
    groups = [line.split(":") for line in (tree.text("/etc/group") or "").splitlines()]
    service = {fields[2] for fields in groups if fields[0] == USER and len(fields) > 2}
    return key.st_size > 0 and (key.st_mode & 0o7777, key.st_uid, {str(key.st_gid)}) == (KEY_MODE, owner, service)


def _unit(cluster: Cluster, deployment: dict[str, Any]) -> str:
    return cluster.server_unit if deployment.get("part") == "leader" else cluster.rpc_unit


def _written(path: str) -> float:
    """When the file was written or put in its place, whatever date it brought along; what is not there was never."""
    try:
        return os.stat(path).st_ctime
    except OSError:
        return 0.0
