# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPUs this machine has, and how much of their memory it can lend."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Collection
from typing import Any, Optional

from .tree import Tree

MIB = 1024 * 1024
NVIDIA_FIELDS = "uuid,name,memory.total,memory.free"
SECONDS = 10
# What nvidia-smi prints for memory that is the machine's own (GB10, Jetson): NVML answers "not supported".
NO_FIGURE = ("[N/A]", "[Not Supported]", "N/A", "Not Supported")

Run = Callable[[list[str]], Optional[str]]


def read_gpus(tree: Tree, pids: Collection[int], run: Run | None = None) -> list[dict[str, Any]]:
    """List the GPUs: ``name``, ``kind`` (``cuda``, ``rocm``), ``unified`` (whether its memory is the machine's own),
    ``total_bytes``, ``held_bytes`` and ``usable_bytes``.

    What the processes ``pids`` (Drover's own) hold counts as usable, as it does for the machine's memory. Of a unified
    one ``usable_bytes`` is what its driver would give; ``tally`` bounds it by what the machine can lend. ``run`` takes
    the arguments of nvidia-smi and returns its output, or None when it cannot tell; it is asked only on a machine with
    NVIDIA's driver.
    """
    return _nvidia(tree, pids, run or _nvidia_smi) + _amd(tree, pids)


def _nvidia(tree: Tree, pids: Collection[int], run: Run) -> list[dict[str, Any]]:
    if tree.text("/proc/driver/nvidia/version") is None and tree.text("/sys/module/nvidia/version") is None:
        return []
    answer = run([f"--query-gpu={NVIDIA_FIELDS}", "--format=csv,noheader,nounits"])
    cards = [fields for fields in _rows(answer) if len(fields) == 4]
    held: dict[str, int] = {}
    if cards and pids:
        for fields in _rows(run(["--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits"])):
            if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit() and int(fields[1]) in pids:
                held[fields[0]] = held.get(fields[0], 0) + int(fields[2]) * MIB
    found = []
    for uuid, name, total, free in cards:
        if total.isdigit() and free.isdigit():
            unified, total_bytes, usable = False, int(total) * MIB, int(free) * MIB + held.get(uuid, 0)
        elif total in NO_FIGURE:
            unified, total_bytes = True, tree.table("/proc/meminfo").get("MemTotal", 0) * 1024
            usable = total_bytes
        else:
            continue
        found.append(_gpu(name, "cuda", unified, total_bytes, held.get(uuid, 0), usable))
    return found


def _gpu(name: str, kind: str, unified: bool, total: int, held: int, usable: int) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "unified": unified,
        "total_bytes": total,
        "held_bytes": held,
        "usable_bytes": usable,
    }


def _rows(text: str | None) -> list[list[str]]:
    return [[field.strip() for field in line.split(",")] for line in (text or "").splitlines() if line.strip()]


def _nvidia_smi(arguments: list[str]) -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        result = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None


def _amd(tree: Tree, pids: Collection[int]) -> list[dict[str, Any]]:
    """Cards of the amdgpu driver, from sysfs (Linux Documentation/gpu/amdgpu/driver-misc.rst, mem_info_*).

    An APU is told by what it lacks, a maker of its video memory: that is a part of the machine's, cut off by the
    firmware (often 512 MiB). What it really works with is the machine's, up to the size of its translation table (GTT).
    Where the part that was cut off is the larger one, it is as good as memory of its own.
    """
    cards = []
    for card in tree.names("/sys/class/drm"):
        device = f"/sys/class/drm/{card}/device"
        video = tree.integer(f"{device}/mem_info_vram_total") if card[4:].isdigit() else None
        if not video:
            continue
        shared = tree.integer(f"{device}/mem_info_gtt_total") or 0
        unified = tree.text(f"{device}/mem_info_vram_vendor") in (None, "unknown") and shared > video
        kinds = ("vram", "gtt") if unified else ("vram",)
        total = video + shared if unified else video
        used = sum(tree.integer(f"{device}/mem_info_{kind}_used") or 0 for kind in kinds)
        held = _amd_held(tree, pids, tree.text(f"{device}/uevent") or "", kinds)
        name = tree.text(f"{device}/product_name") or f"AMD GPU {tree.text(f'{device}/device') or card}"
        cards.append(_gpu(name, "rocm", unified, total, held, max(0, min(total, total - used + held))))
    return cards


def _amd_held(tree: Tree, pids: Collection[int], uevent: str, kinds: Collection[str]) -> int:
    """Memory of these ``kinds`` that the processes ``pids`` hold on one card, from /proc/PID/fdinfo.

    A client with several descriptors shows its memory on each of them, so it counts once.
    Source: Linux Documentation/gpu/drm-usage-stats.rst.
    """
    slot = next((line.partition("=")[2] for line in uevent.splitlines() if line.startswith("PCI_SLOT_NAME=")), None)
    clients = {}
    for pid in pids:
        for descriptor in tree.names(f"/proc/{pid}/fdinfo"):
            text = tree.text(f"/proc/{pid}/fdinfo/{descriptor}") or ""
            if f"drm-pdev:\t{slot}" not in text:
                continue
            table = tree.table(f"/proc/{pid}/fdinfo/{descriptor}")
            clients[table.get("drm-client-id")] = sum(table.get(f"drm-memory-{kind}", 0) for kind in kinds) * 1024
    return sum(clients.values())
