# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role host puts on every host, and whether a host has exactly that: then nothing is to be done there."""

from __future__ import annotations

import hashlib
import os

from ..errors import DroverError
from ..hosts.tree import Tree
from ..serving.cluster import Cluster

USER = "drover"
RUNTIME = "/usr/local/lib/drover/drover.pyz"
# The interpreter that units start the runtime with, and the command for people.
LINKS = ("/usr/local/lib/drover/python3", "/usr/local/bin/drover")
# A file of the role, and where it goes.
FILES = {
    "drover-agent@.service": "/etc/systemd/system/drover-agent@.service",
    "drover-rpc@.service": "/etc/systemd/system/drover-rpc@.service",
    "drover-server@.service": "/etc/systemd/system/drover-server@.service",
    "drover-gateway@.service": "/etc/systemd/system/drover-gateway@.service",
    "low-ports.conf": "/etc/systemd/system/drover-gateway@.service.d/low-ports.conf",
    "drover-tunnel@.service": "/etc/systemd/system/drover-tunnel@.service",
    "drover-watch@.service": "/etc/systemd/system/drover-watch@.service",
    "hardening.conf": "/etc/systemd/system/drover-@.service.d/hardening.conf",
}


def expected_digest(archive: str, collection: str) -> str:
    """The digest of what this version installs: the runtime at ``archive`` and the role's files in the folder
    ``collection``. Raises DroverError when one of them cannot be read."""
    paths = [archive, *(os.path.join(collection, "roles", "host", "files", name) for name in FILES)]
    found = _digest(paths)
    if found is None:
        raise DroverError(f"{collection} lacks files of its role host: install the collection again.")
    return found


def installed_digest(tree: Tree, cluster: Cluster) -> str | None:
    """The digest of what is installed on the machine in ``tree`` for ``cluster``; None where anything is missing."""
    accounts = (tree.text("/etc/passwd") or "").splitlines()
    links = all(os.path.exists(tree.path(link)) for link in LINKS)
    if not links or not os.path.isdir(tree.path(cluster.folder)):
        return None
    if not any(line.startswith(f"{USER}:") for line in accounts):
        return None
    return _digest([tree.path(path) for path in (RUNTIME, *FILES.values())])


def _digest(paths: list[str]) -> str | None:
    whole = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as file:
                whole.update(hashlib.sha256(file.read()).digest())
        except OSError:
            return None
    return whole.hexdigest()
