# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that llama.cpp 0.5.0 knows: architectures, and the tensors that its loaders ask for.

Facts from upstream's src/llama-arch.cpp (LLM_ARCH_NAMES, LLM_TENSOR_NAMES), src/models/ and tools/mtmd/clip-impl.h;
held against the `gguf` package. A newer llama.cpp knows more, so what is missing here is worth a warning and no more.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARCHITECTURES = _names(
    """
    afmoe apertus arcee arctic arwkv7 baichuan bailingmoe bailingmoe2 bailingmoe3 bert bitnet bloom chameleon
    chatglm codeshell cogvlm cohere2 cohere2moe command-r dbrx deci deepseek deepseek2 deepseek2-ocr
    deepseek32 deepseek4 dflash dots1 dots3note dream eagle3 ernie4_5 ernie4_5-moe eurobert exaone exaone-moe
    exaone4 falcon falcon-h1 gemma gemma-embedding gemma2 gemma3 gemma3n gemma4 gemma4-assistant glm-dsa glm4
    glm4moe glm5-next gpt-oss gpt2 gptj gptneox granite granite_swa granitehybrid granitemoe graniteswitch
    grok grovemoe hrm_text hunyuan-dense hunyuan-moe hunyuan_vl hy_v3 hy_v4 internlm2 jais jais2 jamba
    jina-bert-v2 jina-bert-v3 kimi-k3 kimi-linear laguna lfm2 lfm2moe llada llada-moe llama llama-embed llama4
    maincoder mamba mamba2 maple mellum mimo2 minicpm minicpm3 minimax-01 minimax-m2 minimax-m3 mistral3
    mistral4 modern-bert mpt muse-glimmer nanbeige nemotron nemotron_h nemotron_h_moe neo-bert nomic-bert
    nomic-bert-moe olmo olmo2 olmoe openelm orion paddleocr pangu-embedded phi2 phi3 phimoe plamo plamo2
    plamo3 plm pockettts qwen qwen2 qwen2moe qwen2vl qwen3 qwen35 qwen35moe qwen3moe qwen3next qwen3tts
    qwen3vl qwen3vlmoe qwen4exp refact rnd1 rwkv6 rwkv6qwen2 rwkv7 seed_oss smallthinker smollm3 spark2_5
    stablelm starcoder starcoder2 step35 t5 t5encoder talkie wavtokenizer-dec xverse
    """
)

# What an architecture is for when it is not for generating text, token after token.
# Upstream: who has no cache or no causal attention in src/models/, llm_arch_is_diffusion; llama-server never calls
# llama_encode, which t5 needs, and drafts go with --model-draft only.
PURPOSES = {
    **dict.fromkeys(
        (
            "bert",
            "eurobert",
            "gemma-embedding",
            "jina-bert-v2",
            "jina-bert-v3",
            "llama-embed",
            "modern-bert",
            "neo-bert",
            "nomic-bert",
            "nomic-bert-moe",
            "t5encoder",
        ),
        "makes embeddings",
    ),
    **dict.fromkeys(("dream", "llada", "llada-moe", "rnd1"), "generates by diffusion, which llama-server cannot do"),
    **dict.fromkeys(("pockettts", "qwen3tts"), "makes speech"),
    **dict.fromkeys(("dflash", "eagle3", "gemma4-assistant"), "only drafts for another model"),
    "t5": "has an encoder, which llama-server does not run",
}

