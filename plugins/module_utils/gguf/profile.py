# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A GGUF header, boiled down to what a person and the planner need: the document ``gguf``.

The planner sees this dictionary and never a tensor, so everything that placing a model takes must be in it, and it
must survive JSON: it travels from the leader through Ansible to the planner, and on to the hosts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from ..checks import whole
from ..errors import DroverError
from ..text import printable
from .document import MAX_BLOCK_COUNT, MAX_EXPERT_COUNT, MOST, SCHEMA
from .metadata import SkippedArray, is_natural
from .places import (
    EVERY_DEVICE,
    FIRST_BLOCK,
    INPUT,
    OUTPUT,
    TOKEN_EMBEDDING,
    block_of,
    has_tied_embeddings,
    place_of,
)
from .reader import Header, TensorInfo
from .servable import refuse_other_files, unservable, warnings
from .types import file_type_name

# Upstream: HASH_THRESHOLD in ggml/src/ggml-rpc/ggml-rpc.cpp. Only strictly larger tensors go through the cache.
CACHE_THRESHOLD_BYTES = 10 * 1024 * 1024

_DAMAGED = "the file is damaged or of a kind that Drover does not know"

_ARCHITECTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Of a name that people are shown; of a hyperparameter, which is a word where it is no number.
_MOST_NAME, _MOST_WORD = 200, 1_000

_ATTENTION_TENSORS = ("attn_q", "attn_qkv", "attn_q_a", "attn_q_b")


