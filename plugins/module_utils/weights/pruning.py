# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files leave a tensor cache: llama.cpp never deletes any, and several models and clusters share one cache."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple


class CacheFile(NamedTuple):
    """A file of the cache: its name, its size in bytes, and when it was last planned, read or written (seconds since
    1970)."""

    name: str
    size: int
    used: float


def superfluous(files: Iterable[CacheFile], wanted: Collection[str], oldest: float) -> list[CacheFile]:
    """What nobody wants (``wanted`` are names) and was not used since ``oldest``."""
    return [file for file in files if file.name not in wanted and file.used < oldest]


def to_make_room(
    files: Iterable[CacheFile], wanted: Collection[str], excess: int, also_wanted: bool
) -> list[CacheFile]:
    """What goes so that the cache gets smaller by ``excess`` bytes at least: what nobody wants, that which was used
    longest ago first; then, ``also_wanted``, what is wanted in the same order. Less, when there is no more."""
    going = []
    for file in sorted(files, key=lambda file: (file.name in wanted, file.used, file.name)):
        if excess <= 0 or (file.name in wanted and not also_wanted):
            break
        going.append(file)
        excess -= file.size
    return going
