# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the kernel's control groups bound this machine's services, and which processes belong to a systemd unit.

Understands the unified hierarchy (v2), the old one (v1) and both side by side (hybrid), in containers with and without
a cgroup namespace.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .ceiling import own_ceiling
from .tree import Tree

# The cgroup that systemd keeps its services in, below its own.
SERVICES = "system.slice"


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup hierarchy: its mount point and the path within it that systemd (or we) live in."""

    mount: str
    home: str
    unified: bool

    def levels(self, path: str) -> Iterator[str]:
        """Folders from that of ``path`` up to the mount point: every one may hold a limit."""
        relative = path.strip("/")
        while True:
            yield posixpath.join(self.mount, relative) if relative else self.mount
            if not relative:
                return
            relative = posixpath.dirname(relative)


def hierarchy(tree: Tree, controller: str) -> Hierarchy | None:
    """Find the mounted hierarchy that has ``controller`` (``memory``, ``cpu``, ``name=systemd``), or None.

    A container often sees no hierarchy for a controller that bounds it; then only /proc/meminfo can tell (lxcfs).
    """
    leader = _service_manager(tree)
    paths = _paths(tree, leader)
    for mount_root, mount, kind, options in _mounts(tree):
        if kind == "cgroup" and controller in options:
            return Hierarchy(mount, _home(paths.get(controller, "/"), mount_root), unified=False)
    for mount_root, mount, kind, _options in _mounts(tree):
        has_it = controller == "name=systemd" or controller in (tree.text(f"{mount}/cgroup.controllers") or "").split()
        if kind == "cgroup2" and has_it:
            return Hierarchy(mount, _home(paths.get("", "/"), mount_root), unified=True)
    return None


def service_paths(tree: Tree, found: Hierarchy, units: Collection[str]) -> list[str]:
    """Paths in the hierarchy ``found`` whose limits bound ``units``, whether they run already or not; without units,
    what bounds every service."""
    if _service_manager(tree) != "1":
        return [found.home]
    services = posixpath.join(found.home, SERVICES)
    return [posixpath.join(services, _slice_of(unit), unit) for unit in units] or [services]


def _slice_of(unit: str) -> str:
    """The slice below ``system.slice`` of a unit: the instances of a template share one, whose name escapes dashes.

    Source: systemd.slice(5) and systemd-escape(1); of other units it is ``system.slice`` itself.
    """
    template, is_instance, _rest = unit.partition("@")
    escaped = template.replace("-", "\\x2d")
    return f"system-{escaped}.slice" if is_instance else ""


def unit_of(tree: Tree, pid: int | str) -> str | None:
    """The systemd unit that the process ``pid`` belongs to, by its cgroup, or None."""
    for line in (tree.text(f"/proc/{pid}/cgroup") or "").splitlines():
        number, _separator, rest = line.partition(":")
        controllers, _separator, path = rest.partition(":")
        if number != "0" and controllers != "name=systemd":
            continue
        for part in reversed(path.split("/")):
            if part.endswith((".service", ".scope", ".socket", ".mount")):
                return part
    return None


def unit_processes(tree: Tree, units: Collection[str]) -> list[int]:
    """Ids of all processes that belong to one of ``units``, in ascending order."""
    return [
        int(pid)
        for pid in sorted((name for name in tree.names("/proc") if name.isdigit()), key=int)
        if unit_of(tree, pid) in units
    ]


def memory_rooms(tree: Tree, units: Collection[str] | None) -> list[tuple[int, int]]:
    """The memory limits that bound ``units``: a list of ``(limit_bytes, used_bytes)``, the tightest level first. None
    for ``units`` stands for those that are not bounded as we are: we are in a pod, and asked about its node.

    ``used_bytes`` is what the processes within that limit hold and the kernel cannot take back: usage without the page
    cache (the file lists of the kernel's page reclaim; shared memory is not on them). The ceiling that Drover has given
    a unit itself is no limit: it was made of the machine's memory, and lies above all that is lent.
    Sources: Linux Documentation/admin-guide/cgroup-v2.rst (memory.max, memory.high, memory.current, memory.stat) and
    cgroup-v1/memory.rst (hierarchical_memory_limit also tells of limits above a container, which it cannot see).
    """
    found = hierarchy(tree, "memory")
    if found is None or units is None:
        return []
    rooms = {}
    for path in service_paths(tree, found, units):
        own = own_ceiling(tree, posixpath.basename(path))
        for folder in found.levels(path):
            limit, used = _memory_v2(tree, folder) if found.unified else _memory_v1(tree, folder)
            if limit is not None and limit != own:
                rooms[folder] = (limit, used)
    return sorted(rooms.values(), key=lambda room: (room[0] - room[1], room[0]))


def cpu_quota(tree: Tree, units: Collection[str] | None) -> float | None:
    """CPUs that the tightest quota on ``units`` (see ``memory_rooms``) is worth (a float such as 1.5), or None without
    one."""
    found = hierarchy(tree, "cpu")
    if found is None or units is None:
        return None
    quotas = []
    for path in service_paths(tree, found, units):
        for folder in found.levels(path):
            if found.unified:
                quota, _separator, period = (tree.text(f"{folder}/cpu.max") or "max").partition(" ")
            else:
                quota = tree.text(f"{folder}/cpu.cfs_quota_us") or "-1"
                period = tree.text(f"{folder}/cpu.cfs_period_us") or "100000"
            if quota.isdigit() and period.isdigit() and int(period):
                quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _memory_v2(tree: Tree, folder: str) -> tuple[int | None, int]:
    limits = [tree.integer(f"{folder}/memory.max"), tree.integer(f"{folder}/memory.high")]
    limit = min((value for value in limits if value is not None), default=None)
    statistics = tree.table(f"{folder}/memory.stat")
    cache = statistics.get("active_file", 0) + statistics.get("inactive_file", 0)
    return limit, max(0, (tree.integer(f"{folder}/memory.current") or 0) - cache)


def _memory_v1(tree: Tree, folder: str) -> tuple[int | None, int]:
    statistics = tree.table(f"{folder}/memory.stat")
    limits = [tree.integer(f"{folder}/memory.limit_in_bytes"), statistics.get("hierarchical_memory_limit")]
    limit = min((value for value in limits if value is not None), default=None)
    cache = statistics.get("total_active_file", 0) + statistics.get("total_inactive_file", 0)
    return limit, max(0, (tree.integer(f"{folder}/memory.usage_in_bytes") or 0) - cache)


def _service_manager(tree: Tree) -> str:
    """The process whose cgroup Drover's units are or will be near: systemd if it is process 1, else this one."""
    return "1" if tree.text("/proc/1/comm") == "systemd" else "self"


def _paths(tree: Tree, pid: str) -> dict[str, str]:
    """Controller -> path of the process's cgroup; the unified hierarchy is ''."""
    paths: dict[str, str] = {}
    for line in (tree.text(f"/proc/{pid}/cgroup") or "").splitlines():
        _number, _separator, rest = line.partition(":")
        controllers, _separator, path = rest.partition(":")
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _mounts(tree: Tree) -> list[tuple[str, str, str, list[str]]]:
    """The cgroup mounts: (root within the hierarchy, mount point, ``cgroup`` or ``cgroup2``, options)."""
    mounts = []
    for line in (tree.text("/proc/self/mountinfo") or "").splitlines():
        before, _separator, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) >= 5 and len(kind) >= 3 and kind[0] in ("cgroup", "cgroup2"):
            mounts.append((fields[3], fields[4], kind[0], kind[2].split(",")))
    return mounts


def _home(path: str, mount_root: str) -> str:
    """``path`` as seen below a mount of ``mount_root``, without the part that holds only systemd itself."""
    if path.endswith("/init.scope"):
        path = posixpath.dirname(path)
    inside = os.path.relpath(path, mount_root)
    return "/" if inside == "." or inside.startswith("..") else "/" + inside
