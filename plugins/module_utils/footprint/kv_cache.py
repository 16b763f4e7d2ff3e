# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of context memory that each block needs: attention caches and recurrent states.

Which block has which kind of memory follows upstream's ``load_arch_hparams`` of each architecture (src/models/) and
``llama_model::create_memory`` (src/llama-model.cpp); sizes follow src/llama-kv-cache.cpp,
src/llama-kv-cache-iswa.cpp and src/llama-memory-recurrent.cpp.
"""

from __future__ import annotations

from typing import Any

from .. import checks
from ..errors import DroverError
from ..gguf.document import MOST
from .settings import CACHE_TYPES, CONTEXT_PADDING, Settings, pad

# Sliding windows: architecture -> (period of the pattern, is the first of a period the full one, default window).
# A model's own attention.sliding_window_pattern wins. Period 0 means the model must bring its pattern.
SLIDING_WINDOWS = {
    "afmoe": (4, False, 0),
    "cohere2": (4, False, 0),
    "cohere2moe": (4, True, 0),
    "exaone-moe": (4, False, 128),
    "exaone4": (4, False, 0),
    "gemma2": (2, False, 4096),
    "gemma3": (6, False, 0),
    "gemma3n": (5, False, 0),
    "gemma4": (0, False, 0),
    "gpt-oss": (2, False, 0),
    "laguna": (4, True, 0),
    "llama4": (4, False, 8192),
    "mellum": (4, False, 0),
    "mimo2": (0, False, 0),
    "olmo2": (4, False, 0),
    "plamo3": (8, False, 0),
    "smallthinker": (4, True, 4096),
    "step35": (0, False, 0),
}

# Every block is recurrent.
RECURRENT = frozenset(("mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"))
# A block without KV heads is recurrent.
HEADLESS_RECURRENT = frozenset(("jamba", "plamo2", "granitehybrid", "lfm2", "lfm2moe", "kimi-linear"))
# A block with neither KV heads nor a feed-forward length is recurrent, one with a feed-forward length has no memory.
SINGLE_PART = frozenset(("nemotron_h", "nemotron_h_moe"))
# All but every n-th block are recurrent: architecture -> n.
INTERVAL_RECURRENT = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}
STATE_TENSORS = ("ssm_", "time_mix", "shortconv")
# Every block has both.
BOTH = frozenset(("falcon-h1",))


def row_bytes(cache_type: str, heads: int, length: int) -> int:
    """Bytes of a token's row of ``heads`` times ``length`` values (``ggml_row_size``).

    ``DroverError`` where llama.cpp refuses: a head must be whole blocks of a quantised type.
    """
    block_elements, block_bytes = CACHE_TYPES[cache_type]
    if length % block_elements:
        raise DroverError(
            f"The cache type {cache_type} needs heads of a multiple of {block_elements} values but this model's heads "
            f"have {length}: use f16."
        )
    return heads * length // block_elements * block_bytes


class BlockMemory:
    """The memory of every block of a ``gguf`` under ``settings``.

    ``is_sliding[i]``, ``is_recurrent[i]``, ``is_attention[i]`` tell the kinds, ``cells[i]`` the tokens of one slot's
    attention cache, ``block_bytes[i]`` the bytes over all slots.
    """

    def __init__(self, gguf: dict[str, Any], settings: Settings) -> None:
        self._gguf = gguf
        self._hyperparameters = gguf["hyperparameters"]
        self._settings = settings
        count = gguf["block_count"]
        # Multi-token-prediction blocks at the end are neither loaded nor attended to.
        self.trunk_blocks = count - self.number("nextn_predict_layers", 0)
        if self.trunk_blocks < 1:
            raise DroverError(
                f"The GGUF header says nextn_predict_layers is {count - self.trunk_blocks} of {count} blocks, which "
                "leaves no model: the file is damaged, download it again."
            )
        self.head_count_kv = each_block(gguf["head_count_kv"], count)
        self.feed_forward_length = each_block(gguf["feed_forward_length"], count)
        # Values of the embedding that every block has beside the model's own.
        self.block_embedding_length = self.number("embedding_length_per_layer_input", 0)
        self.cached_blocks = self._cached_blocks(count)
        self.window = self._window()
        self.is_sliding = self._sliding(count)
        self.is_recurrent = [self._recurrent(index) for index in range(count)]
        self.is_attention = [self._attention(index) for index in range(count)]
        self.key_length = [self._length("key_length", index) for index in range(count)]
        self.value_length = [self._length("value_length", index) for index in range(count)]
        self.widest_value_row = max(heads * length for heads, length in zip(self.head_count_kv, self.value_length))
        self.convolution_values = self._convolution_values()
        self.state_values = self._state_values()
        self.cells = [self._cells(index) for index in range(count)]
        self.block_bytes = [self._attention_bytes(index) + self._state_bytes(index) for index in range(count)]

    def number(self, name: str, default: int, least: int = 0) -> int:
        """A hyperparameter that must be a whole number of at least ``least``; else ``DroverError``."""
        remedy = "the file is damaged or of a kind that Drover does not know"
        return checks.whole(self._hyperparameters.get(name, default), f"The GGUF header's {name}", least, MOST, remedy)

    @property
    def is_compressed(self) -> bool:
        """MLA as it is converted since 2025: one latent row a token that serves as K and as V."""
        return "attention.key_length_mla" in self._hyperparameters

    def _window(self) -> int:
        architecture = self._gguf["architecture"]
        if architecture not in SLIDING_WINDOWS:
            return 0
        default = SLIDING_WINDOWS[architecture][2]
        window = self.number("attention.sliding_window", default)
        # llama4 reads the key only to learn whether the pattern is switched off.
        return default if architecture in ("llama4", "smallthinker") and window else window

    def _sliding(self, count: int) -> list[bool]:
        if not self.window:
            return [False] * count
        period, full_first, _window = SLIDING_WINDOWS[self._gguf["architecture"]]
        pattern = self._hyperparameters.get("attention.sliding_window_pattern")
        if isinstance(pattern, list):
            return [index < len(pattern) and bool(pattern[index]) for index in range(count)]
        pattern = self.number("attention.sliding_window_pattern", period)
        full = 0 if full_first else pattern - 1
        return [index < self.trunk_blocks and (pattern == 0 or index % pattern != full) for index in range(count)]

    def _recurrent(self, index: int) -> bool:
        architecture = self._gguf["architecture"]
        if architecture in RECURRENT or architecture in BOTH:
            return True
        if architecture in HEADLESS_RECURRENT:
            return self.head_count_kv[index] == 0
        if architecture in SINGLE_PART:
            return self.head_count_kv[index] == 0 and self.feed_forward_length[index] == 0
        if architecture in INTERVAL_RECURRENT:
            layers = self._hyperparameters.get("attention.recurrent_layers")
            if isinstance(layers, list):
                return index < len(layers) and bool(layers[index])
            interval = self.number("full_attention_interval", INTERVAL_RECURRENT[architecture], least=1)
            return (index + 1) % interval != 0
        # An architecture unknown to Drover: believe the tensors.
        kind = self._gguf["block_kinds"][self._gguf["blocks"][index]["kind"]]
        return any(name.startswith(STATE_TENSORS) for name in kind)

    def _attention(self, index: int) -> bool:
        architecture = self._gguf["architecture"]
        if index >= self.trunk_blocks or not self.head_count_kv[index] or architecture in RECURRENT:
            return False
        if index >= self.cached_blocks:
            return False
        if architecture in SINGLE_PART:
            return self.feed_forward_length[index] == 0
        if architecture in HEADLESS_RECURRENT or architecture in INTERVAL_RECURRENT:
            return not self.is_recurrent[index]
        return True

    def _cached_blocks(self, count: int) -> int:
        """How many blocks, from the first, have caches; the others read those of the last two that have."""
        if self._gguf["architecture"] == "gemma3n":
            return min(20, count)
        shared = self.number("attention.shared_kv_layers", 0) if self._gguf["architecture"] == "gemma4" else 0
        if shared and shared > count - 2:
            raise DroverError(
                f"The GGUF header says attention.shared_kv_layers is {shared} of {count} blocks, which leaves none to "
                "share: the file is damaged, download it again."
            )
        return count - shared

    def shared_source(self, index: int) -> int | None:
        """The block whose cache block ``index`` reads in place of one of its own, or None."""
        if index < self.cached_blocks or index >= self.trunk_blocks:
            return None
        return self.cached_blocks - (2 if self.is_sliding[index] else 1)

    def _length(self, name: str, index: int) -> int:
        length = self._gguf[name]
        return self.number(f"attention.{name}_swa", length) if self.is_sliding[index] else length

    def _cells(self, index: int) -> int:
        if not self.is_attention[index]:
            return 0
        context = self._settings.slot_context
        if not self.is_sliding[index]:
            return context
        return pad(min(context, self.window + self._settings.micro_batch), CONTEXT_PADDING)

    def _attention_bytes(self, index: int) -> int:
        if not self.cells[index]:
            return 0
        heads = self.head_count_kv[index]
        row = row_bytes(self._settings.cache_type_k, heads, self.key_length[index])
        if not self.is_compressed:
            row += self._value_row_bytes(index)
        return row * self.cells[index] * self._settings.parallel

    def _value_row_bytes(self, index: int) -> int:
        """Without flash attention V is stored transposed, in rows as wide as the widest block's."""
        if self._settings.flash_attention == "off":
            return row_bytes(self._settings.cache_type_v, 1, self.widest_value_row)
        return row_bytes(self._settings.cache_type_v, self.head_count_kv[index], self.value_length[index])

    def _state_bytes(self, index: int) -> int:
        """Recurrent state, always f32 and per slot (``n_embd_r`` and ``n_embd_s`` in src/llama-hparams.cpp)."""
        if index >= self.trunk_blocks or not self.is_recurrent[index]:
            return 0
        return 4 * self._settings.parallel * (self.convolution_values + self.state_values)

    def _convolution_values(self) -> int:
        width = self._gguf["embedding_length"]
        if "wkv.head_size" in self._hyperparameters:
            return self.number("token_shift_count", 2) * width
        if "shortconv.l_cache" in self._hyperparameters:
            return (self.number("shortconv.l_cache", 1, least=1) - 1) * width
        kernel = self.number("ssm.conv_kernel", 0)
        if "kda.head_dim" in self._hyperparameters:
            return 3 * (kernel - 1 if kernel else 3) * self._head_count() * self.number("kda.head_dim", 0)
        state = self.number("ssm.group_count", 0) * self.number("ssm.state_size", 0)
        return max(kernel - 1, 0) * (self.number("ssm.inner_size", 0) + 2 * state)

    def _state_values(self) -> int:
        if "wkv.head_size" in self._hyperparameters:
            return self._gguf["embedding_length"] * self.number("wkv.head_size", 0)
        if "kda.head_dim" in self._hyperparameters:
            return self.number("kda.head_dim", 0) ** 2 * self._head_count()
        if "shortconv.l_cache" in self._hyperparameters:
            return 0
        return self.number("ssm.state_size", 0) * self.number("ssm.inner_size", 0)

    def _head_count(self) -> int:
        return each_block(self._gguf["head_count"], 1)[0]


def each_block(value: int | list[int], count: int) -> list[int]:
    """``value`` as a list of one number for each block."""
    return value[:count] if isinstance(value, list) else [value] * count
