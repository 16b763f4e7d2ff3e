# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What layers can be put on: a host's hardware, as far as the chosen build of llama.cpp drives it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import DroverError
from .cards import card_bandwidth
from .overhead import overhead

# A GPU's own kind -> llama.cpp's backends that drive it, the better one first, and the kind of device that it is then.
# Upstream calls the backend for AMD's ROCm HIP, and its devices ROCm0.
DRIVERS = {
    "cuda": (("cuda", "cuda"), ("vulkan", "vulkan")),
    "rocm": (("hip", "rocm"), ("rocm", "rocm"), ("vulkan", "vulkan")),
    "vulkan": (("vulkan", "vulkan"),),
    "metal": (("metal", "metal"),),
}
CPU = "CPU"
# What llama.cpp calls its devices -> our kind of them. Older builds call Metal's only one Metal.
NAMES = {"CUDA": "cuda", "ROCm": "rocm", "Vulkan": "vulkan", "MTL": "metal", "Metal": "metal"}
# Vulkan devices that a processor plays, in its own memory.
SOFTWARE = re.compile(r"llvmpipe|lavapipe|SwiftShader", re.IGNORECASE)
# Two figures for the memory of one card: drivers keep a part of it to themselves.
SAME_SIZE_WITHIN = 0.10


def drive(
    tally: dict[str, Any], backends: Iterable[str], offered: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """``tally`` with the ``devices`` that a build offers on the host. Anything else of the tally stays.

    What it offers is told by its own list, ``offered`` (see ``builds.ask``), and where that is None, since it is not
    installed yet, by its ``backends`` (names as llama.cpp prints them, in any case) and the host's GPUs.

    A device has ``id``, llama.cpp's name for it (``CPU``, ``CUDA0``, ``Vulkan1``), ``kind`` (``cpu``, ``cuda``,
    ``rocm``, ``vulkan``, ``metal``), ``name``, ``gpu`` (the ``id`` of the GPU in the tally, or None), ``unified``,
    ``total_bytes``, ``usable_bytes``, ``overhead_bytes`` (what a process takes of these beside the model) and
    ``bandwidth_bytes_per_second`` or None. The CPU comes first. A unified one works with the machine's own memory, so
    that what it takes is missing from the CPU's ``usable_bytes``, and reads it no slower than the CPU was measured to.
    """
    memory = tally["memory"]
    cpu = {
        "id": CPU,
        "kind": "cpu",
        "name": tally["cpu"]["model"],
        "gpu": None,
        "unified": False,
        "total_bytes": memory["total_bytes"],
        "usable_bytes": memory["usable_bytes"],
        "overhead_bytes": 0,
        "bandwidth_bytes_per_second": tally["bandwidth_bytes_per_second"],
    }
    gpus = _expected(tally, backends) if offered is None else _listed(tally, offered)
    return {**tally, "devices": [cpu, *gpus]}


def lent(tally: dict[str, Any]) -> list[dict[str, Any]]:
    """The devices that the host's RPC server offers, in its order: those that its owner named (``lend`` of the tally),
    or else all GPUs and then the CPU, unless one of them works in the CPU's memory, which it then lends alone.

    Raises DroverError for a name that the build does not know.
    """
    devices = {device["id"]: device for device in tally["devices"]}
    if tally.get("lend"):
        unknown = [name for name in tally["lend"] if name not in devices]
        if unknown:
            raise DroverError(
                f"rpc_server_devices of {tally['host']} names {unknown[0]}, and the build of llama.cpp that is chosen "
                f"for it offers {', '.join(devices)}: name some of these, or leave it empty."
            )
        return [devices[name] for name in tally["lend"]]
    cpu, *gpus = tally["devices"]
    return [*gpus, *([] if any(gpu["unified"] for gpu in gpus) else [cpu])]


def _expected(tally: dict[str, Any], backends: Iterable[str]) -> list[dict[str, Any]]:
    known = {backend.lower() for backend in backends}
    names = {kind: name for name, kind in reversed(NAMES.items())}
    counted: dict[str, int] = {}
    devices: list[dict[str, Any]] = []
    for gpu in _within_reach(tally["gpus"]):
        kind = next((kind for backend, kind in DRIVERS.get(gpu["kind"], ()) if backend in known), None)
        if kind is not None:
            devices.append(_device(tally, gpu, f"{names[kind]}{counted.get(kind, 0)}", kind))
            counted[kind] = counted.get(kind, 0) + 1
    return devices


def _listed(tally: dict[str, Any], offered: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    left = _within_reach(tally["gpus"])
    devices: list[dict[str, Any]] = []
    # With two backends for one card, the better one takes it: CUDA and ROCm before Vulkan.
    for one in sorted(offered, key=lambda one: _kind(one) == "vulkan"):
        kind = _kind(one)
        if kind is None:
            continue
        drivable = [gpu for gpu in left if kind in (driven for _backend, driven in DRIVERS.get(gpu["kind"], ()))]
        gpu = _match(one, drivable)
        if gpu is not None:
            left.remove(gpu)
            devices.append(_device(tally, gpu, one["name"], kind, one))
        elif not any(_same_card(one, device) for device in devices):
            devices.append(_device(tally, _unknown(tally, one), one["name"], kind, one))
    return devices


def _within_reach(gpus: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of all slices of MIG, a process that uses CUDA gets one: the largest."""
    slices = [gpu for gpu in gpus if gpu.get("id", "").startswith("MIG-")]
    best = max(slices, key=lambda gpu: int(gpu["usable_bytes"]), default=None)
    return [gpu for gpu in gpus if gpu not in slices or gpu is best]


def _kind(one: dict[str, Any]) -> str | None:
    return NAMES.get(re.sub(r"\d+$", "", one["name"]))


def _match(one: dict[str, Any], gpus: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Which of ``gpus`` a build's device is: that of its name, else of its size, else one that shares the memory."""
    if SOFTWARE.search(one["description"]):
        return None
    return next(
        (
            gpu
            for is_it in (_same_name, _same_card, lambda _one, gpu: gpu["unified"])
            for gpu in gpus
            if is_it(one, gpu)
        ),
        None,
    )


def _same_name(one: dict[str, Any], gpu: dict[str, Any]) -> bool:
    return bool(one["description"] == gpu["name"])


def _same_card(one: dict[str, Any], gpu: dict[str, Any]) -> bool:
    difference = abs(int(one["total_bytes"]) - int(gpu["total_bytes"]))
    return not gpu["unified"] and difference <= SAME_SIZE_WITHIN * int(gpu["total_bytes"])


def _unknown(tally: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """A GPU that only the build knows of. Without a word on whose memory it works in, it is taken for the machine's."""
    unified = bool(SOFTWARE.search(one["description"])) or one.get("unified") is not False
    return {
        "id": None,
        "name": one["description"],
        "unified": unified,
        "total_bytes": one["total_bytes"],
        "held_bytes": 0,
        "usable_bytes": tally["memory"]["usable_bytes"] if unified else one["free_bytes"],
    }


def _device(
    tally: dict[str, Any], gpu: dict[str, Any], name: str, kind: str, one: dict[str, Any] | None = None
) -> dict[str, Any]:
    unified, usable = gpu["unified"], gpu["usable_bytes"]
    free_before = free_within = None
    if unified:
        usable = min(usable, tally["memory"]["usable_bytes"], one["total_bytes"] if one else usable)
    elif one and kind == "vulkan":
        # The build's figure is what Vulkan would give at most, and the only one that some drivers tell.
        usable = min(usable, one["free_bytes"] + gpu["held_bytes"])
    elif one:
        free_before, free_within = usable - gpu["held_bytes"], one["free_bytes"]
    return {
        "id": name,
        "kind": kind,
        "name": gpu["name"],
        "gpu": gpu.get("id"),
        "unified": unified,
        "total_bytes": gpu["total_bytes"],
        "usable_bytes": usable,
        "overhead_bytes": overhead(kind, free_before, free_within),
        "bandwidth_bytes_per_second": tally["bandwidth_bytes_per_second"] if unified else card_bandwidth(gpu["name"]),
    }
