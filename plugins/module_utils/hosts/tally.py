# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine can lend: one dictionary, as DESIGN.md §5 names it."""

from __future__ import annotations

import os
import platform
import socket

from ..errors import DroverError
from . import cgroups
from .apple import read_apple
from .bandwidth import CACHE_FILE, bandwidth
from .cpu import read_cpu
from .gpus import read_gpus
from .memory import read_memory
from .network import read_network
from .os_release import read_os_release

# The units that hold memory on Drover's behalf.
UNITS = ("drover-rpc.service", "drover-server.service")
DISK_PATH = "/var/lib/drover"


def take_tally(
    tree,
    units=UNITS,
    reserve_bytes=None,
    address=None,
    disk_path=DISK_PATH,
    measure=True,
    cache_file=CACHE_FILE,
    may_write=True,
):
    """Tally what the machine in ``tree`` can lend. Sizes in bytes.

    Raises DroverError when ``address`` is not its own, or ``reserve_bytes`` is below 0.

    ``measure`` asks for the memory bandwidth, taken from ``cache_file`` when it is known and written there only when
    ``may_write``.
    """
    if reserve_bytes is not None and reserve_bytes < 0:
        raise DroverError(
            f"reserve_bytes is {reserve_bytes} but must be 0 or more; it is the memory to leave to the host."
        )
    parts = read_apple(reserve_bytes) if platform.system() == "Darwin" else _read_linux(tree, units, reserve_bytes)
    cpu, memory = parts["cpu"], parts["memory"]
    network = read_network(tree, address)
    measured = bandwidth(cpu, memory, cgroups.cpu_quota(tree, units), cache_file, may_write) if measure else None
    return {
        "host": socket.gethostname(),
        "address": network["address"],
        "architecture": platform.machine(),
        "os": read_os(tree),
        "cpu": cpu,
        "memory": memory,
        "bandwidth_bytes_per_second": measured,
        "gpus": parts["gpus"],
        "disk": read_disk(tree, disk_path),
        "network": network,
    }


def _read_linux(tree, units, reserve_bytes):
    return {
        "cpu": read_cpu(tree, units),
        "memory": read_memory(tree, units, reserve_bytes),
        "gpus": read_gpus(tree, cgroups.unit_processes(tree, units)),
    }


def read_os(tree):
    """``id`` and ``version_id`` of os-release; None where it does not say (Debian's testing has no version)."""
    fields = read_os_release(tree)
    return {"id": fields.get("ID"), "version_id": fields.get("VERSION_ID")}


def read_disk(tree, path):
    """Free bytes, for everyone but root, where ``path`` is or will be: its nearest parent that exists is measured."""
    folder = os.path.abspath(path)
    while not os.path.isdir(tree.path(folder)):
        folder = os.path.dirname(folder)
    status = os.statvfs(tree.path(folder))
    return {"path": path, "free_bytes": status.f_bavail * status.f_frsize}
