# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover complete`` and ``drover held``: proof that a cluster works, asked for inside its own pods, where no other
way to them need be open."""

from __future__ import annotations

from ..errors import DroverError
from ..hosts.listener import find_connections, find_listeners
from ..hosts.memory import held_bytes
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from ..serving.completion import complete, read_api_key
from .documents import print_document
from .part import load_deployment


def print_completion(name: str, max_tokens: int, timeout: float) -> None:
    """Ask the leader of the cluster called ``name``, which runs here, for a completion, and print it."""
    deployment = load_deployment(Cluster(name))
    if deployment["part"] != "leader":
        raise DroverError(f"{deployment['host']} is a {deployment['part']} of the cluster {name}: ask its leader.")
    listen = deployment["listen"]
    key = read_api_key(Cluster(name).api_key_path)
    print_document(
        complete(f"http://{listen['address']}:{listen['port']}", key, max_tokens=max_tokens, timeout=timeout)
    )


def print_held(name: str, tree: Tree | None = None) -> None:
    """Print ``held_bytes`` of the part of the cluster called ``name`` that runs in this pod, and the ``connections`` to
    its port."""
    port, seen = load_deployment(Cluster(name))["listen"]["port"], tree or Tree()
    pids = {listener["pid"] for listener in find_listeners(seen, [port]) if listener["pid"]}
    print_document({"held_bytes": held_bytes(seen, pids), "connections": find_connections(seen, [port])})
