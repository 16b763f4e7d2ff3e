# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What llama.cpp is compiled with: programs, the packages that bring them, and what a host lacks of them.

Drover installs packages with apt alone. A host with another package manager compiles with what is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# The C++ compiler of the distribution, and the one that recipe.py takes where that one is bad.
COMPILERS = ("g++", "g++-14")
_PROGRAMS = ("cmake", "ninja")
# Backend -> the program that compiles for it.
_BACKEND_PROGRAMS = {"cuda": "nvcc", "vulkan": "glslc", "hip": "hipcc"}
# By package manager. apt's were tried; dnf's and pacman's are not run.
_PACKAGES = {
    "apt": ["cmake", "ninja-build", "g++"],
    "dnf": ["cmake", "ninja-build", "gcc-c++"],
    "pacman": ["cmake", "ninja", "gcc"],
}
_BACKEND_PACKAGES = {
    "cuda": {"apt": ["nvidia-cuda-toolkit"], "dnf": ["cuda-toolkit"], "pacman": ["cuda"]},
    "vulkan": {
        "apt": ["libvulkan-dev", "glslc", "spirv-headers"],
        "dnf": ["vulkan-loader-devel", "glslc", "spirv-headers-devel"],
        "pacman": ["vulkan-icd-loader", "vulkan-headers", "shaderc", "spirv-headers"],
    },
    "hip": {
        "apt": ["hipcc", "libhipblas-dev", "librocblas-dev"],
        "dnf": ["rocm-hip-devel", "hipblas-devel", "rocblas-devel"],
        "pacman": ["rocm-hip-sdk"],
    },
}
_INSTALL = {"dnf": "dnf install", "pacman": "pacman -S"}


def tools_there(find_program: Callable[[str], str | None]) -> list[str]:
    """The programs to compile with that this machine has, by ``find_program`` (name to path, or None)."""
    return [name for name in (*_PROGRAMS, *COMPILERS, *_BACKEND_PROGRAMS.values()) if find_program(name)]


def packages_to_compile(platform: dict[str, Any], backends: Sequence[str], compiler: dict | None) -> list[str]:
    """What Drover installs on a host of this ``platform`` to compile for ``backends`` with ``compiler`` (``{c, cxx}``,
    None for g++); none where it does not install."""
    manager = platform["package"]["manager"]
    return _packages(manager, backends, compiler) if manager == "apt" else []


def why_it_cannot_compile(platform: dict[str, Any], backends: Sequence[str], compiler: dict | None) -> str | None:
    """A sentence on what a host of this ``platform`` lacks to compile and how its owner installs it, or None when it
    has all or Drover installs it. Libraries for GPUs are told by the compiler for them, which comes with them."""
    manager = platform["package"]["manager"]
    needed = [*_PROGRAMS, compiler["cxx"] if compiler else "g++", *(_BACKEND_PROGRAMS[name] for name in backends)]
    missing = [name for name in needed if name not in platform.get("build_tools", ())]
    if manager == "apt" or not missing:
        return None
    packages = " ".join(_packages(manager, backends, compiler))
    remedy = f'by "{_INSTALL[manager]} {packages}"' if manager in _INSTALL else "so that they are on PATH"
    return (
        f"it takes {', '.join(missing)} to compile llama.cpp, which {platform['distribution']['name']} does not have "
        f"and Drover installs with apt alone: install them yourself {remedy}, or take another llama_cpp_method."
    )


def _packages(manager: str | None, backends: Sequence[str], compiler: dict | None) -> list[str]:
    """The packages of ``manager`` that bring it all, none of one that is not known."""
    packages = list(_PACKAGES.get(manager or "", []))
    if compiler and manager == "apt":
        packages[packages.index("g++")] = compiler["cxx"]
    for name in backends:
        packages += _BACKEND_PACKAGES[name].get(manager or "", [])
    return packages
