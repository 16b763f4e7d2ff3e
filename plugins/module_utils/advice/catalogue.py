# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open models that are worth running at home, as data: shapes from their makers, files as published.

The dimensions are those of each model's ``config.json``. The size of a file is approximate (three digits): publishers
requantise. What lies between, the bytes of each block, is worked out from both, so a plan for a catalogue entry is good
for a choice; the real file's header decides before anything is installed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from ..gguf.profile import model_profile
from ..gguf.reader import Header, TensorInfo

# Dense: blocks, embedding, feed-forward, heads, KV heads, head length, vocabulary, context, tied embeddings.
# With experts also: their number, how many a token uses, their feed-forward length, those that are always used, and how
# many blocks at the start are dense.
_DENSE = ("blocks", "embedding", "feed_forward", "heads", "heads_kv", "head_length", "vocabulary", "context", "tied")
_EXPERTS = ("experts", "used", "expert_length", "shared", "dense_blocks")

Shape = dict[str, int]
# A tensor's name (of a block's, without blk.N and .weight) and its dimensions.
Dimensions = tuple[str, tuple[int, ...]]

SHAPES: dict[str, tuple[Any, ...]] = {
    "Llama 3.2 1B": ("llama", (16, 2048, 8192, 32, 8, 64, 128256, 131072, True)),
    "Llama 3.2 3B": ("llama", (28, 3072, 8192, 24, 8, 128, 128256, 131072, True)),
    "Llama 3.1 8B": ("llama", (32, 4096, 14336, 32, 8, 128, 128256, 131072, False)),
    "Llama 3.3 70B": ("llama", (80, 8192, 28672, 64, 8, 128, 128256, 131072, False)),
    "Llama 3.1 405B": ("llama", (126, 16384, 53248, 128, 8, 128, 128256, 131072, False)),
    "Qwen 2.5 0.5B": ("qwen2", (24, 896, 4864, 14, 2, 64, 151936, 32768, True)),
    "Qwen 2.5 7B": ("qwen2", (28, 3584, 18944, 28, 4, 128, 152064, 32768, False)),
    "Qwen 2.5 72B": ("qwen2", (80, 8192, 29568, 64, 8, 128, 152064, 32768, False)),
    "Qwen 3 0.6B": ("qwen3", (28, 1024, 3072, 16, 8, 128, 151936, 40960, True)),
    "Qwen 3 1.7B": ("qwen3", (28, 2048, 6144, 16, 8, 128, 151936, 40960, True)),
    "Qwen 3 4B": ("qwen3", (36, 2560, 9728, 32, 8, 128, 151936, 40960, True)),
    "Qwen 3 8B": ("qwen3", (36, 4096, 12288, 32, 8, 128, 151936, 40960, False)),
    "Qwen 3 14B": ("qwen3", (40, 5120, 17408, 40, 8, 128, 151936, 40960, False)),
    "Qwen 3 32B": ("qwen3", (64, 5120, 25600, 64, 8, 128, 151936, 40960, False)),
    "Qwen 3 30B-A3B": ("qwen3moe", (48, 2048, 6144, 32, 4, 128, 151936, 40960, False), (128, 8, 768, 0, 0)),
    "Qwen 3 235B-A22B": ("qwen3moe", (94, 4096, 12288, 64, 4, 128, 151936, 40960, False), (128, 8, 1536, 0, 0)),
    "Qwen 3 Coder 480B-A35B": (
        "qwen3moe",
        (62, 6144, 8192, 96, 8, 128, 151936, 262144, False),
        (160, 8, 2560, 0, 0),
    ),
    "Gemma 3 1B": ("gemma3", (26, 1152, 6912, 4, 1, 256, 262144, 32768, True)),
    "Gemma 3 4B": ("gemma3", (34, 2560, 10240, 8, 4, 256, 262208, 131072, True)),
    "Gemma 3 12B": ("gemma3", (48, 3840, 15360, 16, 8, 256, 262208, 131072, True)),
    "Gemma 3 27B": ("gemma3", (62, 5376, 21504, 32, 16, 128, 262208, 131072, True)),
    "Phi 4 14B": ("phi3", (40, 5120, 17920, 40, 10, 128, 100352, 16384, False)),
    "Phi 4 mini": ("phi3", (32, 3072, 8192, 24, 8, 128, 200064, 131072, True)),
    "Mistral 7B": ("llama", (32, 4096, 14336, 32, 8, 128, 32768, 32768, False)),
    "Mistral Nemo 12B": ("llama", (40, 5120, 14336, 32, 8, 128, 131072, 131072, False)),
    "Mistral Small 24B": ("llama", (40, 5120, 32768, 32, 8, 128, 131072, 131072, False)),
    "Mixtral 8x7B": ("llama", (32, 4096, 14336, 32, 8, 128, 32000, 32768, False), (8, 2, 14336, 0, 0)),
    "gpt-oss 20B": ("gpt-oss", (24, 2880, 2880, 64, 8, 64, 201088, 131072, False), (32, 4, 2880, 0, 0)),
    "gpt-oss 120B": ("gpt-oss", (36, 2880, 2880, 64, 8, 64, 201088, 131072, False), (128, 4, 2880, 0, 0)),
    "DeepSeek R1 671B": (
        "deepseek2",
        (61, 7168, 18432, 128, 1, 192, 129280, 163840, False),
        (256, 8, 2048, 1, 3),
    ),
}

