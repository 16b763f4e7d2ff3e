# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``plan`` (see document.py): a layout written out in bytes, seconds, devices and addresses."""

from __future__ import annotations

from typing import Any

from .document import ENGINE, SCHEMA, model_of
from .fleet import Host
from .layout import Layout, Segment
from .problem import Problem
from .request import ONE_TOKEN


def feasible_plan(problem: Problem, layout: Layout) -> dict[str, Any]:
    """The plan for ``layout``, but for what ``planner.make_plan`` adds: cluster, network, spare, warnings, reasons."""
    judge, layers = problem.judge, problem.layers
    block_count = layers.count - 1
    names = _names(problem, layout)
    workers = [judge.hosts[name] for name in layout.worker_names]
    devices = [
        _device(problem, layout, segment, names[segment.device.host, segment.device.id]) for segment in layout.segments
    ]
    kept = sum(segment.kept for segment in layout.segments)
    host = layers.memory.host_bytes(layout.leader_blocks, len(layout.segments), kept)
    # Also those that hold nothing yet: they stand ready for the next plan.
    taking_part = [host for host in problem.fleet if not host.excluded]
    return {
        **_common(problem),
        "feasible": True,
        "mode": "rpc" if workers else "single",
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
        "endpoints": [
            {"host": one.name, "address": one.address, "port": one.port, "devices": list(one.lends)} for one in workers
        ],
        "threads": {one.name: one.threads for one in taking_part},
        "addresses": {one.name: {"address": one.address, "port": one.port} for one in taking_part},
        "predicted": {
            "seconds_per_token": judge.seconds(layout, ONE_TOKEN),
            "tokens_per_second": judge.tokens_per_second(layout),
            "prompt_tokens_per_second": judge.prompt_tokens_per_second(layout),
            "request_seconds": judge.seconds(layout),
            "load_bytes_over_network": judge.sent_bytes(layout),
            "load_bytes_once_cached": judge.sent_bytes(layout) - judge.cacheable_bytes(layout),
        },
        "shortfall": None,
        "missing_bytes": 0,
        "remedies": [],
    }


def infeasible_plan(
    problem: Problem, shortfall: dict[str, Any], missing_bytes: int = 0, remedies: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The plan that says that there is none, but for what ``planner.make_plan`` adds."""
    return {
        **_common(problem),
        "feasible": False,
        "mode": None,
        "leader": None,
        "leader_blocks": 0,
        "devices": [],
        "host": None,
        "endpoints": [],
        "threads": {},
        "addresses": {},
        "predicted": None,
        "shortfall": shortfall,
        "missing_bytes": missing_bytes,
        "remedies": remedies or [],
    }


def _common(problem: Problem) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "engine": ENGINE,
        "policy": problem.policy.to_dict(),
        "model": model_of(problem.model),
        "layer_weight_bytes": problem.layers.memory.layer_weight_bytes,
    }


def _names(problem: Problem, layout: Layout) -> dict[tuple[str, str], str]:
    """``(host, id)`` of a device -> what the leader's llama.cpp calls it. Those of each RPC server are numbered in the
    order of ``--rpc``, used or not; the leader's GPUs have their own names."""
    remote = [(name, device) for name in layout.worker_names for device in problem.judge.hosts[name].lends]
    names = {key: f"RPC{number}" for number, key in enumerate(remote)}
    return {**names, **{(gpu.host, gpu.id): gpu.id for gpu in layout.leader.gpus}}


def _device(problem: Problem, layout: Layout, segment: Segment, name: str) -> dict[str, Any]:
    layers, host = problem.layers, problem.judge.hosts[segment.device.host]
    block_count = layers.count - 1
    count = segment.end - segment.first
    weight = layers.memory.device_weight_bytes(segment.first, count)
    weight -= layers.experts[segment.kept]
    kv = layers.kv[segment.end] - layers.kv[segment.first]
    compute = layers.memory.device_compute_bytes(segment.first, count, layout.leader_blocks)
    return {
        "host": host.name,
        "endpoint": _endpoint(host, layout),
        "device": name,
        "id": segment.device.id,
        "kind": segment.device.kind,
        "first_block": segment.first,
        "block_count": min(segment.end, block_count) - segment.first,
        "holds_output": segment.end > block_count,
        "experts_on_cpu": segment.kept,
        "streams": layout.streams and segment.device.host == layout.leader.name,
        "weight_bytes": weight,
        "kv_bytes": kv,
        "compute_bytes": compute,
        "overhead_bytes": segment.device.overhead_bytes,
        "total_bytes": weight + kv + compute + segment.device.overhead_bytes,
        "usable_bytes": segment.device.usable_bytes,
    }


def _endpoint(host: Host, layout: Layout) -> str | None:
    return host.endpoint if host.name != layout.leader.name else None
