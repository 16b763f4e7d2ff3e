# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tensors that llama.cpp computes in one block, with their sizes and the order in which they live and die.

The widths come from the model's own matrices (``block_kinds`` of the profile), the order of operations from upstream's
graphs (src/llama-graph.cpp and src/models/). Only what takes memory is here: views, reshapes and the like are not.
"""

from __future__ import annotations

from .settings import QUANTISED_CACHE_TYPES

FLOAT = 4


class BlockGraph:
    """Adds blocks to a ``graph_memory.Graph`` for ``tokens`` tokens at once.

    ``memory`` is the ``kv_cache.BlockMemory`` of the model. A residual is a pair (tensor, None) or, on entry to a
    device, whatever tensor holds it.
    """

    def __init__(self, gguf, settings, memory):
        self._gguf = gguf
        self._hyperparameters = gguf["hyperparameters"]
        self._settings = settings
        self._memory = memory
        self.tokens = settings.micro_batch
        self.width = gguf["embedding_length"]

    def bytes_of(self, values):
        """Bytes of ``values`` floats for each token."""
        return FLOAT * self.tokens * values

    def add(self, graph, index, residual, mask, is_last=False):
        """Add block ``index`` that reads ``residual``; return the residual after it."""
        kind = self._gguf["block_kinds"][self._gguf["blocks"][index]["kind"]]
        normed = graph.node(self.bytes_of(self.width), residual)
        if "ssm_in" in kind:
            mixed = self._mamba(graph, kind, normed)
        elif "ssm_ba" in kind or "ssm_beta" in kind or "ssm_alpha" in kind:
            mixed = self._delta_net(graph, kind, normed)
        elif "attn_kv_a_mqa" in kind:
            mixed = self._latent_attention(graph, kind, index, normed, mask)
        elif any(name in kind for name in ("attn_q", "attn_qkv")):
            mixed = self._attention(graph, kind, index, normed, mask)
        elif any(name.startswith(("ssm_", "time_mix", "shortconv")) for name in kind):
            mixed = self._unknown_mixer(graph, kind, normed)
        else:
            mixed = None
        if mixed is not None:
            if is_last:
                # Only the rows that become outputs go on.
                mixed = graph.node(self.bytes_of(self.width), mixed)
                residual = graph.node(self.bytes_of(self.width), residual)
            residual = graph.node(self.bytes_of(self.width), mixed, residual, in_place=True)
            if not _has_feed_forward(kind):
                return residual
            normed = graph.node(self.bytes_of(self.width), residual)
        made = self._feed_forward(graph, kind, index, normed)
        return graph.node(self.bytes_of(self.width), made, residual, in_place=True)

    # --- attention

    def _attention(self, graph, kind, index, normed, mask):
        heads = self._heads(index)
        key, value = self._memory.key_length[index], self._memory.value_length[index]
        heads_kv = self._memory.head_count_kv[index]
        gate = None
        if "attn_qkv" in kind:
            fused = graph.node(self.bytes_of(kind["attn_qkv"]), normed)
            q = graph.node(self.bytes_of(heads * key), fused)
            k = graph.node(self.bytes_of(heads_kv * key), fused)
            v = fused
        else:
            q = graph.node(self.bytes_of(kind["attn_q"]), normed)
            if kind["attn_q"] == 2 * heads * key:
                gate = q
                q = graph.node(self.bytes_of(heads * key), q)
            q = self._rotated(graph, q, heads * key, self._settings.cache_type_k, key)
            v = graph.node(self.bytes_of(heads_kv * value), normed)
            v = self._rotated(graph, v, heads_kv * value, self._settings.cache_type_v, value)
            k = graph.node(self.bytes_of(heads_kv * key), normed)
            k = self._rotated(graph, k, heads_kv * key, self._settings.cache_type_k, key)
        graph.use(k)
        graph.use(v)
        out = self._scores_times_values(graph, q, heads, value, self._memory.cells[index], mask)
        out = self._rotated(graph, out, heads * value, self._settings.cache_type_v, value)
        if gate is not None:
            gate = graph.node(self.bytes_of(heads * key), gate)
            out = graph.node(self.bytes_of(heads * value), out, gate, in_place=True)
        return graph.node(self.bytes_of(self.width), out)

    def _rotated(self, graph, tensor, width, cache_type, length):
        """A quantised cache is rotated on its way in and out (``attn_rot_k`` in src/llama-kv-cache.cpp)."""
        if cache_type in QUANTISED_CACHE_TYPES and length % 64 == 0:
            return graph.node(self.bytes_of(width), tensor)
        return tensor

    def _scores_times_values(self, graph, q, heads, value, cells, mask):
        width = self.bytes_of(heads * value)
        if self._settings.flash_attention != "off":
            return graph.node(width, q, mask)
        scores = graph.node(self.bytes_of(heads * cells), q)
        scores = graph.node(self.bytes_of(heads * cells), scores, mask, in_place=True)
        return graph.node(width, graph.node(width, scores))

    def _latent_attention(self, graph, kind, index, normed, mask):
        """MLA. New files keep one latent row a token and absorb the projections, old ones spell K and V out."""
        heads = self._heads(index)
        rope = self._hyperparameters.get("rope.dimension_count", 64)
        latent = self._hyperparameters.get("attention.kv_lora_rank", 512)
        cells = self._memory.cells[index]
        q = normed
        if "attn_q_a" in kind:
            q = graph.node(self.bytes_of(kind["attn_q_a"]), normed)
        q = graph.node(self.bytes_of(kind.get("attn_q_b", kind.get("attn_q", 0))), q)
        if self._memory.is_compressed:
            absorbed = graph.node(self.bytes_of(heads * latent), q)
            rotary = graph.node(self.bytes_of(heads * rope), q)
            q = graph.node(self.bytes_of(heads * (latent + rope)), absorbed, rotary)
            row = graph.node(self.bytes_of(kind["attn_kv_a_mqa"]), normed)
            k = graph.node(self.bytes_of(latent), row)
            k_rotary = graph.node(self.bytes_of(rope), row)
            graph.use(graph.node(self.bytes_of(latent + rope), k, k_rotary))
            out = self._scores_times_values(graph, q, heads, latent, cells, mask)
            out = graph.node(self.bytes_of(heads * self._hyperparameters["attention.value_length_mla"]), out)
            out = graph.node(self.bytes_of(heads * self._hyperparameters["attention.value_length_mla"]), out)
        else:
            key, value = self._memory.key_length[index], self._memory.value_length[index]
            row = graph.node(self.bytes_of(kind["attn_kv_a_mqa"]), normed)
            latent_row = graph.node(self.bytes_of(latent), row)
            spelled = graph.node(self.bytes_of(kind["attn_kv_b"]), latent_row)
            v = graph.node(self.bytes_of(heads * value), spelled)
            rotary = graph.node(self.bytes_of(rope), row)
            repeated = graph.node(self.bytes_of(heads * rope), rotary)
            k = graph.node(self.bytes_of(heads * key), spelled, repeated)
            q = self._rotated(graph, q, heads * key, self._settings.cache_type_k, key)
            v = self._rotated(graph, v, heads * value, self._settings.cache_type_v, value)
            k = self._rotated(graph, k, heads * key, self._settings.cache_type_k, key)
            graph.use(k)
            graph.use(v)
            out = self._scores_times_values(graph, q, heads, value, cells, mask)
            out = self._rotated(graph, out, heads * value, self._settings.cache_type_v, value)
        return graph.node(self.bytes_of(self.width), out)

    def _heads(self, index):
        heads = self._gguf["head_count"]
        return heads[index] if isinstance(heads, list) else heads

    # --- recurrent mixers

    def _state_bytes(self):
        return FLOAT * self._settings.parallel * self._memory.state_values

    def _mamba(self, graph, kind, normed):
        inner = self._hyperparameters.get("ssm.inner_size", 0)
        convolution = kind.get("ssm_conv1d", inner)
        projected = graph.node(self.bytes_of(kind["ssm_in"]), normed)
        window = graph.node(self.bytes_of(convolution), projected)
        convolved = graph.node(self.bytes_of(convolution), window)
        graph.use(window)
        steps = graph.node(self.bytes_of(self._hyperparameters.get("ssm.time_step_rank", 0)), projected)
        scanned = graph.node(self.bytes_of(inner) + self._state_bytes(), convolved, steps)
        gate = graph.node(self.bytes_of(inner), projected)
        skipped = graph.node(self.bytes_of(inner), convolved)
        skipped = graph.node(self.bytes_of(inner), skipped, scanned, in_place=True)
        gated = graph.node(self.bytes_of(inner), gate, skipped)
        return graph.node(self.bytes_of(self.width), gated)

    def _delta_net(self, graph, kind, normed):
        inner = self._hyperparameters.get("ssm.inner_size", 0)
        keys = self._hyperparameters.get("ssm.group_count", 0) * self._hyperparameters.get("ssm.state_size", 0)
        projected = graph.node(self.bytes_of(kind.get("attn_qkv", inner)), normed)
        window = graph.node(self.bytes_of(kind.get("ssm_conv1d", inner)), projected)
        state = graph.node(self._state_bytes())
        convolved = graph.node(self.bytes_of(kind.get("ssm_conv1d", inner)), window)
        q = graph.node(self.bytes_of(inner), graph.node(self.bytes_of(keys), convolved))
        k = graph.node(self.bytes_of(inner), graph.node(self.bytes_of(keys), convolved))
        mixed = graph.node(self.bytes_of(inner) + self._state_bytes(), q, k, convolved, state)
        out = graph.node(self.bytes_of(inner), mixed)
        gate = graph.node(self.bytes_of(kind.get("attn_gate", inner)), normed)
        out = graph.node(self.bytes_of(inner), out, gate, in_place=True)
        return graph.node(self.bytes_of(self.width), out)

    def _unknown_mixer(self, graph, kind, normed):
        """A mixer that Drover does not know: all that its matrices make, alive at once, and its state twice."""
        made = [
            graph.node(self.bytes_of(columns), normed)
            for name, columns in kind.items() if not name.startswith("ffn_") and columns
        ]
        state = graph.node(2 * self._state_bytes())
        return graph.node(self.bytes_of(self.width), *made, state)

    # --- feed-forward

    def _feed_forward(self, graph, kind, index, normed):
        made = None
        if "ffn_down_exps" in kind:
            made = self._experts(graph, kind, index, normed)
        for suffix in ("_shexp", ""):
            if f"ffn_down{suffix}" in kind:
                dense = self._dense(graph, kind, suffix, normed)
                made = dense if made is None else graph.node(self.bytes_of(self.width), made, dense, in_place=True)
        return made if made is not None else normed

    def _dense(self, graph, kind, suffix, normed):
        length = kind[f"ffn_up{suffix}"]
        if f"ffn_gate{suffix}" in kind:
            gate = graph.node(self.bytes_of(length), normed)
            up = graph.node(self.bytes_of(length), normed)
            hidden = graph.node(self.bytes_of(length), gate, up)
        else:
            hidden = graph.node(self.bytes_of(length), normed)
            half = self._memory.feed_forward_length
            if half and length == 2 * max(half):
                hidden = graph.node(self.bytes_of(length // 2), hidden)
        return graph.node(self.bytes_of(self.width), hidden)

    def _experts(self, graph, kind, index, normed):
        used = self._gguf["expert_used_count"]
        used = used[index] if isinstance(used, list) else used
        count = self._gguf["expert_count"]
        probabilities = graph.node(self.bytes_of(count), normed)
        chosen = graph.node(self.bytes_of(count), probabilities)
        weights = graph.node(self.bytes_of(used), probabilities, chosen)
        if "ffn_gate_up_exps" in kind:
            both = graph.node(self.bytes_of(used * kind["ffn_gate_up_exps"]), normed, chosen)
            hidden = graph.node(self.bytes_of(used * kind["ffn_gate_up_exps"] // 2), both)
        elif "ffn_gate_exps" in kind:
            gate = graph.node(self.bytes_of(used * kind["ffn_gate_exps"]), normed, chosen)
            up = graph.node(self.bytes_of(used * kind["ffn_up_exps"]), normed, chosen)
            hidden = graph.node(self.bytes_of(used * kind["ffn_up_exps"]), gate, up)
        else:
            hidden = graph.node(self.bytes_of(used * kind["ffn_up_exps"]), normed, chosen)
        made = graph.node(self.bytes_of(used * self.width), hidden, chosen)
        made = graph.node(self.bytes_of(used * self.width), made, weights, in_place=True)
        # Every expert's row is added to the sum, so all of them live until the last.
        total = graph.node(self.bytes_of(self.width), made)
        for _expert in range(2, used):
            total = graph.node(self.bytes_of(self.width), total, made, in_place=True)
        return total


def _has_feed_forward(kind):
    return any(name in kind for name in ("ffn_down", "ffn_down_exps", "ffn_down_shexp"))
