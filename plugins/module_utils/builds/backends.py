# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of llama.cpp's backends a build has, by its devices, its files, or how it was compiled.

Every answer is a list that begins with ``CPU``, which every build has, and goes on with those of ``GPUS``, sorted.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

CPU = "CPU"
AUTO = "auto"
GPUS = ("CUDA", "Metal", "ROCm", "Vulkan")
# llama_cpp_backends and the names of ggml's libraries (libggml-hip.so) -> what llama.cpp itself prints.
_COMPILED = {"cuda": "CUDA", "hip": "ROCm", "metal": "Metal", "vulkan": "Vulkan"}
# Newer builds call Metal's devices MTL0.
_DEVICES = {**{name: name for name in GPUS}, "MTL": "Metal"}
# Libraries of drivers that a program needs which has the backend inside itself.
_DRIVERS = {"libcuda": "CUDA", "libcudart": "CUDA", "libamdhip64": "ROCm", "libvulkan": "Vulkan"}
_LIBRARY = re.compile(r"libggml-([a-z]+)[.-]")


def of_devices(devices: Iterable[dict]) -> list[str]:
    """The backends whose ``devices`` a build's server offers (as llama_cpp_info returns them)."""
    return _sorted(_DEVICES.get(re.sub(r"\d+$", "", device["name"])) for device in devices)


def of_libraries(names: Iterable[str]) -> list[str]:
    """The backends of a build by the ``names`` of the files in it and of the libraries that they need."""
    found = []
    for name in names:
        library = _LIBRARY.match(name)
        found.append(_COMPILED.get(library[1]) if library else _DRIVERS.get(name.split(".")[0]))
    return _sorted(found)


def of_options(options: Iterable[str]) -> list[str]:
    """The backends that are compiled for the setting llama_cpp_backends (without AUTO, see ``wanted``)."""
    return _sorted(_COMPILED.get(option) for option in options)


def wanted(options: Iterable[str], platform: Mapping[str, Any], offered: Container[str]) -> list[str]:
    """The setting llama_cpp_backends for a host of this ``platform``, in which AUTO stands for the best of what is
    ``offered`` (cuda, vulkan, hip) that drives one of its GPUs, if any: CUDA for NVIDIA's cards, Vulkan for all whose
    driver is there, and else HIP for AMD's where ROCm is."""
    found: list[str] = []
    for option in options:
        if option != AUTO:
            found.append(option)
            continue
        drives = {
            "cuda": bool(platform.get("compute_capabilities")),
            "vulkan": by_vulkan(platform) and bool(drivable(["vulkan"], platform)),
            "hip": by_hip(platform),
            "cpu": True,
        }
        found.append(next(name for name, does in drives.items() if does and (name in offered or name == "cpu")))
    return found


def by_vulkan(platform: Mapping[str, Any]) -> bool:
    """Whether a host of this ``platform`` has a GPU that Vulkan drives, given its driver."""
    return bool({"cuda", "rocm", "vulkan"} & set(platform.get("gpus") or ()))


def by_hip(platform: Mapping[str, Any]) -> bool:
    """Whether a host of this ``platform`` has a card of AMD's and ROCm, which drives it."""
    return "rocm" in (platform.get("gpus") or ()) and bool(platform.get("hip_driver"))


def drivable(names: Iterable[str], platform: Mapping[str, Any]) -> list[str]:
    """The backends ``names``, less Vulkan on a host of a ``platform`` without a driver of Vulkan."""
    return [name for name in names if name.lower() != "vulkan" or platform.get("vulkan_driver", True)]


def _sorted(names: Iterable[str | None]) -> list[str]:
    return [CPU, *sorted({name for name in names if name})]
