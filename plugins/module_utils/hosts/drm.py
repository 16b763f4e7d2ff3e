# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs of AMD and Intel, by what the kernel's graphics drivers tell in sysfs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .nodes import read_nodes
from .tree import Tree

# What programs use all of AMD's cards by, beside each one's own node.
KFD = "/dev/kfd"


def read_drm(tree: Tree, pids: Collection[int]) -> list[dict[str, Any]]:
    """GPUs of the drivers amdgpu, i915 and xe as ``gpus.read_gpus`` lists them, in the order of the kernel's cards."""
    found = []
    for card in tree.names("/sys/class/drm"):
        if not card[4:].isdigit() or not card.startswith("card"):
            continue
        device = f"/sys/class/drm/{card}/device"
        uevent = dict(line.partition("=")[::2] for line in (tree.text(f"{device}/uevent") or "").splitlines())
        slot = uevent.get("PCI_SLOT_NAME", card)
        gpu = None
        if tree.integer(f"{device}/mem_info_vram_total"):
            gpu = _amd(tree, pids, device, slot)
        elif uevent.get("DRIVER") in ("i915", "xe"):
            gpu = _intel(tree, pids, card, device, slot)
        if gpu:
            found.append(gpu)
    return found


def _gpu(
    tree: Tree, device: str, slot: str, maker: str, kind: str, unified: bool, total: int, held: int, free: int
) -> dict[str, Any]:
    render = [name for name in tree.names(f"{device}/drm") if name.startswith("renderD")]
    nodes = [KFD] if kind == "rocm" else []
    return {
        "id": slot,
        "name": tree.text(f"{device}/product_name") or f"{maker} GPU {tree.text(f'{device}/device') or slot}",
        "kind": kind,
        "unified": unified,
        "compute_capability": None,
        "nodes": read_nodes(tree, [*nodes, *(f"/dev/dri/{name}" for name in render)]),
        "total_bytes": total,
        "held_bytes": held,
        "usable_bytes": max(0, min(total, free + held)),
    }


def _amd(tree: Tree, pids: Collection[int], device: str, slot: str) -> dict[str, Any]:
    """A card of amdgpu (Linux Documentation/gpu/amdgpu/driver-misc.rst, mem_info_*).

    An APU is told by what it lacks, a maker of its video memory: that is a part of the machine's, cut off by the
    firmware (often 512 MiB). What it really works with is the machine's, up to the size of its translation table (GTT).
    Where the part that was cut off is the larger one, it is as good as memory of its own.
    """
    video = tree.integer(f"{device}/mem_info_vram_total") or 0
    shared = tree.integer(f"{device}/mem_info_gtt_total") or 0
    unified = tree.text(f"{device}/mem_info_vram_vendor") in (None, "unknown") and shared > video
    kinds = ("vram", "gtt") if unified else ("vram",)
    total = video + shared if unified else video
    used = sum(tree.integer(f"{device}/mem_info_{kind}_used") or 0 for kind in kinds)
    held = _held(tree, pids, slot, kinds)
    return _gpu(tree, device, slot, "AMD", "rocm", unified, total, held, total - used)


def _intel(tree: Tree, pids: Collection[int], card: str, device: str, slot: str) -> dict[str, Any]:
    """A GPU of i915 or xe. Only one with memory of its own tells how much that is (i915 of the mainline kernel does
    not: 0), and none how much of it is free, which the build's list of devices does (see ``devices.drive``)."""
    own = tree.integer(f"/sys/class/drm/{card}/lmem_total_bytes")
    own = own or tree.integer(f"{device}/tile0/physical_vram_size_bytes")
    # The integrated one is a device of the processor's own bus, and cards are behind a bridge.
    if own or not (slot.split(":")[1:2] == ["00"] or slot == card):
        own = own or 0
        held = _held(tree, pids, slot, ("local0", "vram0"))
        return _gpu(tree, device, slot, "Intel", "vulkan", False, own, held, own)
    total = tree.table("/proc/meminfo").get("MemTotal", 0) * 1024
    held = _held(tree, pids, slot, ("system0", "system", "gtt"))
    return _gpu(tree, device, slot, "Intel", "vulkan", True, total, held, total)


def _held(tree: Tree, pids: Collection[int], slot: str, kinds: Collection[str]) -> int:
    """Memory of these ``kinds`` that the processes ``pids`` hold on one card, from /proc/PID/fdinfo.

    A client with several descriptors shows its memory on each of them, so it counts once. Drivers name it "memory"
    (amdgpu) or "resident" (i915, xe). Source: Linux Documentation/gpu/drm-usage-stats.rst.
    """
    clients = {}
    for pid in pids:
        for descriptor in tree.names(f"/proc/{pid}/fdinfo"):
            text = tree.text(f"/proc/{pid}/fdinfo/{descriptor}") or ""
            if f"drm-pdev:\t{slot}" not in text:
                continue
            table = tree.table(f"/proc/{pid}/fdinfo/{descriptor}")
            clients[table.get("drm-client-id")] = 1024 * sum(
                table.get(f"drm-memory-{kind}", table.get(f"drm-resident-{kind}", 0)) for kind in kinds
            )
    return sum(clients.values())