def model_profile(header: Header) -> dict:
    """Boil ``header`` down to the document ``gguf``.

    Beside what a person asks of a model it holds what the memory model needs:

    - ``hyperparameters``: the values of ``{architecture}.*`` with that prefix stripped: scalars, and arrays of at
      most ``block_count`` numbers;
    - ``tied_embeddings``: there is no ``output.weight``, so llama.cpp loads ``token_embd.weight`` a second time as
      the output layer's matrix; ``output_bytes`` already counts it;
    - ``every_device_bytes``: small tensors that every device with a block holds a copy of;
    - ``first_block_bytes``: small tensors that go where block 0 goes;
    - ``largest_output_tensor_bytes`` and, in each of ``blocks``, ``largest_tensor_bytes``: an RPC server receives a
      tensor whole before it puts it into its place;
    - in each of ``blocks``: ``expert_bytes`` (the part of ``weight_bytes`` of which a token uses only
      ``expert_used_count`` in ``expert_count``) and ``kind``, an index into
    - ``block_kinds``: for every kind of block its matrices and how many values each makes of a token, for example
      ``{"attn_q": 4096, "ffn_up": 14336, ...}``; blocks of the same shape are of the same kind;

    and what ``servable`` says: ``unservable`` (sentences; empty is good) and ``warnings``.

    Sizes are bytes. A header that cannot be a model of blocks raises ``DroverError``.
    """
    metadata = header.metadata
    refuse_other_files(metadata, len(header.tensors))
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise DroverError(
            "The GGUF header has no general.architecture, so this is not a language model: give the GGUF of one."
        )
    if not _ARCHITECTURE.fullmatch(architecture):
        raise DroverError(
            f"The GGUF header's general.architecture is {architecture[:80]!r} but must be a short name such as llama: "
            f"{_DAMAGED}."
        )
    hyperparameters = _hyperparameters(metadata, architecture)
    block_count = _block_count(hyperparameters, architecture)
    hyperparameters = {
        key: value for key, value in hyperparameters.items() if not isinstance(value, list) or len(value) <= block_count
    }
    blocks, block_kinds = _blocks(header.tensors, block_count)
    embedding_length = _natural(hyperparameters, "embedding_length", 0)
    head_count = _per_block(hyperparameters, "attention.head_count", block_count, 0)
    head_count_kv = _per_block(hyperparameters, "attention.head_count_kv", block_count, head_count)
    _check_heads(blocks, block_kinds, head_count)
    expert_count = _natural(hyperparameters, "expert_count", 0, MAX_EXPERT_COUNT)
    first_heads = head_count[0] if isinstance(head_count, list) else head_count
    default_length = embedding_length // first_heads if first_heads else 0

    loose = {INPUT: 0, FIRST_BLOCK: 0, OUTPUT: 0, EVERY_DEVICE: 0}
    names = [tensor.name for tensor in header.tensors]
    largest_output = 0
    for tensor in header.tensors:
        if not block_of(tensor.name):
            place = place_of(tensor.name)
            loose[place] += tensor.n_bytes
            largest_output = max(largest_output, tensor.n_bytes) if place == OUTPUT else largest_output
    token_embedding = next((tensor for tensor in header.tensors if tensor.name == TOKEN_EMBEDDING), None)
    tied_bytes = token_embedding.n_bytes if token_embedding and has_tied_embeddings(names) else 0
    name = metadata.get("general.name")
    file_type = metadata.get("general.file_type")
    file_type = file_type if is_natural(file_type) else None

    return {
        "schema": SCHEMA,
        "architecture": architecture,
        "name": printable(name, _MOST_NAME) if isinstance(name, str) else "",
        "version": header.version,
        "file_type": file_type,
        "quantization": None if file_type is None else file_type_name(file_type),
        "file_bytes": header.file_bytes,
        "weight_bytes": sum(tensor.n_bytes for tensor in header.tensors),
        "parameter_count": sum(math.prod(tensor.shape) for tensor in header.tensors),
        "tensor_count": len(header.tensors),
        "block_count": block_count,
        "context_length": _natural(hyperparameters, "context_length", 0),
        "embedding_length": embedding_length,
        "feed_forward_length": _per_block(hyperparameters, "feed_forward_length", block_count, 0),
        "head_count": head_count,
        "head_count_kv": head_count_kv,
        "key_length": _natural(hyperparameters, "attention.key_length", default_length),
        "value_length": _natural(hyperparameters, "attention.value_length", default_length),
        "expert_count": expert_count,
        "expert_used_count": _per_block(hyperparameters, "expert_used_count", block_count, 0, expert_count),
        "sliding_window": _natural(hyperparameters, "attention.sliding_window", 0),
        "vocab_size": _vocab_size(metadata, hyperparameters, token_embedding),
        "chat_template": bool(metadata.get("tokenizer.chat_template")),
        "shards": list(header.shards),
        "embedding_bytes": loose[INPUT],
        "output_bytes": loose[OUTPUT] + tied_bytes,
        "largest_output_tensor_bytes": max(largest_output, tied_bytes),
        "every_device_bytes": loose[EVERY_DEVICE],
        "first_block_bytes": loose[FIRST_BLOCK],
        "tied_embeddings": tied_bytes > 0,
        "hyperparameters": hyperparameters,
        "block_kinds": block_kinds,
        "blocks": blocks,
        "unservable": unservable(architecture, metadata, names),
        "warnings": warnings(architecture, metadata, names),
    }


def _hyperparameters(metadata: dict[str, Any], architecture: str) -> dict[str, Any]:
    """The ``{architecture}.*`` values that JSON can carry, prefix stripped; text arrays are nobody's dimension."""
    prefix = architecture + "."
    return {
        key[len(prefix) :]: value
        for key, value in metadata.items()
        if key.startswith(prefix) and (_is_plain(value) or _is_plain_list(value))
    }


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (bool, int)) or (isinstance(value, str) and len(value) <= _MOST_WORD)


def _is_plain_list(value: object) -> bool:
    return isinstance(value, list) and all(_is_plain(item) and not isinstance(item, str) for item in value)


def _natural(hyperparameters: dict[str, Any], key: str, default: int, most: int = MOST) -> int:
    return whole(hyperparameters.get(key, default), f"The GGUF header's {key}", 0, most, _DAMAGED)


