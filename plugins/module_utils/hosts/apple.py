# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Mac with Apple silicon can lend: memory that its CPU and its GPU share.

NOT RUN on a Mac yet: written from the manual pages of sysctl(8) and vm_stat(1), and tested on output in their format.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from typing import Any

from .memory import default_reserve

MIB = 1024 * 1024
SECONDS = 5
SYSCTLS = (
    "hw.memsize",
    "hw.physicalcpu",
    "hw.logicalcpu",
    "hw.perflevel0.physicalcpu",
    "machdep.cpu.brand_string",
    "iogpu.wired_limit_mb",
)
# hw.optional.arm.FEAT_* -> our name.
FEATURES = {"FEAT_DotProd": "dotprod", "FEAT_FP16": "fp16", "FEAT_I8MM": "i8mm", "FEAT_BF16": "bf16"}


def read_apple(reserve: int | None = None, run: Callable[[list[str]], str] | None = None) -> dict[str, Any]:
    """The ``cpu``, ``memory`` and ``gpus`` of a tally, with the fields that they have on Linux.

    Memory counts as available when it is free, read ahead, purgeable, or page cache that was not used of late. The GPU
    takes what macOS lets it wire, iogpu.wired_limit_mb or by default two thirds of the memory, of the *same* memory
    (``unified``): count one or the other. ``run`` takes a command and returns its output.
    """
    run = run or _output
    values = dict(line.partition(": ")[::2] for line in run(["sysctl", *SYSCTLS]).splitlines())
    features = run(["sysctl", *(f"hw.optional.arm.{name}" for name in FEATURES)])
    total = _number(values.get("hw.memsize"))
    reserve = default_reserve(total) if reserve is None else reserve
    available = _available(run(["vm_stat"]))
    usable = max(0, available - reserve)
    wired = _number(values.get("iogpu.wired_limit_mb")) * MIB or total * 2 // 3
    model = values.get("machdep.cpu.brand_string", "Apple")
    physical = _number(values.get("hw.physicalcpu")) or 1
    return {
        "cpu": {
            "model": model,
            "cores": _number(values.get("hw.logicalcpu")) or 1,
            "physical_cores": physical,
            "fast_cores": _number(values.get("hw.perflevel0.physicalcpu")) or physical,
            "isa": ["neon", *(name for feature, name in FEATURES.items() if f"{feature}: 1" in features)],
        },
        "memory": {
            "total_bytes": total,
            "available_bytes": available,
            "limit_bytes": None,
            "limit_used_bytes": None,
            "arc_bytes": 0,
            "held_bytes": 0,  # Drover has no services on macOS yet
            "others_bytes": 0,
            "huge_pages_bytes": 0,
            "reserve_bytes": reserve,
            "usable_bytes": usable,
        },
        "gpus": [
            {
                "id": model,
                "name": model,
                "kind": "metal",
                "unified": True,
                "compute_capability": None,
                "nodes": [],
                "total_bytes": wired,
                "held_bytes": 0,
                "usable_bytes": min(wired, usable),
            }
        ],
    }


def _available(text: str) -> int:
    """Bytes by vm_stat, which counts pages and tells their size in its first line."""
    size = re.search(r"page size of (\d+) bytes", text)
    pages = {name: int(count) for name, count in re.findall(r'^"?([^":]+)"?:\s+(\d+)\.', text, re.MULTILINE)}
    cache = min(pages.get("Pages inactive", 0), pages.get("File-backed pages", 0))
    free = sum(pages.get(f"Pages {kind}", 0) for kind in ("free", "speculative", "purgeable"))
    return (free + cache) * int(size[1]) if size else 0


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _output(command: list[str]) -> str:
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout
