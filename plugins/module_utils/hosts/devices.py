# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What layers can be put on: a host's hardware, as far as the chosen build of llama.cpp drives it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# A GPU's own kind -> llama.cpp's backends that drive it, the better one first, and the kind of device that it is then.
# Upstream calls the backend for AMD's ROCm HIP, and its devices ROCm0.
DRIVERS = {
    "cuda": (("cuda", "cuda"), ("vulkan", "vulkan")),
    "rocm": (("hip", "rocm"), ("rocm", "rocm"), ("vulkan", "vulkan")),
    "metal": (("metal", "metal"),),
}


def drive(tally: dict[str, Any], backends: Iterable[str]) -> dict[str, Any]:
    """``tally`` with the ``devices`` that a build with these ``backends`` (names as llama.cpp prints them, in any case)
    offers on the host. Anything else of the tally stays.

    A device has ``id`` (``CPU``, ``GPU0``...), ``kind`` (``cpu``, ``cuda``, ``rocm``, ``vulkan``, ``metal``), ``name``,
    ``unified``, ``total_bytes``, ``usable_bytes`` and ``bandwidth_bytes_per_second`` or None. The CPU comes first, a
    GPU only if a backend drives it. A unified one works with the machine's own memory, so that what it takes is missing
    from the CPU's ``usable_bytes``, and reads it no slower than the CPU was measured to.
    """
    known = {backend.lower() for backend in backends}
    bandwidth = tally["bandwidth_bytes_per_second"]
    memory = tally["memory"]
    devices = [
        _device("CPU", "cpu", tally["cpu"]["model"], False, memory["total_bytes"], memory["usable_bytes"], bandwidth)
    ]
    for gpu in tally["gpus"]:
        kind = next((kind for backend, kind in DRIVERS.get(gpu["kind"], ()) if backend in known), None)
        if kind is None:
            continue
        devices.append(
            _device(
                f"GPU{len(devices) - 1}",
                kind,
                gpu["name"],
                gpu["unified"],
                gpu["total_bytes"],
                min(gpu["usable_bytes"], memory["usable_bytes"]) if gpu["unified"] else gpu["usable_bytes"],
                bandwidth if gpu["unified"] else gpu.get("bandwidth_bytes_per_second"),
            )
        )
    return {**tally, "devices": devices}


def _device(
    name: str, kind: str, model: str, unified: bool, total: int, usable: int, bandwidth: float | None
) -> dict[str, Any]:
    return {
        "id": name,
        "kind": kind,
        "name": model,
        "unified": unified,
        "total_bytes": total,
        "usable_bytes": usable,
        "bandwidth_bytes_per_second": bandwidth,
    }
