# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second opinion on a small llama GGUF: tokenizer, chat template and forward pass in numpy, read from the file alone.

The forward pass shares nothing with the training, which uses JAX, nor with llama.cpp. The training does use this
tokenizer and this rendering of the chat template; they were held against llama.cpp's. Written to be read, not to be
fast.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import gguf
import jinja2
import numpy

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # token types, as in gguf.TokenType


@dataclass
class Tokenizer:
    """The `llama` tokenizer: pieces are merged pair by pair, best score first; what is no piece becomes bytes."""

    tokens: list[str]
    scores: list[float]
    types: list[int]
    bos: int
    eos: int

    def __post_init__(self) -> None:
        self.ids = {text: index for index, text in enumerate(self.tokens)}
        specials = [re.escape(text) for text, kind in zip(self.tokens, self.types) if kind in (UNKNOWN, CONTROL)]
        self.special_pattern = re.compile("(" + "|".join(specials) + ")")

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, special tokens recognised, without BOS."""
        ids = []
        for part in self.special_pattern.split(text):
            if self.special_pattern.fullmatch(part):
                ids.append(self.ids[part])
            else:
                ids.extend(self._encode_plain(part))
        return ids

    def _encode_plain(self, text: str) -> list[int]:
        symbols = list(text.replace(" ", "\u2581"))
        while True:
            pairs = [(self.ids.get(a + b), at) for at, (a, b) in enumerate(zip(symbols, symbols[1:]))]
            known = [(-self.scores[token], at) for token, at in pairs if token is not None]
            if not known:
                break
            _, at = min(known)
            symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
        ids = []
        for symbol in symbols:
            if symbol in self.ids:
                ids.append(self.ids[symbol])
            else:
                ids.extend(self.ids[f"<0x{byte:02X}>"] for byte in symbol.encode())
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`; special tokens have none."""
        data = b""
        for index in ids:
            if self.types[index] == BYTE:
                data += bytes([int(self.tokens[index][3:5], 16)])
            elif self.types[index] == NORMAL:
                data += self.tokens[index].replace("\u2581", " ").encode()
        return data.decode(errors="replace")


