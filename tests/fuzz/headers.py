# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GGUF headers in their parts, so that they can be changed as somebody would who means harm and knows the format: of
one that is sound, counts, lengths, types, shapes, names and values are others, or bytes of it are."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from module_utils.gguf.types import ARRAY, SCALAR_TYPES, STRING, TENSOR_TYPES
from oracle import header_only
from oracle.corpus import MODELS

DEMO = Path(__file__).parents[1] / "assets" / "drover-demo.gguf"
# Of the models of the corpus, so many blocks are kept: a header is read in no time then.
BLOCKS = 3
# Text, float and whole numbers of whichever type, at the ends of what each can hold.
NUMBERS = (
    0, 1, 2, 3, 7, 31, 32, 33, 127, 128, 255, 256, 511, 512, 513, 4096, 65_535, 65_536, 1 << 31, (1 << 31) - 1,
    (1 << 32) - 1, 1 << 32, 1 << 40, 1 << 60, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 32, (1 << 64) - 1,
)  # fmt: skip
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 3e38, 1e300, 1e308, -1e308, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    b"", b"x", b"\0", b"\n", b"\xff\xfe", b"\xe2\x80\xae", b"\x1b[2J", b"\x1b]0;x\x07", b"../../etc/shadow", b"%s%n",
    b"{0}", b"${x}", b"x" * 64, b"x" * 70_000, "²".encode(), b"\xed\xa0\x80", b"llama", b"mamba", b"clip", b"nothing",
)  # fmt: skip
NAMES = (
    b"token_embd.weight", b"output.weight", b"output_norm.weight", b"rope_freqs.weight", b"blk.0.attn_q.weight",
    b"blk.0.ffn_up_exps.weight", b"blk.1.ssm_in.weight", b"blk.511.ffn_up.weight", b"blk.4095.ffn_up.weight",
    b"blk.99999999999999999999.x", b"blk.-1.x", b"blk.0", b"blk..weight", b"enc.blk.0.attn_q.weight", b"v.x",
    b"cls.x", "blk.²".encode(), "blk.٣.ffn_up.weight".encode(),
)  # fmt: skip
KEYS = (
    b"general.architecture", b"general.alignment", b"general.name", b"general.file_type", b"general.type",
    b"split.no", b"split.count", b"split.tensors.count", b"tokenizer.ggml.tokens", b"tokenizer.chat_template",
    b"tokenizer.ggml.model",
)  # fmt: skip
# After the architecture and a dot: what somebody counts with.
DIMENSIONS = (
    b"block_count", b"embedding_length", b"feed_forward_length", b"attention.head_count", b"attention.head_count_kv",
    b"attention.key_length", b"attention.value_length", b"attention.sliding_window", b"context_length",
    b"attention.sliding_window_pattern", b"attention.shared_kv_layers", b"attention.key_length_mla",
    b"attention.recurrent_layers", b"full_attention_interval", b"nextn_predict_layers", b"vocab_size",
    b"expert_count", b"expert_used_count", b"expert_feed_forward_length", b"ssm.conv_kernel", b"ssm.state_size",
    b"ssm.inner_size", b"ssm.group_count", b"ssm.time_step_rank", b"wkv.head_size", b"kda.head_dim",
    b"shortconv.l_cache", b"token_shift_count", b"embedding_length_per_layer_input", b"pooling_type",
    b"attention.causal", b"attention.kv_lora_rank", b"rope.dimension_count",
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A key, the type of its value and the bytes of that."""

    key: bytes
    type: int
    value: bytes


@dataclass(frozen=True)
class Tensor:
    """A tensor's description; ``offset`` None for where it should be, ``dimensions`` None for as many as there are."""

    name: bytes
    shape: tuple[int, ...]
    type: int
    offset: int | None = None
    dimensions: int | None = None


@dataclass(frozen=True)
class Made:
    """A file. Counts are None where they are right; ``size`` is that of the file, None for one that is as long as its
    tensors need; ``spoiled`` are bytes that are others than the parts say, as (place, byte)."""

    pairs: tuple[Pair, ...]
    tensors: tuple[Tensor, ...]
    version: int = 3
    key_count: int | None = None
    tensor_count: int | None = None
    size: int | None = None
    spoiled: tuple[tuple[int, int], ...] = ()

    @property
    def header(self) -> bytes:
        """The bytes up to the tensors' data."""
        parts = [b"GGUF", struct.pack("<I", self.version & 0xFFFFFFFF)]
        for told, right in ((self.tensor_count, self.tensors), (self.key_count, self.pairs)):
            parts.append(_long(len(right) if told is None else told))
        parts += [_text(pair.key) + struct.pack("<I", pair.type) + pair.value for pair in self.pairs]
        place = 0
        for tensor in self.tensors:
            told = len(tensor.shape) if tensor.dimensions is None else tensor.dimensions
            parts.append(_text(tensor.name) + struct.pack("<I", told) + b"".join(map(_long, tensor.shape)))
            parts.append(struct.pack("<I", tensor.type) + _long(place if tensor.offset is None else tensor.offset))
            place += -(-_size(tensor) // 32) * 32
        whole = bytearray(b"".join(parts))
        for at, byte in self.spoiled:
            whole[at % len(whole)] = byte
        return bytes(whole)

    def write(self, path: Path) -> None:
        """Write it to ``path``, with a hole for the tensors' data."""
        with open(path, "wb") as file:
            file.write(self.header)
            needs = file.tell() + 64 + sum(-(-_size(tensor) // 32) * 32 for tensor in self.tensors)
            file.truncate(min(needs if self.size is None else self.size, 1 << 43))


def sound_ones(folder: Path) -> list[Made]:
    """The demo model's header, and one of each kind of model in the corpus."""
    made = [parsed(DEMO.read_bytes())]
    for model in (make() for make in MODELS):
        few = [tensor for tensor in model.tensors if _block(tensor.name) < BLOCKS]
        values = {key: value[:BLOCKS] if isinstance(value, list) else value for key, value in model.metadata.items()}
        path = folder / "sound.gguf"
        header_only.write(model._replace(tensors=few, metadata={**values, "block_count": BLOCKS}), path)
        with open(path, "rb") as file:
            made.append(parsed(file.read(1 << 20)))
        path.unlink()
    return made


def parsed(data: bytes) -> Made:
    """The parts of the header at the beginning of ``data``, which is sound."""
    version, tensor_count, key_count = struct.unpack_from("<IQQ", data, 4)
    at, pairs, tensors = 24, [], []
    for _pair in range(key_count):
        key, at = _string(data, at)
        (kind,) = struct.unpack_from("<I", data, at)
        end = _end(data, at + 4, kind)
        pairs.append(Pair(key, kind, data[at + 4 : end]))
        at = end
    for _tensor in range(tensor_count):
        name, at = _string(data, at)
        (dimensions,) = struct.unpack_from("<I", data, at)
        shape = struct.unpack_from(f"<{dimensions}Q", data, at + 4)
        (kind,) = struct.unpack_from("<I", data, at + 4 + 8 * dimensions)
        tensors.append(Tensor(name, shape, kind))
        at += 16 + 8 * dimensions
    return Made(tuple(pairs), tuple(tensors), version)


def split(made: Made) -> tuple[Made, Made]:
    """``made`` as llama-gguf-split has it, in two files."""
    half = len(made.tensors) // 2
    parts = []
    for number, tensors in enumerate((made.tensors[:half], made.tensors[half:])):
        told = {b"split.no": number, b"split.count": 2, b"split.tensors.count": len(made.tensors)}
        pairs = tuple(Pair(key, 4, struct.pack("<I", value)) for key, value in told.items())
        parts.append(Made((*(() if number else made.pairs), *pairs), tensors))
    return parts[0], parts[1]


def split_changed(
    chance: random.Random, parts: tuple[Made, Made], others: Sequence[tuple[Made, Made]]
) -> tuple[Made, Made]:
    """The same of one of the files of a model that is split, or of both."""
    first, second = parts
    if chance.random() < 0.6:
        first = changed(chance, first, [other[0] for other in others])
    if chance.random() < 0.6:
        second = changed(chance, second, [other[1] for other in others])
    return (second, first) if chance.random() < 0.02 else (first, second)


def changed(chance: random.Random, made: Made, others: Sequence[Made]) -> Made:
    """``made`` with one to four things about it changed; parts may come from the ``others``."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        how = chance.choices((_pairs, _tensors, _counts, _bytes), (10, 5, 1, 2))[0]
        made = how(chance, made, others)
    return made


def _pairs(chance: random.Random, made: Made, others: Sequence[Made]) -> Made:
    pairs = list(made.pairs)
    place = chance.randrange(len(pairs) + 1)
    how = chance.randrange(8)
    if how == 0 or place == len(pairs):
        pairs.insert(place, Pair(_key(chance, made), *_value(chance)))
    elif how == 1:
        del pairs[place]
    elif how == 2:
        pairs.insert(chance.randrange(len(pairs) + 1), pairs[place])
    elif how == 3:
        other = chance.choice(others)
        pairs[place] = chance.choice(other.pairs or made.pairs)
    elif how == 4:
        pairs[place] = replace(pairs[place], key=_key(chance, made))
    elif how == 5:
        pairs[place] = replace(pairs[place], type=chance.choice((*range(14), 1 << 31)))
    else:
        pairs[place] = Pair(pairs[place].key, *_value(chance, pairs[place].type))
    return replace(made, pairs=tuple(pairs))


def _tensors(chance: random.Random, made: Made, others: Sequence[Made]) -> Made:
    tensors = list(made.tensors)
    place = chance.randrange(len(tensors) + 1)
    how = chance.randrange(8)
    if how == 0 or place == len(tensors):
        shape = tuple(chance.choice((1, 2, 32, 256, 4096)) for _ in range(chance.randrange(5)))
        tensors.insert(place, Tensor(chance.choice(NAMES), shape, chance.choice(list(TENSOR_TYPES))))
    elif how == 1:
        del tensors[place : place + chance.choice((1, 1, 100))]
    elif how == 2:
        tensors.insert(chance.randrange(len(tensors) + 1), tensors[place])
    elif how == 3:
        other = chance.choice(others)
        tensors[place] = chance.choice(other.tensors or made.tensors)
    elif how == 4:
        tensors[place] = replace(tensors[place], name=chance.choice((*NAMES, *TEXTS)))
    elif how == 5:
        tensors[place] = replace(tensors[place], type=chance.choice((*range(44), 1 << 31)))
    elif how == 6:
        shape = list(tensors[place].shape) or [1]
        shape[chance.randrange(len(shape))] = chance.choice(NUMBERS)
        tensors[place] = replace(tensors[place], shape=tuple(shape))
    else:
        lie = {chance.choice(("offset", "dimensions")): chance.choice(NUMBERS) & 0xFFFFFFFF}
        tensors[place] = replace(tensors[place], **lie)
    return replace(made, tensors=tuple(tensors))


def _counts(chance: random.Random, made: Made, _others: Sequence[Made]) -> Made:
    name = chance.choice(("version", "key_count", "tensor_count", "size"))
    return replace(made, **{name: chance.choice(NUMBERS)})


def _bytes(chance: random.Random, made: Made, _others: Sequence[Made]) -> Made:
    places = [(chance.randrange(1 << 20), chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))))]
    return replace(made, spoiled=(*made.spoiled, *places * chance.choice((1, 1, 3))))


def _key(chance: random.Random, made: Made) -> bytes:
    named = [pair.value[8:] for pair in made.pairs if pair.key == b"general.architecture"]
    of_model = [(named[0] if named else b"llama") + b"." + dimension for dimension in DIMENSIONS]
    return chance.choice((chance.choice(KEYS), chance.choice(of_model), chance.choice(TEXTS)))


def _value(chance: random.Random, like: int | None = None, depth: int = 0) -> tuple[int, bytes]:
    """A type and a value of it, most often a number: they are what is counted with."""
    kind = chance.choice((4, 4, 10, 11, 6, 12, 7, 0, 5, STRING, ARRAY, ARRAY))
    if like is not None and chance.random() < 0.7:
        kind = like
    if kind in SCALAR_TYPES:
        return kind, _scalar(chance, kind)
    if kind == STRING:
        said = chance.choice(TEXTS)
        return kind, chance.choice((_text(said), _text(said), _long(chance.choice(NUMBERS)) + said))
    inner = chance.choice((4, 5, 7, 6, 8, 9)) if depth < 10 else 4
    items = [_value(chance, inner, depth + 1) for _ in range(chance.choice((0, 1, 2, BLOCKS, BLOCKS, BLOCKS)))]
    told = len(items) if chance.random() < 0.8 else chance.choice(NUMBERS)
    return ARRAY, struct.pack("<I", inner) + _long(told) + b"".join(value for kind, value in items if kind == inner)


def _scalar(chance: random.Random, kind: int) -> bytes:
    code = "<" + SCALAR_TYPES[kind][1]
    if code in ("<f", "<d"):
        value = chance.choice(FLOATS)
        return struct.pack(code, value if code == "<d" or abs(value) < 3e38 or math.isinf(value) else 1.0)
    if code == "<?":
        return bytes([chance.choice((0, 1, 2))])
    size = struct.calcsize(code)
    return (chance.choice(NUMBERS) & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def _size(tensor: Tensor) -> int:
    kind = TENSOR_TYPES.get(tensor.type)
    count = 1
    for length in tensor.shape:
        count *= length
    return count // kind.block_size * kind.type_size if kind else 0


def _long(number: int) -> bytes:
    return struct.pack("<Q", number & ((1 << 64) - 1))


def _text(said: bytes) -> bytes:
    return _long(len(said)) + said


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from("<Q", data, at)
    return data[at + 8 : at + 8 + length], at + 8 + length


def _end(data: bytes, at: int, kind: int) -> int:
    """Where the value of that ``kind`` ends which begins at ``at``."""
    if kind in SCALAR_TYPES:
        return at + struct.calcsize("<" + SCALAR_TYPES[kind][1])
    if kind == STRING:
        return _string(data, at)[1]
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    for _item in range(count):
        at = _end(data, at, inner)
    return at


def _block(name: str) -> int:
    parts = name.split(".")
    return int(parts[1]) if parts[0] == "blk" else 0
