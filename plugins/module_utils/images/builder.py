# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine that makes images is able to: for which architectures it runs programs, and where Debian is."""

from __future__ import annotations

import platform
import re
from typing import Callable

from ..builds.platform import architecture_of
from ..errors import DroverError
from ..hosts.tree import Tree

# An image's word for an architecture -> uname's.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_BINFMT = "/proc/sys/fs/binfmt_misc/qemu-{}"
# The kernel keeps the emulator open, so that it is there in an image, too.
_FIXED = re.compile(r"^flags: \w*F", re.MULTILINE)
# ``apt-get indextargets`` has a line for each list of packages.
_ASK = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]


def describe_builder(tree: Tree, run: Callable[[list[str]], str], machine: str | None = None) -> dict:
    """Describe this machine, whose files are below ``tree``; ``run`` takes a command and returns what it prints.

    ``architecture`` as images name it, ``runs``: the sorted architectures whose programs run here, emulated ones
    included, and ``mirror``: the address of Debian's archive that this machine itself installs from, or None. Raises
    DroverError on a machine that can make no image.
    """
    name = architecture_of(machine or platform.machine(), 64)
    found = [image for image, uname in ARCHITECTURES.items() if uname == name]
    if not found:
        raise DroverError(
            f"Images are made on {' and '.join(ARCHITECTURES.values())}, and this machine is {name}: name another one "
            "in images_builder."
        )
    emulated = [image for image, uname in ARCHITECTURES.items() if _emulated(tree, uname)]
    return {"architecture": found[0], "runs": sorted({*found, *emulated}), "mirror": debian_mirror(run(_ASK))}


def debian_mirror(repositories: str) -> str | None:
    """The archive of Debian among these addresses, one a line, or None."""
    for address in repositories.split():
        if re.search(r"/debian/?$", address):
            return address.rstrip("/")
    return None


def _emulated(tree: Tree, uname: str) -> bool:
    text = tree.text(_BINFMT.format(uname)) or ""
    return text.startswith("enabled") and _FIXED.search(text) is not None
