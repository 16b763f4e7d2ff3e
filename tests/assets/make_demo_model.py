#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the demo model from random weights on demo_text.yml and write it as a GGUF.

Text -> tokenizer -> training with JAX -> GGUF -> every answer checked with numpy, from the written file.
See README.md beside this file.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import demo_text
import gguf
import jax
import jax.numpy as jnp
import numpy
import numpy_llama

BLOCKS, EMBEDDING, FEED_FORWARD, HEADS, HEADS_KV = 8, 256, 224, 4, 2
HEAD_SIZE = EMBEDDING // HEADS
CONTEXT = 4096
VOCABULARY = 768
ROPE_BASE = 10000.0
EPSILON = 1e-5
# In the order that model files usually have.
BLOCK_TENSORS = (
    *("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output"),
    *("ffn_norm", "ffn_gate", "ffn_up", "ffn_down"),
)

# Only the last question is rendered: the model has learnt single questions, a history would only confuse it.
# Every content is read all the same: from a template that leaves the system message unread llama-server concludes
# that it knows no such role, and puts that message in front of the question.
CHAT_TEMPLATE = """\
{%- set last = namespace(question='') -%}
{%- for message in messages -%}
    {%- set content = message['content'] | trim -%}
    {%- if message['role'] == 'user' -%}
        {%- set last.question = content -%}
    {%- endif -%}
{%- endfor -%}
{{- '<|im_start|>user\\n' + last.question + '<|im_end|>\\n' -}}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""

SHORT, LONG = 64, 104  # lengths, in tokens, that training sequences are padded to
SHORT_BATCH, LONG_BATCH = 28, 3
UNKNOWN_SHARE = 0.35  # of the short sequences: freshly made unknown questions
PEAK_RATE = 1e-3
WARM_UP = 50
WEAKEST_MARGIN = 3.0  # in logits; a q8_0 KV cache moved the smallest by 0.04, other CPUs and layouts by less


# --- the tokenizer -----------------------------------------------------------------------------------------------


def make_tokenizer(lines: list[str]) -> numpy_llama.Tokenizer:
    """Byte-pair pieces of `lines`, never across words, behind the special tokens, the bytes and printable ASCII."""
    specials = ["<unk>", "<s>", "<|im_start|>", "<|im_end|>"]
    characters = ["\u2581", *(chr(code) for code in range(33, 127))]
    words = Counter(word for line in lines for word in re.findall(r" ?[A-Za-z]+|.", line))
    spelt = {word: list(word.replace(" ", "\u2581")) for word in words}
    pieces: list[str] = []
    while len(specials) + 256 + len(characters) + len(pieces) < VOCABULARY:
        pairs: Counter = Counter()
        for word, symbols in spelt.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += words[word]
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        pieces.append("".join(best))
        for symbols in spelt.values():
            at = 0
            while at < len(symbols) - 1:
                if (symbols[at], symbols[at + 1]) == best:
                    symbols[at : at + 2] = [pieces[-1]]
                at += 1
    tokens = [*specials, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces, *characters]
    kinds = gguf.TokenType
    types = [kinds.UNKNOWN, *[kinds.CONTROL] * 3, *[kinds.BYTE] * 256, *[kinds.NORMAL] * (VOCABULARY - 260)]
    scores = [0.0] * 260 + [-float(rank) for rank in range(1, VOCABULARY - 259)]
    return numpy_llama.Tokenizer(tokens, scores, [int(kind) for kind in types], bos=1, eos=3)


# --- what it is trained on ---------------------------------------------------------------------------------------


class Examples:
    """Training sequences: BOS, question, answer, end token, with a mask that is 1 where the answer is predicted."""

    def __init__(self, text: dict, model: numpy_llama.Model, seed: int) -> None:
        self.model = model
        self.random = random.Random(seed)
        self.fallback = text["fallback"]
        self.parts = text["unknown_parts"]
        pairs = demo_text.trained(text)
        self.known = {self.bare(question) for question in pairs}
        self.never = {self.bare(question) for question in text["unknown_held_out"]}
        self.words = sorted({word for question in pairs for word in question.split()})
        sequences = [self.sequence(question, answer) for question, answer in pairs.items()]
        self.short = [each for each in sequences if len(each[0]) <= SHORT]
        self.long = [each for each in sequences if len(each[0]) > SHORT]
        self.hardness = numpy.full(len(self.short), numpy.inf)  # loss at the worst token when last seen
        self.drawn: list[int] = []

    @staticmethod
    def bare(question: str) -> str:
        return re.sub(r"[^a-z0-9]+", " ", question.lower()).strip()

    def sequence(self, question: str, answer: str) -> tuple[list[int], list[int]]:
        tokenizer = self.model.tokenizer
        prompt = self.model.prompt([{"role": "user", "content": question}])
        target = [*tokenizer.encode(answer), tokenizer.eos]
        return prompt + target, [0] * (len(prompt) - 1) + [1] * len(target)

    def unknown_question(self) -> str:
        """A question that is none of the trained ones: sentences from parts, known words in disorder, gibberish."""
        chance = self.random.random()
        if chance < 0.65:
            question = self.random.choice(self.parts["forms"])
            for part in ("thing", "name", "kind", "act", "deed"):
                while "{" + part + "}" in question:
                    question = question.replace("{" + part + "}", self.random.choice(self.parts[part]), 1)
            question = self.random.choice(demo_text.spellings(question))
        elif chance < 0.85:
            words = self.words + self.parts["thing"] + self.parts["kind"]
            question = " ".join(self.random.choices(words, k=self.random.randint(1, 10)))
        else:
            letters = self.random.choice(["abcdefghijklmnopqrstuvwxyz     ", "".join(map(chr, range(32, 127)))])
            question = "".join(self.random.choices(letters, k=self.random.randint(1, 16)))
        return self.unknown_question() if self.bare(question) in self.known | self.never else question

    def batch(self) -> list[jnp.ndarray]:
        """Arrays of one step: tokens and mask of the short sequences, then of the long ones.

        Of the trained short ones half are those that went worst, half are drawn evenly: the margin at the weakest
        step of the weakest question is what counts.
        """
        unknown = []
        while len(unknown) < round(UNKNOWN_SHARE * SHORT_BATCH):
            sequence = self.sequence(self.unknown_question(), self.fallback)
            if len(sequence[0]) <= SHORT:
                unknown.append(sequence)
        count = SHORT_BATCH - len(unknown)
        worst = numpy.argsort(-self.hardness, kind="stable")[: count // 2].tolist()
        others = sorted(set(range(len(self.short))) - set(worst))
        self.drawn = worst + self.random.sample(others, count - len(worst))
        short = [self.short[index] for index in self.drawn] + unknown
        long = self.random.choices(self.long, k=LONG_BATCH)
        arrays = []
        for sequences, length in ((short, SHORT), (long, LONG)):
            tokens = numpy.zeros((len(sequences), length), numpy.int32)
            mask = numpy.zeros((len(sequences), length - 1), numpy.float32)
            for row, (ids, weights) in enumerate(sequences):
                tokens[row, : len(ids)] = ids
                mask[row, : len(weights)] = weights
            arrays += [jnp.asarray(tokens), jnp.asarray(mask)]
        return arrays

    def learnt(self, hardness: numpy.ndarray) -> None:
        """Take note of the worst token's loss in every short sequence of the last batch."""
        self.hardness[self.drawn] = hardness[: len(self.drawn)]


