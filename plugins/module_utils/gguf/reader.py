# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the header of a GGUF model: metadata and tensor descriptions, never the weights.

Format: docs/gguf.md and src/gguf.cpp of ggml. Whatever ggml's loader refuses is refused here, in one sentence.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, replace
from typing import Any, Callable
from urllib.parse import quote, unquote, urlsplit

from ..errors import DroverError
from . import foreign
from .cursor import Cursor
from .remote import RemoteSource, check_url
from .source import LocalSource
from .types import ARRAY, SCALAR_TYPES, STRING, VALUE_TYPE_NAMES, tensor_bytes

MAGIC = b"GGUF"
DEFAULT_ALIGNMENT = 32

# All but the first shard have no vocabulary: the description of a tensor takes some 70 bytes.
LATER_SHARD_BLOCK = 256 * 1024

# What a header may hold. Real models stay far below; damaged and hostile files do not.
MAX_KEYS = 65_536
MAX_TENSORS = 65_536
MAX_SHARDS = 1_024
MAX_DIMENSIONS = 4
MAX_KEY_BYTES = 65_535
MAX_TENSOR_NAME_BYTES = 63
MAX_DEPTH = 8

# What is kept of it in memory; the rest is stepped over.
KEPT_ARRAY = 4_096
KEPT_STRING_BYTES = 1024 * 1024
KEPT_BYTES = 64 * 1024 * 1024
ELEMENT_BYTES = 64


@dataclass(frozen=True)
class SkippedArray:
    """Stands for an array that was too long to be worth building (a string is an array of `byte`)."""

    item_type: str
    length: int


@dataclass(frozen=True)
class TensorInfo:
    """`shape` in elements, fastest dimension first; `offset` in bytes from the start of the tensor data of `shard`."""

    name: str
    shape: tuple[int, ...]
    type_id: int
    offset: int
    n_bytes: int
    shard: int


@dataclass(frozen=True)
class Header:
    """Header of a model, of all its shards. The metadata are those of the first shard."""

    version: int
    byte_order: str  # 'little' or 'big'
    metadata: dict[str, Any]
    tensors: list[TensorInfo]
    shards: list[str]  # file names, in order
    data_offsets: list[int]  # start of the tensor data in each shard, bytes
    file_bytes: int  # all shards together
    alignment: int


def read_header(path: str) -> Header:
    """Read the header of the model at `path`: a file, or the first shard of a split model.

    Raises DroverError when it is not a complete, sound GGUF model.
    """
    directory, name = os.path.split(path)
    return _read_model(name, lambda shard: LocalSource(os.path.join(directory, shard)))


def read_remote_header(url: str, token: str | None = None) -> Header:
    """Read the header of the model at an http(s) `url`: a file, or the first shard of a split model.

    `token` is a bearer token, sent to the server of `url` only. Raises DroverError when the file cannot be had, or
    is not a complete, sound GGUF model.
    """
    check_url(url)
    directory, _, quoted_name = urlsplit(url).path.rpartition("/")
    name = unquote(quoted_name)

    def open_source(shard: str) -> RemoteSource:
        if shard == name:
            return RemoteSource(url, token)
        shard_url = urlsplit(url)._replace(path=f"{directory}/{quote(shard)}").geturl()
        return RemoteSource(shard_url, token, LATER_SHARD_BLOCK)

    return _read_model(name, open_source)


def _read_model(first_name: str, open_source: Callable) -> Header:
    """Read the file `first_name` and the other shards it announces; `open_source(name)` opens one of them."""
    with open_source(first_name) as source:
        header = _read_file(source, first_name)
        names = _shard_names(source.name, first_name, header.metadata)
    for number, name in enumerate(names[1:], start=1):
        try:
            with open_source(name) as source:
                shard = _read_file(source, name)
                _check_shard(source.name, shard, header, number, len(names))
        except DroverError as error:
            raise DroverError(f"shard {number + 1} of {len(names)} of the model {first_name}: {error}") from None
        header = replace(
            header,
            tensors=header.tensors + [replace(tensor, shard=number) for tensor in shard.tensors],
            shards=[*header.shards, name],
            data_offsets=header.data_offsets + shard.data_offsets,
            file_bytes=header.file_bytes + shard.file_bytes,
        )
    if len(names) > 1:
        _check_all_tensors(first_name, header)
    return header


