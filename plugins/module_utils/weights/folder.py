# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a host's tensor cache, which llama.cpp's RPC servers and all clusters on the host share.

A file is used as of when it was last planned: whoever plans it touches it. Beside the tensors lie those that are being
fetched, under names that no RPC server looks for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..checks import from_json
from ..errors import DroverError
from ..free_space import free_bytes
from ..serving import cluster
from ..serving.cluster import WEIGHTS
from .document import read_weights
from .fnv import is_cache_name
from .noted import NOTES
from .pieces import Tensor
from .pruning import CacheFile, superfluous, to_make_room

DAY = 86400
UNFINISHED = ".part"
LOCK = ".lock"
SCHEMA = 1


def cache_files(directory: str) -> list[CacheFile]:
    """The files below ``directory`` but for the lock and the notes, whatever they are; none where there is no such
    folder."""
    found = []
    for folder, _folders, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if name not in (LOCK, NOTES):
                with contextlib.suppress(OSError):
                    status = os.stat(path, follow_symlinks=False)
                    used = max(status.st_atime, status.st_mtime)
                    found.append(CacheFile(os.path.relpath(path, directory), status.st_size, used))
    return found


def tensor_sizes(files: Iterable[CacheFile]) -> dict[str, int]:
    """Hash -> bytes of those of ``files`` that an RPC server would take for tensors."""
    return {file.name: file.size for file in files if is_cache_name(file.name)}


def cached_document(directory: str, most_bytes: int | None = None) -> dict[str, object]:
    """What is in the cache: ``tensors`` (hash -> bytes), ``other_bytes``, the disk's ``free_bytes`` (for this user) and
    ``most_bytes``, what the cache may take (None: no bound); with ``schema`` and ``directory``."""
    files = cache_files(directory)
    return {
        "schema": SCHEMA,
        "directory": directory,
        "tensors": tensor_sizes(sorted(files)),
        "other_bytes": sum(file.size for file in files if not is_cache_name(file.name)),
        "free_bytes": free_bytes(directory),
        "most_bytes": most_bytes,
    }


def spared(free: int) -> int:
    """Of so many free bytes of a disk, those that are not filled with tensors: a twentieth."""
    return free // 20


def wanted_names() -> set[str]:
    """The hashes of all tensors that clusters on this host are to have in their caches."""
    return set(wanted_tensors())


def wanted_tensors() -> dict[str, Tensor]:
    """Those tensors, by their hashes.

    A document that is cut off or was never one counts as none: it is only a cache, and its own cluster says so.
    """
    folder = cluster.CLUSTERS_FOLDER
    wanted: dict[str, Tensor] = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with contextlib.suppress(OSError, ValueError, DroverError):
            with open(os.path.join(folder, name, WEIGHTS), encoding="utf-8") as file:
                weights = read_weights(from_json(file.read()))
            wanted.update({tensor["hash"]: tensor for tensor in (*weights["held"], *weights["spare"])})
    return wanted


def prune_cache(directory: str, days: int, most_bytes: int | None = None, now: float | None = None) -> None:
    """Delete the files below ``directory`` that no cluster wants and that were not used for so many days, and then, as
    far as it takes for the others to have at most ``most_bytes`` (None: no bound), those that were used longest ago,
    unwanted ones first. What cannot be deleted stays."""
    files, wanted = cache_files(directory), wanted_names()
    going = superfluous(files, wanted, (time.time() if now is None else now) - days * DAY)
    if most_bytes is not None:
        left = [file for file in files if file not in going]
        going += to_make_room(left, wanted, sum(file.size for file in left) - most_bytes, also_wanted=True)
    for file in going:
        remove(directory, file.name)


def remove(directory: str, name: str) -> None:
    """Delete a file of the cache, if that can be."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(directory, name))


def touch(directory: str, name: str) -> None:
    """Note that a file of the cache has been planned now."""
    with contextlib.suppress(OSError):
        os.utime(os.path.join(directory, name))


@contextmanager
def locked(directory: str) -> Iterator[None]:
    """Make the folder, and be the only one who places tensors in it; wait for who does. Raises DroverError when that
    cannot be."""
    path = os.path.join(directory, LOCK)
    try:
        os.makedirs(directory, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise DroverError(
            f"{path} cannot be written ({error.strerror}): run this as the user whom the tensor cache belongs to."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
