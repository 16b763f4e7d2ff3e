# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A compute graph that knows the model: nodes of so many floats a token, and a block's feed-forward part."""

from __future__ import annotations

from typing import Any

from ..errors import DroverError
from .graph_memory import Graph, Tensor
from .kv_cache import BlockMemory
from .settings import Settings

FLOAT = 4


class Kind(dict[str, int]):
    """The matrices of a block, by their names without ``.weight``, with their output widths. Raises DroverError for one
    that is not there and that the others need."""

    def __missing__(self, name: str) -> int:
        raise DroverError(
            f"A block of the model has {', '.join(self)} and no {name}, which belongs to them: the file is damaged or "
            "of a kind that Drover does not know."
        )


class LayerGraph(Graph):
    """A graph for a full micro-batch of tokens. Of every input there are ``copies``; when they are several, all stay to
    the end."""

    def __init__(self, gguf: dict[str, Any], settings: Settings, memory: BlockMemory, copies: int) -> None:
        super().__init__()
        self.copies = copies
        self._gguf = gguf
        self._settings = settings
        self._memory = memory
        self._next_state: Tensor | None = None
        self._is_last = False
        self._rows = settings.micro_batch
        self.width: int = gguf["embedding_length"]

    def bytes_of(self, values: int) -> int:
        """Bytes of ``values`` floats for each token."""
        return FLOAT * self._rows * values

    def floats(self, values: int, *sources: Tensor, in_place: bool = False, kept: bool = False) -> Tensor:
        """A node of ``values`` floats for each token."""
        return self.node(self.bytes_of(values), *sources, in_place=in_place, kept=kept)

    def received(self, *sizes: int) -> list[Tensor]:
        """Inputs of so many bytes each, as the scheduler copies them to a device."""
        return [[self.input(size, kept=self.copies > 1) for _copy in range(self.copies)][-1] for size in sizes]

    def _kind(self, index: int) -> Kind:
        return Kind(self._gguf["block_kinds"][self._gguf["blocks"][index]["kind"]])

    def _used(self, index: int) -> int:
        used = self._gguf["expert_used_count"]
        return used[index] if isinstance(used, list) else used

    def _heads(self, index: int) -> int:
        heads = self._gguf["head_count"]
        return heads[index] if isinstance(heads, list) else heads

    def _state_bytes(self) -> int:
        return FLOAT * self._settings.parallel * self._memory.state_values

    def _read_next_state(self) -> None:
        """The convolution's state of the next block is read early and lies in the way of what is freed around it."""
        if not self._is_last:
            self._next_state = self.node(FLOAT * self._settings.parallel * self._memory.convolution_values)

    def _feed_forward(self, kind: Kind, index: int, normed: Tensor) -> Tensor:
        made = []
        if "ffn_down_exps" in kind:
            made.append(self._experts(kind, index, normed))
            if "ssm_in" in kind:
                self._read_next_state()
        for suffix in ("_shexp", ""):
            if f"ffn_down{suffix}" in kind:
                made.append(self._dense(kind, suffix, normed))
                if len(made) > 1:
                    made = [self.floats(self.width, *made, in_place=True)]
        return made[0] if made else normed

    def _dense(self, kind: Kind, suffix: str, normed: Tensor) -> Tensor:
        length = kind[f"ffn_up{suffix}"]
        if f"ffn_gate{suffix}" in kind:
            gate = self.floats(kind[f"ffn_gate{suffix}"], normed)
            hidden = self.floats(length, gate, self.floats(length, normed))
        else:
            hidden = self.floats(length, normed)
            if length == 2 * max(self._memory.feed_forward_length):
                # Gate and up in one matrix.
                hidden = self.floats(length // 2, hidden)
        return self.floats(self.width, hidden)

    def _experts(self, kind: Kind, index: int, normed: Tensor) -> Tensor:
        used, count = self._used(index), self._gguf["expert_count"]
        probabilities = self.floats(count, normed)
        chosen = self.floats(count, probabilities)
        weights = self.floats(used, probabilities, chosen)
        if self._gguf["architecture"] == "llama4":
            # Weighs the input of the experts, not their output.
            normed = self.floats(used * self.width, normed, weights)
        made = self._rows_of_experts(kind, index, normed, chosen)
        made = self.floats(used * self.width, made, weights, in_place=True)
        return self._sum_of_experts(made, index)

    def add_experts_apart(self, index: int) -> None:
        """Add the experts of block ``index`` alone, where all else of it is computed elsewhere."""
        kind, used = self._kind(index), self._used(index)
        if "ffn_down_exps" in kind:
            widened = used if self._gguf["architecture"] == "llama4" else 1
            normed, chosen = self.received(self.bytes_of(widened * self.width), self.bytes_of(used))
            self.use(self._rows_of_experts(kind, index, normed, chosen))

    def _rows_of_experts(self, kind: Kind, index: int, normed: Tensor, chosen: Tensor) -> Tensor:
        """What each of the chosen experts makes of a token."""
        used = self._used(index)
        if "ffn_gate_up_exps" in kind:
            both = self.floats(used * kind["ffn_gate_up_exps"], normed, chosen)
            hidden = self.floats(used * kind["ffn_gate_up_exps"] // 2, both)
        elif "ffn_gate_exps" in kind:
            gate = self.floats(used * kind["ffn_gate_exps"], normed, chosen)
            up = self.floats(used * kind["ffn_up_exps"], normed, chosen)
            hidden = self.floats(used * kind["ffn_up_exps"], gate, up)
        else:
            hidden = self.floats(used * kind["ffn_up_exps"], normed, chosen)
        return self.floats(used * self.width, hidden, chosen)

    def _sum_of_experts(self, made: Tensor, index: int) -> Tensor:
        """Every expert's row is added to the sum, so all of them live until the last."""
        total = self.floats(self.width, made)
        for _expert in range(2, self._used(index)):
            total = self.floats(self.width, total, made, in_place=True)
        return total


def has_feed_forward(kind: Kind) -> bool:
    return any(name in kind for name in ("ffn_down", "ffn_down_exps", "ffn_down_shexp"))
