# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy within the memory of the first card of NVIDIA's that this process sees, by the library that every driver brings.

For a process of its own: what a driver takes, or does when it fails, ends with that process.
"""

from __future__ import annotations

import ctypes
import statistics
import sys
import time

from ..errors import DroverError

MIB = 1024 * 1024
LIBRARY = "libcuda.so.1"
# More than the caches of any card, of which the largest has 126 MB.
COPIED_BYTES = 256 * MIB
COPIES = 8
ROUNDS = 7


def copied_bytes_per_second() -> int:
    """Bytes that the card reads and writes in a second while it copies: of a few rounds the median one.

    Raises DroverError where the library is missing or refuses. Functions: NVIDIA's reference of the CUDA driver API.
    """
    try:
        cuda = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise DroverError(f"{LIBRARY} cannot be loaded: {error}.") from error

    def call(name: str, *arguments: object) -> None:
        code = getattr(cuda, name)(*arguments)
        if code:
            raise DroverError(f"{name} of {LIBRARY} failed with {code}.")

    device, context = ctypes.c_int(), ctypes.c_void_p()
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)
    source, target = ctypes.c_uint64(), ctypes.c_uint64()
    size = ctypes.c_size_t(COPIED_BYTES)
    for memory in (source, target):
        call("cuMemAlloc_v2", ctypes.byref(memory), size)
        call("cuMemsetD8_v2", memory, ctypes.c_ubyte(1), size)
    seconds = []
    for _round in range(ROUNDS):
        call("cuCtxSynchronize")
        before = time.perf_counter()
        for _copy in range(COPIES):
            call("cuMemcpyDtoDAsync_v2", target, source, size, None)
        call("cuCtxSynchronize")
        seconds.append(time.perf_counter() - before)
    return int(2 * COPIED_BYTES * COPIES / statistics.median(seconds))


def main() -> None:
    """Print it."""
    sys.stdout.write(f"{copied_bytes_per_second()}\n")
