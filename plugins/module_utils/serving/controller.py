# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By what a run of Ansible is known on its controller: the machine or container, and the process."""

from __future__ import annotations

import getpass
import os

from ..hosts.process import marked_process, process_mark
from ..hosts.tree import Tree

# Two containers of one machine have the same boot and may have the same name, and other processes.
_NAMESPACE = "/proc/self/ns/pid"


def run_of(controller: str, pid: int) -> str:
    """By what the process ``pid`` of this ``controller`` is known from all others, on any. On one that has no /proc it
    is known by its number."""
    try:
        inside = os.readlink(_NAMESPACE)
    except OSError:
        inside = "-"
    return f"{controller} {inside} {process_mark(Tree(), pid) or pid}"


def has_ended(run: str, mine: str) -> bool:
    """Whether ``run`` was one of the controller of ``mine``, and is over; of others that cannot be told."""
    controller, _blank, mark = run.rpartition(" ")
    is_here = controller == mine.rpartition(" ")[0] and mark.count(":") == 2
    return is_here and marked_process(Tree(), mark) is None


def who_runs(controller: str) -> str:
    """Who this is, for people."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a number
        user = f"user {os.getuid()}"
    return f"{user} on {controller}"