# Model, repository, file, quantisation, bytes.
FILES = (
    ("Qwen 2.5 0.5B", "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2.5-0.5b-instruct-q4_k_m.gguf", "Q4_K_M", 491e6),
    ("Qwen 2.5 0.5B", "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2.5-0.5b-instruct-q8_0.gguf", "Q8_0", 676e6),
    ("Qwen 3 0.6B", "Qwen/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf", "Q8_0", 639e6),
    ("Llama 3.2 1B", "bartowski/Llama-3.2-1B-Instruct-GGUF", "Llama-3.2-1B-Instruct-Q4_K_M.gguf", "Q4_K_M", 808e6),
    ("Llama 3.2 1B", "bartowski/Llama-3.2-1B-Instruct-GGUF", "Llama-3.2-1B-Instruct-Q8_0.gguf", "Q8_0", 1.32e9),
    ("Gemma 3 1B", "bartowski/google_gemma-3-1b-it-GGUF", "google_gemma-3-1b-it-Q4_K_M.gguf", "Q4_K_M", 806e6),
    ("Gemma 3 1B", "bartowski/google_gemma-3-1b-it-GGUF", "google_gemma-3-1b-it-Q8_0.gguf", "Q8_0", 1.07e9),
    ("Qwen 3 1.7B", "Qwen/Qwen3-1.7B-GGUF", "Qwen3-1.7B-Q8_0.gguf", "Q8_0", 1.83e9),
    ("Llama 3.2 3B", "bartowski/Llama-3.2-3B-Instruct-GGUF", "Llama-3.2-3B-Instruct-Q4_K_M.gguf", "Q4_K_M", 2.02e9),
    ("Llama 3.2 3B", "bartowski/Llama-3.2-3B-Instruct-GGUF", "Llama-3.2-3B-Instruct-Q8_0.gguf", "Q8_0", 3.42e9),
    (
        "Phi 4 mini",
        "bartowski/microsoft_Phi-4-mini-instruct-GGUF",
        "microsoft_Phi-4-mini-instruct-Q4_K_M.gguf",
        "Q4_K_M",
        2.49e9,
    ),
    ("Gemma 3 4B", "bartowski/google_gemma-3-4b-it-GGUF", "google_gemma-3-4b-it-Q4_K_M.gguf", "Q4_K_M", 2.49e9),
    ("Gemma 3 4B", "bartowski/google_gemma-3-4b-it-GGUF", "google_gemma-3-4b-it-Q8_0.gguf", "Q8_0", 4.13e9),
    ("Qwen 3 4B", "Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M.gguf", "Q4_K_M", 2.50e9),
    ("Qwen 3 4B", "Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q8_0.gguf", "Q8_0", 4.28e9),
    ("Mistral 7B", "bartowski/Mistral-7B-Instruct-v0.3-GGUF", "Mistral-7B-Instruct-v0.3-Q4_K_M.gguf", "Q4_K_M", 4.37e9),
    ("Qwen 2.5 7B", "bartowski/Qwen2.5-7B-Instruct-GGUF", "Qwen2.5-7B-Instruct-Q4_K_M.gguf", "Q4_K_M", 4.68e9),
    (
        "Llama 3.1 8B",
        "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
        "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf",
        "Q4_K_M",
        4.92e9,
    ),
    (
        "Llama 3.1 8B",
        "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
        "Meta-Llama-3.1-8B-Instruct-Q8_0.gguf",
        "Q8_0",
        8.54e9,
    ),
    ("Qwen 3 8B", "Qwen/Qwen3-8B-GGUF", "Qwen3-8B-Q4_K_M.gguf", "Q4_K_M", 5.03e9),
    ("Qwen 3 8B", "Qwen/Qwen3-8B-GGUF", "Qwen3-8B-Q8_0.gguf", "Q8_0", 8.71e9),
    ("Gemma 3 12B", "bartowski/google_gemma-3-12b-it-GGUF", "google_gemma-3-12b-it-Q4_K_M.gguf", "Q4_K_M", 7.30e9),
    (
        "Mistral Nemo 12B",
        "bartowski/Mistral-Nemo-Instruct-2407-GGUF",
        "Mistral-Nemo-Instruct-2407-Q4_K_M.gguf",
        "Q4_K_M",
        7.48e9,
    ),
    ("Qwen 3 14B", "Qwen/Qwen3-14B-GGUF", "Qwen3-14B-Q4_K_M.gguf", "Q4_K_M", 9.00e9),
    ("Phi 4 14B", "bartowski/phi-4-GGUF", "phi-4-Q4_K_M.gguf", "Q4_K_M", 9.05e9),
    ("gpt-oss 20B", "ggml-org/gpt-oss-20b-GGUF", "gpt-oss-20b-mxfp4.gguf", "MXFP4", 12.1e9),
    (
        "Mistral Small 24B",
        "bartowski/mistralai_Mistral-Small-3.2-24B-Instruct-2506-GGUF",
        "mistralai_Mistral-Small-3.2-24B-Instruct-2506-Q4_K_M.gguf",
        "Q4_K_M",
        14.3e9,
    ),
    ("Gemma 3 27B", "bartowski/google_gemma-3-27b-it-GGUF", "google_gemma-3-27b-it-Q4_K_M.gguf", "Q4_K_M", 16.5e9),
    ("Qwen 3 30B-A3B", "Qwen/Qwen3-30B-A3B-GGUF", "Qwen3-30B-A3B-Q4_K_M.gguf", "Q4_K_M", 18.6e9),
    ("Qwen 3 30B-A3B", "Qwen/Qwen3-30B-A3B-GGUF", "Qwen3-30B-A3B-Q8_0.gguf", "Q8_0", 32.5e9),
    ("Qwen 3 32B", "Qwen/Qwen3-32B-GGUF", "Qwen3-32B-Q4_K_M.gguf", "Q4_K_M", 19.8e9),
    (
        "Mixtral 8x7B",
        "TheBloke/Mixtral-8x7B-Instruct-v0.1-GGUF",
        "mixtral-8x7b-instruct-v0.1.Q4_K_M.gguf",
        "Q4_K_M",
        26.4e9,
    ),
    ("Llama 3.3 70B", "bartowski/Llama-3.3-70B-Instruct-GGUF", "Llama-3.3-70B-Instruct-Q2_K.gguf", "Q2_K", 26.4e9),
    ("Llama 3.3 70B", "bartowski/Llama-3.3-70B-Instruct-GGUF", "Llama-3.3-70B-Instruct-Q4_K_M.gguf", "Q4_K_M", 42.5e9),
    ("Qwen 2.5 72B", "bartowski/Qwen2.5-72B-Instruct-GGUF", "Qwen2.5-72B-Instruct-Q4_K_M.gguf", "Q4_K_M", 47.4e9),
    ("gpt-oss 120B", "ggml-org/gpt-oss-120b-GGUF", "gpt-oss-120b-mxfp4-00001-of-00003.gguf", "MXFP4", 63.4e9),
    (
        "Qwen 3 235B-A22B",
        "unsloth/Qwen3-235B-A22B-GGUF",
        "Q2_K/Qwen3-235B-A22B-Q2_K-00001-of-00002.gguf",
        "Q2_K",
        85.7e9,
    ),
    (
        "Qwen 3 235B-A22B",
        "unsloth/Qwen3-235B-A22B-GGUF",
        "Q4_K_M/Qwen3-235B-A22B-Q4_K_M-00001-of-00003.gguf",
        "Q4_K_M",
        142e9,
    ),
    (
        "Llama 3.1 405B",
        "bartowski/Meta-Llama-3.1-405B-Instruct-GGUF",
        "Meta-Llama-3.1-405B-Instruct-Q4_K_M/Meta-Llama-3.1-405B-Instruct-Q4_K_M-00001-of-00009.gguf",
        "Q4_K_M",
        243e9,
    ),
    (
        "Qwen 3 Coder 480B-A35B",
        "unsloth/Qwen3-Coder-480B-A35B-Instruct-GGUF",
        "Q4_K_M/Qwen3-Coder-480B-A35B-Instruct-Q4_K_M-00001-of-00006.gguf",
        "Q4_K_M",
        290e9,
    ),
    (
        "DeepSeek R1 671B",
        "unsloth/DeepSeek-R1-0528-GGUF",
        "UD-Q2_K_XL/DeepSeek-R1-0528-UD-Q2_K_XL-00001-of-00006.gguf",
        "Q2_K_XL",
        251e9,
    ),
    (
        "DeepSeek R1 671B",
        "unsloth/DeepSeek-R1-0528-GGUF",
        "Q4_K_M/DeepSeek-R1-0528-Q4_K_M-00001-of-00009.gguf",
        "Q4_K_M",
        405e9,
    ),
)

