# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of the contracts: a layout written out in bytes, seconds and ``llama-server`` arguments."""

from __future__ import annotations

from dataclasses import asdict


def feasible_plan(problem, layout, spare: dict, reasons: list) -> dict:
    """The plan for ``layout``; ``spare`` is the reason for each host that holds nothing."""
    judge, layers = problem.judge, problem.layers
    block_count = layers.count - 1
    devices = [_device(layers, layout, segment, names) for segment, names in _named(judge, layout)]
    host = layers.memory.host_bytes(layout.leader_blocks, len(layout.segments))
    seconds = judge.seconds(layout)
    return {
        "feasible": True,
        "mode": "rpc" if layout.worker_names else "single",
        "leader": layout.leader.name,
        "leader_blocks": min(layout.leader_blocks, block_count),
        "devices": devices,
        "host": {
            "weight_bytes": host.weight_bytes,
            "kv_bytes": host.kv_bytes,
            "compute_bytes": host.compute_bytes,
            "total_bytes": host.total_bytes,
            "usable_bytes": layout.leader.cpu.usable_bytes,
            "holds_output": layout.leader_blocks == layers.count,
        },
        "arguments": _arguments(judge, layout, problem.settings),
        "predicted": {
            "seconds_per_token": seconds,
            "tokens_per_second": 1 / seconds,
            "prompt_tokens_per_second": layers.work.batch_tokens / judge.prompt_seconds(layout),
            "load_bytes_over_network": sum(
                device["weight_bytes"] for device in devices if device["host"] != layout.leader.name
            ),
        },
        "settings": asdict(problem.settings),
        "model": _model(problem.model),
        "layer_weight_bytes": problem.layers.memory.layer_weight_bytes,
        "spare": [{"host": host, "reason": spare[host]} for host in sorted(spare)],
        "missing_bytes": 0,
        "remedies": [],
        "reasons": reasons,
    }


def infeasible_plan(problem, spare: dict, reasons: list, missing_bytes: int, remedies: list) -> dict:
    """The plan that says that there is none."""
    return {
        "feasible": False,
        "mode": None,
        "leader": None,
        "leader_blocks": 0,
        "devices": [],
        "host": None,
        "arguments": [],
        "predicted": None,
        "settings": asdict(problem.settings),
        "model": _model(problem.model),
        "layer_weight_bytes": problem.layers.memory.layer_weight_bytes,
        "spare": [{"host": host, "reason": spare[host]} for host in sorted(spare)],
        "missing_bytes": missing_bytes,
        "remedies": remedies,
        "reasons": reasons,
    }


def _model(model):
    """Enough of the model to know it again."""
    return {key: model[key] for key in ("name", "quantization", "file_bytes", "block_count")}


def _slots(judge, layout):
    """All devices in the order in which llama.cpp numbers them, used or not: those of each RPC server in the order of
    ``--rpc``, then the leader's GPUs. As ``(device, name)``."""
    remote = [device for name in layout.worker_names for device in judge.hosts[name].lent]
    return [(device, f"RPC{number}") for number, device in enumerate(remote)] + [
        (device, f"GPU{device.index}") for device in layout.leader.gpus
    ]


def _named(judge, layout):
    names = {(device.host, device.index): name for device, name in _slots(judge, layout)}
    return [
        (segment, (names[segment.device.host, segment.device.index], judge.hosts[segment.device.host].endpoint))
        for segment in layout.segments
    ]


def _device(layers, layout, segment, names):
    name, endpoint = names
    block_count = layers.count - 1
    count = segment.end - segment.first
    weight = layers.memory.device_weight_bytes(segment.first, count)
    kv = layers.kv[segment.end] - layers.kv[segment.first]
    compute = layers.memory.device_compute_bytes(segment.first, count, layout.leader_blocks)
    return {
        "host": segment.device.host,
        "endpoint": endpoint if segment.device.host != layout.leader.name else None,
        "device": name,
        "device_index": segment.device.index,
        "first_block": segment.first,
        "block_count": min(segment.end, block_count) - segment.first,
        "holds_output": segment.end > block_count,
        "weight_bytes": weight,
        "kv_bytes": kv,
        "compute_bytes": compute,
        "total_bytes": weight + kv + compute,
        "usable_bytes": segment.device.usable_bytes,
    }


def _arguments(judge, layout, settings):
    """What ``llama-server`` must be told so that every layer lands where the plan says, and nothing is left to it."""
    arguments = [
        "--ctx-size",
        str(settings.context_size),
        "--parallel",
        str(settings.parallel),
        # Each slot has its own part of the cache, which is what the memory model counts.
        "--no-kv-unified",
        "--cache-type-k",
        settings.cache_type_k,
        "--cache-type-v",
        settings.cache_type_v,
        "--batch-size",
        str(settings.batch_size),
        "--ubatch-size",
        str(settings.ubatch_size),
        "--flash-attn",
        settings.flash_attention,
        # The plan decides, llama.cpp does not.
        "--fit",
        "off",
        # The prompt cache takes memory that is in no plan, and has aborted with RPC (upstream issue 26529).
        "--cache-ram",
        "0",
        # Nor are checkpoints of sliding-window and recurrent caches, by default up to 32 a slot in the leader's memory.
        "--ctx-checkpoints",
        "0",
    ]
    if not layout.segments:
        # A local GPU that holds no layer would still be used, and take memory, for long prompts.
        return [*arguments, "--device", "none", "--n-gpu-layers", "0"]
    held = {(segment.device.host, segment.device.index): segment.end - segment.first for segment in layout.segments}
    split = [str(held.get((device.host, device.index), 0)) for device, _name in _slots(judge, layout)]
    if layout.worker_names:
        arguments += ["--rpc", ",".join(judge.hosts[name].endpoint for name in layout.worker_names)]
    return [
        *arguments,
        "--tensor-split",
        ",".join(split),
        "--n-gpu-layers",
        str(judge.layers.count - layout.leader_blocks),
    ]
