# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root file system of a virtual machine of another architecture, with the kernel that boots it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import binfmt, initrd, state
from .image import BASE_PACKAGES, Recipe

_SECOND_STAGE = Path(__file__).with_name("configure_foreign")
# The disk is never written to by the machines, so it needs no journal; 4 GiB, sparse.
_DISK = ("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-L", "lab-base")
_SIZE = "4G"


@dataclass(frozen=True)
class EmulatedRecipe(Recipe):
    """All that a virtual machine's image is made from: a disk, a kernel, and what mounts the one for the other."""

    # The last stage of an image in which mmdebstrap installs nothing.
    STAGE = "extract"

    def made_from(self) -> list:
        return [*super().made_from(), _SECOND_STAGE.read_text(), _DISK, _SIZE, initrd.SCRIPT, initrd.MODULES]

    def variant(self) -> list:
        # Nothing comes by itself here, and what a container's image has is what Debian calls required. A machine needs
        # more than a container: udev and kmod, to load its drivers.
        packages = {*BASE_PACKAGES, *self.packages, "apt", "busybox-static", "kmod", "udev"}
        included = (f"--include={names}" for names in ("?essential", "?priority(required)", ",".join(sorted(packages))))
        return ["--variant=extract", "--skip=check/qemu", *included]

    def hooks(self) -> list:
        return [*([self.COPY_CERTIFICATES] if self.certificates else []), f'{_SECOND_STAGE} "$1"']

    def prepare(self) -> None:
        with state.hold(state.STATE):
            binfmt.enable("qemu-aarch64")

    def finish(self, partial: Path, run_in_group) -> None:
        """Turn the root file system into the disk ``root.img``, with an ``initrd`` to the ``kernel``."""
        initrd.write(partial / "root", partial / "initrd")
        run_in_group([*_DISK, "-d", partial / "root", partial / "root.img", _SIZE])
        state.remove_tree(partial / "root")
