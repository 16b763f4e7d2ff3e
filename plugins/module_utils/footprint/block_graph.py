# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tensors that llama.cpp computes in a block, with their sizes and the order in which they live and die.

The widths come from the model's own matrices (``block_kinds`` of the profile), the order of operations from upstream's
graphs (src/llama-graph.cpp and src/models/). Only what takes memory is here: views, reshapes and the like are not.
"""

from __future__ import annotations

from collections.abc import Sequence

from .graph_memory import Tensor
from .kv_cache import STATE_TENSORS
from .layer_graph import Kind, LayerGraph, has_feed_forward
from .settings import QUANTISED_CACHE_TYPES

# These norm what a part makes, not what it reads.
NORM_AFTER = frozenset(("exaone4", "olmo2"))
DELTA_NET_TENSORS = ("ssm_ba", "ssm_beta", "ssm_alpha")


class BlockGraph(LayerGraph):
    """A graph that knows whole blocks, how they are fed, and the output layer."""

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
        mixers = [kind for kind in self._gguf["block_kinds"] if "ssm_in" in kind and not has_feed_forward(kind)]
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
            if not has_feed_forward(kind):
                return residual
            normed = self._norm(residual)
        made = self._feed_forward(kind, index, normed)
        return self.floats(self.width, made, residual, in_place=True)

    def leaves_no_hole(self, index: int) -> bool:
        """Whether the states that recurrent blocks read ahead cut up the free memory so that logits find no room."""
        return "ssm_in" in self._kind(index) and "ffn_down_exps" in self._kind(index)

    def is_delta_net(self, index: int) -> bool:
        """Whether its block mixes tokens by a gated delta net with a projection for each of its gates."""
        return "ssm_alpha" in self._kind(index)

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

    def _mamba(self, kind: Kind, normed: Tensor) -> Tensor:
        inner = self._memory.number("ssm.inner_size", 0)
        convolution = kind.get("ssm_conv1d", inner)
        projected = self.floats(kind["ssm_in"], normed)
        window = self.floats(convolution, projected, *([] if self._next_state is None else [self._next_state]))
        convolved = self.floats(convolution, window)
        self.use(window)
        steps = self.floats(self._memory.number("ssm.time_step_rank", 0), projected)
        scanned = self.node(self.bytes_of(inner) + self._state_bytes(), convolved, steps)
        if not has_feed_forward(kind):
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
