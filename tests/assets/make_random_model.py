#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a llama GGUF of any shape with random weights and the demo model's tokenizer, for tests of cache and memory.

Its answers are noise, but greedy decoding gives the same noise through every layout of a cluster. One tensor at a time
is in memory. With --header-only no weights are written: the file has its full size, but is sparse.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy

DEMO_MODEL = Path(__file__).with_name("drover-demo.gguf")
TYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}
HEAD_SIZE = 64


def tensor_shapes(shape: argparse.Namespace, vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape (rows = outputs, then inputs) of every tensor, in the order of the file."""
    width, wide, narrow = shape.embedding, shape.feed_forward, shape.heads_kv * HEAD_SIZE
    yield "token_embd.weight", (vocabulary, width)
    for block in range(shape.blocks):
        yield f"blk.{block}.attn_norm.weight", (width,)
        yield f"blk.{block}.attn_q.weight", (width, width)
        yield f"blk.{block}.attn_k.weight", (narrow, width)
        yield f"blk.{block}.attn_v.weight", (narrow, width)
        yield f"blk.{block}.attn_output.weight", (width, width)
        yield f"blk.{block}.ffn_norm.weight", (width,)
        experts, suffix = ((shape.experts,), "_exps") if shape.experts else ((), "")
        if experts:
            yield f"blk.{block}.ffn_gate_inp.weight", (*experts, width)
        yield f"blk.{block}.ffn_gate{suffix}.weight", (*experts, wide, width)
        yield f"blk.{block}.ffn_up{suffix}.weight", (*experts, wide, width)
        yield f"blk.{block}.ffn_down{suffix}.weight", (*experts, width, wide)
    yield "output_norm.weight", (width,)
    yield "output.weight", (vocabulary, width)


def add_metadata(writer: gguf.GGUFWriter, shape: argparse.Namespace, demo: gguf.GGUFReader) -> None:
    writer.add_name("Drover random")
    writer.add_file_type(TYPES[shape.type][1])
    writer.add_context_length(shape.context)
    writer.add_block_count(shape.blocks)
    writer.add_embedding_length(shape.embedding)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.embedding // HEAD_SIZE)
    writer.add_head_count_kv(shape.heads_kv)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD_SIZE)
    writer.add_rope_freq_base(10000.0)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(min(2, shape.experts))
    for key, field in demo.fields.items():
        if key.startswith("tokenizer.") or key == "llama.vocab_size":
            array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(key, field.contents(), field.types[0], field.types[-1] if array else None)


def random_tensor(
    shape: tuple[int, ...], kind: gguf.GGMLQuantizationType, generator: numpy.random.Generator
) -> numpy.ndarray:
    """One tensor as it is stored. Norms are ones; matrices keep the size of what passes through them."""
    if len(shape) == 1:
        return numpy.ones(shape, numpy.float32)
    values = generator.standard_normal(shape, numpy.float32)
    values *= 1 / math.sqrt(shape[-1])
    return gguf.quants.quantize(values, kind)


def write(path: Path, shape: argparse.Namespace) -> None:
    """Write the model of `shape` (the command line's fields) to `path`."""
    demo = gguf.GGUFReader(DEMO_MODEL)
    vocabulary = len(demo.fields["tokenizer.ggml.tokens"].data)
    kind = TYPES[shape.type][0]
    writer = gguf.GGUFWriter(path, "llama")
    add_metadata(writer, shape, demo)
    shapes = dict(tensor_shapes(shape, vocabulary))
    data_bytes = 0
    for name, each in shapes.items():
        stored = gguf.GGMLQuantizationType.F32 if len(each) == 1 else kind
        elements, size = gguf.GGML_QUANT_SIZES[stored]
        nbytes = math.prod(each) // elements * size
        writer.add_tensor_info(name, each, numpy.dtype(numpy.float32), nbytes, raw_dtype=stored)
        data_bytes += writer.ggml_pad(nbytes, writer.data_alignment)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    if shape.header_only:
        writer.close()
        header_bytes = writer.ggml_pad(path.stat().st_size, writer.data_alignment)
        with path.open("r+b") as file:
            file.truncate(header_bytes + data_bytes)
        return
    generator = numpy.random.default_rng(shape.seed)
    for each in shapes.values():
        writer.write_tensor_data(random_tensor(each, kind, generator))
    writer.close()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--embedding", type=int, default=2048, help=f"a multiple of {HEAD_SIZE}, the size of a head")
    parser.add_argument("--feed-forward", type=int, default=5632, help="a multiple of 32")
    parser.add_argument("--experts", type=int, default=0, help="a mixture of so many, of which a token uses two")
    parser.add_argument("--heads-kv", type=int, default=8, help="a divisor of the number of heads")
    parser.add_argument("--context", type=int, default=4096, help="context length in the metadata")
    parser.add_argument("--type", choices=TYPES, default="f16", help="of all matrices")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--header-only", action="store_true", help="full size, but sparse: no weights")
    shape = parser.parse_args(arguments)
    if min(shape.blocks, shape.embedding, shape.feed_forward, shape.heads_kv, shape.context) < 1:
        parser.error("every size must be at least 1")
    if shape.embedding % HEAD_SIZE:
        parser.error(f"--embedding {shape.embedding} is not a multiple of {HEAD_SIZE}, the size of a head")
    if shape.feed_forward % 32:
        parser.error(f"--feed-forward {shape.feed_forward} is not a multiple of 32")
    if (shape.embedding // HEAD_SIZE) % shape.heads_kv:
        parser.error(f"--heads-kv {shape.heads_kv} does not divide the {shape.embedding // HEAD_SIZE} heads")
    return shape


if __name__ == "__main__":
    options = parse()
    write(options.output, options)
    print(f"{options.output}: {options.output.stat().st_size} bytes")