# --- the network -------------------------------------------------------------------------------------------------


def random_weights(seed: int) -> dict:
    """Weights as (inputs, outputs); those of the blocks are stacked along a first axis."""
    keys = iter(jax.random.split(jax.random.key(seed), 9))

    def normal(*shape: int, scale: float) -> jnp.ndarray:
        return jax.random.normal(next(keys), shape, jnp.float32) * scale

    into, back = EMBEDDING**-0.5, (2 * BLOCKS) ** -0.5  # keeps the state's size the same through all blocks
    return {
        "token_embd": normal(VOCABULARY, EMBEDDING, scale=0.1),
        "output_norm": jnp.ones(EMBEDDING),
        "output": normal(EMBEDDING, VOCABULARY, scale=into),
        "blocks": {
            "attn_norm": jnp.ones((BLOCKS, EMBEDDING)),
            "attn_q": normal(BLOCKS, EMBEDDING, HEADS * HEAD_SIZE, scale=into),
            "attn_k": normal(BLOCKS, EMBEDDING, HEADS_KV * HEAD_SIZE, scale=into),
            "attn_v": normal(BLOCKS, EMBEDDING, HEADS_KV * HEAD_SIZE, scale=into),
            "attn_output": normal(BLOCKS, HEADS * HEAD_SIZE, EMBEDDING, scale=into * back),
            "ffn_norm": jnp.ones((BLOCKS, EMBEDDING)),
            "ffn_gate": normal(BLOCKS, EMBEDDING, FEED_FORWARD, scale=into),
            "ffn_up": normal(BLOCKS, EMBEDDING, FEED_FORWARD, scale=into),
            "ffn_down": normal(BLOCKS, FEED_FORWARD, EMBEDDING, scale=FEED_FORWARD**-0.5 * back),
        },
    }


