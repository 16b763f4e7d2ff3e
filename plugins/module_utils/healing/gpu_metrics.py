# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory and use of the GPUs of a worker, for its metrics.

NVIDIA's are told by nvidia-smi, a process that takes from tens of milliseconds to some seconds: it is asked in the
background, and what it said last is told meanwhile. AMD's stand in sysfs. Intel's drivers tell neither.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..hosts.drm import KFD, read_drm
from ..hosts.nvidia import MIB, Run, driver_is_loaded, nvidia_smi
from ..hosts.tree import Tree
from ..serving.visible import HIDING

# What nvidia-smi said is told for so long before it is asked again, and so long an answer waits for it.
FRESH_SECONDS = 10.0
MOST_WAITED_SECONDS = 2.0
QUESTION = [
    "--query-gpu=uuid,name,memory.total,memory.used,utilization.gpu",
    "--format=csv,noheader,nounits",
]

# One GPU: ``gpu`` (its UUID, or place on the PCI bus) and ``name``, and ``total_bytes``, ``used_bytes`` and ``busy`` (a
# share, 0 to 1), each None where the driver does not tell.
Figures = dict[str, Any]


class GpuFigures:
    """What the drivers of the machine in ``tree`` tell; ``run`` is for ``hosts.nvidia``, ``clock`` for tests."""

    def __init__(self, tree: Tree, run: Run = nvidia_smi, clock: Callable[[], float] = time.monotonic) -> None:
        self._tree = tree
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._told: list[Figures] = []
        self._at: float | None = None

    def of(self, deployment: Mapping[str, Any]) -> list[Figures]:
        """The GPUs that the service of ``deployment`` is given. Those of NVIDIA are left out where another exporter
        tells of them; so are slices of MIG, of which nvidia-smi tells no such figures."""
        if not deployment["nodes"]:
            return []
        shown = deployment["environment"].get(HIDING["cuda"][0], "").split(",")
        nvidia: list[Figures] = []
        if any(shown) and not (deployment["healing"] or {}).get("dcgm"):
            nvidia = [one for one in self._nvidia() if one["gpu"] in shown]
        return nvidia + [one for one in self._amd() if set(one["nodes"]) & set(deployment["nodes"])]

    def _nvidia(self) -> list[Figures]:
        with self._lock:
            if self._asking is None and (self._at is None or self._clock() - self._at >= FRESH_SECONDS):
                self._asking = threading.Thread(target=self._ask, daemon=True)
                self._asking.start()
            asking = self._asking
        if asking is not None:
            asking.join(MOST_WAITED_SECONDS)
        with self._lock:
            return list(self._told)

    def _ask(self) -> None:
        told: list[Figures] = []
        try:
            if driver_is_loaded(self._tree):
                told = parse_nvidia(self._run(QUESTION) or "")
        finally:
            with self._lock:
                self._told, self._at, self._asking = told, self._clock(), None

    def _amd(self) -> list[Figures]:
        found = []
        for gpu in read_drm(self._tree, ()):
            if gpu["kind"] == "rocm":
                busy = self._tree.integer(f"/sys/bus/pci/devices/{gpu['id']}/gpu_busy_percent")
                found.append(
                    {
                        "gpu": gpu["id"],
                        "name": gpu["name"],
                        "nodes": [node["path"] for node in gpu["nodes"] if node["path"] != KFD],
                        "total_bytes": gpu["total_bytes"],
                        "used_bytes": gpu["total_bytes"] - gpu["usable_bytes"],
                        "busy": None if busy is None else busy / 100,
                    }
                )
        return found


def parse_nvidia(answer: str) -> list[Figures]:
    """The GPUs in an answer of nvidia-smi to ``QUESTION``. A name may have commas in it, and those that work in the
    machine's memory (GB10, Jetson) have no figures for it."""
    found = []
    for line in answer.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) >= 5 and parts[0].startswith("GPU-"):
            uuid, *name, total, used, busy = parts
            found.append(
                {
                    "gpu": uuid,
                    "name": ", ".join(name),
                    "total_bytes": int(total) * MIB if total.isdigit() else None,
                    "used_bytes": int(used) * MIB if used.isdigit() else None,
                    "busy": int(busy) / 100 if busy.isdigit() else None,
                }
            )
    return found
