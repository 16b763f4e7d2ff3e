# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a process was started, and by what it is known from any other."""

from __future__ import annotations

import os

from .tree import Tree

# Place of a process's start in /proc/PID/stat, counted behind the name in brackets (proc_pid_stat(5), starttime).
STARTED = 19
BOOT = "/proc/sys/kernel/random/boot_id"


def started_seconds(tree: Tree, pid: int) -> float | None:
    """Seconds from the machine's start to the process's, or None when it has just ended."""
    ticks = _started_ticks(tree, pid)
    return None if ticks is None else ticks / os.sysconf("SC_CLK_TCK")


def boot(tree: Tree) -> str:
    """A text that no other boot of this or another machine has; empty where the kernel tells none."""
    return tree.text(BOOT) or ""


def process_mark(tree: Tree, pid: int) -> str | None:
    """A text that no other process has, before or after it or after another boot; None when it has just ended. It stays
    when the process becomes another program."""
    ticks, this_boot = _started_ticks(tree, pid), boot(tree)
    return None if ticks is None or not this_boot else f"{this_boot}:{pid}:{ticks}"


def marked_process(tree: Tree, mark: str) -> int | None:
    """The process with this ``process_mark``, while it runs."""
    pid = mark.split(":")[1] if mark.count(":") == 2 else ""
    return int(pid) if pid.isascii() and pid.isdigit() and process_mark(tree, int(pid)) == mark else None


def _started_ticks(tree: Tree, pid: int) -> int | None:
    fields = (tree.text(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    # A zombie has ended, and its parent has not heard of it yet.
    if len(fields) <= STARTED or not fields[STARTED].isdigit() or fields[0] == "Z":
        return None
    return int(fields[STARTED])
