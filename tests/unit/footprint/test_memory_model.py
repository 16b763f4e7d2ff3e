# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the memory model that hold for any model, and its refusals."""

from __future__ import annotations

import copy

import pytest
from module_utils.errors import DroverError
from module_utils.footprint.model import MemoryModel, Settings
from module_utils.footprint.settings import CACHE_TYPES
from module_utils.gguf.profile import model_profile
from module_utils.gguf.reader import Header, TensorInfo

MIB = 1024 * 1024
WIDTH, BLOCKS, VOCABULARY = 1024, 8, 32000


def gguf(architecture="llama", block=None, **hyperparameters):
    """A profile of a small dense model; ``block`` replaces the shapes of its blocks' matrices."""
    shapes = {"token_embd.weight": (WIDTH, VOCABULARY), "output.weight": (WIDTH, VOCABULARY)}
    for index in range(BLOCKS):
        for name, columns in (
            block
            or {
                "attn_q": WIDTH,
                "attn_k": 256,
                "attn_v": 256,
                "attn_output": WIDTH,
                "ffn_gate": 4096,
                "ffn_up": 4096,
                "ffn_down": WIDTH,
            }
        ).items():
            shapes[f"blk.{index}.{name}.weight"] = (WIDTH, columns)
    values = {
        "block_count": BLOCKS,
        "context_length": 8192,
        "embedding_length": WIDTH,
        "feed_forward_length": 4096,
        "attention.head_count": 16,
        "attention.head_count_kv": 4,
        **{key.replace("__", "."): value for key, value in hyperparameters.items()},
    }
    metadata = {f"{architecture}.{key}": value for key, value in values.items()}
    tensors = [TensorInfo(name, shape, 1, 0, 2 * shape[0] * shape[1], 0) for name, shape in shapes.items()]
    return model_profile(
        Header(3, "little", {"general.architecture": architecture, **metadata}, tensors, ["m.gguf"], [0], 0, 32)
    )


def context(settings=None, **options):
    return MemoryModel(gguf(**options), settings or Settings()).layer_kv_bytes


def test_layers_are_the_blocks_and_the_output():
    model = MemoryModel(gguf(), Settings())
    block = 2 * WIDTH * (2 * WIDTH + 2 * 256 + 2 * 4096 + WIDTH)
    assert model.layer_weight_bytes == [block] * BLOCKS + [2 * WIDTH * VOCABULARY]
    assert model.layer_kv_bytes == [2 * 2 * 4096 * 256] * BLOCKS + [0]
    assert model.reasons == []


@pytest.mark.parametrize("cache_type", CACHE_TYPES)
def test_cache_types(cache_type):
    elements, size = CACHE_TYPES[cache_type]
    settings = Settings(cache_type_k=cache_type, cache_type_v=cache_type)
    assert context(settings)[0] == 2 * 4096 * 256 // elements * size


@pytest.mark.parametrize(
    "context_size, parallel, tokens",
    [(4096, 1, 4096), (4097, 1, 4352), (100, 1, 256), (4096, 4, 4096), (1000, 3, 3 * 512), (256, 4, 4 * 256)],
)
def test_slots_share_the_context_in_padded_parts(context_size, parallel, tokens):
    assert context(Settings(context_size=context_size, parallel=parallel))[0] == 4 * tokens * 256


def test_heads_differ_by_block():
    heads = [4, 4, 4, 4, 2, 2, 2, 0]
    assert context(attention__head_count_kv=heads)[:BLOCKS] == [4 * 4096 * 64 * count for count in heads]


def test_without_flash_attention_values_are_as_wide_as_the_widest():
    rows = context(Settings(flash_attention="off"), attention__head_count_kv=[4] * 7 + [2])
    assert rows[7] == 2 * 4096 * (128 + 256)


def test_sliding_windows_hold_the_window_and_a_micro_batch():
    rows = context(Settings(context_size=32768), architecture="gemma3", attention__sliding_window=1000)
    sliding, full = 4 * 256 * 1536, 4 * 256 * 32768
    assert rows[:BLOCKS] == [sliding] * 5 + [full] + [sliding] * 2


def test_a_models_own_pattern_wins():
    pattern = [True, False] * 4
    rows = context(architecture="gemma3", attention__sliding_window=512, attention__sliding_window_pattern=pattern)
    assert [row < 4 * 256 * 4096 for row in rows[:BLOCKS]] == pattern


