# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents about weights have in common: shards of a model, and tensors in them.

A tensor is a dictionary with ``shard`` (number of the file, from 0), ``offset`` (from the file's beginning), ``bytes``,
``hash`` (its name in an RPC server's tensor cache) and ``sha256``.
"""

from __future__ import annotations

import os
import re
from typing import Any

from ..checks import dictionary, text, whole
from ..errors import DroverError
from .fnv import is_cache_name

Tensor = dict[str, Any]
FIELDS = ("hash", "sha256", "shard", "offset", "bytes")
_SUM = re.compile(r"[0-9a-f]{64}")


def read_files(files: list[Any], whose: str, remedy: str) -> list[int]:
    """Check ``name`` and ``file_bytes`` of each shard, and return their sizes."""
    sizes = []
    for number, each in enumerate(files):
        what = f"files[{number}] of {whose}"
        file = dictionary(each, what, remedy)
        name = text(file.get("name"), f"The name of {what}", remedy)
        if os.path.basename(name) != name or name in (".", ".."):
            raise DroverError(f"{what} is called {name!r} where a name without folders was expected: {remedy}.")
        sizes.append(whole(file.get("file_bytes"), f"file_bytes of {what}", 0, remedy=remedy))
    return sizes


def read_tensor(value: object, what: str, sizes: list[int], remedy: str) -> None:
    """Check the fields that each tensor has, within shards of these ``sizes``."""
    tensor = dictionary(value, what, remedy)
    shard = whole(tensor.get("shard"), f"The shard of {what}", 0, len(sizes) - 1, remedy)
    offset = whole(tensor.get("offset"), f"The offset of {what}", 0, remedy=remedy)
    size = whole(tensor.get("bytes"), f"bytes of {what}", 1, remedy=remedy)
    if offset + size > sizes[shard]:
        raise DroverError(
            f"{what} ends at byte {offset + size} of a file with {sizes[shard]} bytes, expected one within it: "
            f"{remedy}."
        )
    if not is_cache_name(tensor.get("hash")):
        raise DroverError(f"{what} has the hash {tensor.get('hash')!r}, expected 16 hexadecimal digits: {remedy}.")
    if not (isinstance(tensor.get("sha256"), str) and _SUM.fullmatch(tensor["sha256"])):
        raise DroverError(f"{what} has the sha256 {tensor.get('sha256')!r}, expected 64 hexadecimal digits: {remedy}.")
