# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Little models with random weights, written by the `gguf` package, and what it reads of them."""

from __future__ import annotations

import functools
import hashlib

import gguf
import numpy as np

WIDTH, FEED_FORWARD, VOCABULARY = 32, 64, 100
LOOSE = {"token_embd.weight": (VOCABULARY, WIDTH), "output_norm.weight": (WIDTH,), "output.weight": (VOCABULARY, WIDTH)}
BLOCK = {
    "attn_norm": (WIDTH,),
    "attn_q": (WIDTH, WIDTH),
    "ffn_up": (FEED_FORWARD, WIDTH),
    "ffn_down": (WIDTH, FEED_FORWARD),
}


def write_model(folder, blocks=3, loose=None, without=(), seed=1, name="m.gguf", **options):
    """Write the GGUF of a llama with float weights, and return the path of its first file."""
    dice = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(folder / name, "llama", **options)
    for key, value in (
        ("block_count", blocks),
        ("context_length", 512),
        ("embedding_length", WIDTH),
        ("feed_forward_length", FEED_FORWARD),
        ("head_count", 2),
        ("head_count_kv", 2),
        ("vocab_size", VOCABULARY),
    ):
        getattr(writer, f"add_{key}")(value)
    shapes = {**LOOSE, **(loose or {})}
    shapes.update({f"blk.{index}.{stem}.weight": shape for index in range(blocks) for stem, shape in BLOCK.items()})
    for each, shape in shapes.items():
        if each not in without:
            writer.add_tensor(each, dice.random(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(min(path for path in folder.iterdir() if path.suffix == ".gguf"))


def read_tensors(paths):
    """Name -> ``(shard, offset, data)`` as the `gguf` package reads them."""
    return {
        tensor.name: (shard, tensor.data_offset, tensor.data.tobytes())
        for shard, path in enumerate(paths)
        for tensor in gguf.GGUFReader(path).tensors
    }


def fnv(data):
    return (
        f"{functools.reduce(lambda state, byte: (state ^ byte) * 0x100000001B3 % 2**64, data, 0xCBF29CE484222325):016x}"
    )


def sha256(data):
    return hashlib.sha256(data).hexdigest()
