# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By a plan and the manifest of its model: which tensors each RPC server holds, and which of them it caches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import DroverError
from ..gguf.profile import CACHE_THRESHOLD_BYTES
from .pieces import Tensor


def cached_tensors(
    plan: Mapping[str, Any], manifest: Mapping[str, Any], threshold: int = CACHE_THRESHOLD_BYTES
) -> dict[str, list[Tensor]]:
    """Host -> the tensors that its RPC server looks for in its cache, in the order of their layers, each content once.

    Only those of more than ``threshold`` bytes are looked for. Hosts that hold no layer are not among them. Raises
    DroverError when the manifest is not of the plan's model.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for device, tensors in on_workers(plan, manifest):
        of_host = found.setdefault(device["host"], {})
        for tensor in tensors:
            if tensor["bytes"] > threshold:
                of_host.setdefault(tensor["hash"], tensor)
    return {host: list(of_host.values()) for host, of_host in found.items()}


def bytes_over_network(
    plan: Mapping[str, Any],
    manifest: Mapping[str, Any],
    there: Mapping[str, Iterable[str]],
    threshold: int = CACHE_THRESHOLD_BYTES,
) -> dict[str, int]:
    """Host -> bytes of weights that the leader sends it at a start, when the cache of each host has the tensors whose
    hashes are ``there``: all of ``threshold`` bytes and less, once for each device, and others that are not there."""
    sent: dict[str, int] = {}
    known = {host: set(hashes) for host, hashes in there.items()}
    for device, tensors in on_workers(plan, manifest):
        host = device["host"]
        sent.setdefault(host, 0)
        for tensor in tensors:
            cached = known.setdefault(host, set())
            if tensor["bytes"] > threshold and tensor["hash"] in cached:
                continue
            sent[host] += tensor["bytes"]
            # The server keeps what it was sent, and finds it when the same content comes again.
            cached.add(tensor["hash"])
    return sent


def on_workers(plan: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], list[Tensor]]]:
    """The plan's devices behind RPC, in chain order, each with the tensors that llama.cpp puts there.

    What belongs to which layer is in the manifest, and which of the layers are loaded at all in the plan, since its
    memory model knows. Both must come to the same bytes.
    """
    blocks = manifest["block_count"]
    loaded = plan["layer_weight_bytes"]
    layers: dict[int | None, list[Tensor]] = {}
    for tensor in manifest["tensors"]:
        layers.setdefault(tensor["layer"], []).append(tensor)
    for device in plan["devices"]:
        if device["endpoint"] is None:
            continue
        first, end = device["first_block"], device["first_block"] + device["block_count"]
        indices = [index for index in range(first, end + device["holds_output"]) if index < len(loaded)]
        tensors = [tensor for index in indices if loaded[index] for tensor in layers.get(index, [])]
        if first < blocks:
            tensors += layers.get(None, [])
        held = sum(tensor["bytes"] for tensor in tensors)
        if len(loaded) != blocks + 1 or held != device["weight_bytes"]:
            raise DroverError(
                f"The manifest puts {held} bytes of weights on {device['device']} of {device['host']} where the plan "
                f"has {device['weight_bytes']}: make the manifest and the plan of the same model."
            )
        yield device, tensors
