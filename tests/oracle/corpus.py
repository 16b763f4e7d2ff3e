# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that the memory model is held against: real shapes, no weights.

Every function below builds one model with the dimensions that its makers published, and with the tensors that
llama.cpp asks for. ``MODELS`` lists them.
"""

from __future__ import annotations

from gguf import GGMLQuantizationType as Type

from .corpus_builder import Builder, mamba2, metadata
from .corpus_more import MORE_MODELS
from .header_only import Model


def llama_8b():
    """Llama 3.1 8B."""
    build = Builder(4096, 128256, Type.Q4_K, output_type=Type.Q6_K)
    build.vector("rope_freqs.weight", 64)
    for block in range(32):
        build.attention(block, 32, 8, 128)
        build.feed_forward(block, 14336)
    values = metadata(32, 4096, 14336, 32, 8, rope__dimension_count=128)
    return Model("llama-8b", "llama", values, build.tensors, 128256)


def llama_70b():
    """Llama 3.3 70B."""
    build = Builder(8192, 128256, Type.Q4_K, output_type=Type.Q6_K)
    build.vector("rope_freqs.weight", 64)
    for block in range(80):
        build.attention(block, 64, 8, 128)
        build.feed_forward(block, 28672)
    values = metadata(80, 8192, 28672, 64, 8, rope__dimension_count=128)
    return Model("llama-70b", "llama", values, build.tensors, 128256)


def llama_1b_tied():
    """Llama 3.2 1B: the output layer is the token embedding."""
    build = Builder(2048, 128256, Type.Q8_0, tied=True)
    build.vector("rope_freqs.weight", 32)
    for block in range(16):
        build.attention(block, 32, 8, 64)
        build.feed_forward(block, 8192)
    values = metadata(16, 2048, 8192, 32, 8, rope__dimension_count=64)
    return Model("llama-1b-tied", "llama", values, build.tensors, 128256)


def mixtral():
    """Mixtral 8x7B: experts in the llama architecture."""
    build = Builder(4096, 32000, Type.Q4_K)
    for block in range(32):
        build.attention(block, 32, 8, 128)
        build.experts(block, 8, 14336)
    values = metadata(
        32, 4096, 14336, 32, 8, context=32768, rope__dimension_count=128, expert_count=8, expert_used_count=2
    )
    return Model("mixtral-8x7b", "llama", values, build.tensors, 32000)


def qwen2():
    """Qwen 2.5 7B: biases on Q, K and V."""
    build = Builder(3584, 152064, Type.Q4_K)
    for block in range(28):
        build.attention(block, 28, 4, 128, bias=True)
        build.feed_forward(block, 18944)
    return Model("qwen2-7b", "qwen2", metadata(28, 3584, 18944, 28, 4), build.tensors, 152064)


def qwen3():
    """Qwen 3 4B: heads wider than the embedding, norms on Q and K, tied."""
    build = Builder(2560, 151936, Type.Q8_0, tied=True)
    for block in range(36):
        build.attention(block, 32, 8, 128, norms=True)
        build.feed_forward(block, 9728)
    values = metadata(36, 2560, 9728, 32, 8, attention__key_length=128, attention__value_length=128)
    return Model("qwen3-4b", "qwen3", values, build.tensors, 151936)


def qwen3moe():
    """Qwen 3 30B-A3B."""
    build = Builder(2048, 151936, Type.Q4_K)
    for block in range(48):
        build.attention(block, 32, 4, 128, norms=True)
        build.experts(block, 128, 768)
    values = metadata(
        48,
        2048,
        6144,
        32,
        4,
        attention__key_length=128,
        attention__value_length=128,
        expert_count=128,
        expert_used_count=8,
        expert_feed_forward_length=768,
    )
    return Model("qwen3-30b-a3b", "qwen3moe", values, build.tensors, 151936)


def gemma2():
    """Gemma 2 9B: every second block has a sliding window, logits are capped, tied."""
    build = Builder(3584, 256000, Type.Q4_K, tied=True, embedding_type=Type.Q6_K)
    for block in range(42):
        build.attention(block, 16, 8, 256)
        build.vector(f"blk.{block}.post_attention_norm.weight", 3584)
        build.feed_forward(block, 14336)
        build.vector(f"blk.{block}.post_ffw_norm.weight", 3584)
    values = metadata(
        42,
        3584,
        14336,
        16,
        8,
        context=8192,
        attention__key_length=256,
        attention__value_length=256,
        attention__sliding_window=4096,
        attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0,
    )
    return Model("gemma2-9b", "gemma2", values, build.tensors, 256000)


def gemma3():
    """Gemma 3 12B: five blocks in six have a window of 1024."""
    build = Builder(3840, 262208, Type.Q4_K, tied=True, embedding_type=Type.Q6_K)
    for block in range(48):
        build.attention(block, 16, 8, 256, norms=True)
        build.vector(f"blk.{block}.post_attention_norm.weight", 3840)
        build.feed_forward(block, 15360)
        build.vector(f"blk.{block}.post_ffw_norm.weight", 3840)
    values = metadata(
        48, 3840, 15360, 16, 8, attention__key_length=256, attention__value_length=256, attention__sliding_window=1024
    )
    return Model("gemma3-12b", "gemma3", values, build.tensors, 262208)


def phi3():
    """Phi 3 mini 128k: fused QKV, fused gate and up, long and short rotary factors."""
    build = Builder(3072, 32064, Type.Q4_K)
    build.vector("rope_factors_long.weight", 48)
    build.vector("rope_factors_short.weight", 48)
    for block in range(32):
        build.vector(f"blk.{block}.attn_norm.weight", 3072)
        build.add(f"blk.{block}.attn_qkv.weight", 3072, 3 * 3072)
        build.add(f"blk.{block}.attn_output.weight", 3072, 3072)
        build.vector(f"blk.{block}.ffn_norm.weight", 3072)
        build.add(f"blk.{block}.ffn_up.weight", 3072, 2 * 8192)
        build.add(f"blk.{block}.ffn_down.weight", 8192, 3072)
    values = metadata(
        32,
        3072,
        8192,
        32,
        32,
        rope__dimension_count=96,
        rope__scaling__original_context_length=4096,
        attention__sliding_window=262144,
    )
    return Model("phi3-mini", "phi3", values, build.tensors, 32064)


def _deepseek_experts(build, block, lead, dense, count, length, shared, bias):
    if block < lead:
        build.feed_forward(block, dense)
        return
    build.experts(block, count, length, shared=shared)
    if bias:
        build.vector(f"blk.{block}.exp_probs_b.bias", count)


def deepseek2_old():
    """DeepSeek V2 Lite as it was converted before 2025: MLA spelled out per head."""
    build = Builder(2048, 102400, Type.Q4_0)
    for block in range(27):
        build.vector(f"blk.{block}.attn_norm.weight", 2048)
        build.add(f"blk.{block}.attn_q.weight", 2048, 16 * 192)
        build.add(f"blk.{block}.attn_kv_a_mqa.weight", 2048, 512 + 64)
        build.vector(f"blk.{block}.attn_kv_a_norm.weight", 512)
        build.add(f"blk.{block}.attn_kv_b.weight", 512, 16 * (128 + 128))
        build.add(f"blk.{block}.attn_output.weight", 16 * 128, 2048)
        _deepseek_experts(build, block, 1, 10944, 64, 1408, 2816, bias=False)
    values = metadata(
        27,
        2048,
        10944,
        16,
        16,
        attention__key_length=192,
        attention__value_length=128,
        attention__kv_lora_rank=512,
        rope__dimension_count=64,
        leading_dense_block_count=1,
        expert_count=64,
        expert_used_count=6,
        expert_feed_forward_length=1408,
        expert_shared_count=2,
        expert_weights_scale=1.0,
    )
    return Model("deepseek2-lite-old", "deepseek2", values, build.tensors, 102400)


def deepseek2_new():
    """DeepSeek V3 671B: one latent row a token serves as K and V."""
    build = Builder(7168, 129280, Type.Q4_K)
    for block in range(61):
        build.vector(f"blk.{block}.attn_norm.weight", 7168)
        build.add(f"blk.{block}.attn_q_a.weight", 7168, 1536)
        build.vector(f"blk.{block}.attn_q_a_norm.weight", 1536)
        build.add(f"blk.{block}.attn_q_b.weight", 1536, 128 * 192)
        build.add(f"blk.{block}.attn_kv_a_mqa.weight", 7168, 512 + 64)
        build.vector(f"blk.{block}.attn_kv_a_norm.weight", 512)
        build.add(f"blk.{block}.attn_k_b.weight", 128, 512, 128, type=Type.Q8_0)
        build.add(f"blk.{block}.attn_v_b.weight", 512, 128, 128, type=Type.Q8_0)
        build.add(f"blk.{block}.attn_output.weight", 128 * 128, 7168)
        _deepseek_experts(build, block, 3, 18432, 256, 2048, 2048, bias=True)
    values = metadata(
        61,
        7168,
        18432,
        128,
        1,
        context=163840,
        attention__key_length=576,
        attention__value_length=512,
        attention__key_length_mla=192,
        attention__value_length_mla=128,
        attention__kv_lora_rank=512,
        attention__q_lora_rank=1536,
        rope__dimension_count=64,
        leading_dense_block_count=3,
        expert_count=256,
        expert_used_count=8,
        expert_feed_forward_length=2048,
        expert_shared_count=1,
        expert_weights_scale=2.5,
        expert_weights_norm=True,
        expert_gating_func=2,
        expert_group_count=8,
        expert_group_used_count=4,
    )
    return Model("deepseek3-671b", "deepseek2", values, build.tensors, 129280)


def gpt_oss():
    """gpt-oss 20B: sinks, biases everywhere, MXFP4 experts, every second block a window of 128."""
    build = Builder(2880, 201088, Type.BF16)
    for block in range(24):
        build.attention(block, 64, 8, 64, bias=True)
        build.vector(f"blk.{block}.attn_output.bias", 2880)
        build.vector(f"blk.{block}.attn_sinks.weight", 64)
        build.experts(block, 32, 2880, norm="post_attention_norm", bias=True, type=Type.MXFP4)
    values = metadata(
        24,
        2880,
        2880,
        64,
        8,
        attention__key_length=64,
        attention__value_length=64,
        attention__sliding_window=128,
        expert_count=32,
        expert_used_count=4,
        expert_feed_forward_length=2880,
    )
    return Model("gpt-oss-20b", "gpt-oss", values, build.tensors, 201088)


def granitehybrid():
    """Granite 4.0 H Tiny: four attention blocks among forty, the rest Mamba 2, experts in all."""
    build = Builder(1536, 100352, Type.Q4_K, tied=True)
    attention_blocks = (5, 15, 25, 35)
    inner, groups, state, heads = 3072, 1, 128, 48
    for block in range(40):
        if block in attention_blocks:
            build.attention(block, 12, 4, 128)
        else:
            mamba2(build, block, inner, groups, state, heads)
        build.experts(block, 64, 512, shared=1024)
    values = metadata(
        40,
        1536,
        512,
        12,
        [4 if block in attention_blocks else 0 for block in range(40)],
        expert_count=64,
        expert_used_count=6,
        expert_shared_feed_forward_length=1024,
        rope__scaling__finetuned=False,
        ssm__conv_kernel=4,
        ssm__inner_size=inner,
        ssm__state_size=state,
        ssm__time_step_rank=heads,
        ssm__group_count=groups,
    )
    return Model("granite4-h-tiny", "granitehybrid", values, build.tensors, 100352)


def nemotron_h():
    """Nemotron H 8B: a block is Mamba 2, attention or feed-forward, never two of them."""
    attention_blocks = (7, 18, 29, 40)
    mamba_blocks = (0, 2, 4, 6, 9, 11, 13, 15, 17, 20, 22, 24, 26, 28, 31, 33, 35, 37, 39, 42, 44, 46, 48, 50)
    build = Builder(4096, 131072, Type.Q4_K)
    for block in range(52):
        if block in mamba_blocks:
            mamba2(build, block, 8192, 8, 128, 128)
        elif block in attention_blocks:
            build.attention(block, 32, 8, 128)
        else:
            build.vector(f"blk.{block}.attn_norm.weight", 4096)
            build.add(f"blk.{block}.ffn_up.weight", 4096, 21504)
            build.add(f"blk.{block}.ffn_down.weight", 21504, 4096)
    values = metadata(
        52,
        4096,
        [0 if block in mamba_blocks or block in attention_blocks else 21504 for block in range(52)],
        32,
        [8 if block in attention_blocks else 0 for block in range(52)],
        attention__key_length=128,
        attention__value_length=128,
        ssm__conv_kernel=4,
        ssm__inner_size=8192,
        ssm__state_size=128,
        ssm__time_step_rank=128,
        ssm__group_count=8,
        attention__layer_norm_epsilon=1e-5,
    )
    return Model("nemotron-h-8b", "nemotron_h", values, build.tensors, 131072)


def qwen3next():
    """Qwen 3 Next 80B-A3B: three gated delta nets to one attention block, 512 experts."""
    build = Builder(2048, 151936, Type.Q4_K)
    for block in range(48):
        build.vector(f"blk.{block}.attn_norm.weight", 2048)
        if (block + 1) % 4 == 0:
            build.add(f"blk.{block}.attn_q.weight", 2048, 2 * 16 * 256)
            build.add(f"blk.{block}.attn_k.weight", 2048, 2 * 256)
            build.add(f"blk.{block}.attn_v.weight", 2048, 2 * 256)
            build.add(f"blk.{block}.attn_output.weight", 16 * 256, 2048)
            build.vector(f"blk.{block}.attn_q_norm.weight", 256)
            build.vector(f"blk.{block}.attn_k_norm.weight", 256)
        else:
            build.add(f"blk.{block}.attn_qkv.weight", 2048, 2 * 2048 + 4096)
            build.add(f"blk.{block}.attn_gate.weight", 2048, 4096)
            build.add(f"blk.{block}.ssm_ba.weight", 2048, 64)
            build.vector(f"blk.{block}.ssm_conv1d.weight", 4, 8192)
            build.vector(f"blk.{block}.ssm_dt.bias", 32)
            build.vector(f"blk.{block}.ssm_a", 32)
            build.vector(f"blk.{block}.ssm_norm.weight", 128)
            build.add(f"blk.{block}.ssm_out.weight", 4096, 2048)
        build.experts(block, 512, 512, shared=512, norm="post_attention_norm")
        build.vector(f"blk.{block}.ffn_gate_inp_shexp.weight", 2048)
    values = metadata(
        48,
        2048,
        5120,
        16,
        2,
        context=262144,
        attention__key_length=256,
        attention__value_length=256,
        rope__dimension_count=64,
        expert_count=512,
        expert_used_count=10,
        expert_feed_forward_length=512,
        expert_shared_feed_forward_length=512,
        ssm__conv_kernel=4,
        ssm__inner_size=4096,
        ssm__state_size=128,
        ssm__time_step_rank=32,
        ssm__group_count=16,
    )
    return Model("qwen3next-80b", "qwen3next", values, build.tensors, 151936)


def glm4moe():
    """GLM 4.5 Air: its last block predicts further tokens and is not loaded."""
    build = Builder(4096, 151552, Type.Q4_K)
    for block in range(47):
        build.attention(block, 96, 8, 128, bias=True)
        if block == 0:
            build.feed_forward(block, 10944, norm="post_attention_norm")
        else:
            build.experts(block, 128, 1408, shared=1408, norm="post_attention_norm")
            build.vector(f"blk.{block}.exp_probs_b.bias", 128)
    build.add("blk.46.nextn.eh_proj.weight", 2 * 4096, 4096)
    build.add("blk.46.nextn.embed_tokens.weight", 4096, 151552)
    build.vector("blk.46.nextn.enorm.weight", 4096)
    build.vector("blk.46.nextn.hnorm.weight", 4096)
    build.add("blk.46.nextn.shared_head_head.weight", 4096, 151552)
    build.vector("blk.46.nextn.shared_head_norm.weight", 4096)
    values = metadata(
        47,
        4096,
        10944,
        96,
        8,
        attention__key_length=128,
        attention__value_length=128,
        rope__dimension_count=64,
        expert_count=128,
        expert_used_count=8,
        expert_feed_forward_length=1408,
        expert_shared_count=1,
        leading_dense_block_count=1,
        expert_weights_scale=1.0,
        expert_weights_norm=True,
        expert_gating_func=2,
        nextn_predict_layers=1,
    )
    return Model("glm4.5-air", "glm4moe", values, build.tensors, 151552)


def llama4():
    """Llama 4 Scout: chunked attention of 8192 in three blocks of four, one expert of sixteen and a shared one."""
    build = Builder(5120, 202048, Type.Q4_K)
    build.vector("rope_freqs.weight", 64)
    for block in range(48):
        build.attention(block, 40, 8, 128)
        build.experts(block, 16, 8192, shared=8192)
    values = metadata(
        48,
        5120,
        16384,
        40,
        8,
        context=10485760,
        attention__key_length=128,
        attention__value_length=128,
        rope__dimension_count=128,
        expert_count=16,
        expert_used_count=1,
        expert_feed_forward_length=8192,
        interleave_moe_layer_step=1,
    )
    return Model("llama4-scout", "llama4", values, build.tensors, 202048)


MODELS = (
    llama_8b,
    llama_70b,
    llama_1b_tied,
    mixtral,
    qwen2,
    qwen3,
    qwen3moe,
    gemma2,
    gemma3,
    phi3,
    deepseek2_old,
    deepseek2_new,
    gpt_oss,
    granitehybrid,
    nemotron_h,
    qwen3next,
    glm4moe,
    llama4,
    *MORE_MODELS,
)
