# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPUs this machine has, and how much of their memory it can lend."""

from __future__ import annotations

import shutil
import subprocess

MIB = 1024 * 1024
NVIDIA_FIELDS = "uuid,name,memory.total,memory.free"
SECONDS = 10


def read_gpus(tree, pids, run=None):
    """List the GPUs: ``name``, ``kind`` (``cuda``, ``rocm``), ``unified`` (False: it has memory of its own),
    ``total_bytes``, ``held_bytes`` and ``usable_bytes``.

    What the processes ``pids`` (Drover's own) hold counts as usable, as it does for the machine's memory. ``run`` takes
    the arguments of nvidia-smi and returns its output, or None when it cannot tell; it is asked only on a machine with
    NVIDIA's driver.
    """
    return _nvidia(tree, pids, run or _nvidia_smi) + _amd(tree, pids)


def _nvidia(tree, pids, run):
    if tree.text("/proc/driver/nvidia/version") is None and tree.text("/sys/module/nvidia/version") is None:
        return []
    answer = run([f"--query-gpu={NVIDIA_FIELDS}", "--format=csv,noheader,nounits"])
    cards = [fields for fields in _rows(answer) if len(fields) == 4 and fields[2].isdigit() and fields[3].isdigit()]
    held = {}
    if cards and pids:
        for fields in _rows(run(["--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits"])):
            if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit() and int(fields[1]) in pids:
                held[fields[0]] = held.get(fields[0], 0) + int(fields[2]) * MIB
    return [
        {
            "name": name,
            "kind": "cuda",
            "unified": False,
            "total_bytes": int(total) * MIB,
            "held_bytes": held.get(uuid, 0),
            "usable_bytes": int(free) * MIB + held.get(uuid, 0),
        }
        for uuid, name, total, free in cards
    ]


def _rows(text):
    return [[field.strip() for field in line.split(",")] for line in (text or "").splitlines() if line.strip()]


def _nvidia_smi(arguments):
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


def _amd(tree, pids):
    """Cards of the amdgpu driver, from sysfs (Linux Documentation/gpu/amdgpu/driver-misc.rst, mem_info_vram_*)."""
    cards = []
    for card in tree.names("/sys/class/drm"):
        device = f"/sys/class/drm/{card}/device"
        total = tree.integer(f"{device}/mem_info_vram_total") if card[4:].isdigit() else None
        if not total:
            continue
        used = tree.integer(f"{device}/mem_info_vram_used") or 0
        held = _amd_held(tree, pids, (tree.text(f"{device}/uevent") or ""))
        cards.append(
            {
                "name": tree.text(f"{device}/product_name") or f"AMD GPU {tree.text(f'{device}/device') or card}",
                "kind": "rocm",
                "unified": False,
                "total_bytes": total,
                "held_bytes": held,
                "usable_bytes": max(0, min(total, total - used + held)),
            }
        )
    return cards


def _amd_held(tree, pids, uevent):
    """Video memory of the processes ``pids`` on one card, from /proc/PID/fdinfo.

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
            clients[table.get("drm-client-id")] = table.get("drm-memory-vram", 0) * 1024
    return sum(clients.values())
