# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine runs short of memory right now: a few small files, read every other second."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ..serving.cluster import Cluster
from . import cgroups
from .deployments import units_of
from .memory import held_bytes, memory_beside
from .tree import Tree


def read_pressure(tree: Tree, cluster: str, pids: Iterable[int], in_pod: bool = False) -> dict[str, Any]:
    """How short of memory the machine in ``tree`` is, on which ``pids`` are what runs for ``cluster``; in a pod, where
    this container's control group tells nothing of another's, of its node.

    - ``lendable_bytes``: what it could lend with nothing left to its owner's work, see ``memory.read_memory``.
    - ``stalled_seconds``: for how long, all in all, some process could not go on for want of memory; None where the
      kernel does not count that (it may be built without, or want ``psi=1`` on its command line).
    - ``swapped_in_bytes``: what had to be read back from swap, all in all; None where the kernel does not say.
    """
    units = None if in_pod else units_of(Cluster(cluster))
    swapped = tree.table("/proc/vmstat").get("pswpin")
    return {
        "lendable_bytes": memory_beside(tree, units, held_bytes(tree, pids), reserve=0)["usable_bytes"],
        "stalled_seconds": _stalled_seconds(tree, in_pod),
        "swapped_in_bytes": None if swapped is None else swapped * os.sysconf("SC_PAGE_SIZE"),
    }


def _stalled_seconds(tree: Tree, in_pod: bool) -> float | None:
    """Sources: Linux Documentation/accounting/psi.rst (``total`` is in microseconds) and cgroup-v2.rst: a container
    finds its own in its control group, and the whole machine's in /proc."""
    found = None if in_pod else cgroups.hierarchy(tree, "memory")
    own = tree.text(f"{found.mount}{found.home.rstrip('/')}/memory.pressure") if found and found.unified else None
    for line in (own or tree.text("/proc/pressure/memory") or "").splitlines():
        what, _separator, figures = line.partition(" ")
        total = dict(figure.partition("=")[::2] for figure in figures.split()).get("total", "")
        if what == "some" and total.isascii() and total.isdigit():
            return int(total) / 1e6
    return None
