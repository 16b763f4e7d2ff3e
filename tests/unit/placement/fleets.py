# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models and tallies to plan with, small enough to see through."""

from __future__ import annotations

from ipaddress import IPv4Address
from zlib import crc32

from module_utils.gguf.profile import model_profile
from module_utils.gguf.reader import Header, TensorInfo

MIB = 1 << 20
GIB = 1 << 30


FEED_FORWARD = (("ffn_gate", (512, 1024)), ("ffn_up", (512, 1024)), ("ffn_down", (1024, 512)))


def model(blocks=8, block_bytes=100 * MIB, embedding_bytes=20 * MIB, output_bytes=50 * MIB, experts=0, used=0):
    """The ``gguf`` of a llama; ``block_bytes`` is the weights of a block, or a list of them."""
    sizes = block_bytes if isinstance(block_bytes, list) else [block_bytes] * blocks
    tensors = [
        _tensor("token_embd.weight", (512, 4000), embedding_bytes),
        _tensor("output.weight", (512, 4000), output_bytes),
    ]
    for index, size in enumerate(sizes):
        tensors.append(_tensor(f"blk.{index}.attn_q.weight", (512, 512), size // 10))
        feed_forward = size - size // 10
        for number, (name, shape) in enumerate(FEED_FORWARD):
            part = feed_forward * (number + 1) // 3 - feed_forward * number // 3
            name, shape = (f"{name}_exps", (*shape, experts)) if experts else (name, shape)
            tensors.append(_tensor(f"blk.{index}.{name}.weight", shape, part))
    metadata = {
        "general.architecture": "llama",
        "general.name": "Small",
        "general.file_type": 7,
        "llama.block_count": len(sizes),
        "llama.context_length": 32768,
        "llama.embedding_length": 512,
        "llama.feed_forward_length": 1024,
        "llama.attention.head_count": 8,
        "llama.attention.head_count_kv": 4,
        "llama.vocab_size": 4000,
    }
    if experts:
        metadata.update({"llama.expert_count": experts, "llama.expert_used_count": used})
    file_bytes = sum(tensor.n_bytes for tensor in tensors)
    profile = model_profile(Header(3, "little", metadata, tensors, ["small.gguf"], [4096], file_bytes, 32))
    # The bytes asked for are not those of the shapes, which keep compute buffers small.
    return {**profile, "parameter_count": profile["weight_bytes"] * 32 // 34}


def tally(host, usable_bytes, bandwidth=10_000_000_000, gpus=(), disk=10**13, **more):
    """What ``memory_info`` says of a host on gigabit Ethernet with four cores."""
    return {
        "host": host,
        "address": str(IPv4Address(0x0A000000 + crc32(host.encode()) % (1 << 24))),
        "cpu": {"cores": 4, "physical_cores": 4, "isa": ["avx2"]},
        "memory": {"usable_bytes": usable_bytes},
        "bandwidth_bytes_per_second": bandwidth,
        "gpus": [{"name": "GPU", "kind": "cuda", "total_bytes": size, "usable_bytes": size} for size in gpus],
        "disk": {"path": "/var/lib/drover", "free_bytes": disk},
        "network": {"speed_mbps": 1000, "mtu": 1500},
        **more,
    }


def _tensor(name, shape, size):
    return TensorInfo(name, shape, 8, 0, size, 0)