@dataclass
class Model:
    """A llama model read from a GGUF: metadata by key, weights by tensor name as float32 arrays (rows = outputs)."""

    metadata: dict
    weights: dict[str, numpy.ndarray]
    tokenizer: Tokenizer

    def prompt(self, messages: list[dict[str, str]]) -> list[int]:
        """Token ids of a chat, as llama-server makes them: BOS, then the chat template, the assistant's turn open."""
        template = jinja2.Environment().from_string(self.metadata["tokenizer.chat_template"])
        text = template.render(messages=messages, add_generation_prompt=True)
        return [self.tokenizer.bos, *self.tokenizer.encode(text)]

    def logits(self, sequences: list[list[int]]) -> numpy.ndarray:
        """Logits after each token of each sequence: float32, (sequences, longest, vocabulary).

        Shorter sequences are filled up at their end, which no earlier token can see; skip what is behind it.
        """
        meta, weights = self.metadata, self.weights
        heads, heads_kv = meta["llama.attention.head_count"], meta["llama.attention.head_count_kv"]
        size = meta["llama.embedding_length"] // heads
        epsilon = meta["llama.attention.layer_norm_rms_epsilon"]
        longest = max(map(len, sequences))
        ids = numpy.array([sequence + [0] * (longest - len(sequence)) for sequence in sequences])

        def norm(values: numpy.ndarray, name: str) -> numpy.ndarray:
            return values / numpy.sqrt(numpy.mean(values**2, axis=-1, keepdims=True) + epsilon) * weights[name]

        speeds = meta["llama.rope.freq_base"] ** (-numpy.arange(0, size, 2) / size)
        turn = numpy.exp(1j * numpy.outer(numpy.arange(longest), speeds)).astype(numpy.complex64)

        def split(values: numpy.ndarray, parts: int) -> numpy.ndarray:
            return values.reshape(len(ids), longest, parts, size).transpose(0, 2, 1, 3)

        def rotate(values: numpy.ndarray) -> numpy.ndarray:
            """RoPE on neighbouring pairs, the order of the `llama` architecture: each pair is one complex number."""
            return (numpy.ascontiguousarray(values).view(numpy.complex64) * turn).view(numpy.float32)

        future = numpy.triu(numpy.full((longest, longest), -numpy.inf, numpy.float32), 1)
        state = weights["token_embd.weight"][ids.ravel()]  # one row a token: one large product is faster than many
        for block in range(meta["llama.block_count"]):
            name = f"blk.{block}."
            normed = norm(state, name + "attn_norm.weight")
            query = rotate(split(normed @ weights[name + "attn_q.weight"].T, heads))
            key = rotate(split(normed @ weights[name + "attn_k.weight"].T, heads_kv))
            value = split(normed @ weights[name + "attn_v.weight"].T, heads_kv)
            key, value = (numpy.repeat(each, heads // heads_kv, axis=1) for each in (key, value))
            scores = query @ key.transpose(0, 1, 3, 2) * numpy.float32(size**-0.5) + future
            scores = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(-1, heads * size)
            state = state + mixed @ weights[name + "attn_output.weight"].T
            normed = norm(state, name + "ffn_norm.weight")
            gate = normed @ weights[name + "ffn_gate.weight"].T
            up = normed @ weights[name + "ffn_up.weight"].T
            state = state + (gate / (1 + numpy.exp(-gate)) * up) @ weights[name + "ffn_down.weight"].T
        logits = norm(state, "output_norm.weight") @ weights["output.weight"].T
        return logits.reshape(len(ids), longest, -1)

    def greedy(self, questions: list[str], limit: int = 128) -> list[str]:
        """The greedy answer to each question, up to the end token or `limit` tokens."""
        prompts = [self.prompt([{"role": "user", "content": question}]) for question in questions]
        answers: list[list[int]] = [[] for _ in questions]
        running = list(range(len(questions)))
        while running:
            logits = self.logits([prompts[at] + answers[at] for at in running])
            for row, at in enumerate(list(running)):
                best = int(logits[row, len(prompts[at]) + len(answers[at]) - 1].argmax())
                if best != self.tokenizer.eos:
                    answers[at].append(best)
                if best == self.tokenizer.eos or len(answers[at]) == limit:
                    running.remove(at)
        return [self.tokenizer.decode(answer) for answer in answers]

    def margins(self, pairs: dict[str, str], batch: int = 16) -> dict[str, float]:
        """By how much, for each question, the right token's logit beats the next best at the closest step.

        Above 0 means: greedy decoding gives exactly this answer and its end token, for at every step the text so far
        is the right one. The margin is how much numerical noise that can stand.
        """
        prompts = {question: self.prompt([{"role": "user", "content": question}]) for question in pairs}
        targets = {question: [*self.tokenizer.encode(answer), self.tokenizer.eos] for question, answer in pairs.items()}
        lengths = {question: len(prompts[question]) + len(targets[question]) for question in pairs}
        order = sorted(pairs, key=lengths.get)
        margins = {}
        for at in range(0, len(order), batch):
            questions = order[at : at + batch]
            logits = self.logits([prompts[question] + targets[question][:-1] for question in questions])
            for row, question in enumerate(questions):
                target = targets[question]
                scores = logits[row, len(prompts[question]) - 1 :][: len(target)]
                right = numpy.take_along_axis(scores, numpy.array(target)[:, None], axis=-1)[:, 0]
                numpy.put_along_axis(scores, numpy.array(target)[:, None], -numpy.inf, axis=-1)
                margins[question] = float((right - scores.max(axis=-1)).min())
        return margins


def load(path: str | Path) -> Model:
    """Read a llama GGUF whole, with the `gguf` package. Weights of any type become float32."""
    reader = gguf.GGUFReader(path)
    metadata = {key: field.contents() for key, field in reader.fields.items()}
    weights = {
        tensor.name: numpy.asarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type), numpy.float32)
        for tensor in reader.tensors
    }
    tokenizer = Tokenizer(
        tokens=metadata["tokenizer.ggml.tokens"],
        scores=metadata["tokenizer.ggml.scores"],
        types=metadata["tokenizer.ggml.token_type"],
        bos=metadata["tokenizer.ggml.bos_token_id"],
        eos=metadata["tokenizer.ggml.eos_token_id"],
    )
    return Model(metadata, weights, tokenizer)
