# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether files of a tensor cache are what their names say, by reading them.

By the sha256 where a cluster plans with the tensor: every Python computes that fast. Else by the hash that is its name,
where there is a compiler or numpy to compute it with; Python alone would take minutes for each gigabyte.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ..errors import DroverError
from ..gguf.store import sum_of
from .noted import State, state_of
from .pieces import Tensor

PARALLEL = 4


class Checked(NamedTuple):
    """Names: ``whole`` ones, ``damaged`` ones, and those that nothing here could tell; how many were ``read``."""

    whole: list[str]
    damaged: list[str]
    untold: list[str]
    read: int


def check_files(
    directory: str,
    files: Mapping[str, State],
    wanted: Mapping[str, Tensor],
    tell: Callable[[int], None] | None = None,
) -> Checked:
    """Check ``files`` of the cache ``directory``; ``wanted`` are the tensors that clusters plan with, by name.

    One that changes while it is read is none that could be told. ``tell`` is called with the bytes that are now to be
    read, if there are any.
    """
    planned = [name for name in files if name in wanted and files[name].size == wanted[name]["bytes"]]
    others = [name for name in files if name not in wanted and files[name].size > 0]
    told = {name: False for name in files if name not in others}
    quick = others if others and _can_hash() else []
    if tell and (planned or quick):
        tell(sum(files[name].size for name in (*planned, *quick)))
    with ThreadPoolExecutor(PARALLEL) as pool:
        told.update(zip(planned, pool.map(lambda name: _sum(directory, name) == wanted[name]["sha256"], planned)))
    told.update(_by_names(directory, {name: files[name] for name in quick}))
    same = {name: found and state_of(os.path.join(directory, name)) == files[name] for name, found in told.items()}
    return Checked(
        whole=[name for name in files if same.get(name)],
        damaged=[name for name in files if told.get(name) is False],
        untold=[name for name in files if told.get(name, True) and not same.get(name)],
        read=len(planned) + len(quick),
    )


def _sum(directory: str, name: str) -> str:
    try:
        return sum_of(os.path.join(directory, name))
    except DroverError:
        return ""  # a disk that cannot read it


def _by_names(directory: str, files: Mapping[str, State]) -> dict[str, bool]:
    """Whether the content of each of ``files`` has its name for a hash; empty where that could not be computed."""
    if not files:
        return {}
    from .hashing import Piece, sums_of

    pieces = [Piece(os.path.join(directory, name), 0, state.size) for name, state in files.items()]
    try:
        return {name: sums.hash == name for name, sums in zip(files, sums_of(pieces))}
    except (OSError, DroverError):  # a process that was ended, or a disk that cannot read one
        return {}


def _can_hash() -> bool:
    """Whether names can be computed fast. What that takes is seldom needed, and is imported then."""
    from .hashing import is_slow

    try:
        return not is_slow()
    except (OSError, MemoryError):  # no room for the helper; a numpy that wants memory that the unit forbids
        return False