# The first part of a tensor's name after `blk.N.`, `enc.blk.N.` or `dec.blk.N.`
BLOCK_TENSORS = _names(
    """
    altup_correct_coef altup_correct_scale altup_predict_coef altup_router altup_router_norm
    attn_compressor_ape attn_compressor_gate attn_compressor_kv attn_compressor_norm attn_conv_base
    attn_conv_proj attn_gate attn_k attn_k_b attn_k_norm attn_kv attn_kv_a_mqa attn_kv_a_norm attn_kv_b
    attn_norm attn_norm_2 attn_o attn_output attn_output_a attn_output_b attn_output_norm attn_q attn_q_a
    attn_q_a_norm attn_q_b attn_q_norm attn_qkv attn_rel_b attn_res_score attn_rot_embd attn_sinks
    attn_sub_norm attn_v attn_v_b channel_mix_key channel_mix_lerp_k channel_mix_lerp_r channel_mix_receptance
    channel_mix_value cross_attn_k cross_attn_norm cross_attn_o cross_attn_q cross_attn_rel_b cross_attn_v
    exp_probs_b exp_probs_b_vl ffn ffn_conv_base ffn_conv_proj ffn_down ffn_down_chexps ffn_down_exps
    ffn_down_shexp ffn_gate ffn_gate_chexps ffn_gate_exps ffn_gate_inp ffn_gate_inp_shexp ffn_gate_shexp
    ffn_gate_tid2eid ffn_gate_up_exps ffn_latent_down ffn_latent_up ffn_norm ffn_norm_exps ffn_res_score
    ffn_routed_down ffn_routed_norm ffn_routed_up ffn_sub_norm ffn_up ffn_up_chexps ffn_up_exps ffn_up_shexp
    hc_attn_base hc_attn_down hc_attn_fn hc_attn_inject hc_attn_norm hc_attn_scale hc_attn_up hc_ffn_base
    hc_ffn_down hc_ffn_fn hc_ffn_inject hc_ffn_norm hc_ffn_scale hc_ffn_up indexer indexer_compressor_ape
    indexer_compressor_gate indexer_compressor_kv indexer_compressor_norm inp_gate laurel_l laurel_post_norm
    laurel_r layer_output_norm layer_output_scale nextn ple_conv1d ple_key ple_norm_conv ple_norm_key
    ple_norm_query ple_value post_attention_norm post_ffw_norm post_ffw_norm_1 post_ffw_norm_2 post_norm
    pre_ffw_norm_2 proj shortconv ssm_a ssm_alpha ssm_b_norm ssm_ba ssm_beta ssm_c_norm ssm_conv1d
    ssm_conv1d_k ssm_conv1d_q ssm_conv1d_v ssm_d ssm_dt ssm_dt_norm ssm_f_a ssm_f_b ssm_g ssm_g_a ssm_g_b
    ssm_in ssm_norm ssm_out ssm_x time_mix_a0 time_mix_a1 time_mix_a2 time_mix_decay time_mix_decay_w1
    time_mix_decay_w2 time_mix_first time_mix_g1 time_mix_g2 time_mix_gate time_mix_k_a time_mix_k_k
    time_mix_key time_mix_lerp_fused time_mix_lerp_g time_mix_lerp_k time_mix_lerp_r time_mix_lerp_v
    time_mix_lerp_w time_mix_lerp_x time_mix_ln time_mix_output time_mix_r_k time_mix_receptance time_mix_v0
    time_mix_v1 time_mix_v2 time_mix_value time_mix_w0 time_mix_w1 time_mix_w2 vis_attn_output vis_attn_qkv
    vis_down vis_gate vis_up
    """
)

# The first part of the name of a tensor of no block, after `enc.` or `dec.`
LOOSE_TENSORS = _names(
    """
    altup_proj altup_unembd_proj cls conf_proj conv1d convnext d2t dense_2 dense_3 fc hrm markov_w1 markov_w2
    masked_embd_centroids masked_embd_ordering nextn output output_hc_base output_hc_down output_hc_fn
    output_hc_norm output_hc_scale output_hc_up output_norm output_res_score per_layer_model_proj
    per_layer_proj_norm per_layer_token_embd position_embd posnet rope_factors_long rope_factors_short
    rope_freqs selector_hidden selector_predecessor selector_successor token_embd token_embd_norm token_types
    """
)

# The first part of the names of tensors for images and sound, which llama.cpp reads from a file of their own (mmproj).
PROJECTOR_TENSORS = frozenset(("a", "adapter", "mm", "resampler", "v"))
