# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of what a worker holds, in the caches of others, so that losing it costs no transfer.

When a worker is lost, its layers mostly go to those next to it in the chain. So a tensor is copied to the worker whose
layers are nearest to its own, if there is room, else to the next nearest; workers that hold nothing come last. A copy
that is there already is as good as any.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from ..gguf.profile import CACHE_THRESHOLD_BYTES
from .holdings import cached_tensors
from .pieces import Tensor


def spare_copies(
    plan: Mapping[str, Any],
    manifest: Mapping[str, Any],
    spread: int,
    room: Mapping[str, int],
    there: Mapping[str, Container[str]],
    threshold: int = CACHE_THRESHOLD_BYTES,
) -> dict[str, list[Tensor]]:
    """Host -> tensors to cache there beside its own, so that each cached tensor is on ``spread`` workers in all.

    ``room`` has how many bytes a host's cache may take, its own tensors included; hosts that it does not name have no
    bound. ``there``: host -> the hashes of what is in its cache. Where there are too few workers, or too little room,
    there are fewer copies.
    """
    own = cached_tensors(plan, manifest, threshold)
    workers = [host for host in plan["addresses"] if host != plan["leader"]]
    held = {host: {tensor["hash"] for tensor in own.get(host, [])} for host in workers}
    left = {host: room[host] - _size(own.get(host, [])) for host in workers if host in room}
    copies: dict[str, list[Tensor]] = {host: [] for host in workers}
    tensors = {tensor["hash"]: tensor for of_host in own.values() for tensor in of_host}

    def has(host: str, tensor: Tensor) -> bool:
        return tensor["hash"] in there.get(host, ())

    def is_copied(tensor: Tensor) -> bool:
        return any(has(host, tensor) for host in workers if tensor["hash"] not in held[host])

    for tensor in sorted(tensors.values(), key=is_copied, reverse=True):
        missing = spread - sum(tensor["hash"] in hashes for hashes in held.values())
        for host in sorted(workers, key=lambda host: (not has(host, tensor), _distance(plan, host, tensor), host)):
            if missing < 1:
                break
            if tensor["hash"] in held[host] or left.get(host, tensor["bytes"]) < tensor["bytes"]:
                continue
            copies[host].append(tensor)
            held[host].add(tensor["hash"])
            if host in left:
                left[host] -= tensor["bytes"]
            missing -= 1
    return {host: tensors for host, tensors in copies.items() if tensors}


def _distance(plan: Mapping[str, Any], host: str, tensor: Tensor) -> int:
    """Layers between the tensor's own and the nearest that ``host`` holds."""
    layer = tensor["layer"] or 0
    distances = [len(plan["layer_weight_bytes"])]
    for device in plan["devices"]:
        if device["host"] == host:
            first = device["first_block"]
            last = first + device["block_count"] + device["holds_output"] - 1
            distances.append(max(first - layer, layer - last, 0))
    return min(distances)


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(tensor["bytes"] for tensor in tensors)