# Bits a weight of the token embedding; the output matrix never has fewer than Q6_K's.
_EMBEDDING_BITS = {"Q2_K": 2.625, "Q2_K_XL": 4.5, "Q4_K_M": 4.5, "Q8_0": 8.5, "MXFP4": 8.5}
_OUTPUT_BITS = 6.5625
_HEADER_BYTES = 8_000_000  # the tokenizer, mostly
_UNUSED_TYPE = 0  # the profile looks at bytes, not at types


def catalogue() -> list:
    """Every file as ``{"model", "repository", "file", "quantization", "bytes", "gguf"}``; ``gguf`` as gguf_info would
    return it, but for the weights of a block, which are an equal share of the file's."""
    return [
        {
            "model": model,
            "repository": repository,
            "file": file,
            "quantization": quantization,
            "bytes": int(size),
            "gguf": _gguf(model, quantization, int(size)),
        }
        for model, repository, file, quantization, size in FILES
    ]


def _gguf(model: str, quantization: str, file_bytes: int) -> dict[str, Any]:
    architecture, dense, *experts = SHAPES[model]
    shape: Shape = dict(zip(_DENSE, dense))
    shape.update(zip(_EXPERTS, experts[0] if experts else (0, 0, 0, 0, 0)))
    tensors: list[Dimensions] = [("token_embd.weight", (shape["embedding"], shape["vocabulary"]))]
    if not shape["tied"]:
        tensors.append(("output.weight", (shape["embedding"], shape["vocabulary"])))
    for block in range(shape["blocks"]):
        tensors += [(f"blk.{block}.{name}.weight", dims) for name, dims in _block(architecture, shape, block)]
    metadata: dict[str, Any] = {"general.architecture": architecture, "general.name": model}
    metadata.update({f"{architecture}.{key}": value for key, value in _values(model, architecture, shape).items()})
    infos = _with_bytes(tensors, shape, quantization, file_bytes)
    header = Header(3, "little", metadata, infos, ["model.gguf"], [0], file_bytes, 32)
    return {**model_profile(header), "quantization": quantization}


