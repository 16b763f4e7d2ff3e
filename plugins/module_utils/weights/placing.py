# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a host's tensor cache to what its ``weights`` say, from sources near it, before the leader starts."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from ..errors import DroverError
from ..free_space import free_bytes
from ..gguf.store import sum_of
from ..hosts.process import boot
from ..hosts.tree import Tree
from ..text import counted, size_text
from .document import missing_tensors
from .fetching import Fetch, Stopped
from .fnv import is_cache_name
from .folder import UNFINISHED, cache_files, locked, remove, spared, tensor_sizes, touch, wanted_names
from .noted import note_whole, notes_on, tensor_states
from .pieces import Tensor
from .pruning import to_make_room
from .sources import Source

PARALLEL = 4


def place(
    weights: dict[str, Any],
    directory: str,
    sources: Sequence[Source],
    most_bytes: int | None = None,
    parallel: int = PARALLEL,
    verify: bool = False,
    tell: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Place the tensors of ``weights`` in the cache ``directory``; what is there already stays there.

    The cache takes at most ``most_bytes`` (None: as the disk allows); room is made by deleting what no cluster on this
    host wants, and what finds none is left out. What has changed since it was noted is read, and fetched anew where it
    is damaged; with ``verify`` all that is there.
    ``tell`` is called with the bytes that have come and those that are to come.

    Returns ``present_bytes``, ``fetched_bytes`` (of tensors), ``left_out_bytes``, and ``damaged`` and ``pruned``, the
    names of files that were deleted. Raises DroverError, one sentence: what has come until then stays, unless the disk
    is full.
    """
    with locked(directory):
        damaged, whole = _remove_damaged(weights, directory, verify, parallel)
        missing = missing_tensors(weights, tensor_sizes(cache_files(directory)))
        for tensor in _all(weights):
            touch(directory, tensor["hash"])
        wanted = wanted_names() | {tensor["hash"] for tensor in _all(weights)}
        _remove_unfinished(directory, wanted)
        arrived = _arrived(directory)
        pruned = _make_room(directory, _still_to_come(missing, arrived), wanted, most_bytes)
        taken = _that_fit(missing, arrived, _room(directory, most_bytes))
        coming = _still_to_come(taken, arrived)
        if taken and not sources:
            needed = size_text(coming)
            raise DroverError(f"Tensors of {needed} are missing and there is no source to fetch them from: name one.")
        try:
            _fetch_all(directory, taken, coming, sources, parallel, tell)
        finally:
            # Under its name a tensor appears whole. Touching has changed the others.
            there = tensor_sizes(cache_files(directory))
            came = [tensor["hash"] for tensor in taken if there.get(tensor["hash"]) == tensor["bytes"]]
            note_whole(directory, [*whole, *came])
        size = sum(tensor["bytes"] for tensor in _all(weights))
        lacking = sum(tensor["bytes"] for tensor in missing)
        fetched = sum(tensor["bytes"] for tensor in taken)
        return {
            "present_bytes": size - lacking,
            "fetched_bytes": fetched,
            "left_out_bytes": lacking - fetched,
            "damaged": damaged,
            "pruned": pruned,
        }


def _remove_damaged(
    weights: dict[str, Any], directory: str, verify: bool, parallel: int
) -> tuple[list[str], list[str]]:
    """Delete files that are not what their name says: llama.cpp would compute with them. Their names, and those of the
    files that are known to be whole."""
    notes, now, this_boot = notes_on(directory), tensor_states(directory), boot(Tree())
    ours = {tensor["hash"]: tensor for tensor in _all(weights) if tensor["hash"] in now}
    damaged = [name for name in ours if now[name].size != ours[name]["bytes"]]
    known = [name for name in ours if not verify and notes.has(name, now[name], this_boot)]
    read = [name for name in ours if name not in (*damaged, *known) and (verify or notes.knew(name))]
    with ThreadPoolExecutor(parallel) as pool:
        sums = dict(zip(read, pool.map(lambda name: sum_of(os.path.join(directory, name)), read)))
    damaged += [name for name in read if sums[name] != ours[name]["sha256"]]
    for name in damaged:
        remove(directory, name)
    return sorted(damaged), [name for name in (*known, *read) if name not in damaged]


def _all(weights: dict[str, Any]) -> list[Tensor]:
    return [*weights["held"], *weights["spare"]]


def _remove_unfinished(directory: str, wanted: set[str]) -> None:
    """Delete what has come of tensors that nobody wants any more. Nobody else fetches now."""
    for file in cache_files(directory):
        if file.name.endswith(UNFINISHED) and file.name[: -len(UNFINISHED)] not in wanted:
            remove(directory, file.name)


def _make_room(directory: str, needed: int, wanted: set[str], most_bytes: int | None) -> list[str]:
    """Delete what nobody wants, as far as it takes for ``needed`` bytes to fit."""
    files = [file for file in cache_files(directory) if is_cache_name(file.name)]
    going = to_make_room(files, wanted, needed - _room(directory, most_bytes), also_wanted=False)
    for file in going:
        remove(directory, file.name)
    return [file.name for file in going]


def _that_fit(missing: list[Tensor], arrived: Mapping[str, int], room: int) -> list[Tensor]:
    """Those of ``missing`` that there is ``room`` for, in their order."""
    taken = []
    for tensor in missing:
        needed = _still_to_come([tensor], arrived)
        if needed <= room:
            taken.append(tensor)
            room -= needed
    return taken


def _room(directory: str, most_bytes: int | None) -> int:
    """Bytes that may still come."""
    free = free_bytes(directory)
    free -= spared(free)
    if most_bytes is None:
        return free
    return min(free, most_bytes - sum(file.size for file in cache_files(directory)))


def _arrived(directory: str) -> dict[str, int]:
    """Hash -> bytes of what has come of a tensor in a fetch that was broken off."""
    parts = (file for file in cache_files(directory) if file.name.endswith(UNFINISHED))
    return {part.name[: -len(UNFINISHED)]: part.size for part in parts}


def _still_to_come(tensors: list[Tensor], arrived: Mapping[str, int]) -> int:
    return sum(max(0, tensor["bytes"] - arrived.get(tensor["hash"], 0)) for tensor in tensors)


def _fetch_all(
    directory: str,
    tensors: list[Tensor],
    total: int,
    sources: Sequence[Source],
    parallel: int,
    tell: Callable[[int, int], None] | None,
) -> None:
    """Fetch ``tensors``, of which ``total`` bytes are still to come."""
    come, lock = 0, threading.Lock()

    def came(size: int) -> None:
        nonlocal come
        with lock:
            come += size
            if tell:
                tell(come, total)

    fetch = Fetch(directory, sources, came)
    with ThreadPoolExecutor(parallel) as pool:
        try:
            running = [pool.submit(fetch, tensor) for tensor in tensors]
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            fetch.stop()
            pool.shutdown(cancel_futures=True)
    errors = [error for each in running if not each.cancelled() and (error := each.exception())]
    errors = [error for error in errors if not isinstance(error, Stopped)]
    for error in errors:
        if isinstance(error, OSError):
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                for tensor in tensors:
                    remove(directory, tensor["hash"] + UNFINISHED)
            raise DroverError(
                f"{directory} cannot be written to ({error.strerror}) with {counted(len(tensors), 'tensor')} of "
                f"{size_text(total)} to come: free some space there, or give the tensor cache fewer bytes."
            ) from error
    for error in errors:
        raise error
