# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs of the machine, and how to install it."""

from __future__ import annotations

import os
import shutil
import sys

from .command import run
from .errors import LabError

# A command that shows the package to be there: its Debian package.
NEEDED = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "lxcfs": "lxcfs",
    "ssh": "openssh-client",
    "nsenter": "util-linux",
    "apt-get": "apt",
}


def check(platform: str = sys.platform, user: int | None = None, which=shutil.which) -> None:
    """LabError unless this is Linux, we are root, and everything is installed."""
    if platform != "linux":
        raise LabError(f"The lab runs on Linux only, and this is {platform}: use a Linux machine or virtual machine.")
    if (os.geteuid() if user is None else user) != 0:
        raise LabError("The lab must run as root, since it makes containers, bridges and limits: use sudo.")
    missing = [package for command, package in NEEDED.items() if not which(command)]
    if missing:
        raise LabError(f"The lab needs the Debian packages {' '.join(missing)}: `lab setup` installs them.")


def setup() -> None:
    """Install what the lab needs with apt; LabError naming it where there is no apt."""
    packages = sorted({*NEEDED.values(), "debian-archive-keyring"})
    if not shutil.which("apt-get"):
        raise LabError(
            f"There is no apt here: install what Debian calls {' '.join(packages)} in this system's own way."
        )
    if os.geteuid() != 0:
        raise LabError("Installing packages must be done as root: use sudo.")
    run("apt-get", "update", timeout=600)
    environment = ("env", "DEBIAN_FRONTEND=noninteractive")
    run(*environment, "apt-get", "install", "--yes", "--no-install-recommends", *packages, timeout=1800)
