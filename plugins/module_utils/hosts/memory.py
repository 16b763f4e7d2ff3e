# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory this machine can lend."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from . import cgroups
from .tree import Tree

KIB = 1024
MIB = 1024 * KIB
# Left to the operating system and the owner's own work: a tenth, within these bounds. A Raspberry Pi of 1 GiB keeps
# 192 MiB, which Debian with SSH and a few daemons runs in, and a server of 256 GiB does not idle on 25 GiB.
LEAST_RESERVE = 192 * MIB
MOST_RESERVE = 4096 * MIB


def default_reserve(total: int) -> int:
    """Bytes left to the machine's own work when its owner named no number: a tenth, from 192 MiB to 4 GiB."""
    return min(max(total // 10, LEAST_RESERVE), MOST_RESERVE)


def read_memory(
    tree: Tree, units: Collection[str] | None, reserve: int | None = None, others: int = 0, held_by_gpu: int = 0
) -> dict[str, Any]:
    """Tally the memory of the machine in ``tree``, in bytes.

    - ``available_bytes`` is the kernel's MemAvailable, free memory and page cache it can take back, and ``arc_bytes``.
      Swap, zram and huge pages are no part of it and are never lent.
    - ``arc_bytes`` is what ZFS would give back of its cache: see ``arc_bytes``.
    - ``held_bytes`` is the anonymous, shared and locked memory of the processes of ``units``, and ``held_by_gpu``,
      which a GPU without memory of its own has taken for them: it comes back when they restart, so it counts as
      available.
    - ``others_bytes`` is ``others``: what other clusters have planned here and do not hold yet.
    - ``limit_bytes`` is the cgroup limit with the least room, or None (as with ``units`` None, see ``memory_rooms``).
      ``limit_used_bytes`` is what the processes within that limit, ``units`` among them, hold for good.
    - ``usable_bytes`` = min(available + held, limit - (limit_used - held)) - others - reserve. MemAvailable may speak
      of the whole machine while the limit is what really binds (a container without lxcfs), so what other processes
      hold within the limit is taken off it.
    """
    held = held_bytes(tree, cgroups.unit_processes(tree, units or ())) + held_by_gpu
    return memory_beside(tree, units, held, reserve, others)


def memory_beside(
    tree: Tree, units: Collection[str] | None, held: int, reserve: int | None = None, others: int = 0
) -> dict[str, Any]:
    """As ``read_memory``, where it is known that ``units`` have ``held`` so many bytes."""
    meminfo = tree.table("/proc/meminfo")
    total = meminfo.get("MemTotal", 0) * KIB
    available = meminfo.get("MemAvailable", meminfo.get("MemFree", 0) + meminfo.get("Cached", 0)) * KIB
    arc = min(arc_bytes(tree), max(0, total - available))
    available += arc
    # A limit above the machine's memory bounds nothing; v1 says "no limit" by such a number.
    rooms = [(limit, used) for limit, used in cgroups.memory_rooms(tree, units) if limit < total]
    limit, limit_used = rooms[0] if rooms else (None, None)
    lendable = available + held
    if limit is not None and limit_used is not None:
        lendable = min(lendable, limit - max(0, limit_used - held))
    if reserve is None:
        reserve = default_reserve(min(total, limit) if limit is not None else total)
    return {
        "total_bytes": total,
        "available_bytes": available,
        "limit_bytes": limit,
        "limit_used_bytes": limit_used,
        "arc_bytes": arc,
        "held_bytes": held,
        "others_bytes": others,
        "huge_pages_bytes": meminfo.get("Hugetlb", 0) * KIB,
        "reserve_bytes": reserve,
        "usable_bytes": max(0, lendable - others - reserve),
    }


def arc_bytes(tree: Tree) -> int:
    """Bytes of ZFS's cache (the ARC) that come back under pressure. The kernel counts them as used, though, so that a
    host with ZFS looks half full.

    As much as OpenZFS offers the kernel's shrinker: what is clean, but never below the cache's floor. Source: OpenZFS
    module/os/linux/zfs/arc_os.c, arc_evictable_memory. None of it counts in a container with a /proc/meminfo of its own
    (lxcfs): the cache is the host's there, and no part of the figures.
    """
    if " /proc/meminfo " in (tree.text("/proc/self/mountinfo") or ""):
        return 0
    # Lines of NAME TYPE VALUE.
    lines = [line.split() for line in (tree.text("/proc/spl/kstat/zfs/arcstats") or "").splitlines()]
    figures = {line[0]: int(line[2]) for line in lines if len(line) == 3 and line[2].isdigit()}
    clean = [figures.get(f"{of}_evictable_{what}", 0) for of in ("mru", "mfu") for what in ("data", "metadata")]
    return max(0, min(sum(clean), figures.get("size", 0) - figures.get("c_min", 0)))


def held_bytes(tree: Tree, pids: Iterable[int]) -> int:
    """Anonymous and shared memory of the processes ``pids``, and what they have locked of files (``--mlock``; the
    kernel tells only all together what is locked, so no more than is resident). Their other page cache is not theirs
    alone, and reclaimable."""
    return sum(_held_kib(tree.table(f"/proc/{pid}/status")) for pid in pids) * KIB


def _held_kib(status: dict[str, int]) -> int:
    own = status.get("RssAnon", 0) + status.get("RssShmem", 0)
    return min(own + status.get("VmLck", 0), max(own, status.get("VmRSS", 0)))
