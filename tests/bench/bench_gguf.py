#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the header of a model with 150,000 tokens: our reader against the `gguf` package's, and over HTTP.

Run as `python tests/bench/bench_gguf.py`. Both readers take turns on the same file in the same run.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests")]

import gguf  # noqa: E402
import numpy as np  # noqa: E402
from module_utils.gguf import reader  # noqa: E402
from unit.gguf.web_site import Page, serve  # noqa: E402

TOKENS = 150_000
BLOCKS = 32
RUNS = {"gguf package": 3, "drover": 15, "drover, HTTP on loopback": 5}


def write_model(path: Path) -> int:
    """Write a header with the shape of an 8B model's and a vocabulary as large as Qwen's; return its bytes."""
    dice = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(dice.choices(letters, k=dice.choice((2, 3, 4, 5, 6, 7, 8, 10, 14)))) for _ in range(TOKENS)]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(BLOCKS)
    writer.add_token_list(words)
    writer.add_token_types([1] * TOKENS)
    writer.add_token_merges([f"{first} {second}" for first, second in zip(words, reversed(words))])
    kind = gguf.GGMLQuantizationType.Q4_0
    for block in range(BLOCKS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            n_bytes = 4096 * 4096 // 32 * 18
            writer.add_tensor_info(f"blk.{block}.{name}.weight", (4096, 4096), np.float16, n_bytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    header_bytes = path.stat().st_size
    os.truncate(path, header_bytes + 32 + 7 * BLOCKS * (4096 * 4096 // 32 * 18))  # sparse: the weights are not there
    return header_bytes


def seconds(read) -> float:
    start = time.perf_counter()
    read()
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, serve() as site:
        path = Path(directory, "model.gguf")
        header_bytes = write_model(path)
        with path.open("rb") as file:
            # The server holds what it gives in memory: the header and a block more is all that anybody asks for.
            site.pages["/model.gguf"] = Page(file.read(header_bytes + 16 * 1024 * 1024), total=str(path.stat().st_size))
        readers = {
            "gguf package": lambda: gguf.GGUFReader(path),
            "drover": lambda: reader.read_header(str(path)),
            "drover, HTTP on loopback": lambda: reader.read_remote_header(site.url("/model.gguf")),
        }
        times = {name: [] for name in readers}
        for turn in range(max(RUNS.values())):
            for name, read in readers.items():
                if turn < RUNS[name]:
                    times[name].append(seconds(read))
        requests = len(site.requests) / RUNS["drover, HTTP on loopback"]

    base = statistics.median(times["gguf package"])
    print(f"header of {header_bytes / 1e6:.1f} MB: {TOKENS} tokens, {TOKENS} merges, {7 * BLOCKS} tensors\n")
    print(f"{'reader':<26}{'runs':>6}{'median ms':>12}{'fastest ms':>12}{'times faster':>14}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:<26}{len(values):>6}{median * 1e3:>12.1f}{min(values) * 1e3:>12.1f}{base / median:>14.0f}")
    print(f"\nHTTP: {requests:g} requests for each header")


if __name__ == "__main__":
    main()
