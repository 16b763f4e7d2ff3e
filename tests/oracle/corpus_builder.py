# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the models of the corpus are built from."""

from __future__ import annotations

from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Type

from .header_only import Tensor


class Builder:
    """Collects the tensors of a model: matrices in its quantisation, vectors in F32."""

    def __init__(
        self,
        embedding_length,
        vocab_size,
        matrix_type,
        *,
        tied=False,
        embedding_type=None,
        output_type=None,
        norm_name="output_norm",
    ):
        self.embedding_length = embedding_length
        self.matrix_type = matrix_type
        self.tensors = []
        embedding_type = embedding_type or matrix_type
        self.add("token_embd.weight", embedding_length, vocab_size, type=embedding_type)
        self.vector(f"{norm_name}.weight", embedding_length)
        if not tied:
            self.add("output.weight", embedding_length, vocab_size, type=output_type or embedding_type)

    def add(self, name, *shape, type=None):
        type = self.matrix_type if type is None else type
        # As the upstream quantiser does it: rows that a K-quant cannot hold get a type of smaller blocks.
        if shape[0] % GGML_QUANT_SIZES[type][0]:
            type = Type.Q8_0
        self.tensors.append(Tensor(name, shape, type))

    def vector(self, name, *shape):
        self.add(name, *shape, type=Type.F32)

    def attention(self, block, heads, heads_kv, head_length, *, norm="attn_norm", bias=False, norms=False, gated=False):
        """Separate Q, K, V and the output projection, with the norm before (pass None for none)."""
        width = self.embedding_length
        if norm:
            self.vector(f"blk.{block}.{norm}.weight", width)
        for name, columns in (
            ("attn_q", (1 + gated) * heads * head_length),
            ("attn_k", heads_kv * head_length),
            ("attn_v", heads_kv * head_length),
        ):
            self.add(f"blk.{block}.{name}.weight", width, columns)
            if bias:
                self.vector(f"blk.{block}.{name}.bias", columns)
        self.add(f"blk.{block}.attn_output.weight", heads * head_length, width)
        if norms:
            self.vector(f"blk.{block}.attn_q_norm.weight", head_length)
            self.vector(f"blk.{block}.attn_k_norm.weight", head_length)

    def feed_forward(self, block, length, *, norm="ffn_norm"):
        """A gated feed-forward network with the norm before (pass None for none)."""
        width = self.embedding_length
        if norm:
            self.vector(f"blk.{block}.{norm}.weight", width)
        self.add(f"blk.{block}.ffn_gate.weight", width, length)
        self.add(f"blk.{block}.ffn_up.weight", width, length)
        self.add(f"blk.{block}.ffn_down.weight", length, width)

    def experts(self, block, count, length, *, shared=0, norm="ffn_norm", bias=False, type=None):
        """A router, its experts, and optionally one shared expert."""
        width = self.embedding_length
        if norm:
            self.vector(f"blk.{block}.{norm}.weight", width)
        self.vector(f"blk.{block}.ffn_gate_inp.weight", width, count)
        for name, rows, columns in (
            ("ffn_gate_exps", width, length),
            ("ffn_up_exps", width, length),
            ("ffn_down_exps", length, width),
        ):
            self.add(f"blk.{block}.{name}.weight", rows, columns, count, type=type)
            if bias:
                self.vector(f"blk.{block}.{name}.bias", columns, count)
        if bias:
            self.vector(f"blk.{block}.ffn_gate_inp.bias", count)
        if shared:
            self.add(f"blk.{block}.ffn_gate_shexp.weight", width, shared)
            self.add(f"blk.{block}.ffn_up_shexp.weight", width, shared)
            self.add(f"blk.{block}.ffn_down_shexp.weight", shared, width)


def metadata(blocks, width, feed_forward, heads, heads_kv, *, context=131072, eps=1e-5, **more):
    values = {
        "block_count": blocks,
        "context_length": context,
        "embedding_length": width,
        "feed_forward_length": feed_forward,
        "attention.head_count": heads,
        "attention.head_count_kv": heads_kv,
        "attention.layer_norm_rms_epsilon": eps,
    }
    values.update({key.replace("__", "."): value for key, value in more.items()})
    return values


def mamba2(build, block, inner, groups, state, heads, norm=True):
    """A Mamba 2 mixer, with the norm before and the one within."""
    convolution = inner + 2 * groups * state
    if norm:
        build.vector(f"blk.{block}.attn_norm.weight", build.embedding_length)
        build.vector(f"blk.{block}.ssm_norm.weight", inner // groups, groups)
    build.add(f"blk.{block}.ssm_in.weight", build.embedding_length, inner + convolution + heads)
    build.vector(f"blk.{block}.ssm_conv1d.weight", 4, convolution)
    build.vector(f"blk.{block}.ssm_conv1d.bias", convolution)
    build.vector(f"blk.{block}.ssm_dt.bias", heads)
    build.vector(f"blk.{block}.ssm_a", 1, heads)
    build.vector(f"blk.{block}.ssm_d", 1, heads)
    build.add(f"blk.{block}.ssm_out.weight", inner, build.embedding_length)


def delta_net(build, block, key_heads, value_heads, length):
    """A gated delta net as Qwen 3.5 has it."""
    width, keys, values = build.embedding_length, key_heads * length, value_heads * length
    build.add(f"blk.{block}.attn_qkv.weight", width, 2 * keys + values)
    build.add(f"blk.{block}.attn_gate.weight", width, values)
    build.add(f"blk.{block}.ssm_alpha.weight", width, value_heads)
    build.add(f"blk.{block}.ssm_beta.weight", width, value_heads)
    build.vector(f"blk.{block}.ssm_conv1d.weight", 4, 2 * keys + values)
    build.vector(f"blk.{block}.ssm_dt.bias", value_heads)
    build.vector(f"blk.{block}.ssm_a", value_heads)
    build.vector(f"blk.{block}.ssm_norm.weight", length)
    build.add(f"blk.{block}.ssm_out.weight", values, width)