def _with_bytes(tensors: Sequence[Dimensions], shape: Shape, quantization: str, file_bytes: int) -> list[TensorInfo]:
    """Give every tensor its bytes: embedding and output by the quantisation, the blocks what is left of the file."""
    matrix = shape["embedding"] * shape["vocabulary"]
    own = _EMBEDDING_BITS[quantization]
    output = max(own, _OUTPUT_BITS)
    loose = {"token_embd.weight": int(matrix * (output if shape["tied"] else own) / 8)}
    if not shape["tied"]:
        loose["output.weight"] = int(matrix * output / 8)
    left = file_bytes - _HEADER_BYTES - sum(loose.values())
    elements = sum(math.prod(dims) for name, dims in tensors if name not in loose)
    return [
        TensorInfo(name, dims, _UNUSED_TYPE, 0, loose.get(name, int(left * math.prod(dims) / elements)), 0)
        for name, dims in tensors
    ]


def _block(architecture: str, shape: Shape, block: int) -> Iterator[Dimensions]:
    embedding, heads, length = shape["embedding"], shape["heads"], shape["head_length"]
    kv = shape["heads_kv"] * length
    if architecture == "deepseek2":
        yield from (
            ("attn_q_a", (embedding, 1536)),
            ("attn_q_b", (1536, heads * length)),
            ("attn_kv_a_mqa", (embedding, 576)),
            ("attn_k_b", (128, 512, heads)),
            ("attn_v_b", (512, 128, heads)),
            ("attn_output", (heads * 128, embedding)),
        )
    elif architecture == "phi3":
        yield from (("attn_qkv", (embedding, heads * length + 2 * kv)), ("attn_output", (heads * length, embedding)))
    else:
        yield from (
            ("attn_q", (embedding, heads * length)),
            ("attn_k", (embedding, kv)),
            ("attn_v", (embedding, kv)),
            ("attn_output", (heads * length, embedding)),
        )
    if shape["experts"] and block >= shape["dense_blocks"]:
        experts, wide = shape["experts"], shape["expert_length"]
        yield from (
            ("ffn_gate_inp", (embedding, experts)),
            ("ffn_gate_exps", (embedding, wide, experts)),
            ("ffn_up_exps", (embedding, wide, experts)),
            ("ffn_down_exps", (wide, embedding, experts)),
        )
        if shape["shared"]:
            wide *= shape["shared"]
            yield from (
                ("ffn_gate_shexp", (embedding, wide)),
                ("ffn_up_shexp", (embedding, wide)),
                ("ffn_down_shexp", (wide, embedding)),
            )
    elif architecture == "phi3":
        wide = shape["feed_forward"]
        yield from (("ffn_up", (embedding, 2 * wide)), ("ffn_down", (wide, embedding)))
    else:
        wide = shape["feed_forward"]
        yield from (("ffn_gate", (embedding, wide)), ("ffn_up", (embedding, wide)), ("ffn_down", (wide, embedding)))


