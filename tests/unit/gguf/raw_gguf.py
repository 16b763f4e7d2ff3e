# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GGUF files made byte by byte, for what the `gguf` package would never write."""

from __future__ import annotations

import struct

UINT8, UINT32, FLOAT32, STRING, ARRAY = 0, 4, 6, 8, 9
F32 = 0


def text(value, order="<"):
    """A string as GGUF stores it; `value` is str or bytes."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(order + "Q", len(data)) + data


def pair(key, type_id, payload, order="<"):
    """A metadata key with an already packed value."""
    return text(key, order) + struct.pack(order + "I", type_id) + payload


def uint32(key, value, order="<"):
    return pair(key, UINT32, struct.pack(order + "I", value), order)


def array(item_type, length, payload=b"", order="<"):
    """The value of an array; `length` may lie about the packed items."""
    return struct.pack(order + "IQ", item_type, length) + payload


def tensor(name, shape, type_id=F32, offset=0, dimensions=None, order="<"):
    """A tensor description; `dimensions` may lie about `shape`."""
    count = len(shape) if dimensions is None else dimensions
    return (
        text(name, order)
        + struct.pack(f"{order}I{len(shape)}Q", count, *shape)
        + struct.pack(order + "IQ", type_id, offset)
    )


def model(pairs=(), tensors=(), version=3, order="<", key_count=None, tensor_count=None, alignment=32, data_bytes=0):
    """A whole file: header, padding to `alignment` and `data_bytes` zeros; the counts may lie."""
    header = b"GGUF" + struct.pack(
        order + "IQQ",
        version,
        len(tensors) if tensor_count is None else tensor_count,
        len(pairs) if key_count is None else key_count,
    )
    header += b"".join(pairs) + b"".join(tensors)
    padding = b"\0" * (-len(header) % alignment) if data_bytes else b""
    return header + padding + b"\0" * data_bytes


ARCHITECTURE = pair("general.architecture", STRING, text("llama"))


def vocabulary(count, word="token"):
    """Metadata of a vocabulary of `count` tokens and as many merges, as tokenizers have them."""
    return [
        pair("tokenizer.ggml.tokens", ARRAY, array(STRING, count, text(word) * count)),
        pair("tokenizer.ggml.scores", ARRAY, array(FLOAT32, count, bytes(4 * count))),
        pair("tokenizer.ggml.merges", ARRAY, array(STRING, count, text(word + " " + word) * count)),
    ]
