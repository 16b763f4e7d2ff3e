# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A header boiled down: what the planner and people get to know of a model."""

from __future__ import annotations

import json
import math

import pytest
from module_utils.errors import DroverError
from module_utils.gguf.profile import CACHE_THRESHOLD_BYTES, model_profile
from module_utils.gguf.reader import Header, SkippedArray, TensorInfo
from module_utils.gguf.types import tensor_bytes

F32, F16 = 0, 1
METADATA = {
    "general.architecture": "llama",
    "general.name": "Little",
    "general.file_type": 1,
    "llama.block_count": 2,
    "llama.context_length": 4096,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 192,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": SkippedArray("string", 1000),
    "tokenizer.chat_template": "{{ messages }}",
}
BLOCK = {"attn_q": (64, 64), "attn_k": (64, 16), "attn_v": (64, 16), "ffn_up": (64, 192), "ffn_down": (192, 64)}
LOOSE = {"token_embd.weight": (64, 1000), "output.weight": (64, 1000), "output_norm.weight": (64,)}


def tensors(loose=None, blocks=2, block=None):
    shapes = dict(LOOSE if loose is None else loose)
    for index in range(blocks):
        for name, shape in (BLOCK if block is None else block).items():
            shapes[f"blk.{index}.{name}.weight"] = shape
    return [TensorInfo(name, shape, F16, 0, tensor_bytes(F16, shape), 0) for name, shape in shapes.items()]


def profile(metadata=None, tensor_list=None, without=()):
    values = {key: value for key, value in {**METADATA, **(metadata or {})}.items() if key not in without}
    listed = tensors() if tensor_list is None else tensor_list
    return model_profile(Header(3, "little", values, listed, ["little.gguf"], [4096], 12345, 32))


def test_every_field_of_a_small_model():
    block_values = 64 * 64 + 2 * 64 * 16 + 2 * 64 * 192
    assert profile() == {
        "schema": 1,
        "architecture": "llama",
        "name": "Little",
        "version": 3,
        "file_type": 1,
        "quantization": "F16",
        "file_bytes": 12345,
        "weight_bytes": 2 * (2 * block_values + 2 * 64000 + 64),
        "parameter_count": 2 * block_values + 2 * 64000 + 64,
        "tensor_count": 13,
        "block_count": 2,
        "context_length": 4096,
        "embedding_length": 64,
        "feed_forward_length": 192,
        "head_count": 8,
        "head_count_kv": 2,
        "key_length": 8,
        "value_length": 8,
        "expert_count": 0,
        "expert_used_count": 0,
        "sliding_window": 0,
        "vocab_size": 1000,
        "chat_template": True,
        "shards": ["little.gguf"],
        "embedding_bytes": 128000,
        "output_bytes": 128000 + 128,
        "largest_output_tensor_bytes": 128000,
        "every_device_bytes": 0,
        "first_block_bytes": 0,
        "tied_embeddings": False,
        "hyperparameters": {
            "block_count": 2,
            "context_length": 4096,
            "embedding_length": 64,
            "feed_forward_length": 192,
            "attention.head_count": 8,
            "attention.head_count_kv": 2,
        },
        "block_kinds": [{"attn_k": 16, "attn_q": 64, "attn_v": 16, "ffn_down": 64, "ffn_up": 192}],
        "blocks": [
            {
                "index": index,
                "weight_bytes": 2 * block_values,
                "largest_tensor_bytes": 2 * 64 * 192,
                "cacheable_bytes": 0,
                "expert_bytes": 0,
                "kind": 0,
            }
            for index in (0, 1)
        ],
        "unservable": [],
        "warnings": [],
    }


def test_survives_json():
    odd = {"llama.rope.freq_base": 500000.0, "llama.nan": math.nan, "llama.words": ["a"], "llama.long": [1] * 3}
    made = profile(odd)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert set(odd) & {f"llama.{key}" for key in made["hyperparameters"]} == {"llama.rope.freq_base"}


def test_tied_embeddings_count_as_output():
    made = profile(tensor_list=tensors({"token_embd.weight": (64, 1000), "output_norm.weight": (64,)}))
    assert made["tied_embeddings"] is True
    assert made["output_bytes"] == 128000 + 128
    assert made["embedding_bytes"] == 128000


@pytest.mark.parametrize(
    "name, field",
    [
        ("token_types.weight", "embedding_bytes"),
        ("token_embd_norm.weight", "first_block_bytes"),
        ("rope_freqs.weight", "every_device_bytes"),
        ("output_norm.bias", "output_bytes"),
    ],
)
def test_loose_tensors_go_where_llama_cpp_puts_them(name, field):
    assert profile(tensor_list=tensors({**LOOSE, name: (64,)}))[field] == profile()[field] + 128


def test_experts_and_cacheable_bytes():
    block = {**BLOCK, "ffn_up_exps": (1024, 1024, 8), "ffn_gate_inp": (64, 8)}
    made = profile({"llama.expert_count": 8, "llama.expert_used_count": 2}, tensors(block=block))
    assert made["blocks"][0]["expert_bytes"] == 2 * 1024 * 1024 * 8
    assert made["blocks"][0]["cacheable_bytes"] == 2 * 1024 * 1024 * 8 > CACHE_THRESHOLD_BYTES
    assert made["block_kinds"][0]["ffn_up_exps"] == 1024
    assert (made["expert_count"], made["expert_used_count"]) == (8, 2)