def test_recurrent_state_is_kept_for_each_slot():
    block = {"ssm_in": 4480, "ssm_conv1d": 2304, "ssm_out": WIDTH}
    options = {
        "architecture": "granitehybrid",
        "block": block,
        "attention__head_count_kv": [0] * BLOCKS,
        "ssm__conv_kernel": 4,
        "ssm__inner_size": 2048,
        "ssm__state_size": 128,
        "ssm__group_count": 1,
        "ssm__time_step_rank": 32,
    }
    one = 4 * (3 * (2048 + 2 * 128) + 128 * 2048)
    assert context(**options)[0] == one
    assert context(Settings(parallel=3), **options)[0] == 3 * one
    assert context(Settings(context_size=8192), **options)[0] == one


def test_blocks_that_predict_further_tokens_take_nothing():
    model = MemoryModel(gguf(nextn_predict_layers=1), Settings())
    assert model.layer_weight_bytes[BLOCKS - 1] == model.layer_kv_bytes[BLOCKS - 1] == 0
    assert model.layer_weight_bytes[BLOCKS - 2] > 0


def shared(count):
    return gguf(
        "gemma4",
        attention__shared_kv_layers=count,
        attention__sliding_window=512,
        attention__sliding_window_pattern=[True, True, True, False] * 2,
    )


def test_blocks_that_share_caches_have_none_and_fetch_them_from_afar():
    model = MemoryModel(shared(4), Settings(context_size=16384))
    assert all(model.layer_kv_bytes[:4]) and not any(model.layer_kv_bytes[4:])
    assert "Blocks 4 to 7 read the caches of blocks 2 and 3" in model.reasons[0]
    fetched = 3 * model.layer_kv_bytes[2] + model.layer_kv_bytes[3]
    together, apart = model.device_compute_bytes(3, 3, 1), model.device_compute_bytes(4, 4, 2)
    assert apart - together > fetched - 8 * MIB
    alone = MemoryModel(shared(0), Settings(context_size=16384))
    assert all(alone.layer_kv_bytes[:BLOCKS]) and alone.reasons == []


def test_how_a_device_is_fed_depends_on_the_leader():
    model = MemoryModel(gguf(), Settings())
    for first in range(3, BLOCKS):
        for count in range(1, BLOCKS + 2 - first):
            known = [model.device_compute_bytes(first, count, leader) for leader in range(first + 1)]
            # By devices alone, by a device after the leader, and by the leader.
            assert len({*known[1:first]}) == 1
            assert known[0] > known[1] and known[0] > known[first]


def test_several_devices_without_the_leader_hold_copies_of_the_inputs():
    model = MemoryModel(gguf(), Settings())
    assert model.device_compute_bytes(4, 5, 0) > model.device_compute_bytes(4, 5, 2)
    assert model.host_bytes(0, device_count=2).compute_bytes > model.host_bytes(0, device_count=1).compute_bytes


def test_an_output_for_every_token_takes_more():
    one = MemoryModel(gguf(), Settings()).device_compute_bytes(4, 5, 1)
    every = MemoryModel(gguf(), Settings(outputs=512)).device_compute_bytes(4, 5, 1)
    assert every - one > 4 * VOCABULARY * 500 - 40 * MIB


@pytest.mark.parametrize(
    "less, more",
    [
        (Settings(), Settings(context_size=65536)),
        (Settings(ubatch_size=128), Settings()),
        (Settings(), Settings(flash_attention="off", context_size=8192)),
    ],
)
def test_compute_grows_with_what_it_depends_on(less, more):
    for first, count, leader in ((0, 4, 0), (2, 3, 0), (2, 3, 2), (4, 5, 2)):
        smaller, larger = (
            MemoryModel(gguf(), settings).device_compute_bytes(first, count, leader) for settings in (less, more)
        )
        assert smaller < larger


def test_nothing_held_nothing_computed():
    model = MemoryModel(gguf(), Settings())
    assert model.device_compute_bytes(3, 0, 1) == 0
    assert model.device_weight_bytes(3, 0) == 0


def test_the_leader_keeps_the_embedding_and_its_blocks():
    model = MemoryModel(gguf(), Settings())
    embedding = 2 * WIDTH * VOCABULARY
    assert model.host_bytes(0).weight_bytes == embedding
    assert model.host_bytes(3).weight_bytes == embedding + sum(model.layer_weight_bytes[:3])
    assert model.host_bytes(3).kv_bytes == sum(model.layer_kv_bytes[:3])
    alone = model.host_bytes(BLOCKS + 1)
    assert alone.weight_bytes == embedding + sum(model.layer_weight_bytes)
    assert alone.total_bytes == alone.weight_bytes + alone.kv_bytes + alone.compute_bytes


