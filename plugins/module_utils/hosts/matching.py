# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a host's GPUs a device is that a build of llama.cpp lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

# A GPU's own kind -> llama.cpp's backends that drive it, the better one first, and the kind of device that it is then.
# Upstream calls the backend for AMD's ROCm HIP, and its devices ROCm0.
DRIVERS = {
    "cuda": (("cuda", "cuda"), ("vulkan", "vulkan")),
    "rocm": (("hip", "rocm"), ("rocm", "rocm"), ("vulkan", "vulkan")),
    "vulkan": (("vulkan", "vulkan"),),
    "metal": (("metal", "metal"),),
}
# What llama.cpp calls its devices -> our kind of them. Older builds call Metal's only one Metal.
NAMES = {"CUDA": "cuda", "ROCm": "rocm", "Vulkan": "vulkan", "MTL": "metal", "Metal": "metal"}
# A GPU's own kind -> how the names begin or go on that its maker's drivers give to a device.
MAKERS = {
    "cuda": re.compile(r"\bNVIDIA\b|GeForce|Quadro|\bTesla\b|\bNVK\b|\bOrin\b"),
    "rocm": re.compile(r"\bAMD\b|Radeon|\bRADV\b|Instinct"),
    "vulkan": re.compile(r"\bIntel\b"),
    "metal": re.compile(r"\bApple\b"),
}
# Two figures for the memory of one card: drivers keep a part of it to themselves.
SAME_SIZE_WITHIN = 0.10


def kind_of(one: dict[str, Any]) -> str | None:
    """The kind of a device that a build lists, by its name; None for what is no GPU."""
    return NAMES.get(re.sub(r"\d+$", "", one["name"]))


def same_size(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the ``total_bytes`` of both may be those of one card, as two drivers tell them."""
    size = int(other["total_bytes"])
    return abs(int(one["total_bytes"]) - size) <= SAME_SIZE_WITHIN * size


def match(offered: Sequence[dict[str, Any]], gpus: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """For each of the devices ``offered`` by a build the one of ``gpus`` (of a tally) that it is, or None.

    No GPU is two devices. A name decides, then a size, then that both work in the machine's memory; a card of unknown
    size comes last. Equal ones are told apart by their order.
    """
    found: dict[int, dict[str, Any]] = {}
    left = list(gpus)
    for is_it in (_same_name, _same_card, _shared, _of_unknown_size):
        for number, one in enumerate(offered):
            possible = [gpu for gpu in left if _may_be(one, gpu)]
            gpu = next((gpu for gpu in possible if number not in found and is_it(one, gpu, possible)), None)
            if gpu is not None:
                found[number] = gpu
                left.remove(gpu)
    return [found.get(number) for number in range(len(offered))]


def _may_be(one: dict[str, Any], gpu: dict[str, Any]) -> bool:
    """Whether the build could drive the GPU by that name, and nothing that is told of one contradicts the other."""
    makers = [kind for kind, pattern in MAKERS.items() if pattern.search(one["description"])]
    return (
        kind_of(one) in [kind for _backend, kind in DRIVERS.get(gpu["kind"], ())]
        and (not makers or gpu["kind"] in makers)
        and not (gpu["unified"] and one.get("unified") is False)
    )


def _same_name(one: dict[str, Any], gpu: dict[str, Any], _possible: Sequence[dict[str, Any]]) -> bool:
    return bool(one["description"] == gpu["name"])


def _same_card(one: dict[str, Any], gpu: dict[str, Any], _possible: Sequence[dict[str, Any]]) -> bool:
    return not gpu["unified"] and same_size(one, gpu)


def _shared(one: dict[str, Any], gpu: dict[str, Any], possible: Sequence[dict[str, Any]]) -> bool:
    """One that shares the machine's memory, as both tell. Where the build does not tell, no card may be left that it
    could be; where the firmware gave a GPU the most of the machine's memory, the kernel counts it as the GPU's own."""
    if one.get("unified") and not any(other["unified"] for other in possible):
        return bool(gpu["kind"] == "rocm")
    if one.get("unified"):
        return bool(gpu["unified"])
    return bool(gpu["unified"]) and all(other["unified"] for other in possible)


def _of_unknown_size(one: dict[str, Any], gpu: dict[str, Any], _possible: Sequence[dict[str, Any]]) -> bool:
    return not gpu["total_bytes"] and not one.get("unified")
