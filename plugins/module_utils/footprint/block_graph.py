# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tensors that llama.cpp computes in a block, with their sizes and the order in which they live and die.

The widths come from the model's own matrices (``block_kinds`` of the profile), the order of operations from upstream's
graphs (src/llama-graph.cpp and src/models/). Only what takes memory is here: views, reshapes and the like are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .graph_memory import Graph, Tensor
from .kv_cache import STATE_TENSORS, BlockMemory
from .settings import QUANTISED_CACHE_TYPES, Settings

# The matrices of a block, by their names without ``.weight``, with their output widths.
Kind = dict[str, int]

FLOAT = 4
# These norm what a part makes, not what it reads.
NORM_AFTER = frozenset(("exaone4", "olmo2"))
DELTA_NET_TENSORS = ("ssm_ba", "ssm_beta", "ssm_alpha")


class BlockGraph(Graph):
    """A graph that knows blocks, computed for a full micro-batch of tokens; ``memory`` is a ``BlockMemory``.

    Of every input there are ``copies``; when they are several, all stay to the end.
    """

    def __init__(self, gguf: dict[str, Any], settings: Settings, memory: BlockMemory, copies: int) -> None:
        super().__init__()
        self.copies = copies
        self._gguf = gguf
        self._settings = settings
        self._memory = memory
        self._next_state: Tensor | None = None
        self._is_last = False
        self._rows = settings.micro_batch
        self.width = gguf["embedding_length"]

    def bytes_of(self, values: int) -> int:
        """Bytes of ``values`` floats for each token."""
        return FLOAT * self._rows * values

    def floats(self, values: int, *sources: Tensor, in_place: bool = False, kept: bool = False) -> Tensor:
        """A node of ``values`` floats for each token."""
        return self.node(self.bytes_of(values), *sources, in_place=in_place, kept=kept)

    def received(self, *sizes: int) -> list[Tensor]:
        """Inputs of so many bytes each, as the scheduler copies them to a device."""
        return [[self.input(size, kept=self.copies > 1) for _copy in range(self.copies)][-1] for size in sizes]

    @property
    def image_bytes(self) -> int:
        """Bytes of an input that images would bring; some models feed them to several of their first blocks."""
        return self.bytes_of(self.width) * (1 + self._memory.number("n_deepstack_layers", 0))

    def mix_images(self, tokens: Tensor, image: Tensor, mixed: Tensor) -> Tensor:
        """Mix text and image rows, in a tensor that nothing frees; return the residual for the first block."""
        if self.image_bytes > self.bytes_of(self.width):
            tokens, mixed = self.node(self.image_bytes, tokens), self.node(self.image_bytes, mixed)
        self.use(self.node(self.image_bytes, image, kept=True), mixed)
        return tokens

    def enter_after_leader(self, before: int) -> Tensor:
        """Add what a device is sent after the leader's CPU, whose last block is ``before``; return the residual.

        The CPU stops at its last matrix: the device that follows adds up the experts and the residual itself.
        """
        kind, row = self._kind(before), self.bytes_of(self.width)
        if "ffn_down_exps" in kind and "ffn_down_shexp" not in kind:
            made, residual = self.received(row * self._used(before), row)
            received = [self._sum_of_experts(made, before), residual]
        else:
            received = self.received(*([row] * (3 if "ffn_down_exps" in kind else 2)))
        total = received[0]
        for part in received[1:]:
            total = self.floats(self.width, total, part, in_place=True)
        return total

    def exchanged(self, is_first: bool, is_last: bool) -> tuple[int, ...]:
        """Bytes of further inputs: where blocks are either mixers or dense feed-forward, the scheduler computes the
        gate of the last mixer before a boundary beyond it, and sends its input there and its result back."""
        if any("ffn_down_exps" in kind for kind in self._gguf["block_kinds"]):
            return ()
        mixers = [kind for kind in self._gguf["block_kinds"] if "ssm_in" in kind and not _has_feed_forward(kind)]
        if not mixers:
            return ()
        there = () if is_first else (self.bytes_of(mixers[0]["ssm_in"]),)
        back = () if is_last else (self.bytes_of(self._memory.number("ssm.inner_size", 0)),)
        return there + back

    def add_block(
        self, index: int, residual: Tensor, masks: Sequence[Tensor], norm: Tensor | None = None, is_last: bool = False
    ) -> Tensor:
        """Add block ``index`` that reads ``residual``, of which the device before may have sent the ``norm``; return
        the residual after it. ``masks`` are the inputs that mixing tokens uses."""
        kind = self._kind(index)
        self._is_last = is_last
        normed = self._norm(residual) if norm is None else self.floats(self.width, norm, in_place=True)
        mixed = self._mixer(kind, index, normed, masks)
        if mixed is not None:
            if is_last:
                # Only the rows that become outputs go on.
                self._rows = self._settings.output_rows
                mixed = self.floats(self.width, mixed)
                residual = self.floats(self.width, residual)
            residual = self.floats(self.width, mixed, residual, in_place=True)
            if not _has_feed_forward(kind):
                return residual
            normed = self._norm(residual)
        made = self._feed_forward(kind, index, normed)
        return self.floats(self.width, made, residual, in_place=True)

    def leaves_no_hole(self, index: int) -> bool:
        """Whether the states that recurrent blocks read ahead cut up the free memory so that logits find no room."""
        return "ssm_in" in self._kind(index) and "ffn_down_exps" in self._kind(index)

    def add_output(self, residual: Tensor) -> Tensor:
        """Add the output layer."""
        if self._rows != self._settings.output_rows:
            self._rows = self._settings.output_rows
            residual = self.floats(self.width, residual)
        normed = self.floats(self.width, residual, in_place=True)
        return self.floats(self._gguf["vocab_size"], normed)

    @property
    def norms_before(self) -> bool:
        return self._gguf["architecture"] not in NORM_AFTER

    def _norm(self, residual: Tensor) -> Tensor:
        return self.floats(self.width, residual) if self.norms_before else residual

    def _kind(self, index: int) -> Kind:
        return self._gguf["block_kinds"][self._gguf["blocks"][index]["kind"]]

    def _used(self, index: int) -> int:
        used = self._gguf["expert_used_count"]
        return used[index] if isinstance(used, list) else used

    def _heads(self, index: int) -> int:
        heads = self._gguf["head_count"]
        return heads[index] if isinstance(heads, list) else heads

    def _mixer(self, kind: Kind, index: int, normed: Tensor, masks: Sequence[Tensor]) -> Tensor | None:
        """What mixes tokens: attention or a recurrent network; None where a block has neither."""
        if "attn_kv_a_mqa" in kind:
            latent = self._absorbed_attention if self._memory.is_compressed else self._latent_attention
            return latent(kind, index, normed, masks)
        if self._memory.is_attention[index] and ("attn_q" in kind or "attn_qkv" in kind):
            return self._attention(kind, index, normed, masks)
        self.use(*masks)
        if "ssm_in" in kind:
            return self._mamba(kind, normed)
        if any(name in kind for name in DELTA_NET_TENSORS):
            return self._delta_net(kind, normed)
        if any(name.startswith(STATE_TENSORS) for name in kind):
            return self._unknown_mixer(kind, normed)
        return None

    # --- attention

    def _attention(self, kind: Kind, index: int, normed: Tensor, masks: Sequence[Tensor]) -> Tensor:
        heads, heads_kv = self._heads(index), self._memory.head_count_kv[index]
        key, value = self._memory.key_length[index], self._memory.value_length[index]
        gate = None
        if "attn_qkv" in kind:
            v = self.floats(kind["attn_qkv"], normed)
            q = self.floats(heads * key, v)
            k = self.floats(heads_kv * key, v)
        else:
            q = self.floats(kind["attn_q"], normed)
            # The matrix may make a gate beside each head.
            gate = q if kind["attn_q"] == 2 * heads * key else None
            # Norm and rotary embedding work on a reshaped view, so the first of them takes memory of its own.
            q = self._rotated(self.floats(heads * key, q), heads, key, self._settings.cache_type_k)
            v = self._rotated(self.floats(heads_kv * value, normed), heads_kv, value, self._settings.cache_type_v)
            k = self.floats(heads_kv * key, self.floats(heads_kv * key, normed))
            k = self._rotated(k, heads_kv, key, self._settings.cache_type_k)
        out = self._attend(q, k, v, heads, value, index, masks)
        if gate is not None:
            out = self.floats(heads * value, out, self.floats(heads * value, gate), in_place=True)
        return self.floats(self.width, out)

    def _latent_attention(self, kind: Kind, index: int, normed: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """MLA as files of before 2025 have it: K and V are spelled out for every head."""
        heads, rope = self._heads(index), self._memory.number("rope.dimension_count", 0)
        key, value = self._memory.key_length[index], self._memory.value_length[index]
        q = self._latent_query(kind, normed)
        row = self.floats(kind["attn_kv_a_mqa"], normed)
        spelled = self.floats(kind["attn_kv_b"], self.floats(kind["attn_kv_a_mqa"] - rope, row))
        v = self.floats(heads * value, spelled)
        k = self.floats(heads * key, spelled, self.floats(heads * rope, self.floats(rope, row)))
        q = self._rotated(q, heads, key, self._settings.cache_type_k)
        v = self._rotated(v, heads, value, self._settings.cache_type_v)
        k = self._rotated(k, heads, key, self._settings.cache_type_k)
        return self.floats(self.width, self._attend(q, k, v, heads, value, index, masks))

    def _absorbed_attention(self, kind: Kind, index: int, normed: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """MLA as files have it since: the query is taken into the latent space, where one row is K and V."""
        heads, rope = self._heads(index), self._memory.number("rope.dimension_count", 0)
        latent = kind["attn_kv_a_mqa"] - rope
        q = self._latent_query(kind, normed)
        q = self.floats(heads * (latent + rope), self.floats(heads * latent, q), self.floats(heads * rope, q))
        row = self.floats(kind["attn_kv_a_mqa"], normed)
        k = self.floats(latent + rope, self.floats(latent, row), self.floats(rope, row))
        out = self._attend(q, k, None, heads, latent, index, masks)
        value = heads * self._memory.number("attention.value_length_mla", 0)
        return self.floats(self.width, self.floats(value, self.floats(value, out)))

    def _latent_query(self, kind: Kind, normed: Tensor) -> Tensor:
        if "attn_q_a" in kind:
            return self.floats(kind["attn_q_b"], self.floats(kind["attn_q_a"], normed))
        return self.floats(kind["attn_q"], normed)

    def _rotated(self, tensor: Tensor, heads: int, length: int, cache_type: str) -> Tensor:
        """A quantised cache is rotated on its way in and out (``attn_rot_k`` in src/llama-kv-cache.cpp)."""
        if cache_type in QUANTISED_CACHE_TYPES and length % 64 == 0:
            return self.floats(heads * length, tensor)
        return tensor

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor | None, heads: int, value: int, index: int, masks: Sequence[Tensor]
    ) -> Tensor:
        """Write ``k`` and ``v`` (None: there is only ``k``) into the cache and attend to all its cells."""
        for written in (k, v):
            if written is not None:
                self.use(written)
        if self._settings.flash_attention == "off":
            scores = self.floats(heads * self._memory.cells[index], q)
            scores = self.floats(heads * self._memory.cells[index], scores, *masks, in_place=True)
            return self.floats(heads * value, self.floats(heads * value, scores))
        out = self.floats(heads * value, q, *masks)
        return out if v is None else self._rotated(out, heads, value, self._settings.cache_type_v)

    # --- recurrent mixers

    def _state_bytes(self) -> int:
        return FLOAT * self._settings.parallel * self._memory.state_values

    def _read_next_state(self) -> None:
        """The convolution's state of the next block is read early and lies in the way of what is freed around it."""
        if not self._is_last:
            self._next_state = self.node(FLOAT * self._settings.parallel * self._memory.convolution_values)

    def _mamba(self, kind: Kind, normed: Tensor) -> Tensor:
        inner = self._memory.number("ssm.inner_size", 0)
        convolution = kind.get("ssm_conv1d", inner)
        projected = self.floats(kind["ssm_in"], normed)
        window = self.floats(convolution, projected, *([] if self._next_state is None else [self._next_state]))
        convolved = self.floats(convolution, window)
        self.use(window)
        steps = self.floats(self._memory.number("ssm.time_step_rank", 0), projected)
        scanned = self.node(self.bytes_of(inner) + self._state_bytes(), convolved, steps)
        if not _has_feed_forward(kind):
            self._read_next_state()
        gate = self.floats(inner, projected)
        skipped = self.floats(inner, convolved)
        skipped = self.floats(inner, skipped, scanned, in_place=True)
        return self.floats(self.width, self.floats(inner, gate, skipped))

    def _delta_net(self, kind: Kind, normed: Tensor) -> Tensor:
        inner = self._memory.number("ssm.inner_size", 0)
        keys = self._memory.number("ssm.group_count", 0) * self._memory.number("ssm.state_size", 0)
        window = self.floats(kind.get("ssm_conv1d", inner), self.floats(kind.get("attn_qkv", inner), normed))
        state = self.node(self._state_bytes())
        convolved = self.floats(kind.get("ssm_conv1d", inner), window)
        q = self.floats(inner, self.floats(keys, convolved))
        k = self.floats(inner, self.floats(keys, convolved))
        mixed = self.node(self.bytes_of(inner) + self._state_bytes(), q, k, convolved, state)
        out = self.floats(inner, mixed)
        gate = self.floats(kind.get("attn_gate", inner), normed)
        return self.floats(self.width, self.floats(inner, out, gate, in_place=True))

    def _unknown_mixer(self, kind: Kind, normed: Tensor) -> Tensor:
        """A mixer that Drover does not know: all that its matrices make, alive at once, and its state twice."""
        made = [self.floats(columns, normed) for name, columns in kind.items() if not name.startswith("ffn_")]
        return self.floats(self.width, *made, self.node(2 * self._state_bytes()))

    # --- feed-forward

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
        if "ffn_gate_up_exps" in kind:
            both = self.floats(used * kind["ffn_gate_up_exps"], normed, chosen)
            hidden = self.floats(used * kind["ffn_gate_up_exps"] // 2, both)
        elif "ffn_gate_exps" in kind:
            gate = self.floats(used * kind["ffn_gate_exps"], normed, chosen)
            up = self.floats(used * kind["ffn_up_exps"], normed, chosen)
            hidden = self.floats(used * kind["ffn_up_exps"], gate, up)
        else:
            hidden = self.floats(used * kind["ffn_up_exps"], normed, chosen)
        made = self.floats(used * self.width, hidden, chosen)
        made = self.floats(used * self.width, made, weights, in_place=True)
        return self._sum_of_experts(made, index)

    def _sum_of_experts(self, made: Tensor, index: int) -> Tensor:
        """Every expert's row is added to the sum, so all of them live until the last."""
        total = self.floats(self.width, made)
        for _expert in range(2, self._used(index)):
            total = self.floats(self.width, total, made, in_place=True)
        return total


def _has_feed_forward(kind: Kind) -> bool:
    return any(name in kind for name in ("ffn_down", "ffn_down_exps", "ffn_down_shexp"))
