# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans, tallies and programs to deploy, as small as they can be; and the flags of llama.cpp's builds."""

from __future__ import annotations

GIB = 1 << 30

# The long flags of llama-server that matter here, as upstream's common/arg.cpp names them.
COMMON = [
    "--alias", "--api-key-file", "--batch-size", "--cache-type-k", "--cache-type-v", "--ctx-size", "--flash-attn",
    "--gpu-layers", "--host", "--metrics", "--model", "--n-gpu-layers", "--no-slots", "--parallel", "--port", "--rpc",
    "--tensor-split", "--threads", "--ubatch-size",
]  # fmt: skip
# 2024-11, 2025-05, 2025-08, and llama.cpp 0.5.0 of 2026.
FLAGS_2024_11 = [*COMMON, "--mlock", "--no-mmap"]
FLAGS_2025_05 = [*FLAGS_2024_11, "--device"]
FLAGS_2025_08 = [*FLAGS_2025_05, "--kv-unified", "--swa-checkpoints"]
FLAGS_0_5 = [
    *COMMON, "--cache-ram", "--cors-origins", "--ctx-checkpoints", "--device", "--fit", "--kv-unified", "--load-mode",
    "--no-kv-unified", "--no-ui", "--no-webui", "--swa-checkpoints",
]  # fmt: skip
RPC_FLAGS_2024_11 = ["--help", "--host", "--mem", "--port"]
RPC_FLAGS_0_5 = ["--cache", "--device", "--help", "--host", "--port", "--threads"]

PROGRAMS = {
    "server": "/usr/bin/llama-server",
    "rpc_server": "/usr/libexec/ggml-rpc-server",
    "version": "0.7.0",
    "build": 11669,
    "rpc_protocol": "8.0.0",
    "server_flags": FLAGS_0_5,
    "rpc_server_flags": RPC_FLAGS_0_5,
}
MODEL = {
    "path": "/var/lib/drover/models/m.gguf",
    "alias": "Small",
    "files": [{"path": "/var/lib/drover/models/m.gguf", "bytes": 4 * GIB}],
}


def device(host, name, first, blocks, output=False, **changes):
    return {
        "host": host,
        "endpoint": "10.0.0.11:50052" if name[:3] == "RPC" else None,
        "device": name,
        "id": "CPU" if name[:3] == "RPC" else name,
        "kind": "cpu" if name[:3] == "RPC" else "cuda",
        "first_block": first,
        "block_count": blocks,
        "holds_output": output,
        "weight_bytes": blocks * GIB // 4,
        "total_bytes": blocks * GIB // 4 + GIB // 8,
        **changes,
    }


def plan(**changes):
    """Three machines: ``head`` leads and keeps 3 of 8 blocks, ``pi-1`` holds 5 and the output, ``pi-2`` is spare."""
    return {
        "schema": 1,
        "feasible": True,
        "shortfall": None,
        "cluster": "main",
        "leader": "head",
        "leader_blocks": 3,
        "devices": [device("pi-1", "RPC0", 3, 5, True)],
        "host": {"total_bytes": 2 * GIB},
        "policy": {
            "context_size": 8192,
            "parallel": 2,
            "cache_type_k": "f16",
            "cache_type_v": "q8_0",
            "batch_size": 2048,
            "ubatch_size": 512,
            "flash_attention": "auto",
        },
        "endpoints": [{"host": "pi-1", "address": "10.0.0.11", "port": 50052, "devices": ["CPU"]}],
        "network": "10.0.0.0/24",
        "threads": {"head": 8, "pi-1": 4, "pi-2": 2},
        "addresses": {
            "head": {"address": "10.0.0.1", "port": 50052},
            "pi-1": {"address": "10.0.0.11", "port": 50052},
            "pi-2": {"address": "10.0.0.12", "port": 50060},
        },
        **changes,
    }


def address(text, network="10.0.0.0/24", kind="ethernet"):
    return {
        "address": text,
        "prefix": 24,
        "network": network,
        "interface": "eth0",
        "kind": kind,
        "private": True,
        "speed_mbps": None,
    }


def tally(host, *addresses, devices=()):
    return {
        "host": host,
        "devices": [{"id": "CPU", "kind": "cpu", "gpu": None, "unified": False}, *devices],
        "gpus": [],
        "passed_over": [],
        "lend": [],
        "network": {"address": None, "addresses": list(addresses)},
    }


def tallies():
    return [
        tally("head", address("192.168.1.50", "192.168.1.0/24", "wireless"), address("10.0.0.1"), address("10.0.0.2")),
        tally("pi-1", address("10.0.0.11")),
        tally("pi-2", address("10.0.0.12")),
    ]
