# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More models for the corpus: other makers' dense and sparse ones, and younger hybrids."""

from __future__ import annotations

from gguf import GGMLQuantizationType as Type

from .corpus_builder import Builder, delta_net, mamba2, metadata
from .header_only import Model


def _dense(build, blocks, heads, heads_kv, head_length, feed_forward, *, norm="ffn_norm", **attention):
    for block in range(blocks):
        build.attention(block, heads, heads_kv, head_length, **attention)
        build.feed_forward(block, feed_forward, norm=norm)


def mistral3():
    """Ministral 3 8B."""
    build = Builder(4096, 131072, Type.Q4_K)
    _dense(build, 34, 32, 8, 128, 14336)
    values = metadata(
        34, 4096, 14336, 32, 8, attention__key_length=128, attention__value_length=128, rope__dimension_count=128
    )
    return Model("ministral3-8b", "mistral3", values, build.tensors, 131072)


def granite():
    """Granite 3.3 8B."""
    build = Builder(4096, 49152, Type.Q4_K, tied=True)
    _dense(build, 40, 32, 8, 128, 12800)
    values = metadata(
        40,
        4096,
        12800,
        32,
        8,
        rope__dimension_count=128,
        logit_scale=16.0,
        residual_scale=0.22,
        embedding_scale=12.0,
        attention__scale=0.0078125,
    )
    return Model("granite3-8b", "granite", values, build.tensors, 49152)


def smollm3():
    """SmolLM 3 3B."""
    build = Builder(2048, 128256, Type.Q4_K, tied=True, embedding_type=Type.Q6_K)
    _dense(build, 36, 16, 4, 128, 11008)
    return Model("smollm3-3b", "smollm3", metadata(36, 2048, 11008, 16, 4), build.tensors, 128256)


def seed_oss():
    """Seed OSS 36B: heads wider than the embedding."""
    build = Builder(5120, 155136, Type.Q4_K)
    _dense(build, 64, 80, 8, 128, 27648, norm="post_attention_norm", bias=True)
    values = metadata(64, 5120, 27648, 80, 8, attention__key_length=128, attention__value_length=128)
    return Model("seed-oss-36b", "seed_oss", values, build.tensors, 155136)


def olmo2():
    """Olmo 3 7B: norms after, not before; three blocks of four have a window of 4096."""
    build = Builder(4096, 100352, Type.Q4_K)
    for block in range(32):
        build.attention(block, 32, 32, 128, norm=None)
        build.vector(f"blk.{block}.attn_q_norm.weight", 4096)
        build.vector(f"blk.{block}.attn_k_norm.weight", 4096)
        build.vector(f"blk.{block}.post_attention_norm.weight", 4096)
        build.feed_forward(block, 11008, norm=None)
        build.vector(f"blk.{block}.post_ffw_norm.weight", 4096)
    values = metadata(32, 4096, 11008, 32, 32, attention__sliding_window=4096)
    return Model("olmo3-7b", "olmo2", values, build.tensors, 100352)


def exaone4():
    """EXAONE 4 32B: three blocks of four have a window of 4096, no norm before."""
    build = Builder(5120, 102400, Type.Q4_K)
    for block in range(64):
        build.attention(block, 40, 8, 128, norm=None, norms=True)
        build.vector(f"blk.{block}.post_attention_norm.weight", 5120)
        build.feed_forward(block, 27392, norm=None)
        build.vector(f"blk.{block}.post_ffw_norm.weight", 5120)
    values = metadata(64, 5120, 27392, 40, 8, attention__sliding_window=4096)
    return Model("exaone4-32b", "exaone4", values, build.tensors, 102400)


def cohere2():
    """Command R7B: attention and feed-forward side by side, windows of 4096."""
    build = Builder(4096, 256000, Type.Q4_K, tied=True, embedding_type=Type.Q6_K)
    _dense(build, 32, 32, 8, 128, 14336, norm=None)
    values = metadata(
        32,
        4096,
        14336,
        32,
        8,
        attention__sliding_window=4096,
        attention__layer_norm_epsilon=1e-5,
        logit_scale=0.25,
        rope__dimension_count=128,
    )
    return Model("command-r7b", "cohere2", values, build.tensors, 256000)


