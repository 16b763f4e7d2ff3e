# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of ``llama-server`` that decide how much memory it takes."""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks
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

    def __post_init__(self) -> None:
        for name in ("context_size", "batch_size", "ubatch_size"):
            checks.whole(getattr(self, name), name, 1)
        checks.whole(self.parallel, "parallel", 1, MAX_SLOTS, "llama-server has no more slots than that")
        if self.outputs is not None:
            checks.whole(self.outputs, "outputs", 1)
        for name in ("cache_type_k", "cache_type_v"):
            checks.choice(getattr(self, name), name, CACHE_TYPES)
        checks.choice(self.flash_attention, "flash_attention", FLASH_ATTENTION)
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


def pad(value: int, multiple: int) -> int:
    """``value`` rounded up to the next ``multiple``."""
    return (value + multiple - 1) // multiple * multiple
