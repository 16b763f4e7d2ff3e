# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxcfs: gives each host a ``/proc/meminfo`` that shows its own memory limit. One serves all labs."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path

from . import names, state
from .errors import LabError
from .limits import Group

_SYSTEM = Path("/var/lib/lxcfs")  # where the distribution's own service has it
_OWN = state.MACHINE / "lxcfs"


def directory() -> Path:
    """Where lxcfs is served on this machine; it is started when nobody has. Call with the machine's lock held."""
    for place in (_SYSTEM, _OWN):
        if _works(place):
            return place
    stop()
    _OWN.mkdir(parents=True, exist_ok=True)
    group = _group()
    group.create()
    with (state.MACHINE / "lxcfs.log").open("wb") as log:
        subprocess.Popen(
            group.command(["lxcfs", "-f", "-p", state.MACHINE / "lxcfs.pid", _OWN]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
    deadline = time.monotonic() + 10
    while not _works(_OWN):
        if time.monotonic() > deadline:
            raise LabError(f"lxcfs did not start: its log is {state.MACHINE / 'lxcfs.log'}.")
        time.sleep(0.02)
    return _OWN


def stop() -> None:
    """End lxcfs if it is the lab's own."""
    _group().remove()
    state.unmount_below(_OWN)
    # Its own mounts went with it; what it leaves is empty.
    for left in ("controllers", "root", ""):
        with suppress(OSError):
            (Path("/run/lxcfs") / left).rmdir()


def _group() -> Group:
    return Group(f"{names.CGROUP}/.lxcfs")


def _works(place: Path) -> bool:
    try:
        return bool((place / "proc/meminfo").read_text())
    except OSError:
        return False
