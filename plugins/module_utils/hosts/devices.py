# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of a host that a build of llama.cpp can drive."""

from __future__ import annotations

from typing import Any

_DRIVES = {
    "cuda": ("cuda",),
    "hip": ("rocm",),
    "rocm": ("rocm",),
    "metal": ("metal",),
    "vulkan": ("cuda", "rocm", "vulkan"),
}


def drive(tally: dict[str, Any], backends: list[str]) -> dict[str, Any]:
    """Return the tally with ``devices`` for a build with these backends: the CPU, then the GPUs that it drives."""
    kinds = {kind for backend in backends for kind in _DRIVES.get(backend.lower(), ())}
    cpu = {
        "id": "CPU",
        "kind": "cpu",
        "name": tally["cpu"]["model"],
        "unified": False,
        "total_bytes": tally["memory"]["total_bytes"],
        "usable_bytes": tally["memory"]["usable_bytes"],
        "bandwidth_bytes_per_second": tally["bandwidth_bytes_per_second"],
    }
    gpus = [gpu for gpu in tally["gpus"] if gpu["kind"] in kinds]
    return {
        **tally,
        "devices": [
            cpu,
            *(
                {
                    "id": f"GPU{number}",
                    "kind": gpu["kind"],
                    "name": gpu["name"],
                    "unified": gpu["unified"],
                    "total_bytes": gpu["total_bytes"],
                    "usable_bytes": gpu["usable_bytes"],
                    "bandwidth_bytes_per_second": None,
                }
                for number, gpu in enumerate(gpus)
            ),
        ],
    }
