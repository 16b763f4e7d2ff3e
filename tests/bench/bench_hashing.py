#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash that names cached tensors, on one core: a C loop in memory, and each way that a host may have to compute it.

Run as `python tests/bench/bench_hashing.py`. All take turns on the same bytes in the same run; the best turn counts.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins")]

from module_utils.weights.fnv import BASIS, fnv1a  # noqa: E402
from module_utils.weights.fnv_compiled import CompiledHash, compile_helper  # noqa: E402
from module_utils.weights.fnv_numpy import NumpyHash  # noqa: E402

MIB = 1 << 20
TURNS = 40
# llama.cpp's own loop.
C_LOOP = """
#include <stddef.h>
#include <stdint.h>
uint64_t fnv(const uint8_t *data, size_t size) {
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < size; i++) { hash ^= data[i]; hash *= 0x100000001b3ULL; }
    return hash;
}
"""


def c_loop(folder: str):
    """The loop as llama.cpp is compiled, called in this process."""
    library = Path(folder, "loop.so")
    Path(folder, "loop.c").write_text(C_LOOP)
    subprocess.run(["cc", "-O3", "-shared", "-fPIC", "-o", library, Path(folder, "loop.c")], check=True)
    function = ctypes.CDLL(str(library)).fnv
    function.restype, function.argtypes = ctypes.c_uint64, [ctypes.c_char_p, ctypes.c_size_t]
    return lambda data, _state: function(data, len(data))


def main() -> None:
    data = os.urandom(4 * MIB)
    with tempfile.TemporaryDirectory() as folder:
        helper = CompiledHash(compile_helper(folder))
        ways = {
            "C loop, in memory": (c_loop(folder), data),
            "numpy": (NumpyHash(), data),
            "compiled helper, through its pipe": (helper, data),
            "plain Python": (fnv1a, data[: MIB // 16]),
            "sha256, which workers check": (lambda given, _state: hashlib.sha256(given).hexdigest(), data),
        }
        assert len({way(data[:MIB], BASIS) for way, _data in list(ways.values())[:3]}) == 1
        rates = dict.fromkeys(ways, 0.0)
        for _turn in range(TURNS):
            for name, (way, given) in ways.items():
                start = time.perf_counter()
                way(given, BASIS)
                rates[name] = max(rates[name], len(given) / (time.perf_counter() - start))
        helper.close()
    fastest = rates["C loop, in memory"]
    print(f"{'way':<36}{'MB/s':>8}{'of the C loop':>16}")
    for name, rate in rates.items():
        print(f"{name:<36}{rate / 1e6:>8.0f}{rate / fastest:>15.0%}")


if __name__ == "__main__":
    main()
