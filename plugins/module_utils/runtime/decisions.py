# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host runs by a decision of the cluster's own, as the service user keeps it, beside what root has granted.

Root reads it, too, to tell what runs: a file of somebody else's making, so nothing but a plain file of some size is
read.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import Any

from ..checks import from_json
from ..errors import DroverError, NotYet
from ..healing.granted import as_decided, grant_of, read_decision
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from ..serving.deployment import REMEDY, read_deployment

MOST_BYTES = 16 << 20


def granted(cluster: Cluster, tree: Tree | None = None) -> str:
    """By which a decision is known to be of what root's documents say now."""
    tree = tree or Tree()
    # Where Kubernetes puts them they are links.
    paths = (cluster.deployment_path, cluster.members_path)
    return grant_of(*(_content(tree.path(path), follow=True) for path in paths))


def in_force(cluster: Cluster, root: dict[str, Any], tree: Tree | None = None) -> dict[str, Any]:
    """What this host runs for ``cluster``: what was decided, as far as ``root``, its deployment in ``/etc``, allows."""
    tree = tree or Tree()
    try:
        if not read_deployment(root)["healing"]:
            return root
    except DroverError:  # its own program says so when it starts
        return root
    return as_decided(root, _decided(cluster, tree), granted(cluster, tree)) or root


def decision(cluster: Cluster, tree: Tree | None = None) -> dict[str, Any] | None:
    """The decision that is in force here, of a leader (see ``healing.granted.read_decision``), or None."""
    tree = tree or Tree()
    found = last_decision(cluster, tree)
    return found if found and found["grant"] == granted(cluster, tree) else None


def last_decision(cluster: Cluster, tree: Tree) -> dict[str, Any] | None:
    """The same, by whichever documents of root's; None where there is none, or it is damaged."""
    try:
        found = read_decision(_decided(cluster, tree))
    except DroverError:
        return None
    deployment = found["deployment"]
    is_this = (deployment.get("part"), deployment.get("cluster")) == ("leader", cluster.name)
    return found if is_this else None


def write_document(path: str, content: dict[str, Any]) -> None:
    """Write ``content`` as JSON that everybody may read; it is there whole or not at all.
    Raises NotYet where it cannot be written, as on a full disk."""
    unfinished = f"{path}.new"
    try:
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump(content, file, sort_keys=True)
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise NotYet(f"{path} cannot be written ({error.strerror}): make room there, or {REMEDY}.") from error


def read_document(path: str) -> Any:
    """What the JSON file at ``path`` holds; None for one that is not there, no plain file, too long or not JSON."""
    content = _content(path)
    try:
        return None if content is None else from_json(content)
    except ValueError:
        return None


def _decided(cluster: Cluster, tree: Tree) -> Any:
    return read_document(tree.path(cluster.running_path))


def _content(path: str, follow: bool = False) -> bytes | None:
    """What is in the file; a link is followed only to where root keeps its documents."""
    try:
        # A pipe would make whoever opens it wait, and a link could lead anywhere.
        links = 0 if follow else os.O_NOFOLLOW
        descriptor = os.open(path, os.O_RDONLY | links | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    return content if len(content) <= MOST_BYTES else None
