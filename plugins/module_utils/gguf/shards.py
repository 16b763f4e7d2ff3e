# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the files of a split model belong together: their names, and the keys that llama-gguf-split writes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..errors import DroverError
from .metadata import is_natural

if TYPE_CHECKING:
    from .reader import Header

MAX_SHARDS = 1_024

# As llama.cpp has it (llama_split_path), which minds capitals.
SHARD_NAME = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)


def shard_names(path: str, name: str, metadata: dict[str, Any]) -> list[str]:
    """File names of all shards of the model whose file `name` has these metadata; one name when it is not split.

    llama.cpp finds the shards by these names (llama_split_path), so they must agree with the metadata.
    """
    match = SHARD_NAME.fullmatch(name)
    stem, number, named_count = (match[1], int(match[2]), int(match[3])) if match else (name, 1, 1)
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
    names = [f"{stem}-{index:05d}-of-{count:05d}.gguf" for index in range(1, count + 1)]
    stored = _split_number(path, metadata, "split.no")
    if number != 1:
        raise DroverError(f"{path} is shard {number} of {count}: give the first one, {names[0]}")
    if stored != 0:
        raise DroverError(f"{path} is named as the first shard but its split.no is {stored}, expected 0")
    return names


def check_shard(path: str, shard: Header, first: Header, number: int, count: int) -> None:
    """Raise DroverError unless `shard` is number `number` (from 0) of the `count` shards that `first` begins."""
    for key, expected in (("split.no", number), ("split.count", count)):
        found = _split_number(path, shard.metadata, key)
        if found != expected:
            raise DroverError(f"{path} has {key} {found}, expected {expected}: it does not belong to this model")
    if shard.byte_order != first.byte_order:
        raise DroverError(f"{path} is {shard.byte_order}-endian, expected {first.byte_order} as in the first shard")


def check_all_tensors(path: str, header: Header) -> None:
    """Raise DroverError unless the shards together hold each announced tensor once."""
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
    if value is not None and not is_natural(value):
        raise DroverError(f"{path} is damaged: its {key} is {value!r}, expected a whole number")
    return value
