# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of two files with random bytes for tensors, the ``weights`` of a worker, and what its cache then has."""

from __future__ import annotations

import os
import random

from module_utils.weights.fnv import is_cache_name
from unit.weights.models import fnv, sha256

SIZES = (70_000, 1, 5_000, 30_000, 70_000, 12_345)
SHARDS = 2


def content(sizes=SIZES, seed=1):
    """The shards' bytes, and ``(shard, offset, data)`` of each tensor."""
    dice = random.Random(seed)
    shards, tensors = [bytearray(b"header") for _shard in range(SHARDS)], []
    for number, size in enumerate(sizes):
        shard = number % SHARDS
        data = dice.randbytes(size)
        tensors.append((shard, len(shards[shard]), data))
        shards[shard] += data + b"padding"
    return [bytes(shard) for shard in shards], tensors


def tensor_of(shard, offset, data, name=fnv):
    return {"hash": name(data), "sha256": sha256(data), "shard": shard, "offset": offset, "bytes": len(data)}


def weights_of(shards, tensors, spare=0, cluster="main", **more):
    """A ``weights`` document; the last ``spare`` tensors are copies of others'."""
    listed = [tensor_of(*tensor, **more) for tensor in tensors]
    held = len(listed) - spare
    return {
        "schema": 1,
        "cluster": cluster,
        "host": "w1",
        "spread": 1,
        "files": [{"name": f"m-{number}.gguf", "file_bytes": len(shard)} for number, shard in enumerate(shards)],
        "held": listed[:held],
        "spare": listed[held:],
    }


def cached(directory):
    """Hash -> bytes of what an RPC server would find."""
    return {name: (directory / name).read_bytes() for name in os.listdir(directory) if is_cache_name(name)}


def tick(directory):
    """Wait until the file system tells another time: some count in hundredths of a second."""
    probe = directory / "probe"
    probe.write_text("")
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        probe.write_text("")
    probe.unlink()


def unfinished(directory):
    return sorted(name for name in os.listdir(directory) if name.endswith(".part"))
