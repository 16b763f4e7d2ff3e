# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloaded Debian packages, kept between labs.

Hosts must not share one directory: apt locks it, and a second host's install fails at once. So every host gets hard
links to what is known already, and what it downloaded itself is taken over when it goes.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from . import state

_ARCHIVES = "var/cache/apt/archives"


def _store(suite: str, architecture: str) -> Path:
    return state.cache() / "packages" / f"{suite}-{architecture}"


def seed(suite: str, architecture: str, upper: Path) -> None:
    """Give a host's file system the packages that are known."""
    _copy_new(_store(suite, architecture), upper / _ARCHIVES)


def harvest(suite: str, architecture: str, upper: Path) -> None:
    """Keep the packages that a host has downloaded."""
    _copy_new(upper / _ARCHIVES, _store(suite, architecture))


def _copy_new(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for package in source.glob("*.deb"):
        with suppress(FileExistsError):
            try:
                os.link(package, target / package.name)
            except OSError as error:
                if isinstance(error, FileExistsError):
                    raise
                shutil.copy2(package, target / package.name)