def minimax_m2():
    """MiniMax M2 230B-A10B."""
    build = Builder(3072, 200064, Type.Q4_K)
    for block in range(62):
        build.attention(block, 48, 8, 128)
        build.vector(f"blk.{block}.attn_q_norm.weight", 48 * 128)
        build.vector(f"blk.{block}.attn_k_norm.weight", 8 * 128)
        build.experts(block, 256, 1536)
        build.vector(f"blk.{block}.exp_probs_b.bias", 256)
    values = metadata(
        62,
        3072,
        1536,
        48,
        8,
        attention__key_length=128,
        attention__value_length=128,
        rope__dimension_count=64,
        expert_count=256,
        expert_used_count=8,
        expert_feed_forward_length=1536,
        expert_gating_func=2,
    )
    return Model("minimax-m2", "minimax-m2", values, build.tensors, 200064)


def ernie45moe():
    """ERNIE 4.5 21B-A3B: two shared experts, the first block is dense."""
    build = Builder(2560, 103424, Type.Q4_K, tied=True)
    for block in range(28):
        build.attention(block, 20, 4, 128)
        if block:
            build.experts(block, 64, 1536, shared=3072)
            build.vector(f"blk.{block}.exp_probs_b.bias", 64)
        else:
            build.feed_forward(block, 12288)
    values = metadata(
        28,
        2560,
        12288,
        20,
        4,
        attention__key_length=128,
        attention__value_length=128,
        expert_count=64,
        expert_used_count=6,
        expert_feed_forward_length=1536,
        expert_shared_feed_forward_length=3072,
        interleave_moe_layer_step=1,
        leading_dense_block_count=1,
        expert_shared_count=2,
    )
    return Model("ernie4.5-21b", "ernie4_5-moe", values, build.tensors, 103424)


def _lfm2_mixer(build, block, is_attention):
    if is_attention:
        build.attention(block, 32, 8, 64, norms=True)
        return
    build.vector(f"blk.{block}.attn_norm.weight", 2048)
    build.vector(f"blk.{block}.shortconv.conv.weight", 3, 2048)
    build.add(f"blk.{block}.shortconv.in_proj.weight", 2048, 3 * 2048)
    build.add(f"blk.{block}.shortconv.out_proj.weight", 2048, 2048)


def lfm2():
    """LFM 2 1.2B: short convolutions in ten blocks of sixteen."""
    attention_blocks = (2, 5, 8, 10, 12, 14)
    build = Builder(2048, 65536, Type.Q8_0, tied=True, norm_name="token_embd_norm")
    for block in range(16):
        _lfm2_mixer(build, block, block in attention_blocks)
        build.feed_forward(block, 8192)
    values = metadata(
        16, 2048, 8192, 32, [8 if block in attention_blocks else 0 for block in range(16)], shortconv__l_cache=3
    )
    return Model("lfm2-1.2b", "lfm2", values, build.tensors, 65536)


def falcon_h1():
    """Falcon H1 7B: attention and Mamba 2 side by side in every block."""
    build = Builder(3072, 130048, Type.Q4_K)
    for block in range(44):
        build.attention(block, 12, 2, 128)
        mamba2(build, block, 3072, 1, 256, 24, norm=False)
        build.vector(f"blk.{block}.ffn_norm", 3072)
        build.feed_forward(block, 12288, norm=None)
    values = metadata(
        44,
        3072,
        12288,
        12,
        2,
        attention__key_length=128,
        attention__value_length=128,
        ssm__conv_kernel=4,
        ssm__inner_size=3072,
        ssm__state_size=256,
        ssm__time_step_rank=24,
        ssm__group_count=1,
    )
    return Model("falcon-h1-7b", "falcon-h1", values, build.tensors, 130048)


def _qwen35(build, block, heads, heads_kv):
    if (block + 1) % 4 == 0:
        build.attention(block, heads, heads_kv, 256, norms=True, gated=True)
    else:
        build.vector(f"blk.{block}.attn_norm.weight", build.embedding_length)
        delta_net(build, block, 16, 32, 128)


def qwen35():
    """Qwen 3.5 9B: three gated delta nets to one gated attention."""
    build = Builder(4096, 248320, Type.Q4_K)
    for block in range(32):
        _qwen35(build, block, 16, 4)
        build.feed_forward(block, 12288, norm="post_attention_norm")
    values = metadata(
        32,
        4096,
        12288,
        16,
        4,
        context=262144,
        attention__key_length=256,
        attention__value_length=256,
        rope__dimension_count=64,
        rope__dimension_sections=[11, 11, 10, 0],
        ssm__conv_kernel=4,
        ssm__inner_size=4096,
        ssm__state_size=128,
        ssm__time_step_rank=32,
        ssm__group_count=16,
    )
    return Model("qwen3.5-9b", "qwen35", values, build.tensors, 248320)


