# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a model: which of its bytes are which tensor, and what the tensor cache calls it.

A manifest is a dictionary of

- ``schema`` (1) and ``block_count``,
- ``files``: of each shard ``name``, ``file_bytes`` and ``modified`` (nanoseconds since 1970), as they were hashed,
- ``tensors``: all that a device may hold, of each its ``name``; the ``layer`` that it goes with (``block_count``: the
  output layer; null: every device with a block); ``shard``, ``offset`` (from the file's beginning) and ``bytes``;
  ``hash``, its name in an RPC server's tensor cache; ``sha256``.

It lies beside the first shard, or in a folder of manifests where the model's is another's, and counts only while the
files are the ones that it was made of.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from typing import Any

from ..checks import Fields, dictionary, document, from_json, text, whole
from ..errors import DroverError
from ..gguf.places import layers_by_name
from ..gguf.reader import Header, read_header
from ..gguf.store import MANIFEST
from .hashing import Piece, is_slow, sums_of
from .pieces import read_files, read_tensor

SCHEMA = 1
# Whatever hashes so much is done soon enough.
SOON_BYTES = 100_000_000
_WHAT = "The manifest"
_REMEDY = "make it anew with drover manifest"
_FIELDS: Fields = {"block_count": int, "files": list, "tensors": list}


def keep_manifest(
    path: str,
    processes: int | None = None,
    tell: Callable[[int, int], None] | None = None,
    directory: str | None = None,
) -> dict[str, Any]:
    """The manifest of the model at ``path``, the first shard of it: the one that is kept if it counts, else a new one,
    which is kept when it is whole, in ``directory`` (None: beside the model).

    ``tell`` is called with the bytes that are hashed and those of all tensors. Raises DroverError when the model is
    none, changes meanwhile, or the manifest cannot be written.
    """
    known = find_manifest(path, directory)
    if known is not None:
        return known
    made = make_manifest(path, processes, tell)
    _write(_kept(path, directory), made)
    return made


def find_manifest(path: str, directory: str | None = None) -> dict[str, Any] | None:
    """The manifest that is kept of the model at ``path``, when it is whole and of these very files; else None."""
    try:
        with open(_kept(path, directory), encoding="utf-8") as file:
            found = read_manifest(from_json(file.read()))
        facts = _file_facts(path, [each["name"] for each in found["files"]])
    except (OSError, ValueError, DroverError):
        return None
    return found if found["files"] == facts else None


def make_manifest(
    path: str, processes: int | None = None, tell: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Read the model at ``path``, the first shard of it, whole, and return its manifest."""
    header = read_header(path)
    before = _file_facts(path, header.shards)
    tensors = _tensors(header)
    folder = os.path.dirname(path)
    pieces = [
        Piece(os.path.join(folder, header.shards[tensor["shard"]]), tensor["offset"], tensor["bytes"])
        for tensor in tensors
    ]
    total = sum(piece.size for piece in pieces)
    sums = sums_of(pieces, processes, (lambda done: tell(done, total)) if tell else None)
    if _file_facts(path, header.shards) != before:
        raise DroverError(f"{path} was written to while it was hashed: wait until it is complete and try again.")
    return {
        "schema": SCHEMA,
        "block_count": block_count_of(header),
        "files": before,
        "tensors": [{**tensor, **each._asdict()} for tensor, each in zip(tensors, sums)],
    }


def takes_long(path: str) -> bool:
    """Whether the manifest of the model at ``path`` would have to be made by Python alone, minutes for each gigabyte.
    Raises DroverError when that is none."""
    return sum(tensor["bytes"] for tensor in _tensors(read_header(path))) > SOON_BYTES and is_slow()


def block_count_of(header: Header) -> int:
    """Blocks of the model. Raises DroverError when its header does not say."""
    key = f"{header.metadata.get('general.architecture')}.block_count"
    return whole(header.metadata.get(key), f"The GGUF header's {key}", 1, remedy="give a language model with blocks")


def read_manifest(value: object) -> dict[str, Any]:
    """``value`` as a manifest. Raises DroverError, one sentence, for what is none."""
    found = document(value, _WHAT, SCHEMA, _FIELDS, _REMEDY)
    blocks = whole(found["block_count"], f"{_WHAT}'s block_count", 1, remedy=_REMEDY)
    sizes = read_files(found["files"], "the manifest", _REMEDY)
    for number, each in enumerate(found["files"]):
        whole(each.get("modified"), f"modified of files[{number}] of the manifest", 0, remedy=_REMEDY)
    for number, each in enumerate(found["tensors"]):
        what = f"tensors[{number}] of the manifest"
        tensor = dictionary(each, what, _REMEDY)
        text(tensor.get("name"), f"The name of {what}", _REMEDY)
        if tensor.get("layer", "") is not None:
            whole(tensor.get("layer"), f"The layer of {what}", 0, blocks, _REMEDY)
        read_tensor(tensor, what, sizes, _REMEDY)
    return found


def _tensors(header: Header) -> list[dict[str, Any]]:
    """What there is to hash, in the order of the files."""
    layers = layers_by_name([tensor.name for tensor in header.tensors], block_count_of(header))
    return [
        {
            "name": tensor.name,
            "layer": layers[tensor.name],
            "shard": tensor.shard,
            "offset": header.data_offsets[tensor.shard] + tensor.offset,
            "bytes": tensor.n_bytes,
        }
        for tensor in header.tensors
        if tensor.name in layers
    ]


def _file_facts(path: str, names: list[str]) -> list[dict[str, Any]]:
    facts = []
    for name in names:
        place = os.path.join(os.path.dirname(path), name)
        try:
            status = os.stat(place)
        except OSError as error:
            raise DroverError(f"{place} cannot be looked at ({error.strerror}): copy the model whole.") from error
        facts.append({"name": name, "file_bytes": status.st_size, "modified": status.st_mtime_ns})
    return facts


def _kept(path: str, directory: str | None) -> str:
    """Where the manifest is. In a folder of its own, models of one name from two folders have two."""
    if directory is None:
        return path + MANIFEST
    folder = hashlib.sha256(os.path.dirname(os.path.abspath(path)).encode()).hexdigest()[:16]
    return os.path.join(directory, f"{folder}-{os.path.basename(path)}{MANIFEST}")


def _write(path: str, manifest: dict[str, Any]) -> None:
    unfinished = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(unfinished, "w+", encoding="utf-8") as file:
            json.dump(manifest, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            read_manifest(json.load(file))
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)
    except OSError as error:
        raise DroverError(
            f"{path} cannot be written ({error.strerror}): make room there, or correct the folder's rights."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
