# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key-value pairs of a GGUF header. What is too long to be of use is stepped over, not built."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from ..errors import DroverError
from .cursor import Cursor
from .types import ARRAY, SCALAR_TYPES, STRING, VALUE_TYPE_NAMES

# Keys and inner arrays of one header. Real models stay far below; damaged and hostile files do not.
MAX_KEYS = 65_536
MAX_KEY_BYTES = 65_535
MAX_DEPTH = 8

# What is kept in memory, of one value and of all.
KEPT_ARRAY = 4_096
KEPT_STRING_BYTES = 1024 * 1024
KEPT_BYTES = 64 * 1024 * 1024
ELEMENT_BYTES = 64  # what a small Python object takes, at most


@dataclass(frozen=True)
class SkippedArray:
    """Stands for an array that was too long to be worth building (a string is an array of `byte`)."""

    item_type: str
    length: int


def read_metadata(cursor: Cursor, count: int) -> dict[str, Any]:
    """Read `count` pairs: scalars, strings, lists (also nested), and SkippedArray for what is long."""
    return _MetadataReader(cursor).read(count)


class _MetadataReader:
    """Key-value pairs, with what is kept of them held below KEPT_BYTES in all."""

    def __init__(self, cursor: Cursor):
        self.cursor = cursor
        self.name = cursor.source.name
        self.room = KEPT_BYTES
        self.inner_arrays = 0

    def read(self, count: int) -> dict[str, Any]:
        metadata: dict[str, Any] = {}
        for _pair in range(count):
            key = self.cursor.name(MAX_KEY_BYTES, "metadata key")
            if key in metadata:
                raise DroverError(f"{self.name} is damaged: it has the metadata key {key[:80]!r} twice")
            (type_id,) = self.cursor.unpack("I")
            metadata[key] = self._value(type_id, key)
        return metadata

    def _value(self, type_id: int, key: str, depth: int = 0) -> Any:
        if type_id in SCALAR_TYPES:
            return self.cursor.unpack(SCALAR_TYPES[type_id][1])[0]
        if type_id == STRING:
            return self._string()
        if type_id == ARRAY:
            return self._array(key, depth)
        raise DroverError(
            f"{self.name} is damaged: the metadata key {key[:80]!r} has type {type_id}, "
            f"expected 0 to {max(SCALAR_TYPES)}"
        )

    def _string(self) -> str | SkippedArray:
        (length,) = self.cursor.unpack("Q")
        if length <= KEPT_STRING_BYTES and self._keep(ELEMENT_BYTES + length):
            # ggml takes any bytes here; a replacement character keeps the value printable.
            return self.cursor.raw(length).decode("utf-8", "replace")
        self.cursor.skip(length)
        return SkippedArray("byte", length)

    def _array(self, key: str, depth: int) -> list | SkippedArray:
        item_type, length = self.cursor.unpack("IQ")
        if item_type not in VALUE_TYPE_NAMES:
            raise DroverError(
                f"{self.name} is damaged: the array {key[:80]!r} has items of type {item_type}, "
                f"expected 0 to {max(SCALAR_TYPES)}"
            )
        kept = length <= KEPT_ARRAY and self._keep(ELEMENT_BYTES * length)
        skipped = SkippedArray(VALUE_TYPE_NAMES[item_type], length)
        if item_type in SCALAR_TYPES:
            code = SCALAR_TYPES[item_type][1]
            if kept:
                return list(self.cursor.unpack(f"{length}{code}"))
            self.cursor.skip(length * struct.calcsize("=" + code))
            return skipped
        if item_type == STRING:
            if kept:
                return [self._string() for _item in range(length)]
            self.cursor.skip_strings(length)
            return skipped
        self.inner_arrays += length
        if depth == MAX_DEPTH or self.inner_arrays > MAX_KEYS:
            raise DroverError(
                f"{self.name} is damaged: the array {key[:80]!r} nests more than {MAX_DEPTH} deep "
                f"or holds more than {MAX_KEYS} arrays"
            )
        items = [self._array(key, depth + 1) for _item in range(length)]
        return items if kept else skipped

    def _keep(self, cost: int) -> bool:
        if cost > self.room:
            return False
        self.room -= cost
        return True


def is_natural(value: Any) -> bool:
    """Whether a value from metadata is a whole number from zero up (a bool, which Python counts as one, is none)."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