def qwen35moe():
    """Qwen 3.5 35B-A3B."""
    build = Builder(2048, 248320, Type.Q4_K)
    for block in range(40):
        _qwen35(build, block, 16, 2)
        build.experts(block, 256, 512, shared=512, norm="post_attention_norm")
        build.vector(f"blk.{block}.ffn_gate_inp_shexp.weight", 2048)
    values = metadata(
        40,
        2048,
        512,
        16,
        2,
        context=262144,
        attention__key_length=256,
        attention__value_length=256,
        rope__dimension_count=64,
        rope__dimension_sections=[11, 11, 10, 0],
        ssm__conv_kernel=4,
        ssm__inner_size=4096,
        ssm__state_size=128,
        ssm__time_step_rank=32,
        ssm__group_count=16,
        expert_count=256,
        expert_used_count=8,
        expert_feed_forward_length=512,
        expert_shared_feed_forward_length=512,
    )
    return Model("qwen3.5-35b-a3b", "qwen35moe", values, build.tensors, 248320)


def qwen3vl():
    """Qwen 3 VL 8B: images enter at four depths, so its inputs are four times as wide."""
    build = Builder(4096, 151936, Type.Q4_K)
    _dense(build, 36, 32, 8, 128, 12288, norms=True)
    values = metadata(
        36,
        4096,
        12288,
        32,
        8,
        attention__key_length=128,
        attention__value_length=128,
        n_deepstack_layers=3,
        rope__dimension_sections=[24, 20, 20, 0],
    )
    return Model("qwen3vl-8b", "qwen3vl", values, build.tensors, 151936)


def nemotron_h_moe():
    """Nemotron 3 Nano 30B-A3B: a block is Mamba 2, attention, or experts without a gate."""
    order = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
    build = Builder(2688, 131072, Type.Q8_0)
    for block, part in enumerate(order):
        if part == "M":
            mamba2(build, block, 4096, 8, 128, 64)
        elif part == "*":
            build.attention(block, 32, 2, 128)
        else:
            build.vector(f"blk.{block}.attn_norm.weight", 2688)
            build.vector(f"blk.{block}.ffn_gate_inp.weight", 2688, 128)
            build.vector(f"blk.{block}.exp_probs_b.bias", 128)
            build.add(f"blk.{block}.ffn_up_exps.weight", 2688, 1856, 128)
            build.add(f"blk.{block}.ffn_down_exps.weight", 1856, 2688, 128)
            build.add(f"blk.{block}.ffn_up_shexp.weight", 2688, 3712)
            build.add(f"blk.{block}.ffn_down_shexp.weight", 3712, 2688)
    values = metadata(
        52,
        2688,
        [1856 if part == "E" else 0 for part in order],
        32,
        [2 if part == "*" else 0 for part in order],
        attention__key_length=128,
        attention__value_length=128,
        attention__layer_norm_epsilon=1e-5,
        ssm__conv_kernel=4,
        ssm__inner_size=4096,
        ssm__state_size=128,
        ssm__time_step_rank=64,
        ssm__group_count=8,
        expert_count=128,
        expert_used_count=6,
        expert_feed_forward_length=1856,
        expert_shared_count=1,
        expert_shared_feed_forward_length=3712,
        expert_weights_norm=True,
        expert_weights_scale=2.5,
        expert_gating_func=2,
    )
    return Model("nemotron3-nano", "nemotron_h_moe", values, build.tensors, 131072)


def lfm2moe():
    """LFM 2 8B-A1B: short convolutions in 18 blocks of 24, experts in all but two."""
    attention_blocks = (2, 6, 10, 14, 18, 21)
    build = Builder(2048, 65536, Type.Q4_K, tied=True, norm_name="token_embd_norm")
    for block in range(24):
        _lfm2_mixer(build, block, block in attention_blocks)
        if block < 2:
            build.feed_forward(block, 7168)
        else:
            build.experts(block, 32, 1792)
            build.vector(f"blk.{block}.exp_probs_b.bias", 32)
    values = metadata(
        24,
        2048,
        7168,
        32,
        [8 if block in attention_blocks else 0 for block in range(24)],
        shortconv__l_cache=3,
        expert_count=32,
        expert_used_count=4,
        expert_feed_forward_length=1792,
        leading_dense_block_count=2,
        expert_gating_func=2,
    )
    return Model("lfm2-8b-a1b", "lfm2moe", values, build.tensors, 65536)


