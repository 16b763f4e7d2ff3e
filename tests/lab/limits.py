# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory and CPU limits that hold: one control group a host, on cgroup version 1 (also hybrid) and version 2.

The control group is also the record of a host's processes: whatever the lab starts joins its group before it
does anything else, so that everything in a group can be found and ended, whoever started it and when.
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import names
from .errors import LabError

_CPU_PERIOD = 100_000  # microseconds, the kernel's default
_SETTLE_SECONDS = 15


@dataclass(frozen=True)
class Layout:
    """Where this machine has its control groups."""

    version: int
    memory: Path
    cpu: Path
    others: tuple  # the other hierarchies of version 1: systemd's process tree, and what a node of Kubernetes divides


def layout(mountinfo: str) -> Layout:
    """Read the layout out of ``/proc/self/mountinfo``; LabError when memory or cpu control is missing."""
    controllers, unified = {}, None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        where = Path(before.split(" ")[4])
        if kind == "cgroup2":
            unified = unified or where
        elif kind == "cgroup":
            for option in options.split(","):
                controllers.setdefault(option, where)
    if "memory" in controllers and "cpu" in controllers:
        memory, cpu = controllers["memory"], controllers["cpu"]
        others = dict.fromkeys([*controllers.values(), *([unified] if unified else [])])
        return Layout(1, memory, cpu, tuple(other for other in others if other not in (memory, cpu)))
    if unified and "memory" not in controllers and "cpu" not in controllers:
        return Layout(2, unified, unified, ())
    raise LabError("No control groups for memory and cpu are mounted: the lab needs cgroup version 1 or 2.")


def memory_writes(version: int, limit: int | None) -> list:
    """(file, value, needed) in the order in which they must be written to limit memory to so many bytes.

    Swap counts as memory, or it would be a way round the limit. On version 1 the limit with swap may never be
    below the one without, so it is lifted first. Kernels without swap accounting lack the files for it.
    """
    if version == 1:
        value = "-1" if limit is None else str(limit)
        return [
            ("memory.memsw.limit_in_bytes", "-1", False),
            ("memory.limit_in_bytes", value, True),
            ("memory.memsw.limit_in_bytes", value, False),
            ("memory.swappiness", "60" if limit is None else "0", False),
        ]
    return [
        ("memory.max", "max" if limit is None else str(limit), True),
        ("memory.swap.max", "max" if limit is None else "0", False),
    ]


def cpu_writes(version: int, share: float | None) -> list:
    """(file, value, needed) to limit the CPU to so many cores."""
    quota = None if share is None else round(share * _CPU_PERIOD)
    if version == 1:
        return [("cpu.cfs_period_us", str(_CPU_PERIOD), True), ("cpu.cfs_quota_us", str(quota or -1), True)]
    return [("cpu.max", f"{quota or 'max'} {_CPU_PERIOD}", True)]