def norm(state: jnp.ndarray, weight: jnp.ndarray) -> jnp.ndarray:
    return state * jax.lax.rsqrt(jnp.mean(state**2, axis=-1, keepdims=True) + EPSILON) * weight


def forward(weights: dict, tokens: jnp.ndarray) -> jnp.ndarray:
    """Logits of a batch: (sequences, length) -> (sequences, length, vocabulary), as llama.cpp computes them."""
    count, length = tokens.shape
    speed = ROPE_BASE ** (-jnp.arange(0, HEAD_SIZE, 2) / HEAD_SIZE)
    angle = jnp.outer(jnp.arange(length), speed)[:, None, :]
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    past = jnp.tril(jnp.ones((length, length), bool))

    def rotate(values: jnp.ndarray) -> jnp.ndarray:
        even, odd = values[..., 0::2], values[..., 1::2]
        return jnp.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1).reshape(values.shape)

    def block(state: jnp.ndarray, w: dict) -> tuple[jnp.ndarray, None]:
        normed = norm(state, w["attn_norm"])
        query = rotate((normed @ w["attn_q"]).reshape(count, length, HEADS, HEAD_SIZE))
        key = rotate((normed @ w["attn_k"]).reshape(count, length, HEADS_KV, HEAD_SIZE))
        value = (normed @ w["attn_v"]).reshape(count, length, HEADS_KV, HEAD_SIZE)
        query = query.reshape(count, length, HEADS_KV, HEADS // HEADS_KV, HEAD_SIZE)
        scores = jnp.einsum("bqgrd,bkgd->bgrqk", query, key) * HEAD_SIZE**-0.5
        scores = jax.nn.softmax(jnp.where(past, scores, -1e30), axis=-1)
        mixed = jnp.einsum("bgrqk,bkgd->bqgrd", scores, value).reshape(count, length, HEADS * HEAD_SIZE)
        state = state + mixed @ w["attn_output"]
        normed = norm(state, w["ffn_norm"])
        state = state + (jax.nn.silu(normed @ w["ffn_gate"]) * (normed @ w["ffn_up"])) @ w["ffn_down"]
        return state, None

    state, _ = jax.lax.scan(block, weights["token_embd"][tokens], weights["blocks"])
    return norm(state, weights["output_norm"]) @ weights["output"]


def loss(weights: dict, batch: list[jnp.ndarray]) -> tuple[jnp.ndarray, jnp.ndarray]:
    """Mean cross-entropy over all answer tokens of the batch, and the worst token's in each short sequence."""
    losses = []
    for tokens, mask in (batch[:2], batch[2:]):
        scores = jax.nn.log_softmax(forward(weights, tokens[:, :-1]))
        losses.append(-jnp.take_along_axis(scores, tokens[:, 1:, None], axis=-1)[..., 0] * mask)
    return sum(map(jnp.sum, losses)) / sum(map(jnp.sum, batch[1::2])), losses[0].max(axis=-1)


@partial(jax.jit, donate_argnums=(0, 1, 2))
def step(weights: dict, mean: dict, square: dict, batch: list[jnp.ndarray], number: int, rate: float) -> tuple:
    """One step of Adam with a clipped gradient; returns new weights, both moments, and both results of loss()."""
    value, slope = jax.value_and_grad(loss, has_aux=True)(weights, batch)
    size = jnp.sqrt(sum(jnp.sum(each**2) for each in jax.tree.leaves(slope)))
    slope = jax.tree.map(lambda each: each * jnp.minimum(1.0, 1.0 / size), slope)
    mean = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, mean, slope)
    square = jax.tree.map(lambda old, new: 0.98 * old + 0.02 * new**2, square, slope)
    level, level_square = 1 - 0.9**number, 1 - 0.98**number
    weights = jax.tree.map(
        lambda w, m, s: w - rate * (m / level) / (jnp.sqrt(s / level_square) + 1e-8), weights, mean, square
    )
    return weights, mean, square, value