def _values(model: str, architecture: str, shape: Shape) -> dict[str, int]:
    """The ``{architecture}.*`` metadata."""
    values = {
        "block_count": shape["blocks"],
        "context_length": shape["context"],
        "embedding_length": shape["embedding"],
        "feed_forward_length": shape["feed_forward"],
        "attention.head_count": shape["heads"],
        "attention.head_count_kv": shape["heads_kv"],
        "vocab_size": shape["vocabulary"],
        "attention.key_length": shape["head_length"],
        "attention.value_length": shape["head_length"],
    }
    if shape["experts"]:
        values.update(
            {
                "expert_count": shape["experts"],
                "expert_used_count": shape["used"],
                "expert_feed_forward_length": shape["expert_length"],
                "expert_shared_count": shape["shared"],
                "leading_dense_block_count": shape["dense_blocks"],
            }
        )
    if architecture == "deepseek2":
        values.update(
            {
                "attention.key_length": 576,
                "attention.value_length": 512,
                "attention.key_length_mla": 192,
                "attention.value_length_mla": 128,
                "attention.kv_lora_rank": 512,
                "attention.q_lora_rank": 1536,
                "rope.dimension_count": 64,
            }
        )
    if architecture == "gemma3":
        values["attention.sliding_window"] = 512 if model == "Gemma 3 1B" else 1024
    if architecture == "gpt-oss":
        values["attention.sliding_window"] = 128
    return values
