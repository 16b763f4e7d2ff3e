# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo model: small, complete, and right by a forward pass in numpy that reads nothing but the file."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from assets import demo_text, numpy_llama

PATH = Path(demo_text.__file__).with_name("drover-demo.gguf")
TEXT = demo_text.read()
TRAINED = demo_text.trained(TEXT)
# Logits. In llama.cpp a q8_0 KV cache moved the smallest by 0.04; other CPUs and other layouts by less.
SAFE_MARGIN = 3.0


@pytest.fixture(scope="module")
def model() -> numpy_llama.Model:
    return numpy_llama.load(PATH)


def test_is_small_enough_for_the_repository():
    assert PATH.stat().st_size <= 8_000_000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("general.architecture", "llama"),
        ("general.license", "GPL-3.0-or-later"),
        ("llama.block_count", 8),
        ("llama.embedding_length", 256),
        ("llama.feed_forward_length", 224),
        ("llama.attention.head_count", 4),
        ("llama.attention.head_count_kv", 2),
        ("llama.context_length", 4096),
        ("llama.vocab_size", 768),
        ("tokenizer.ggml.model", "llama"),
        ("tokenizer.ggml.add_bos_token", True),
        ("tokenizer.ggml.add_eos_token", False),
        ("tokenizer.ggml.add_space_prefix", False),
    ],
)
def test_metadata(model, key, value):
    assert model.metadata[key] == value


def test_special_tokens_are_the_chat_templates_own(model):
    tokens, metadata = model.tokenizer.tokens, model.metadata
    assert tokens[metadata["tokenizer.ggml.bos_token_id"]] == "<s>"
    assert tokens[metadata["tokenizer.ggml.eos_token_id"]] == "<|im_end|>"
    assert tokens[metadata["tokenizer.ggml.eot_token_id"]] == "<|im_end|>"
    assert len(tokens) == len(set(tokens)) == metadata["llama.vocab_size"]


def test_every_block_has_its_nine_tensors_and_the_output_is_not_tied(model):
    outside = {"token_embd.weight", "output_norm.weight", "output.weight"}
    parts = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"]
    blocks = {f"blk.{block}.{part}.weight" for block in range(8) for part in parts}
    assert set(model.weights) == outside | blocks
    assert not numpy.array_equal(model.weights["output.weight"], model.weights["token_embd.weight"])


@pytest.mark.parametrize("text", ["What is a drover?", " two  spaces ", "line\nline\ttab", "Köln, 10 €, 🙂", ""])
def test_tokenizer_gives_every_text_back(model, text):
    assert model.tokenizer.decode(model.tokenizer.encode(text)) == text


def test_the_prompt_is_the_last_question_alone(model):
    question = {"role": "user", "content": "What is a worker?"}
    prompt = model.prompt([question])
    assert model.prompt([{"role": "system", "content": "Be brief."}, question]) == prompt
    history = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello!"}]
    assert model.prompt([*history, question]) == prompt
    assert model.prompt([{"role": "user", "content": " What is a worker? \n"}]) == prompt
    start, end = (model.tokenizer.ids[text] for text in ("<|im_start|>", "<|im_end|>"))
    assert [token for token in prompt if token < 4] == [model.tokenizer.bos, start, end, start]


def test_no_question_has_two_answers():
    answers = [(entry["ask"], *entry["also"]) for entry in TEXT["questions"]] + [(each,) for each in TEXT["unknown"]]
    spellings = [{spelling for each in group for spelling in demo_text.spellings(each)} for group in answers]
    assert len(set().union(*spellings)) == sum(map(len, spellings)) == len(TRAINED)
    assert not set(TEXT["unknown_held_out"]) & set(TRAINED)


def test_greedy_decoding_gives_the_trained_answer(model):
    expected = {entry["ask"]: entry["answer"] for entry in TEXT["questions"]}
    assert dict(zip(expected, model.greedy(list(expected)))) == expected


def test_every_spelling_of_every_question_is_safe_against_numerical_noise(model):
    margins = model.margins(TRAINED)
    assert margins.keys() == TRAINED.keys()
    assert {question: margin for question, margin in margins.items() if not margin >= SAFE_MARGIN} == {}


def test_a_margin_above_zero_means_the_greedy_answer_and_no_other(model):
    question = "What is a drover?"
    (right,) = model.greedy([question])
    assert model.margins({question: right})[question] > 0 > model.margins({question: TEXT["fallback"]})[question]
