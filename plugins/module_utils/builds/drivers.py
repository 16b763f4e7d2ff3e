# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the owner of a host installs the driver of a GPU: Drover looks for drivers and installs none."""

from __future__ import annotations

from typing import Any

from ..hosts.tree import Tree

# Where drivers of Vulkan tell its loader that they are there.
# Source: Vulkan-Loader, docs/LoaderDriverInterface.md, "Driver Discovery on Linux".
_VULKAN_DRIVERS = tuple(
    f"{folder}/vulkan/icd.d" for folder in ("/etc", "/usr/local/etc", "/usr/local/share", "/usr/share")
)
# The kernel's part of ROCm, and the libraries of its runtime that libggml-hip.so needs (llama.cpp,
# ggml/src/ggml-hip/CMakeLists.txt), in the folders of distributions and in AMD's own.
_KFD = "/dev/kfd"
_HIP_LIBRARIES = ("libamdhip64.so", "libhipblas.so", "librocblas.so")
_HIP_FOLDERS = ("/usr/lib/{architecture}-linux-gnu", "/usr/lib64", "/usr/lib", "/opt/rocm/lib", "/opt/rocm/lib64")
# Backend -> distribution -> what brings its driver. Debian's were looked up in its archive; none of it was run.
_COMMANDS = {
    "cuda": {
        "debian": '"apt install nvidia-driver" (from the component non-free) and restart',
        "ubuntu": '"ubuntu-drivers install" and restart',
        "fedora": '"dnf install akmod-nvidia" (from RPM Fusion) and restart',
        "arch": '"pacman -S nvidia" and restart',
    },
    "hip": {
        "debian": '"apt install firmware-amd-graphics" and put the user drover into the group render',
        "ubuntu": '"apt install linux-firmware" and put the user drover into the group render',
    },
    "vulkan": {
        "debian": '"apt install mesa-vulkan-drivers"',
        "ubuntu": '"apt install mesa-vulkan-drivers"',
        "fedora": '"dnf install mesa-vulkan-drivers"',
        "arch": '"pacman -S vulkan-radeon" or "pacman -S vulkan-intel"',
    },
}
_ANY = {"cuda": "install NVIDIA's driver", "hip": "install AMD's driver", "vulkan": "install the card's Vulkan driver"}


def missing_driver(backend: str, platform: dict[str, Any]) -> str:
    """What to do on a host of this ``platform`` (see ``read_platform``) whose driver for ``backend`` is missing
    (``cuda``, ``hip`` or ``vulkan``), as a clause that begins with a verb."""
    distribution = platform["distribution"]
    commands = _COMMANDS[backend]
    known = next((commands[name] for name in [distribution["id"], *distribution["like"]] if name in commands), None)
    return f"install its driver by {known}" if known else _ANY[backend]


def has_vulkan_driver(tree: Tree) -> bool:
    """Whether a driver of Vulkan is installed on the machine in ``tree``, for whatever GPU."""
    return any(name.endswith(".json") for folder in _VULKAN_DRIVERS for name in tree.names(folder))


def has_hip_driver(tree: Tree, architecture: str) -> bool:
    """Whether ROCm is installed on the machine in ``tree``, whose programs are for ``architecture``."""
    folders = [folder.format(architecture=architecture) for folder in _HIP_FOLDERS]
    there = [name for folder in folders for name in tree.names(folder)]
    return tree.has(_KFD) and all(any(name.startswith(library) for name in there) for library in _HIP_LIBRARIES)


def without_cuda(auto: bool, platform: dict[str, Any]) -> list[str]:
    """Why a card of NVIDIA's gets Vulkan where Drover chooses (``auto``): a sentence, if it does."""
    if not auto or "cuda" not in platform.get("gpus", ()) or platform.get("compute_capabilities"):
        return []
    return [
        "Vulkan drives the card of NVIDIA's, since its driver does not tell what CUDA is to be compiled for, as those "
        "from 510 on do; or set llama_cpp_backends to [cuda] and CMAKE_CUDA_ARCHITECTURES in llama_cpp_cmake_options."
    ]
