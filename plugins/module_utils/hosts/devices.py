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
from .matching import DRIVERS, NAMES, kind_of, match
from .overhead import overhead

CPU = "CPU"
# Vulkan devices that a processor plays, in its own memory.
SOFTWARE = re.compile(r"llvmpipe|lavapipe|SwiftShader", re.IGNORECASE)


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

    What the build lists besides is ``passed_over``, each with ``id``, ``kind``, ``gpu`` and the ``reason``, a sentence;
    None for a second way to a card that is a device already.
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
    gpus, passed_over = (_expected(tally, backends), []) if offered is None else _listed(tally, offered)
    return {**tally, "devices": [cpu, *gpus], "passed_over": passed_over}


def drive_chosen(tally: dict[str, Any], choice: dict[str, Any] | None) -> dict[str, Any]:
    """``tally`` with the ``devices`` of the build that ``choice`` (of llama_cpp_choice) has for the host; unchanged
    where it says nothing of the host, which has its build already."""
    way = ((choice or {}).get("hosts") or {}).get(tally["host"]) or {}
    return tally if way.get("backends") is None else drive(tally, way["backends"], way.get("devices"))


def lent(tally: dict[str, Any]) -> list[dict[str, Any]]:
    """The devices that the host's RPC server offers, in its order: those that its owner named (``lend`` of the tally),
    or else all GPUs and then the CPU, unless one of them works in the CPU's memory, which it then lends alone.

    Raises DroverError for a name that the build does not know, and for one that comes twice.
    """
    devices = {device["id"]: device for device in tally["devices"]}
    if tally.get("lend"):
        twice = next((name for name in tally["lend"] if tally["lend"].count(name) > 1), None)
        if twice:
            raise DroverError(
                f"rpc_server_devices of {tally['host']} names {twice} twice, and its memory is there once: name every "
                "device once."
            )
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
    for gpu in tally["gpus"]:
        kind = next((kind for backend, kind in DRIVERS.get(gpu["kind"], ()) if backend in known), None)
        if kind is not None and _within_reach(gpu, tally["gpus"]) is gpu:
            devices.append(_device(tally, gpu, f"{names[kind]}{counted.get(kind, 0)}", kind))
            counted[kind] = counted.get(kind, 0) + 1
    return devices


def _listed(
    tally: dict[str, Any], offered: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The devices, and what is passed over."""
    devices: list[dict[str, Any]] = []
    passed_over: list[dict[str, Any]] = []
    played = [one for one in offered if kind_of(one) and SOFTWARE.search(one["description"])]
    real = [one for one in offered if kind_of(one) and one not in played]
    used: list[dict[str, Any]] = []
    # With two backends for one card, the better one takes it: CUDA and ROCm before Vulkan.
    for group in (
        [one for one in real if kind_of(one) != "vulkan"],
        [one for one in real if kind_of(one) == "vulkan"],
    ):
        found = match(group, [gpu for gpu in tally["gpus"] if gpu not in used])
        again = match([one for one, gpu in zip(group, found) if gpu is None], used)
        for one, gpu in zip(group, found):
            reached = gpu and _within_reach(gpu, tally["gpus"])
            same = again.pop(0) if gpu is None else reached if reached in used else None
            if same:
                passed_over.append(_passed_over(one, same["id"], None))
            elif gpu and reached:
                used += [gpu] if gpu is reached else [gpu, reached]
                # Of another slice than the one that the program will be given, the build has told nothing.
                devices.append(_device(tally, reached, one["name"], str(kind_of(one)), one if gpu is reached else None))
            else:
                reason = (
                    f"{tally['host']}: {one['name']} ({one['description']}) holds no layers, since none of the GPUs "
                    "that the host's drivers tell of is this one."
                )
                passed_over.append(_passed_over(one, None, reason))
    devices += [_device(tally, _played(tally, one), one["name"], str(kind_of(one)), one) for one in played]
    return devices, passed_over


def _passed_over(one: dict[str, Any], gpu: str | None, reason: str | None) -> dict[str, Any]:
    return {"id": one["name"], "kind": kind_of(one), "gpu": gpu, "reason": reason}


def _within_reach(gpu: dict[str, Any], gpus: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The GPU that a process gets for ``gpu``: of all slices of MIG, one that uses CUDA gets one, the largest."""
    slices = [one for one in gpus if one["id"].startswith("MIG-")]
    return max(slices, key=lambda one: int(one["usable_bytes"])) if gpu in slices else gpu


def _played(tally: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """The GPU that a processor plays for a build, in the machine's memory."""
    return {
        "id": None,
        "name": one["description"],
        "unified": True,
        "total_bytes": one["total_bytes"],
        "held_bytes": 0,
        "usable_bytes": tally["memory"]["usable_bytes"],
    }


def _device(
    tally: dict[str, Any], gpu: dict[str, Any], name: str, kind: str, one: dict[str, Any] | None = None
) -> dict[str, Any]:
    unified, total, usable = gpu["unified"], gpu["total_bytes"], gpu["usable_bytes"]
    free_before = free_within = None
    if one and not total:
        # The build alone knows how large this one is.
        total, usable = one["total_bytes"], one["free_bytes"] + gpu["held_bytes"]
    if unified:
        usable = min(usable, tally["memory"]["usable_bytes"], one["total_bytes"] if one else usable)
    elif one and kind == "vulkan":
        # The build's figure is what Vulkan would give at most, and the only one that some drivers tell.
        usable = min(usable, one["free_bytes"] + gpu["held_bytes"])
    elif one:
        free_before, free_within = usable - gpu["held_bytes"], one["free_bytes"]
    # Drivers of AMD and Intel tell a number where the build tells what the card is sold as.
    card = one["description"] if one and card_bandwidth(gpu["name"]) is None else gpu["name"]
    return {
        "id": name,
        "kind": kind,
        "name": card,
        "gpu": gpu["id"],
        "unified": unified,
        "total_bytes": total,
        "usable_bytes": usable,
        "overhead_bytes": overhead(kind, free_before, free_within, played=gpu["id"] is None),
        "bandwidth_bytes_per_second": (
            tally["bandwidth_bytes_per_second"]
            if unified
            else gpu.get("bandwidth_bytes_per_second") or card_bandwidth(card)
        ),
    }