def _gemma4(build, block, heads, heads_kv, feed_forward, is_sliding, has_kv=True):
    """Heads of 512 where attention is full, of 256 where it slides; full blocks take K for V."""
    width, length = build.embedding_length, 256 if is_sliding else 512
    build.vector(f"blk.{block}.attn_norm.weight", width)
    build.add(f"blk.{block}.attn_q.weight", width, heads * length)
    build.add(f"blk.{block}.attn_output.weight", heads * length, width)
    build.vector(f"blk.{block}.attn_q_norm.weight", length)
    if has_kv:
        build.add(f"blk.{block}.attn_k.weight", width, heads_kv * length)
        build.vector(f"blk.{block}.attn_k_norm.weight", length)
        if is_sliding:
            build.add(f"blk.{block}.attn_v.weight", width, heads_kv * length)
    build.vector(f"blk.{block}.post_attention_norm.weight", width)
    build.feed_forward(block, feed_forward)
    build.vector(f"blk.{block}.post_ffw_norm.weight", width)


def _gemma4_metadata(blocks, width, feed_forward, heads, heads_kv, pattern, window, **more):
    return metadata(
        blocks,
        width,
        feed_forward,
        heads,
        heads_kv,
        attention__key_length=512,
        attention__value_length=512,
        attention__key_length_swa=256,
        attention__value_length_swa=256,
        attention__sliding_window=window,
        attention__sliding_window_pattern=pattern,
        final_logit_softcapping=30.0,
        rope__dimension_count=512,
        rope__dimension_count_swa=256,
        **more,
    )


def gemma4():
    """Gemma 4 31B: full blocks have fewer but wider heads than sliding ones."""
    pattern = [bool((block + 1) % 6) for block in range(60)]
    heads_kv = [16 if is_sliding else 4 for is_sliding in pattern]
    build = Builder(5376, 262144, Type.Q4_K, tied=True, embedding_type=Type.Q6_K)
    build.vector("rope_freqs.weight", 256)
    for block in range(60):
        _gemma4(build, block, 32, heads_kv[block], 21504, pattern[block])
    values = _gemma4_metadata(60, 5376, 21504, 32, heads_kv, pattern, 1024, embedding_length_per_layer_input=0)
    return Model("gemma4-31b", "gemma4", values, build.tensors, 262144)


def gemma4_small():
    """Gemma 4 E4B: an embedding for each block, and 18 blocks that read the caches of others."""
    pattern = [bool((block + 1) % 6) for block in range(42)]
    build = Builder(2560, 262144, Type.Q4_K, tied=True, embedding_type=Type.Q6_K)
    build.vector("rope_freqs.weight", 256)
    build.add("per_layer_token_embd.weight", 256 * 42, 262144, type=Type.Q6_K)
    build.add("per_layer_model_proj.weight", 2560, 256 * 42, type=Type.BF16)
    build.vector("per_layer_proj_norm.weight", 256)
    for block in range(42):
        _gemma4(build, block, 8, 2, 10240, pattern[block], has_kv=block < 24)
        build.vector(f"blk.{block}.inp_gate.weight", 2560, 256)
        build.vector(f"blk.{block}.proj.weight", 256, 2560)
        build.vector(f"blk.{block}.post_norm.weight", 2560)
    values = _gemma4_metadata(
        42, 2560, 10240, 8, 2, pattern, 512, attention__shared_kv_layers=18, embedding_length_per_layer_input=256
    )
    return Model("gemma4-e4b", "gemma4", values, build.tensors, 262144)


MORE_MODELS = (
    mistral3,
    granite,
    smollm3,
    seed_oss,
    olmo2,
    exaone4,
    cohere2,
    minimax_m2,
    ernie45moe,
    lfm2,
    falcon_h1,
    qwen35,
    qwen35moe,
    gemma4,
    gemma4_small,
    qwen3vl,
    nemotron_h_moe,
    lfm2moe,
)
