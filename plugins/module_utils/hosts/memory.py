# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory this machine can lend."""

from __future__ import annotations

from . import cgroups

KIB = 1024
MIB = 1024 * KIB
# Left to the operating system and the owner's own work: a tenth, within these bounds. A Raspberry Pi of 1 GiB keeps
# 192 MiB, which Debian with SSH and a few daemons runs in, and a server of 256 GiB does not idle on 25 GiB.
LEAST_RESERVE = 192 * MIB
MOST_RESERVE = 4096 * MIB


def default_reserve(total):
    """Bytes left to the machine's own work when its owner named no number: a tenth, from 192 MiB to 4 GiB."""
    return min(max(total // 10, LEAST_RESERVE), MOST_RESERVE)


def read_memory(tree, units, reserve=None):
    """Tally the memory of the machine in ``tree``, in bytes, as DESIGN.md §5 names it.

    - ``available_bytes`` is the kernel's MemAvailable: free memory and page cache it can take back. Swap, zram and huge
      pages are no part of it and are never lent.
    - ``held_bytes`` is the anonymous and shared memory of the processes of ``units``: it comes back when they restart,
      so it counts as available.
    - ``limit_bytes`` is the cgroup limit with the least room, or None. ``limit_used_bytes`` is what the processes
      within that limit, ``units`` among them, hold for good.
    - ``usable_bytes`` = min(available + held, limit - (limit_used - held)) - reserve. MemAvailable may speak of the
      whole machine while the limit is what really binds (a container without lxcfs), so what *others* hold within the
      limit is taken off it.
    """
    meminfo = tree.table("/proc/meminfo")
    total = meminfo.get("MemTotal", 0) * KIB
    available = meminfo.get("MemAvailable", meminfo.get("MemFree", 0) + meminfo.get("Cached", 0)) * KIB
    held = held_bytes(tree, cgroups.unit_processes(tree, units))
    # A limit above the machine's memory bounds nothing; v1 says "no limit" by such a number.
    rooms = [(limit, used) for limit, used in cgroups.memory_rooms(tree, units) if limit < total]
    limit, limit_used = rooms[0] if rooms else (None, None)
    lendable = available + held
    if limit is not None:
        lendable = min(lendable, limit - max(0, limit_used - held))
    if reserve is None:
        reserve = default_reserve(min(total, limit) if limit is not None else total)
    return {
        "total_bytes": total,
        "available_bytes": available,
        "limit_bytes": limit,
        "limit_used_bytes": limit_used,
        "held_bytes": held,
        "huge_pages_bytes": meminfo.get("Hugetlb", 0) * KIB,
        "reserve_bytes": reserve,
        "usable_bytes": max(0, lendable - reserve),
    }


def held_bytes(tree, pids):
    """Anonymous and shared memory of the processes ``pids``. Their page cache is not theirs alone, and reclaimable."""
    statuses = [tree.table(f"/proc/{pid}/status") for pid in pids]
    return sum(status.get("RssAnon", 0) + status.get("RssShmem", 0) for status in statuses) * KIB
