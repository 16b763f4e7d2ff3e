# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models and tallies to plan with, small enough to see through."""

from __future__ import annotations

from ipaddress import IPv4Address
from zlib import crc32

from module_utils.gguf.profile import model_profile
from module_utils.gguf.reader import Header, TensorInfo
from module_utils.hosts.devices import drive
from module_utils.placement.planner import make_plan
from module_utils.placement.policy import Policy

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


def tally(
    host,
    usable_bytes,
    bandwidth=10_000_000_000,
    gpus=(),
    disk=10**13,
    speed_mbps=1000,
    unified=False,
    overhead=0,
    **more,
):
    """What ``memory_info`` says of a host on gigabit Ethernet with four cores: the document ``tally``, with GPUs of
    ``gpus`` bytes, all driven, which are ``unified`` with the CPU or not, and of which a process takes ``overhead``
    bytes. ``more`` replaces fields of it."""
    address = str(IPv4Address(0x0A000000 + crc32(host.encode()) % (1 << 24)))
    memory = {
        "total_bytes": 64 * GIB,
        "available_bytes": 64 * GIB,
        "limit_bytes": None,
        "limit_used_bytes": None,
        "held_bytes": 0,
        "huge_pages_bytes": 0,
        "reserve_bytes": 0,
        "others_bytes": 0,
        "arc_bytes": 0,
        "usable_bytes": usable_bytes,
    }
    cards = [
        {
            "id": f"GPU-{number}",
            "name": "GPU",
            "kind": "cuda",
            "unified": unified,
            "compute_capability": "8.6",
            "nodes": [],
            "total_bytes": size,
            "held_bytes": 0,
            "usable_bytes": size,
        }
        for number, size in enumerate(gpus)
    ]
    made = {
        "schema": 1,
        "host": host,
        "machine": None,
        "exclude": "",
        "obstacles": [],
        "architecture": "x86_64",
        "os": {"id": "debian", "version_id": "13"},
        "cpu": {"model": "CPU", "cores": 4, "physical_cores": 4, "fast_cores": 4, "isa": ["avx2"]},
        "memory": memory,
        "bandwidth_bytes_per_second": bandwidth,
        "gpus": cards,
        "gpu_problem": None,
        "disk": {"path": "/var/lib/drover/models", "free_bytes": disk, "models": {}},
        "network": network(address, speed_mbps),
        "threads": None,
        "lend": [],
        "port": 50052,
        **more,
    }
    made = drive(made, ["CPU", "CUDA"])
    for device in made["devices"][1:]:
        device["overhead_bytes"] = overhead
    return made


def network(card_address, speed_mbps=1000, **more):
    """A tally's ``network``: one wired card with this address in 10.0.0.0/8."""
    card = {
        "address": card_address,
        "prefix": 8,
        "network": "10.0.0.0/8",
        "interface": "eth0",
        "kind": "ethernet",
        "speed_mbps": speed_mbps,
        "mtu": 1500,
        "private": True,
    }
    return {
        "address": None,
        "addresses": [card],
        "arrived_at": card_address,
        "default_interface": "eth0",
        "speed_mbps": None,
        "round_trip_seconds": None,
        **more,
    }


def lend(one, usable_bytes, device=0):
    """Change what a device of the tally ``one`` lends, the CPU (0) or a GPU (from 1 on), everywhere it stands."""
    (one["gpus"][device - 1] if device else one["memory"])["usable_bytes"] = usable_bytes
    one["devices"][device]["usable_bytes"] = usable_bytes


def lends(one, device=0):
    """What a device of the tally ``one`` lends."""
    return one["devices"][device]["usable_bytes"]


def plan_of(gguf, tallies, cluster="main", previous=(), choice=None, model_host=None, **policy):
    """The plan by a policy that is given by its fields."""
    return make_plan(gguf, tallies, Policy(**policy), cluster, previous, choice, model_host)


def _tensor(name, shape, size):
    return TensorInfo(name, shape, 8, 0, size, 0)
