# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of a model of eight blocks whose tensors are above and below the threshold, and its manifest."""

from __future__ import annotations

import hashlib

from module_utils.gguf.profile import model_profile
from module_utils.gguf.reader import Header, TensorInfo
from unit.placement.fleets import GIB, MIB, plan_of, tally

BLOCKS = 8
BIG = {"attn_q": 12 * MIB, "ffn_up": 20 * MIB}
SMALL = {"attn_norm": 4096, "attn_k": 10 * MIB}  # the threshold itself is not above it
LOOSE = {"token_embd.weight": 30 * MIB, "output.weight": 40 * MIB, "output_norm.weight": 4096}


def sizes(loose=None, without=(), blocks=BLOCKS):
    """Name -> bytes of each tensor, in the order of the file."""
    found = {**LOOSE, **(loose or {})}
    found.update(
        {f"blk.{index}.{stem}.weight": size for index in range(blocks) for stem, size in {**BIG, **SMALL}.items()}
    )
    return {name: size for name, size in found.items() if name not in without}


def gguf_of(tensors, **metadata):
    infos = [TensorInfo(name, (64, 64) if size > 4096 else (64,), 0, 0, size, 0) for name, size in tensors.items()]
    values = {
        "general.architecture": "llama",
        "llama.block_count": BLOCKS,
        "llama.context_length": 512,
        "llama.embedding_length": 64,
        "llama.feed_forward_length": 64,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 4,
        "llama.vocab_size": 1000,
        **metadata,
    }
    return model_profile(Header(3, "little", values, infos, ["m.gguf"], [4096], sum(tensors.values()), 32))


def manifest_of(tensors, layers, same=()):
    """``layers``: name -> layer of tensors of no block; those that are ``same`` (pairs) have the same content."""
    content = {name: name for name in tensors} | dict(same)
    made, offset = [], 4096
    for name, size in tensors.items():
        if name in layers or name.startswith("blk."):
            digest = hashlib.sha256(content[name].encode()).hexdigest()
            layer = layers[name] if name in layers else int(name.split(".")[1])
            made.append(
                {
                    "name": name,
                    "layer": layer,
                    "shard": 0,
                    "offset": offset,
                    "bytes": size,
                    "hash": digest[:16],
                    "sha256": digest,
                }
            )
        offset += size
    return {
        "schema": 1,
        "block_count": BLOCKS,
        "files": [{"name": "m.gguf", "file_bytes": offset, "modified": 1}],
        "tensors": made,
    }


def hash_of(name):
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def big(*blocks):
    """Names of the tensors of ``blocks`` that are cached."""
    return [f"blk.{block}.{stem}.weight" for block in blocks for stem in BIG]


def planned(gguf, split, hosts=("leader", "w1", "w2", "w3"), gpus=None, leader_bytes=2 * GIB, **policy):
    lent = {"leader": leader_bytes}
    tallies = [tally(host, lent.get(host, 2 * GIB), gpus=(gpus or {}).get(host, ())) for host in hosts]
    return plan_of(gguf, tallies, split=split, leader="leader", **policy)