def test_the_threshold_itself_is_not_cacheable():
    block = {"ffn_up": (1024, 5 * 1024)}
    assert profile(tensor_list=tensors(block=block))["blocks"][0]["cacheable_bytes"] == 0


def test_blocks_of_two_kinds():
    listed = tensors()
    listed.append(TensorInfo("blk.1.ffn_gate.weight", (64, 192), F16, 0, 2 * 64 * 192, 0))
    made = profile(tensor_list=listed)
    assert [block["kind"] for block in made["blocks"]] == [0, 1]
    assert "ffn_gate" in made["block_kinds"][1] and "ffn_gate" not in made["block_kinds"][0]


def test_an_empty_block_in_between_is_legal():
    listed = [tensor for tensor in tensors(blocks=3) if not tensor.name.startswith("blk.1.")]
    made = profile({"llama.block_count": 3}, listed)
    assert made["blocks"][1]["weight_bytes"] == 0


def test_heads_of_each_block():
    made = profile({"llama.attention.head_count_kv": [2, 1]})
    assert made["head_count_kv"] == [2, 1]
    assert made["hyperparameters"]["attention.head_count_kv"] == [2, 1]


def test_an_unknown_architecture_still_has_a_profile():
    metadata = {
        key.replace("llama.", "zebra."): value for key, value in METADATA.items() if key != "general.architecture"
    }
    made = profile({**metadata, "general.architecture": "zebra"}, without=[key for key in METADATA if "llama." in key])
    assert (made["architecture"], made["block_count"], made["key_length"]) == ("zebra", 2, 8)


def test_a_file_type_nobody_knows():
    assert profile(without=["general.file_type"])["quantization"] is None
    assert profile({"general.file_type": "many"})["file_type"] is None


def test_vocabulary_without_tokens():
    assert profile(without=["tokenizer.ggml.tokens"])["vocab_size"] == 1000
    assert profile({"llama.vocab_size": 7}, without=["tokenizer.ggml.tokens"])["vocab_size"] == 7


@pytest.mark.parametrize(
    "metadata, words",
    [
        ({"general.architecture": None}, "no general.architecture"),
        ({"llama.block_count": None}, "llama.block_count is None"),
        ({"llama.block_count": 0}, "llama.block_count is 0"),
        ({"llama.block_count": True}, "llama.block_count is True"),
        ({"llama.block_count": 513}, "from 1 to 512"),
        ({"llama.expert_count": 2049}, "expert_count is 2049 but must be a whole number from 0 to 2048"),
        ({"llama.expert_count": 8, "llama.expert_used_count": 9}, "expert_used_count is 9 .* from 0 to 8"),
        ({"llama.expert_count": 8, "llama.expert_used_count": [2, 2**60]}, "expert_used_count is"),
        ({"llama.context_length": 2**64 - 1}, "context_length is 18446744073709551615"),
        ({"general.architecture": "lla\x1b[2Jma"}, "must be a short name such as llama"),
        ({"general.architecture": "x" * 70_000}, "must be a short name such as llama"),
        ({"llama.block_count": 1}, "block_count is 1: the file is damaged"),
        ({"llama.block_count": 3}, "block_count is 3 but the tensors make 2 blocks"),
        ({"llama.attention.head_count": 0}, "head_count is 0 but block 0 has attention"),
        ({"llama.attention.head_count": [8, 0]}, "head_count is 0 but block 1 has attention"),
        ({"llama.attention.head_count": [8]}, r"head_count is \[8\]"),
        ({"llama.attention.head_count_kv": "two"}, "head_count_kv is 'two'"),
        ({"llama.embedding_length": -64}, "embedding_length is -64"),
        ({"llama.context_length": 0.5}, "context_length is 0.5"),
        ({"llama.feed_forward_length": [1, -1]}, "feed_forward_length is"),
    ],
)
def test_absurd_headers_are_refused_in_one_sentence(metadata, words):
    with pytest.raises(DroverError, match=words) as refusal:
        profile(metadata)
    assert "\n" not in str(refusal.value)


def test_what_a_terminal_would_not_show_as_it_is_stays_out_of_names():
    assert profile({"general.name": "Little\n\x1b]0;title\x07"})["name"] == "Little\\n\\x1b]0;title\\x07"
    assert len(profile({"general.name": "x" * 100_000})["name"]) < 250


def test_a_text_that_is_no_word_is_no_hyperparameter():
    made = profile({"llama.words": "x" * 100_000, "llama.rope.scaling.type": "yarn"})["hyperparameters"]
    assert (made.get("words"), made["rope.scaling.type"]) == (None, "yarn")


def test_a_recurrent_model_may_have_no_heads():
    block = {"ssm_in": (64, 256), "ssm_out": (128, 64)}
    made = profile({"llama.attention.head_count": 0}, tensors(block=block))
    assert made["key_length"] == 0
