# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document gguf: what the profile makes is read, and whatever else comes is refused in one sentence."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from module_utils.errors import DroverError
from module_utils.gguf import document, profile, reader

DEMO = Path(__file__).parents[2] / "assets" / "drover-demo.gguf"


@pytest.fixture(scope="module")
def demo():
    return profile.model_profile(reader.read_header(str(DEMO)))


def test_what_the_profile_makes_is_read(demo):
    assert document.read_gguf(json.loads(json.dumps(demo))) == demo
    assert demo.keys() == {"schema", *document.FIELDS}
    assert demo["blocks"][0].keys() == set(document.BLOCK_FIELDS)


def test_fields_of_later_are_kept(demo):
    assert document.read_gguf({**demo, "later": 1})["later"] == 1


@pytest.mark.parametrize("field", ["schema", *document.FIELDS])
def test_every_field_must_be_there(demo, field):
    assert field in refused({key: value for key, value in demo.items() if key != field})


@pytest.mark.parametrize("field", document.BLOCK_FIELDS)
def test_every_field_of_a_block_must_be_there(demo, field):
    gguf = copy.deepcopy(demo)
    del gguf["blocks"][1][field]
    assert f"{field} of block 1" in refused(gguf)


@pytest.mark.parametrize("value", [None, [], "gguf", 3, {}])
def test_what_is_no_document(value):
    refused(value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "schema 2 where schema 1"),
        ({"schema": True}, "schema True"),
        ({"block_count": 0}, "block_count of the gguf is 0"),
        ({"block_count": 7}, "8 blocks but block_count 7"),
        ({"block_count": 513}, "block_count of the gguf is 513 but must be a whole number from 1 to 512"),
        ({"expert_used_count": 1}, "expert_used_count of the gguf is 1 but must be a whole number from 0 to 0"),
        ({"expert_count": 1 << 60}, "expert_count of the gguf"),
        ({"weight_bytes": 10**400}, "weight_bytes of the gguf is 1000"),
        ({"vocab_size": -1}, "vocab_size of the gguf is -1"),
        ({"file_bytes": 1.5}, "file_bytes 1.5"),
        ({"file_bytes": True}, "file_bytes True"),
        ({"hyperparameters": []}, "hyperparameters []"),
        ({"head_count": [1, 2]}, "head_count of the gguf has 2 numbers but must have one for each of 8 blocks"),
        ({"head_count_kv": [1] * 7 + [None]}, "head_count_kv of the gguf is None"),
        ({"expert_used_count": -2}, "expert_used_count of the gguf is -2"),
        ({"shards": []}, "names no file"),
        ({"shards": [1]}, "shards of the gguf is [1]"),
        ({"unservable": [None]}, "unservable of the gguf is [None]"),
        ({"warnings": "none"}, "warnings 'none'"),
        ({"block_kinds": []}, "kind 0, of 0 kinds"),
        ({"block_kinds": [{"attn_q": "wide"}]}, "attn_q of block kind 0 of the gguf is 'wide'"),
        ({"block_kinds": [3]}, "block kind 0 of the gguf is 3"),
        ({"blocks": [1] * 8}, "block 0 of the gguf is 1"),
    ],
)
def test_what_is_wrong_is_told(demo, change, words):
    assert words in refused({**demo, **change})


def test_blocks_out_of_order(demo):
    assert "block 0 of the gguf has index 7" in refused({**demo, "blocks": demo["blocks"][::-1]})


def refused(value) -> str:
    with pytest.raises(DroverError) as refusal:
        document.read_gguf(value)
    message = str(refusal.value)
    assert message.endswith("give what gguf_info returned as gguf.") and "\n" not in message
    return message
