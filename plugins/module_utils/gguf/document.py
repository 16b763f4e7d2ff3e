# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of the document ``gguf``, which says what a model is (made by ``profile.model_profile``)."""

from __future__ import annotations

from ..checks import Fields, dictionary, document, whole
from ..errors import DroverError

SCHEMA = 1

# Upstream: LLAMA_MAX_LAYERS in src/llama-hparams.h; a model with more is loaded by nobody. Upstream's LLAMA_MAX_EXPERTS
# is raised now and then, this is beyond it. What is planned with is walked through block by block, and expert by
# expert, so a hostile number would take all time and memory there is.
MAX_BLOCK_COUNT = 512
MAX_EXPERT_COUNT = 2048
# No model comes near it; it keeps hostile numbers out of the arithmetic.
MOST = 1 << 60

# Null where the file does not say.
_MAYBE_WHOLE = (int, type(None))
_MAYBE_TEXT = (str, type(None))
# One number for all blocks, or a list of one a block.
_EACH_BLOCK = (int, list)

FIELDS: Fields = {
    "architecture": str,
    "name": str,
    "version": int,
    "file_type": _MAYBE_WHOLE,
    "quantization": _MAYBE_TEXT,
    "file_bytes": int,
    "weight_bytes": int,
    "parameter_count": int,
    "tensor_count": int,
    "block_count": int,
    "context_length": int,
    "embedding_length": int,
    "feed_forward_length": _EACH_BLOCK,
    "head_count": _EACH_BLOCK,
    "head_count_kv": _EACH_BLOCK,
    "key_length": int,
    "value_length": int,
    "expert_count": int,
    "expert_used_count": _EACH_BLOCK,
    "sliding_window": int,
    "vocab_size": int,
    "chat_template": bool,
    "shards": list,
    "embedding_bytes": int,
    "output_bytes": int,
    "largest_output_tensor_bytes": int,
    "every_device_bytes": int,
    "first_block_bytes": int,
    "tied_embeddings": bool,
    "hyperparameters": dict,
    "block_kinds": list,
    "blocks": list,
    "unservable": list,
    "warnings": list,
}
BLOCK_FIELDS = ("index", "weight_bytes", "largest_tensor_bytes", "cacheable_bytes", "expert_bytes", "kind")

_REMEDY = "give what gguf_info returned as gguf"


def read_gguf(value: object) -> dict:
    """Return ``value`` when it is a ``gguf`` that can be planned with, else raise ``DroverError`` with one sentence.

    What planning counts with is checked down to the last number, since the document may come from a file or a host.
    """
    gguf = document(value, "The gguf", SCHEMA, FIELDS, _REMEDY)
    count = whole(gguf["block_count"], "block_count of the gguf", 1, MAX_BLOCK_COUNT, _REMEDY)
    experts = whole(gguf["expert_count"], "expert_count of the gguf", 0, MAX_EXPERT_COUNT, _REMEDY)
    for name, kinds in FIELDS.items():
        if kinds is int and name != "block_count":
            whole(gguf[name], f"{name} of the gguf", 0, MOST, _REMEDY)
        elif kinds is _EACH_BLOCK:
            most = experts if name == "expert_used_count" else MOST
            _check_each_block(gguf[name], f"{name} of the gguf", count, most)
    for name in ("shards", "unservable", "warnings"):
        if not all(isinstance(item, str) for item in gguf[name]):
            raise DroverError(f"{name} of the gguf is {gguf[name]!r} but must be a list of texts: {_REMEDY}.")
    if not gguf["shards"]:
        raise DroverError(f"The gguf names no file among its shards: {_REMEDY}.")
    if len(gguf["blocks"]) != count:
        raise DroverError(f"The gguf has {len(gguf['blocks'])} blocks but block_count {count}: {_REMEDY}.")
    for index, kind in enumerate(gguf["block_kinds"]):
        name = f"block kind {index} of the gguf"
        for matrix, columns in dictionary(kind, name, _REMEDY).items():
            whole(columns, f"{matrix} of {name}", 0, MOST, _REMEDY)
    for index, block in enumerate(gguf["blocks"]):
        _check_block(block, index, len(gguf["block_kinds"]))
    return gguf


def _check_each_block(value: int | list, name: str, count: int, most: int) -> None:
    numbers = value if isinstance(value, list) else [value]
    if isinstance(value, list) and len(value) != count:
        raise DroverError(f"{name} has {len(value)} numbers but must have one for each of {count} blocks: {_REMEDY}.")
    for item in numbers:
        whole(item, name, 0, most, _REMEDY)


def _check_block(value: object, index: int, kind_count: int) -> None:
    name = f"block {index} of the gguf"
    block = dictionary(value, name, _REMEDY)
    for field in BLOCK_FIELDS:
        whole(block.get(field), f"{field} of {name}", 0, MOST, _REMEDY)
    if block["index"] != index or block["kind"] >= kind_count:
        raise DroverError(
            f"{name} has index {block['index']} and kind {block['kind']}, of {kind_count} kinds: {_REMEDY}."
        )
