# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs of the machine, and how to install it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from . import state
from .command import run
from .errors import LabError

# A command or a file that shows the package to be there: its Debian package.
NEEDED = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "lxcfs": "lxcfs",
    "ssh": "openssh-client",
    "nsenter": "util-linux",
    "apt-get": "apt",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
# What hosts of another architecture need besides.
NEEDED_TO_EMULATE = {
    "qemu-system-aarch64": "qemu-system-arm",
    "/usr/lib/binfmt.d/qemu-aarch64.conf": "qemu-user-static",
    "mke2fs": "e2fsprogs",
    "depmod": "kmod",
}
# What compiles the programs of Kubernetes where there are none; kubernetes/programs.py says which Go is new enough.
NEEDED_TO_COMPILE = {"go": "golang-go"}
OWN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def own_architecture() -> str:
    """This machine's architecture, as Debian calls it."""
    return OWN_ARCHITECTURES.get(platform.machine(), platform.machine())


def missing(architectures: set = frozenset(), compiling: bool = False, there=None) -> list:
    """The Debian packages that hosts of these architectures need and that are not installed.

    ``compiling`` tells whether the programs of Kubernetes must be compiled for them.
    """
    needed = {
        **NEEDED,
        **(NEEDED_TO_EMULATE if architectures - {own_architecture()} else {}),
        **(NEEDED_TO_COMPILE if compiling else {}),
    }
    return sorted({package for sign, package in needed.items() if not (there or _there)(sign)})


def check(
    architectures: set = frozenset(),
    compiling: bool = False,
    system: str = sys.platform,
    user: int | None = None,
    there=None,
) -> None:
    """LabError unless this is Linux, we are root, and everything is installed for hosts of these architectures."""
    if system != "linux":
        raise LabError(f"The lab runs on Linux only, and this is {system}: use a Linux machine or virtual machine.")
    if (os.geteuid() if user is None else user) != 0:
        raise LabError("The lab must run as root, since it makes containers, bridges and limits: use sudo.")
    if packages := missing(architectures, compiling, there):
        command = "`lab setup` with the spec" if architectures else "`lab setup`"
        raise LabError(f"The lab needs the Debian packages {' '.join(packages)}: {command} installs them.")


def setup(architectures: set, compiling: bool) -> list:
    """Install with apt what ``missing`` names; LabError naming it where there is no apt.

    Returns the packages that were installed.
    """
    packages = missing(architectures, compiling)
    if not packages:
        return []
    if not shutil.which("apt-get"):
        raise LabError(
            f"There is no apt here: install what Debian calls {' '.join(packages)} in this system's own way."
        )
    if os.geteuid() != 0:
        raise LabError("Installing packages must be done as root: use sudo.")
    with state.hold(state.cache() / "locks" / "setup"):
        packages = missing(architectures, compiling)  # another lab may have installed them meanwhile
        if packages:
            run("apt-get", "update", timeout=600)
            environment = ("env", "DEBIAN_FRONTEND=noninteractive")
            run(*environment, "apt-get", "install", "--yes", "--no-install-recommends", *packages, timeout=1800)
    return packages


def _there(sign: str) -> bool:
    return Path(sign).exists() if sign.startswith("/") else shutil.which(sign) is not None
