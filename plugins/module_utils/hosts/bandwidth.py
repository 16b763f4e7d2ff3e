# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast this machine reads its memory: what bounds the generation of tokens on a CPU."""

from __future__ import annotations

import ctypes
import itertools
import statistics
import threading
import time
from typing import Any

from .caches import last_level_bytes
from .figures import keep, recall
from .tree import Tree

MIB = 1024 * 1024
# Gone with the next boot, and so never left behind on a disk by a plan that was only looked at.
CACHE_FILE = "/run/drover/bandwidth.json"
SECONDS = 0.2
PASS_BYTES = 4 * MIB
LEAST_BYTES = 16 * MIB
USUAL_BYTES = 64 * MIB
# A buffer that is read in a circle and twice as large as the caches is never found in them.
TIMES_CACHES = 2


def bandwidth(
    tree: Tree,
    cpu: dict[str, Any],
    memory: dict[str, Any],
    quota: float | None = None,
    cache_file: str = CACHE_FILE,
    may_write: bool = True,
) -> int | None:
    """Bytes that all cores together read from memory in a second, or None when memory is too short to measure: when so
    little is free that its caches would be measured.

    ``quota`` is how many CPUs the services may take, None for all: with half a CPU they read half as much.

    The figure of an earlier run is taken from ``cache_file`` while the hardware is the same: the processor, the cores
    that may be used, its caches, and the memory's size. It is written there only when ``may_write``.
    """
    measured = _cached_or_measured(cpu, memory, last_level_bytes(tree), cache_file, may_write)
    if measured is None or quota is None:
        return measured
    return int(measured * min(1.0, quota / cpu["cores"]))


def _cached_or_measured(
    cpu: dict[str, Any], memory: dict[str, Any], caches: int, cache_file: str, may_write: bool
) -> int | None:
    identity = {
        "model": cpu["model"],
        "cores": cpu["cores"],
        "cache_bytes": caches,
        "memory_bytes": memory["total_bytes"],
    }
    known = recall(cache_file, identity)
    if isinstance(known, int):
        return known
    spare = min(memory["available_bytes"], memory["usable_bytes"])
    size = min(max(USUAL_BYTES, TIMES_CACHES * caches), spare // 2)
    if size < max(LEAST_BYTES, caches):
        return None
    measured = measure(size, cpu["cores"], SECONDS)
    if measured and may_write:
        keep(cache_file, identity, measured)
    return measured


def measure(size: int, threads: int, seconds: float) -> int:
    """Read ``size`` bytes of memory over and over with ``threads`` threads for ``seconds``; return bytes a second.

    The C library's memchr looks for a byte that is not there: it reads every byte with the widest instructions of the
    processor, writes nothing, and ctypes lets go of Python's lock meanwhile.

    A thread's rate is that of its median pass over a small part: whatever else the machine, or the one that it is a
    guest of, does at the moment holds up some passes and is gone when the plan is used.
    """
    share = max(1, size // threads)
    part = min(share, PASS_BYTES)
    library = ctypes.CDLL(None)
    library.memchr.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    library.memchr.restype = ctypes.c_void_p
    # Filled, since pages that were never written are all one page of zeros, which fits into every cache.
    memory = (ctypes.c_char * (share * threads))()
    ctypes.memset(memory, 1, share * threads)
    start = ctypes.addressof(memory)
    rates = [0.0] * threads
    deadline = time.perf_counter() + seconds

    def read(index: int) -> None:
        parts = itertools.cycle(range(start + index * share, start + (index + 1) * share - part + 1, part))
        passes: list[float] = []
        while not passes or time.perf_counter() < deadline:
            before = time.perf_counter()
            library.memchr(next(parts), 2, part)
            passes.append(time.perf_counter() - before)
        rates[index] = part / statistics.median(passes)

    readers = [threading.Thread(target=read, args=(index,)) for index in range(threads)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return int(sum(rates))
