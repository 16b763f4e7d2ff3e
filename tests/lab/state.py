# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps things on the machine, and the locks on them.

A lab's directory is the record that it exists: it is made before anything else of the lab, a host's directory before
anything else of the host, and both are removed last. So `down` finds everything, also after a run that was cut off.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path

from .command import run
from .errors import LabError

STATE = Path("/var/lib/drover-lab")
MACHINE = STATE / ".machine"  # what all labs share; a lab's name never starts with a dot


def cache() -> Path:
    """Root file systems and downloaded packages, kept from one lab to the next."""
    return Path(os.environ.get("DROVER_LAB_CACHE") or "/var/cache/drover-lab")


def lab_directory(lab: str) -> Path:
    return STATE / lab


def host_directory(lab: str, host: str) -> Path:
    return STATE / lab / "hosts" / host


def key_path(lab: str) -> Path:
    return lab_directory(lab) / "id_ed25519"


def inventory_path(lab: str) -> Path:
    return lab_directory(lab) / "inventory.yml"


def kubeconfig_path(lab: str) -> Path:
    """How to reach the lab's cluster as its administrator."""
    return lab_directory(lab) / "kubeconfig"


def spec_path(lab: str) -> Path:
    """A copy of the spec that the lab was last brought up from."""
    return lab_directory(lab) / "spec.yml"


def labs() -> list:
    """Names of all labs that exist, also half-made ones."""
    return sorted(path.name for path in STATE.glob("[a-z]*") if path.is_dir())


def hosts(lab: str) -> list:
    """Names of all hosts of a lab that exist, also half-made ones."""
    return sorted(path.name for path in (lab_directory(lab) / "hosts").glob("*"))


@contextmanager
def hold(directory: Path, waiting=None):
    """Hold the lock on a directory, made when missing; ``waiting`` is called once if another process has it."""
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            handle = os.open(directory, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting:
                    waiting()
                    waiting = None
                fcntl.flock(handle, fcntl.LOCK_EX)
            # Who had the lock may have removed the directory: then what we hold is no longer it.
            with suppress(FileNotFoundError):
                if os.stat(directory).st_ino == os.fstat(handle).st_ino:
                    break
            os.close(handle)
    try:
        yield
    finally:
        os.close(handle)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(mode)
    temporary.rename(path)


def mounts_below(directory: Path) -> list:
    """Mount points at or below the directory, the last mounted first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # The kernel writes blanks in octal.
        point = line.split(" ")[4].encode().decode("unicode_escape")
        if point == str(directory) or point.startswith(f"{directory}/"):
            points.append(point)
    return points[::-1]


def unmount_below(directory: Path) -> None:
    for point in mounts_below(directory):
        run("umount", "--lazy", point)


def remove_tree(directory: Path) -> None:
    """Unmount and delete; never reaches into something that is still mounted there."""
    unmount_below(directory)
    if left := mounts_below(directory):
        raise LabError(f"{left[0]} is still mounted, so {directory} was not removed: unmount it and try again.")
    with suppress(FileNotFoundError):
        shutil.rmtree(directory)
