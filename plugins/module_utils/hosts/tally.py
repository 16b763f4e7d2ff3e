# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take stock of this machine: make the document ``tally``, which ``document`` reads."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterable, Sequence
from typing import Any

from .. import checks
from ..builds.ask import SOFTWARE_TOO
from ..builds.find import find_llama_cpp
from ..serving.cluster import Cluster
from . import cgroups
from .apple import read_apple
from .bandwidth import CACHE_FILE, bandwidth
from .card_speed import card_speed
from .cpu import read_cpu
from .deployments import others_bytes, read_deployments, units_of
from .devices import drive
from .disk import read_disk
from .document import SCHEMA, exclusion
from .gpus import gpu_problem, read_gpus
from .machine import machine_digest
from .memory import read_memory
from .network import read_network
from .obstacles import find_obstacles
from .os_release import read_os_release
from .tree import Tree

CLUSTER = "main"
UNITS = units_of(Cluster(CLUSTER))
PORT = 50052  # upstream's default for its RPC server
DISK_PATH = "/var/lib/drover"
BUILDS_PATH = "/opt/llama.cpp"


def take_tally(
    tree: Tree,
    host: str | None = None,
    cluster: str = CLUSTER,
    exclude: Any = "",
    reserve_bytes: int | None = None,
    threads: int | None = None,
    lend: Sequence[str] = (),
    address: str | None = None,
    port: int = PORT,
    disk_path: str = DISK_PATH,
    builds_path: str = BUILDS_PATH,
    backends: Iterable[str] | None = None,
    measure: bool = True,
    cache_file: str = CACHE_FILE,
    may_write: bool = True,
    pod: bool = False,
    needs: Iterable[str] = ("nftables",),
) -> dict[str, Any]:
    """The tally of the machine in ``tree``: what it can lend to ``cluster``. Sizes in bytes.

    ``host`` is its name there, without one the machine's own. ``exclude`` (see ``exclusion``), ``reserve_bytes``,
    ``threads``, ``lend`` (names of devices, see ``devices.lent``), ``address`` and ``port`` are the user's own settings
    for it; None for those that Drover chooses.
    ``disk_path`` is the folder for models, ``builds_path`` that for builds of llama.cpp. ``backends`` are those of the
    build that is to be used, None for the one that is installed. ``measure`` asks for the memory bandwidth, taken from
    ``cache_file`` when it is known and written there only when ``may_write``, and for that of cards, beside that file.
    ``needs`` are packages without which the host's part cannot be (see ``find_obstacles``).

    In a ``pod``, as any user, the tally is of the node that it runs on. What bounds the pod is not taken for the
    node's, nor does anything that hosts need, such as systemd, count as an obstacle. Only Kubernetes knows what
    Drover's other pods hold there, which machine it is (``machine`` is None) and its addresses: those told here are the
    pod's own.

    Raises DroverError for a setting that cannot be, such as an ``address`` that is not the machine's own.
    """
    if reserve_bytes is not None:
        checks.whole(reserve_bytes, "reserve_bytes", 0, remedy="it is the memory to leave to the host")
    if threads is not None:
        checks.whole(threads, "threads", 1)
    checks.whole(port, "port", 1, 65535)
    units = None if pod else units_of(Cluster(cluster))
    if platform.system() == "Darwin":
        parts = read_apple(reserve_bytes)
    else:
        parts = _read_linux(tree, cluster, units, reserve_bytes)
    cpu, memory, gpus = parts["cpu"], parts["memory"], parts["gpus"]
    for gpu in gpus:
        speed = card_speed(gpu, os.path.dirname(cache_file), may_write) if measure else None
        gpu["bandwidth_bytes_per_second"] = speed
    network = read_network(tree, address)
    quota = cgroups.cpu_quota(tree, units)
    tally = {
        "schema": SCHEMA,
        "host": host or socket.gethostname(),
        "machine": None if pod else machine_digest(tree),
        "exclude": exclusion(exclude),
        "obstacles": [] if pod else find_obstacles(tree, needs),
        "architecture": platform.machine(),
        "os": read_os(tree),
        "cpu": cpu,
        "memory": memory,
        "bandwidth_bytes_per_second": (
            bandwidth(tree, cpu, _within_pod(tree, memory) if pod else memory, quota, cache_file, may_write)
            if measure
            else None
        ),
        "gpus": gpus,
        # What is in a pod depends on what it was given.
        "gpu_problem": None if pod else gpu_problem(tree, gpus),
        "disk": read_disk(tree, disk_path),
        "network": network,
        "threads": threads,
        "lend": list(lend),
        "port": port,
    }
    if backends is not None:
        return drive(tally, backends)
    # Asking the programs takes a while, and without a GPU the answer is known.
    asked = gpus or SOFTWARE_TOO in os.environ
    return drive(tally, (), find_llama_cpp(builds_path=builds_path, may_write=may_write)["devices"] if asked else [])


def _within_pod(tree: Tree, memory: dict[str, Any]) -> dict[str, Any]:
    """``memory`` with no more usable than the pod that measures may take itself, or the kernel would end it."""
    rooms = [limit - used for limit, used in cgroups.memory_rooms(tree, ())]
    return {**memory, "usable_bytes": max(0, min([memory["usable_bytes"], *rooms]))}


def _read_linux(tree: Tree, cluster: str, units: tuple[str, ...] | None, reserve: int | None) -> dict[str, Any]:
    gpus = read_gpus(tree, cgroups.unit_processes(tree, units or ()))
    others = others_bytes(tree, read_deployments(tree), cluster)
    # No process's own figures tell what it holds of the machine's memory by way of a GPU.
    held_by_gpu = sum(gpu["held_bytes"] for gpu in gpus if gpu["unified"])
    memory = read_memory(tree, units, reserve, others, held_by_gpu)
    for gpu in gpus:
        if gpu["unified"]:
            gpu["usable_bytes"] = min(gpu["usable_bytes"], memory["usable_bytes"])
    # The kernel may run a pod on some of its node's processors only.
    online = os.cpu_count() if units is None else None
    return {"cpu": read_cpu(tree, units, online), "memory": memory, "gpus": gpus}


def read_os(tree: Tree) -> dict[str, Any]:
    """``id`` and ``version_id`` of os-release; None where it does not say (Debian's testing has no version)."""
    fields = read_os_release(tree)
    return {"id": fields.get("ID"), "version_id": fields.get("VERSION_ID")}
