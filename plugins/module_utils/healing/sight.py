# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent tells its leader, and how it is read there: the documents ``state`` and ``lent``.

- ``state``: ``host``, ``cluster``, ``build`` (of the deployment), ``rpc``: null while nothing listens, else ``mark``
  (which start of it on which boot), ``pid``, ``started_seconds`` (after the boot), ``clients`` (addresses that are
  connected), ``retransmits`` (how often in a row its answer was sent again, since no client acknowledged it) and
  ``replaced`` (whether it is another program than root has found); ``memory``: see ``hosts.pressure``. An agent of an
  earlier release does not tell the last three.
- ``lent``: ``memory`` (as a tally has it, with nothing left to the host's own work yet), ``cache`` (``files``,
  ``bytes``).
"""

from __future__ import annotations

import os
from typing import Any

from ..builds.prints import is_replaced
from ..checks import Fields, document, number, record, text, whole
from ..hosts.deployments import others_bytes, read_deployments, units_of
from ..hosts.document import MOST
from ..hosts.listener import find_connections, find_listeners, retransmits_from
from ..hosts.memory import held_bytes, memory_beside, read_memory
from ..hosts.pressure import read_pressure
from ..hosts.process import process_mark, started_seconds
from ..hosts.tree import Once, Tree
from ..serving.cluster import Cluster
from ..serving.deployment import in_pod

SCHEMA = 1
MEMORY = (
    "total_bytes",
    "available_bytes",
    "arc_bytes",
    "held_bytes",
    "others_bytes",
    "huge_pages_bytes",
    "usable_bytes",
)


def see_state(tree: Tree, deployment: dict[str, Any], likely: int | None = None) -> dict[str, Any]:
    """The ``state`` of the worker that ``deployment`` is of, whose RPC server was the process ``likely`` when it was
    seen last. The RPC port itself is never touched."""
    tree = Once(tree.root)  # the kernel goes through all of its sockets for each read
    port = deployment["listen"]["port"]
    # Where there is a tunnel, its end listens on this port of another address.
    address = deployment["listen"]["address"] if "tunnel" in deployment else None
    rpc = None
    for listener in find_listeners(tree, [port], likely, address):
        mark = process_mark(tree, listener["pid"]) if listener["pid"] else None
        if mark:
            rpc = {
                "mark": mark,
                "pid": listener["pid"],
                "started_seconds": started_seconds(tree, listener["pid"]),
                "clients": [connection["peer"] for connection in find_connections(tree, [port], address)],
                # At whatever address: where there is a tunnel, it is the tunnel's end that sends it over the network.
                "retransmits": retransmits_from(tree, port),
                "replaced": is_replaced(tree, listener["pid"], deployment["build"].get("prints", {})),
            }
    return {
        "schema": SCHEMA,
        "host": deployment["host"],
        "cluster": deployment["cluster"],
        "build": deployment["build"],
        "rpc": rpc,
        "memory": read_pressure(tree, deployment["cluster"], [rpc["pid"]] if rpc else [], in_pod(deployment)),
    }


def see_lent(tree: Tree, deployment: dict[str, Any]) -> dict[str, Any]:
    """What the worker or leader that ``deployment`` is of could lend now."""
    files = count = 0
    for folder, _folders, names in os.walk(tree.path(deployment["cache"]["directory"]) if deployment["cache"] else ""):
        for name in names:
            try:
                files += os.stat(os.path.join(folder, name), follow_symlinks=False).st_size
                count += 1
            except OSError:
                continue
    return {
        "schema": SCHEMA,
        "memory": _memory(tree, deployment),
        "cache": {"files": count, "bytes": files},
    }


def _memory(tree: Tree, deployment: dict[str, Any]) -> dict[str, Any]:
    cluster = deployment["cluster"]
    if not in_pod(deployment):
        others = others_bytes(tree, read_deployments(tree), cluster)
        return read_memory(tree, units_of(Cluster(cluster)), reserve=0, others=others)
    # Of the node; what the pod may have of it is in the leader's document of members. There are no units.
    listeners = find_listeners(tree, [deployment["listen"]["port"]])
    held = held_bytes(tree, {listener["pid"] for listener in listeners if listener["pid"]})
    return memory_beside(tree, None, held, reserve=0)


def read_state(value: object, host: str) -> dict[str, Any]:
    """The ``state`` that the agent of ``host`` has told. Raises DroverError for what is none, or another's."""
    what = f"The state of {host}"
    fields: Fields = {
        "host": str,
        "cluster": str,
        "build": dict,
        "rpc": (dict, type(None)),
        "memory": (dict, type(None)),
    }
    found = document({"memory": None, **value} if isinstance(value, dict) else value, what, SCHEMA, fields)
    if found["rpc"] is not None:
        text(found["rpc"].get("mark"), f"{what}: mark")
        number(found["rpc"].get("started_seconds"), f"{what}: started_seconds", 0)
        record(found["rpc"], what, {"clients": list})
        for client in found["rpc"]["clients"]:
            text(client, f"{what}: a client")
        whole(found["rpc"].get("retransmits", 0), f"{what}: retransmits", 0, MOST)
        record({"replaced": False, **found["rpc"]}, what, {"replaced": bool})
    if found["memory"] is not None:
        whole(found["memory"].get("lendable_bytes"), f"{what}: lendable_bytes", 0, MOST)
        for name in ("stalled_seconds", "swapped_in_bytes"):
            if found["memory"].get(name) is not None:
                number(found["memory"][name], f"{what}: {name}", 0, MOST)
    return found


def read_vote(value: object, host: str) -> dict[str, Any]:
    """What the agent of ``host`` has told of the lease: ``granted`` and ``holder`` (see ``lease.Vote``). Raises
    DroverError for what is nothing like it."""
    return document(value, f"What {host} says of the lease", SCHEMA, {"granted": bool, "holder": (str, type(None))})


def read_lent(value: object, host: str) -> dict[str, Any]:
    """What the agent of ``host`` has told that it could lend. Raises DroverError for what is nothing like it."""
    what = f"What {host} lends"
    found = document(value, what, SCHEMA, {"memory": dict, "cache": dict})
    for name in MEMORY:
        whole(found["memory"].get(name), f"{what}: {name}", 0, MOST)
    return found