# --- one file ---------------------------------------------------------------------------------------------------------


def _read_file(source, file_name: str) -> Header:
    cursor = Cursor(source)
    version = _read_version(cursor)
    tensor_count, key_count = cursor.unpack("QQ")
    for count, limit, what in ((tensor_count, MAX_TENSORS, "tensors"), (key_count, MAX_KEYS, "metadata keys")):
        if count > limit:
            raise DroverError(f"{source.name} is damaged: it claims {count} {what}, expected at most {limit}")
    metadata = _MetadataReader(cursor).read(key_count)
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
        raise DroverError(
            f"{source.name} is damaged: its general.alignment is {alignment!r}, expected a power of two such as 32"
        )
    tensors = _read_tensors(cursor, tensor_count, alignment)
    data_offset = _pad(cursor.position, alignment)
    end = data_offset + tensors[-1].offset + tensors[-1].n_bytes if tensors else cursor.position
    if source.size is not None and source.size < end:
        raise DroverError(
            f"{source.name} is cut off: its tensors need {end} bytes, but the file has {source.size}; "
            "copy or download it again"
        )
    return Header(
        version=version,
        byte_order="little" if cursor.order == "<" else "big",
        metadata=metadata,
        tensors=tensors,
        shards=[file_name],
        data_offsets=[data_offset],
        file_bytes=end if source.size is None else source.size,
        alignment=alignment,
    )


def _read_version(cursor: Cursor) -> int:
    """Check the magic number, find the byte order out and return the format's version."""
    source = cursor.source
    beginning = cursor.peek(32)
    if not beginning or not MAGIC.startswith(beginning[:4]):
        raise DroverError(f"{source.name} is not a GGUF file: it is {foreign.describe(beginning)}")
    cursor.skip(4)
    (version,) = cursor.unpack("I")
    if version and version & 0xFFFF == 0:
        # The low half is empty only when the number was written in the other byte order.
        cursor.order = ">"
        version = int.from_bytes(version.to_bytes(4, "little"), "big")
    if version not in (2, 3):
        raise DroverError(
            f"{source.name} has GGUF version {version}: expected 2 or 3, so fetch an edition of the model "
            "that current llama.cpp can read"
        )
    return version


class _MetadataReader:
    """Key-value pairs, with what is kept of them held below KEPT_BYTES in all."""

    def __init__(self, cursor: Cursor):
        self.cursor = cursor
        self.name = cursor.source.name
        self.room = KEPT_BYTES
        self.inner_arrays = 0

    def read(self, count: int) -> dict[str, Any]:
        metadata: dict[str, Any] = {}
        for _ in range(count):
            key = _read_name(self.cursor, MAX_KEY_BYTES, "metadata key")
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
                return [self._string() for _ in range(length)]
            self.cursor.skip_strings(length)
            return skipped
        self.inner_arrays += length
        if depth == MAX_DEPTH or self.inner_arrays > MAX_KEYS:
            raise DroverError(
                f"{self.name} is damaged: the array {key[:80]!r} nests more than {MAX_DEPTH} deep "
                f"or holds more than {MAX_KEYS} arrays"
            )
        items = [self._array(key, depth + 1) for _ in range(length)]
        return items if kept else skipped

    def _keep(self, cost: int) -> bool:
        if cost > self.room:
            return False
        self.room -= cost
        return True


def _read_name(cursor: Cursor, limit: int, what: str) -> str:
    """A metadata key or tensor name: short and UTF-8, since everything later goes by it."""
    (length,) = cursor.unpack("Q")
    cursor.check(length)
    if not 1 <= length <= limit:
        raise DroverError(f"{cursor.source.name} is damaged: a {what} of {length} bytes, expected 1 to {limit}")
    data = cursor.raw(length)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise DroverError(f"{cursor.source.name} is damaged: the {what} {data[:80]!r} is not UTF-8") from None


