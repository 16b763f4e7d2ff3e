# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the kernel run programs of another architecture by QEMU, where nobody has done so yet."""

from __future__ import annotations

from pathlib import Path

from . import state
from .command import run

_KERNEL = Path("/proc/sys/fs/binfmt_misc")
_FORMATS = Path("/usr/lib/binfmt.d")
_MOUNTED = state.MACHINE / "binfmt_mounted"
_REGISTERED = state.MACHINE / "binfmt_registered"


def enable(name: str) -> None:
    """Have the kernel run what is called like ``qemu-aarch64``. Call with the machine's lock held."""
    register = _KERNEL / "register"
    if not register.exists():
        state.write(_MOUNTED, "")
        run("mount", "-t", "binfmt_misc", "binfmt_misc", _KERNEL)
    if not (_KERNEL / name).exists():
        state.write(_REGISTERED, name)
        lines = (_FORMATS / f"{name}.conf").read_text().splitlines()
        register.write_text(next(line for line in lines if line.startswith(":")))


def restore() -> None:
    """Undo what enable changed."""
    if _REGISTERED.exists():
        handler = _KERNEL / _REGISTERED.read_text()
        if handler.exists():
            handler.write_text("-1")
        _REGISTERED.unlink()
    if _MOUNTED.exists():
        run("umount", _KERNEL, check=False)
        _MOUNTED.unlink()