def _per_block(
    hyperparameters: dict[str, Any], key: str, block_count: int, default: int | list[int], most: int = MOST
) -> int | list[int]:
    """A value that is one number, of at most ``most``, for all blocks, or a list of one a block."""
    value = hyperparameters.get(key, default)
    numbers = value if isinstance(value, list) else [value]
    fit = all(is_natural(number) and number <= most for number in numbers)
    if not fit or (isinstance(value, list) and len(value) != block_count):
        raise DroverError(
            f"The GGUF header's {key} is {value!r} but must be a whole number from 0 to {most}, or one for each of the "
            f"{block_count} blocks: {_DAMAGED}."
        )
    return value


def _block_count(hyperparameters: dict[str, Any], architecture: str) -> int:
    name = f"The GGUF header's {architecture}.block_count"
    return whole(hyperparameters.get("block_count"), name, 1, MAX_BLOCK_COUNT, "give a language model with blocks")


def _blocks(tensors: Sequence[TensorInfo], block_count: int) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    """The blocks, and the distinct kinds among them."""
    blocks = [
        {"index": index, "weight_bytes": 0, "largest_tensor_bytes": 0, "cacheable_bytes": 0, "expert_bytes": 0}
        for index in range(block_count)
    ]
    matrices: list[dict[str, int]] = [{} for _block in blocks]
    highest = -1
    for tensor in tensors:
        found = block_of(tensor.name)
        if not found:
            continue
        index, name = found
        if index >= block_count:
            raise DroverError(
                f"The GGUF has tensor {tensor.name} but its header says block_count is {block_count}: the file is "
                "damaged, download it again."
            )
        highest = max(highest, index)
        stem, _dot, suffix = name.rpartition(".")
        block = blocks[index]
        block["weight_bytes"] += tensor.n_bytes
        block["largest_tensor_bytes"] = max(block["largest_tensor_bytes"], tensor.n_bytes)
        block["cacheable_bytes"] += tensor.n_bytes if tensor.n_bytes > CACHE_THRESHOLD_BYTES else 0
        block["expert_bytes"] += tensor.n_bytes if stem.endswith("_exps") else 0
        if suffix == "weight" and len(tensor.shape) > 1:
            # Columns; of the stacked matrices of experts, those of one expert.
            matrices[index][stem] = tensor.shape[1]
    # An empty block in between is legal (some pruned models have them), an empty end is a wrong block_count.
    if highest != block_count - 1:
        raise DroverError(
            f"The GGUF header says block_count is {block_count} but the tensors make {highest + 1} blocks: the file "
            "is damaged or a shard is missing."
        )
    kinds: list[dict[str, int]] = []
    for block, kind in zip(blocks, matrices):
        kind = dict(sorted(kind.items()))
        if kind not in kinds:
            kinds.append(kind)
        block["kind"] = kinds.index(kind)
    return blocks, kinds


def _check_heads(blocks: list[dict[str, int]], block_kinds: list[dict[str, int]], head_count: int | list[int]) -> None:
    for block in blocks:
        heads = head_count[block["index"]] if isinstance(head_count, list) else head_count
        if heads == 0 and any(name in block_kinds[block["kind"]] for name in _ATTENTION_TENSORS):
            raise DroverError(
                f"The GGUF header says attention.head_count is 0 but block {block['index']} has attention tensors: "
                "the file is damaged, download it again."
            )


def _vocab_size(metadata: dict[str, Any], hyperparameters: dict[str, Any], token_embedding: TensorInfo | None) -> int:
    """Tokens of the vocabulary: the list itself, else the header's word for it, else the embedding's rows."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, SkippedArray):
        return tokens.length
    if isinstance(tokens, list):
        return len(tokens)
    if "vocab_size" in hyperparameters:
        return _natural(hyperparameters, "vocab_size", 0)
    return token_embedding.shape[1] if token_embedding is not None and len(token_embedding.shape) > 1 else 0