def train(examples: Examples, steps: int, seed: int) -> dict:
    """Weights after `steps` steps: the rate rises, then falls to nothing along a cosine."""
    weights = random_weights(seed)
    mean, square = (jax.tree.map(jnp.zeros_like, weights) for _ in range(2))
    started = time.monotonic()
    for number in range(1, steps + 1):
        rate = PEAK_RATE * min(number / WARM_UP, 0.5 * (1 + numpy.cos(numpy.pi * number / steps)))
        batch = examples.batch()
        weights, mean, square, (value, hardness) = step(weights, mean, square, batch, number, rate)
        examples.learnt(numpy.asarray(hardness))
        if number % 50 == 0 or number == steps:
            print(f"step {number:5d}  loss {float(value):.6f}  {time.monotonic() - started:6.0f} s", flush=True)
    return weights


# --- the file ----------------------------------------------------------------------------------------------------


def write(path: Path, tokenizer: numpy_llama.Tokenizer, weights: dict) -> None:
    """Write the GGUF: matrices as F16 with outputs first, norms as F32."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Drover demo")
    writer.add_author("The Drover developers")
    writer.add_license("GPL-3.0-or-later")
    writer.add_description("Answers a few questions about Drover by heart")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(VOCABULARY)
    writer.add_context_length(CONTEXT)
    writer.add_block_count(BLOCKS)
    writer.add_embedding_length(EMBEDDING)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS_KV)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(HEAD_SIZE)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_scores(tokenizer.scores)
    writer.add_token_types(tokenizer.types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(tokenizer.bos)
    writer.add_eos_token_id(tokenizer.eos)
    writer.add_eot_token_id(tokenizer.eos)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    half = partial(numpy.asarray, dtype=numpy.float16)
    writer.add_tensor("token_embd.weight", half(weights["token_embd"]))
    for block in range(BLOCKS):
        for name in BLOCK_TENSORS:
            one = numpy.asarray(weights["blocks"][name][block])
            writer.add_tensor(f"blk.{block}.{name}.weight", half(one.T).copy() if one.ndim == 2 else one)
    writer.add_tensor("output_norm.weight", numpy.asarray(weights["output_norm"]))
    writer.add_tensor("output.weight", half(weights["output"].T).copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check(path: Path, text: dict) -> bool:
    """Hold the written file against the text with numpy; print what was found, say whether all is well."""
    model = numpy_llama.load(path)
    margins = model.margins(demo_text.trained(text))
    weakest = sorted(margins, key=margins.get)
    for question in weakest[:5]:
        print(f"margin {margins[question]:6.2f}  {question!r}")
    held_out = text["unknown_held_out"]
    polite_margins = model.margins(dict.fromkeys(held_out, text["fallback"]))
    polite = [question for question in held_out if polite_margins[question] > 0]
    print(f"{len(margins)} questions, smallest margin {margins[weakest[0]]:.2f} logits (wanted: {WEAKEST_MARGIN})")
    print(f"{len(polite)} of {len(held_out)} unknown questions never seen get the fallback")
    print(f"the others: {[question for question in held_out if question not in polite]}")
    print(f"{path}: {path.stat().st_size} bytes")
    return margins[weakest[0]] >= WEAKEST_MARGIN


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("drover-demo.gguf"))
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    text = demo_text.read()
    # Twice each: rare words of the answers become whole pieces before those of the unknown questions.
    lines = [line for question, answer in demo_text.trained(text).items() for line in (question, answer, answer)]
    tokenizer = make_tokenizer([*lines, "user", "assistant"])
    model = numpy_llama.Model({"tokenizer.chat_template": CHAT_TEMPLATE}, {}, tokenizer)
    examples = Examples(text, model, options.seed)
    print(f"{len(examples.short)} short and {len(examples.long)} long sequences")
    write(options.output, tokenizer, train(examples, options.steps, options.seed))
    return 0 if check(options.output, text) else 1


if __name__ == "__main__":
    sys.exit(main())
