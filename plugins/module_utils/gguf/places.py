# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where llama.cpp puts a tensor, by its name. The memory model counts by it, and the tensor cache is filled by it."""

from __future__ import annotations

import re
from collections.abc import Iterable

INPUT, FIRST_BLOCK, EVERY_DEVICE, OUTPUT = "input", "first_block", "every_device", "output"
TOKEN_EMBEDDING = "token_embd.weight"

_BLOCK_NAME = re.compile(r"^(?:enc\.|dec\.)?blk\.(\d+)\.(.+)$")

# Looked up on the leader's CPU, row by row, and never offloaded.
# Upstream: LLM_TENSOR_LAYER_INPUT in src/llama-arch.cpp.
_INPUT_TENSORS = frozenset(("token_embd", "token_types", "position_embd", "per_layer_token_embd"))

# Of no block by name, but applied to the embedding on the device of the first block.
_FIRST_BLOCK_TENSORS = frozenset(("token_embd_norm", "per_layer_model_proj", "per_layer_proj_norm"))

# Upstream declares them once a block and loads them once for every device that holds a block
# (TENSOR_DUPLICATED): frequency factors of the rotary embedding.
_EVERY_DEVICE_TENSORS = frozenset(("rope_freqs", "rope_factors_long", "rope_factors_short"))


def block_of(name: str) -> tuple[int, str] | None:
    """The block that a tensor belongs to and its name there, such as ``attn_q.weight``; None for one of no block."""
    match = _BLOCK_NAME.match(name)
    return (int(match[1]), match[2]) if match else None


def place_of(name: str) -> str:
    """Where a tensor of no block goes: ``INPUT``, ``FIRST_BLOCK``, ``EVERY_DEVICE`` or ``OUTPUT``."""
    stem = name.rsplit(".", 1)[0]
    if stem in _INPUT_TENSORS:
        return INPUT
    if stem in _FIRST_BLOCK_TENSORS:
        return FIRST_BLOCK
    return EVERY_DEVICE if stem in _EVERY_DEVICE_TENSORS else OUTPUT


def has_tied_embeddings(names: Iterable[str]) -> bool:
    """Whether the token embedding of the model with these tensors is loaded a second time, as the output layer."""
    found = set(names)
    return TOKEN_EMBEDDING in found and "output.weight" not in found


def layers_by_name(names: Iterable[str], block_count: int) -> dict[str, int | None]:
    """The layer that each tensor goes with which a device can hold: a block, ``block_count`` for the output layer, or
    None for one that every device with a block holds."""
    names = list(names)
    layers: dict[str, int | None] = {}
    for name in names:
        block = block_of(name)
        place = place_of(name)
        if block:
            layers[name] = block[0]
        elif place != INPUT:
            layers[name] = {FIRST_BLOCK: 0, EVERY_DEVICE: None, OUTPUT: block_count}[place]
    if has_tied_embeddings(names):
        layers[TOKEN_EMBEDDING] = block_count
    return layers