def test_an_unknown_architecture_is_estimated_with_a_margin():
    known, unknown = (MemoryModel(gguf(name), Settings()) for name in ("llama", "zebra"))
    assert unknown.layer_kv_bytes[0] == int(1.1 * known.layer_kv_bytes[0])
    assert unknown.device_compute_bytes(0, 4, 0) == int(1.25 * known.device_compute_bytes(0, 4, 0))
    assert len(unknown.reasons) == 1 and "zebra" in unknown.reasons[0]


def test_a_sliding_window_of_an_unknown_architecture_is_not_believed():
    assert context(architecture="zebra", attention__sliding_window=256)[0] > context()[0]


def test_an_unknown_mixer_counts_all_it_makes():
    block = {"time_mix_key": WIDTH, "time_mix_value": WIDTH, "ffn_up": 4096, "ffn_down": WIDTH}
    model = MemoryModel(gguf("zebra", block), Settings())
    assert model.device_compute_bytes(2, 3, 1) > 4 * 512 * 2 * WIDTH


@pytest.mark.parametrize(
    "options, words",
    [
        ({"context_size": 0}, "context_size is 0 "),
        ({"parallel": True}, "parallel is True"),
        ({"parallel": 257}, "parallel is 257 but must be a whole number from 1 to 256"),
        ({"ubatch_size": "512"}, "ubatch_size is '512'"),
        ({"cache_type_k": "q9_0"}, "cache_type_k is 'q9_0' but must be one of f32, f16, bf16, q8_0"),
        ({"cache_type_v": None}, "cache_type_v is None"),
        ({"flash_attention": "maybe"}, "flash_attention is 'maybe'"),
        ({"flash_attention": "off", "cache_type_v": "q8_0"}, "no quantised V cache without it"),
        ({"outputs": 0}, "outputs is 0"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(DroverError, match=words):
        Settings(**options)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"nextn_predict_layers": 8}, "nextn_predict_layers is 8 of 8 blocks"),
        ({"nextn_predict_layers": "one"}, "nextn_predict_layers is 'one'"),
        ({"architecture": "gemma3", "attention__sliding_window": -1}, "sliding_window is -1"),
        ({"architecture": "gemma4", "attention__shared_kv_layers": 7}, "shared_kv_layers is 7 of 8 blocks"),
        ({"architecture": "qwen3next", "full_attention_interval": 0}, "full_attention_interval is 0"),
        ({"architecture": "mamba", "ssm__inner_size": "wide"}, "ssm.inner_size is 'wide'"),
        ({"architecture": "mamba", "ssm__inner_size": 2**64 - 1}, "ssm.inner_size is 18446744073709551615"),
    ],
)
def test_absurd_hyperparameters_are_refused(options, words):
    with pytest.raises(DroverError, match=words):
        MemoryModel(gguf(**options), Settings())


@pytest.mark.parametrize(
    "block, missing",
    [
        ({"attn_q": WIDTH, "ffn_down": WIDTH}, "attn_q, ffn_down and no ffn_up,"),
        ({"ffn_gate_exps": WIDTH, "ffn_down_exps": WIDTH}, "and no ffn_up_exps,"),
        ({"attn_kv_a_mqa": WIDTH, "ffn_up": WIDTH, "ffn_down": WIDTH}, "and no attn_q,"),
    ],
)
def test_a_block_that_lacks_a_matrix_is_refused(block, missing):
    with pytest.raises(DroverError, match=missing):
        MemoryModel(gguf(block=block), Settings()).device_compute_bytes(2, 3, 1)


def test_heads_that_a_quantised_cache_cannot_hold():
    narrow = gguf(attention__key_length=80, attention__value_length=80)
    with pytest.raises(DroverError, match="q8_0 needs heads of a multiple of 32 values but this model's heads have 80"):
        MemoryModel(narrow, Settings(cache_type_k="q8_0"))


def test_the_profile_is_not_changed():
    profile = gguf()
    before = copy.deepcopy(profile)
    MemoryModel(profile, Settings()).device_compute_bytes(0, 9, 0)
    assert profile == before