def _read_tensors(cursor: Cursor, count: int, alignment: int) -> list[TensorInfo]:
    """Tensor descriptions. As ggml demands, the data of each begins where the one before ends, aligned."""
    name_of_file = cursor.source.name
    tensors: list[TensorInfo] = []
    names: set[str] = set()
    expected = 0
    for _ in range(count):
        name = _read_name(cursor, MAX_TENSOR_NAME_BYTES, "tensor name")
        if name in names:
            raise DroverError(f"{name_of_file} is damaged: it has the tensor {name!r} twice")
        names.add(name)
        (dimensions,) = cursor.unpack("I")
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise DroverError(
                f"{name_of_file} is damaged: tensor {name!r} has {dimensions} dimensions, "
                f"expected 1 to {MAX_DIMENSIONS}"
            )
        shape = cursor.unpack(f"{dimensions}Q")
        type_id, offset = cursor.unpack("IQ")
        try:
            n_bytes = tensor_bytes(type_id, shape)
        except DroverError as error:
            raise DroverError(f"{name_of_file} cannot be used, in tensor {name!r}: {error}") from None
        if offset != expected:
            raise DroverError(
                f"{name_of_file} is damaged: tensor {name!r} begins at byte {offset} of the tensor data, expected "
                f"{expected} (right after the one before, aligned to {alignment})"
            )
        tensors.append(TensorInfo(name, shape, type_id, offset, n_bytes, 0))
        expected = _pad(offset + n_bytes, alignment)
    return tensors


def _pad(size: int, alignment: int) -> int:
    return (size + alignment - 1) & -alignment


# --- split models -----------------------------------------------------------------------------------------------------

_SHARD_NAME = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf", re.DOTALL)


def _shard_names(path: str, name: str, metadata: dict[str, Any]) -> list[str]:
    """File names of all shards of the model whose file `name` has these metadata; one name when it is not split.

    llama.cpp finds the shards by these names (llama_split_path), so they must agree with the metadata.
    """
    match = _SHARD_NAME.fullmatch(name)
    number, named_count = (int(match[2]), int(match[3])) if match else (1, 1)
    count = _split_number(path, metadata, "split.count") or 1
    if count > MAX_SHARDS:
        raise DroverError(f"{path} is damaged: its split.count is {count}, expected at most {MAX_SHARDS} shards")
    if count > 1 and not match:
        raise DroverError(
            f"{path} is one of {count} shards but is not named so: llama.cpp expects NAME-00001-of-{count:05d}.gguf, "
            "so give all shards the names they were published with"
        )
    if count != named_count:
        raise DroverError(
            f"{path} is named as one of {named_count} shards but its split.count is {count}: "
            "give the shards the names they were published with"
        )
    if count == 1:
        return [name]
    names = [f"{match[1]}-{index:05d}-of-{count:05d}.gguf" for index in range(1, count + 1)]
    stored = _split_number(path, metadata, "split.no")
    if number != 1:
        raise DroverError(f"{path} is shard {number} of {count}: give the first one, {names[0]}")
    if stored != 0:
        raise DroverError(f"{path} is named as the first shard but its split.no is {stored}, expected 0")
    return names


def _check_shard(path: str, shard: Header, first: Header, number: int, count: int) -> None:
    for key, expected in (("split.no", number), ("split.count", count)):
        found = _split_number(path, shard.metadata, key)
        if found != expected:
            raise DroverError(f"{path} has {key} {found}, expected {expected}: it does not belong to this model")
    if shard.byte_order != first.byte_order:
        raise DroverError(f"{path} is {shard.byte_order}-endian, expected {first.byte_order} as in the first shard")


def _check_all_tensors(path: str, header: Header) -> None:
    announced = _split_number(path, header.metadata, "split.tensors.count")
    if announced != len(header.tensors):
        raise DroverError(
            f"{path} announces {announced} tensors (split.tensors.count) but its {len(header.shards)} shards hold "
            f"{len(header.tensors)}: fetch all shards of one edition again"
        )
    seen: dict[str, int] = {}
    for tensor in header.tensors:
        if tensor.name in seen:
            raise DroverError(
                f"{path} has the tensor {tensor.name!r} in shard {seen[tensor.name] + 1} and in shard "
                f"{tensor.shard + 1}: fetch all shards of one edition again"
            )
        seen[tensor.name] = tensor.shard


def _split_number(path: str, metadata: dict[str, Any], key: str) -> int | None:
    value = metadata.get(key)
    if value is not None and (type(value) is not int or value < 0):
        raise DroverError(f"{path} is damaged: its {key} is {value!r}, expected a whole number")
    return value
