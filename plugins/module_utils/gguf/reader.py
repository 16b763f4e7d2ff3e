# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the header of a GGUF model: metadata and tensor descriptions, never the weights.

Format: docs/gguf.md and src/gguf.cpp of ggml. Whatever ggml's loader refuses is refused here, in one sentence, but
for nested arrays, which it cannot read, and for the byte order of other machines.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Callable

from ..errors import DroverError
from . import foreign
from .address import check_url, file_name, shard_url
from .cursor import Cursor, Source
from .metadata import MAX_KEYS, SkippedArray, is_natural, read_metadata
from .remote import BLOCK, RemoteSource
from .shards import check_all_tensors, check_shard, shard_names
from .source import LocalSource
from .types import tensor_bytes

__all__ = ["Header", "SkippedArray", "TensorInfo", "read_header", "read_remote_header"]

MAGIC = b"GGUF"
DEFAULT_ALIGNMENT = 32

# All but the first shard have no vocabulary: the description of a tensor takes some 70 bytes.
LATER_SHARD_BLOCK = 256 * 1024

MAX_TENSORS = 65_536
MAX_DIMENSIONS = 4  # GGML_MAX_DIMS
MAX_TENSOR_NAME_BYTES = 63  # GGML_MAX_NAME, less the final zero


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
    name = file_name(url)
    return _read_model(
        name,
        lambda shard: RemoteSource(shard_url(url, shard), token, BLOCK if shard == name else LATER_SHARD_BLOCK),
    )


def _read_model(first_name: str, open_source: Callable[[str], Source]) -> Header:
    """Read the file `first_name` and the other shards it announces; `open_source(name)` opens one of them."""
    with open_source(first_name) as source:
        header = _read_file(source, first_name)
        names = shard_names(source.name, first_name, header.metadata)
    for number, name in enumerate(names[1:], start=1):
        try:
            with open_source(name) as source:
                shard = _read_file(source, name)
                check_shard(source.name, shard, header, number, len(names))
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
        check_all_tensors(first_name, header)
    return header


def _read_file(source: Source, file_name: str) -> Header:
    cursor = Cursor(source)
    version = _read_version(cursor)
    tensor_count, key_count = cursor.unpack("QQ")
    for count, limit, what in ((tensor_count, MAX_TENSORS, "tensors"), (key_count, MAX_KEYS, "metadata keys")):
        if count > limit:
            raise DroverError(f"{source.name} is damaged: it claims {count} {what}, expected at most {limit}")
    metadata = read_metadata(cursor, key_count)
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not is_natural(alignment) or alignment < 1 or alignment & (alignment - 1):
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


def _read_tensors(cursor: Cursor, count: int, alignment: int) -> list[TensorInfo]:
    """Tensor descriptions. As ggml demands, the data of each begins where the one before ends, aligned."""
    name_of_file = cursor.source.name
    tensors: list[TensorInfo] = []
    names: set[str] = set()
    expected = 0
    for _tensor in range(count):
        name = cursor.name(MAX_TENSOR_NAME_BYTES, "tensor name")
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
