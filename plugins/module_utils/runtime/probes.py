# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover ready`` and ``drover alive``: what Kubernetes asks a pod about, by running them inside it.

An RPC port is never connected to: the server has one client, and a few connections that wait hold up its leader.
"""

from __future__ import annotations

from typing import Any

from ..errors import DroverError
from ..hosts.listener import find_listeners
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from ..serving.completion import health
from .part import load_deployment
from .workers import strayed

# What a probe waits for at most, once each; so give it more than twice that, and a slow machine's start of Python.
SECONDS = 3.0
EVERYWHERE = "0.0.0.0"


def unready(name: str, tree: Tree | None = None) -> str | None:
    """Why this host does not serve the cluster called ``name`` now, in one sentence; None when it does.

    A worker does when its port listens. A leader does when llama-server says that it has its model (``/health``
    asks for no API key) and no worker was replaced since it was started. That is not all of health: of a worker that
    died or vanished, llama-server notices nothing until the next request.
    """
    try:
        deployment = load_deployment(Cluster(name))
        if deployment["part"] == "worker":
            return _unheard(tree or Tree(), deployment["listen"])
        return _unserved(deployment) or strayed(tree or Tree(), deployment, SECONDS, gone=True)
    except DroverError as error:
        return str(error)


def lost(name: str, tree: Tree | None = None) -> str | None:
    """Why the leader of the cluster called ``name`` must be started anew, in one sentence; None when nothing is known
    that a new start would mend.

    That is one thing only: a worker's name stands for another address than the one that llama-server was started with.
    While a name stands for none, or cannot be told, a new start would not help. How llama-server is, is not asked, so
    that one which loads its model, or is slow, goes on. Nor does it end for a deployment that was written since.
    """
    try:
        deployment = load_deployment(Cluster(name))
    except DroverError:
        return None
    return strayed(tree or Tree(), deployment, SECONDS)


def _unheard(tree: Tree, listen: dict[str, Any]) -> str | None:
    address, port = listen["address"], listen["port"]
    listeners = find_listeners(tree, [port])
    if any(listener["address"] in (address, EVERYWHERE) for listener in listeners):
        return None
    return f"Nothing listens on {address}:{port} yet: look at the log of the RPC server."


def _unserved(deployment: dict[str, Any]) -> str | None:
    place = f"{deployment['listen']['address']}:{deployment['listen']['port']}"
    said = health(f"http://{place}", SECONDS)
    return f"llama-server on {place} is not ready ({said}): wait, or look at its log." if said else None
