# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of ``llama-server`` that decide how much memory it takes."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DroverError

# name -> (elements in a quantisation block, bytes of a block): what llama-server takes for --cache-type-k and -v.
# Upstream: kv_cache_types in common/arg.cpp and type_traits in ggml/src/ggml.c.
CACHE_TYPES = {
    "f32": (1, 4),
    "f16": (1, 2),
    "bf16": (1, 2),
    "q8_0": (32, 34),
    "q4_0": (32, 18),
    "q4_1": (32, 20),
    "iq4_nl": (32, 18),
    "q5_0": (32, 22),
    "q5_1": (32, 24),
}
QUANTISED_CACHE_TYPES = frozenset(name for name, (elements, _bytes) in CACHE_TYPES.items() if elements > 1)
FLASH_ATTENTION = ("auto", "on", "off")
MAX_SLOTS = 256  # upstream: LLAMA_MAX_SEQ
CONTEXT_PADDING = 256  # upstream: GGML_PAD(cparams.n_ctx, 256) in src/llama-context.cpp


@dataclass(frozen=True)
class Settings:
    """What ``llama-server`` is started with; the defaults are its own, but for one slot where it picks a number.

    ``context_size`` is the total over all slots, in tokens; every slot gets ``context_size / parallel`` of it
    (``--no-kv-unified``, which Drover passes). ``outputs`` is for how many tokens of a batch logits are wanted:
    llama-server reserves memory for one a slot, which is what None means; ``llama-fit-params`` for the whole batch.
    """

    context_size: int = 4096
    parallel: int = 1
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    batch_size: int = 2048
    ubatch_size: int = 512
    flash_attention: str = "auto"
    outputs: int | None = None

    def __post_init__(self):
        for name in ("context_size", "parallel", "batch_size", "ubatch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise DroverError(f"{name} is {value!r} but must be a whole number of at least 1.")
        if self.outputs is not None and (not isinstance(self.outputs, int) or self.outputs < 1):
            raise DroverError(f"outputs is {self.outputs!r} but must be a whole number of at least 1, or nothing.")
        if self.parallel > MAX_SLOTS:
            raise DroverError(f"parallel is {self.parallel} but llama-server has at most {MAX_SLOTS} slots.")
        for name in ("cache_type_k", "cache_type_v"):
            value = getattr(self, name)
            if value not in CACHE_TYPES:
                raise DroverError(f"{name} is {value!r} but must be one of {', '.join(CACHE_TYPES)}.")
        if self.flash_attention not in FLASH_ATTENTION:
            raise DroverError(
                f"flash_attention is {self.flash_attention!r} but must be one of {', '.join(FLASH_ATTENTION)}."
            )
        if self.flash_attention == "off" and self.cache_type_v in QUANTISED_CACHE_TYPES:
            raise DroverError(
                f"cache_type_v is {self.cache_type_v} but flash_attention is off, and llama.cpp has no quantised V "
                "cache without it: set flash_attention to auto or on, or cache_type_v to f16."
            )

    @property
    def slot_context(self) -> int:
        """Tokens of one slot, padded as llama.cpp pads them (``n_ctx_seq`` in src/llama-context.cpp)."""
        return pad(pad(self.context_size, CONTEXT_PADDING) // self.parallel, CONTEXT_PADDING)

    @property
    def micro_batch(self) -> int:
        """Tokens of the largest graph llama.cpp reserves memory for."""
        context = self.slot_context * self.parallel
        return min(self.ubatch_size, self.batch_size, context)

    @property
    def output_rows(self) -> int:
        """Tokens of the largest graph that go through the output layer (``n_outputs_max`` upstream)."""
        return min(self.outputs or self.parallel, self.micro_batch)


def pad(value, multiple):
    """``value`` rounded up to the next ``multiple``."""
    return (value + multiple - 1) // multiple * multiple
