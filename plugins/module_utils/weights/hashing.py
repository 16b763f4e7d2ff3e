# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hashes of pieces of files, as fast as this machine can: both that the RPC server names them by, and sha256.

The RPC server's hash is slow to compute where there is neither a compiler nor numpy, and easy to deceive. So whoever
checks a piece that came from elsewhere does it by the sha256, which every Python computes fast.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

from ..errors import DroverError
from .fnv import BASIS, cache_name, fnv1a
from .fnv_compiled import CompiledHash, compile_helper

READ_BYTES = 1 << 20

# What is hashed so far, and the state before -> the state after.
Hasher = Callable[[bytes, int], int]


class Piece(NamedTuple):
    """``size`` bytes of the file at ``path``, from ``offset`` on."""

    path: str
    offset: int
    size: int


class Sums(NamedTuple):
    """``hash``: the name in the tensor cache; ``sha256``: 64 hexadecimal digits."""

    hash: str
    sha256: str


_hasher: Hasher = fnv1a


def sums_of(
    pieces: Sequence[Piece], processes: int | None = None, tell: Callable[[int], None] | None = None
) -> list[Sums]:
    """The sums of each of ``pieces``, in their order, computed by ``processes`` (None: one for each core).

    ``tell`` is called with the number of bytes that are done. Raises DroverError for a piece that cannot be read.
    """
    found, done = [], 0
    with tempfile.TemporaryDirectory(prefix="drover-") as folder:
        program = compile_helper(folder)
        with ProcessPoolExecutor(
            max(1, min(processes or _cores(), len(pieces))),
            # As the parent is: a zipapp and a module of Ansible cannot be imported again by their names.
            multiprocessing.get_context("fork"),
            _begin,
            (program,),
        ) as pool:
            try:
                for piece, sums in zip(pieces, pool.map(_sums, pieces)):
                    found.append(sums)
                    done += piece.size
                    if tell:
                        tell(done)
            except BrokenProcessPool as error:
                raise DroverError(
                    "A process that hashed the model was ended from outside: free some memory and try again."
                ) from error
            finally:
                pool.shutdown(cancel_futures=True)
    return found


def is_slow() -> bool:
    """Whether this machine has only plain Python to hash with: some megabytes a second and core."""
    with tempfile.TemporaryDirectory(prefix="drover-") as folder:
        # A helper that was compiled need not run there.
        hasher = fastest(compile_helper(folder))
        if isinstance(hasher, CompiledHash):
            hasher.close()
        return hasher is fnv1a


def fastest(program: str | None) -> Hasher:
    """The fastest hasher that works here; ``program`` is the compiled helper, if there is one."""
    if program:
        with contextlib.suppress(OSError):  # where programs in temporary folders are forbidden
            compiled = CompiledHash(program)
            if compiled(b"drover", BASIS) == fnv1a(b"drover"):
                return compiled
    try:
        # Each process has one thread, and numpy's library would start one for each core.
        os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
        from .fnv_numpy import NumpyHash

        return NumpyHash()
    except ImportError:
        return fnv1a


def _begin(program: str | None) -> None:
    global _hasher
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _hasher = fastest(program)


def _end_with_parent() -> None:
    """Where the parent was killed, nobody would tell this process that there is nothing more to do."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _sums(piece: Piece) -> Sums:
    state, sha256 = BASIS, hashlib.sha256()
    for data in read_piece(piece):
        state = _hasher(data, state)
        sha256.update(data)
    return Sums(cache_name(state), sha256.hexdigest())


def read_piece(piece: Piece) -> Iterator[bytes]:
    """The bytes of ``piece``, in parts. Raises DroverError when it cannot be read, or the file is too short."""
    end = piece.offset + piece.size
    try:
        with open(piece.path, "rb") as file:
            file.seek(piece.offset)
            while file.tell() < end:
                data = file.read(min(READ_BYTES, end - file.tell()))
                if not data:
                    raise DroverError(
                        f"{piece.path} ends before byte {end}, which belongs to the model: copy or download it again."
                    )
                yield data
    except OSError as error:
        raise DroverError(f"{piece.path} cannot be read ({error.strerror}): make it readable.") from error


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
