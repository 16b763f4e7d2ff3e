# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from module_utils.errors import DroverError
from module_utils.placement.policy import Policy
from module_utils.placement.request import Request


def test_a_policy_comes_back_from_its_document():
    policy = Policy(context_size=8192, split={"pi-1": 4, "pi-2": 5}, margin=0.1, leader="pi-1")
    assert Policy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy


def test_what_a_document_leaves_out_has_its_default():
    assert Policy.from_dict({"parallel": 2}) == Policy(parallel=2)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "The policy is None but must be a dictionary"),
        ({"context": 1, "ubatch": 2}, "The policy has context, ubatch, which it knows nothing of"),
        ({"context_size": "4096"}, "context_size is '4096'"),
        ({"parallel": 300}, "parallel is 300 but must be a whole number from 1 to 256"),
        ({"flash_attention": "off", "cache_type_v": "q8_0"}, "cache_type_v is q8_0 but flash_attention is off"),
        ({"margin": float("nan")}, "margin is nan"),
        ({"margin": True}, "margin is True"),
        ({"prompt_tokens": 1.5}, "prompt_tokens is 1.5"),
        ({"answer_tokens": 0}, "answer_tokens is 0 but must be a whole number from 1"),
        ({"split": "pi-1"}, "split is 'pi-1' but must be a dictionary: give layers by host"),
        ({"split": {"pi-1": True}}, "The split's number of layers for pi-1 is True"),
        ({"leader": 7}, "leader is 7"),
    ],
)
def test_a_bad_policy_gets_one_sentence(document, message):
    with pytest.raises(DroverError) as error:
        Policy.from_dict(document)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("policy", "request_", "passes", "tokens"),
    [
        (Policy(prompt_tokens=512, answer_tokens=10), Request(512, 1, 10), 11, 522),
        (Policy(prompt_tokens=513, answer_tokens=10), Request(513, 2, 10), 12, 523),
        (Policy(prompt_tokens=0, answer_tokens=10), Request(0, 0, 10), 10, 10),
        (Policy(prompt_tokens=100, answer_tokens=1, batch_size=64, ubatch_size=32), Request(100, 4, 1), 5, 101),
    ],
)
def test_a_prompt_goes_in_batches(policy, request_, passes, tokens):
    assert policy.request == request_
    assert (policy.request.passes, policy.request.tokens) == (passes, tokens)