class Group:
    """One control group, by its path below the root of every hierarchy that matters."""

    def __init__(self, path: str, where: Layout | None = None):
        self.path = path
        self.layout = where or layout(Path("/proc/self/mountinfo").read_text())

    def _directories(self) -> list:
        roots = dict.fromkeys((self.layout.memory, self.layout.cpu, *self.layout.others))
        return [root / self.path for root in roots]

    def create(self) -> None:
        for directory in self._directories():
            directory.mkdir(parents=True, exist_ok=True)
        parents = list(Path(self.path).parents)[::-1]
        if self.layout.version == 2:
            # Version 2 hands a controller down level by level: all there are, since a node of Kubernetes wants most.
            for parent in parents:
                given = (self.layout.memory / parent / "cgroup.controllers").read_text().split()
                handed = " ".join(f"+{controller}" for controller in given)
                _write(self.layout.memory / parent / "cgroup.subtree_control", handed, f"{parent}")
            return
        # A new cpuset has no processors and no memory, so that nothing can join it, until it is given its parent's.
        for root in self.layout.others:
            for directory in (root / level for level in [*parents[1:], self.path]):
                for file in ("cpuset.cpus", "cpuset.mems"):
                    if (directory / file).exists() and not (directory / file).read_text().strip():
                        _write(directory / file, (directory.parent / file).read_text(), f"{file} of {self.path}")

    def limit_memory(self, limit: int | None) -> None:
        """Bytes, or None for no limit; LabError when more than that is in use already."""
        self._apply(self.layout.memory, memory_writes(self.layout.version, limit), f"memory limit {limit}")

    def limit_cpu(self, share: float | None) -> None:
        """Cores, or None for no limit."""
        self._apply(self.layout.cpu, cpu_writes(self.layout.version, share), f"cpu limit {share}")

    def _apply(self, root: Path, writes: list, what: str) -> None:
        for file, value, needed in writes:
            path = root / self.path / file
            if needed or path.exists():
                _write(path, value, what)

    def limits(self) -> dict:
        """The limits in force: ``memory`` in bytes and ``cpu`` in cores, None where there is none."""
        memory, cpu = self.layout.memory / self.path, self.layout.cpu / self.path
        if self.layout.version == 1:
            limit = (memory / "memory.limit_in_bytes").read_text()
            # Version 1 says "no limit" with the largest number that it can hold.
            limit = "max" if int(limit) >= 1 << 62 else limit
            quota, period = (cpu / "cpu.cfs_quota_us").read_text(), (cpu / "cpu.cfs_period_us").read_text()
        else:
            limit = (memory / "memory.max").read_text().strip()
            quota, period = (cpu / "cpu.max").read_text().split()
        return {
            "memory": None if limit == "max" else int(limit),
            "cpu": None if quota.strip() in ("max", "-1") else int(quota) / int(period),
        }

    def memory_used(self) -> int:
        """Bytes held now, page cache included."""
        file = "memory.usage_in_bytes" if self.layout.version == 1 else "memory.current"
        return int((self.layout.memory / self.path / file).read_text())

    def memory_kills(self) -> int:
        """How many processes the kernel has killed for want of memory since the group was made."""
        root = self.layout.memory / self.path
        # Version 2 counts for the groups below, too: those of a node's pods.
        files = [root / "memory.events"] if self.layout.version == 2 else root.rglob("memory.oom_control")
        return sum(int(dict(line.split() for line in file.read_text().splitlines())["oom_kill"]) for file in files)

    def command(self, arguments: list) -> list:
        """The arguments as a command that joins this group before it runs them."""
        joins = "".join(f"echo $$ > {shlex.quote(str(path / 'cgroup.procs'))}; " for path in self._directories())
        return ["/bin/sh", "-ec", joins + 'exec "$@"', "sh", *map(str, arguments)]

    def processes(self) -> list:
        """Ids of all processes in this group and the groups below it."""
        found = []
        for path in _subtree(self.layout.memory / self.path):
            with suppress(FileNotFoundError, OSError):
                found += [int(pid) for pid in (path / "cgroup.procs").read_text().split()]
        return found

    def kill(self) -> None:
        """End every process in the group at once and wait until none is left."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while pids := self.processes():
            for pid in pids:
                self._kill_member(pid)
            if time.monotonic() > deadline:
                raise LabError(f"Processes {pids} of {self.path} do not end: look for what holds them, then try again.")
            time.sleep(0.02)

    def _kill_member(self, pid: int) -> None:
        # The handle pins the process: its id cannot pass to a stranger between the look and the signal.
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            membership = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
            paths = [line.split(":", 2)[2].strip("/") for line in membership]
            if any(path == self.path or path.startswith(self.path + "/") for path in paths):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        except (ProcessLookupError, FileNotFoundError):
            pass
        finally:
            os.close(handle)

    def remove(self) -> None:
        """End what is in the group and take the group away; nothing happens when there is none."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        for directory in self._directories():
            while directory.exists():
                self.kill()
                for path in reversed(_subtree(directory)):
                    # A dying process holds its group for a moment longer.
                    with suppress(FileNotFoundError, OSError):
                        path.rmdir()
                if time.monotonic() > deadline:
                    raise LabError(f"Control group {directory} cannot be removed: look for what is still in it.")
                if directory.exists():
                    time.sleep(0.02)


def remove_root_if_empty() -> None:
    """Take away the lab's topmost control group once no lab is left in it."""
    group = Group(names.CGROUP)
    for directory in group._directories():
        with suppress(FileNotFoundError, OSError):
            directory.rmdir()


def _subtree(directory: Path) -> list:
    """The directory and all below it, parents first."""
    return [Path(path) for path, _, _ in os.walk(directory)]


def _write(path: Path, value: str, what: str) -> None:
    try:
        path.write_text(value)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise LabError(f"The {what} cannot be set now: more than that is in use already.") from None
        raise LabError(f"The {what} cannot be set: writing {value!r} to {path} failed ({error.strerror}).") from None
