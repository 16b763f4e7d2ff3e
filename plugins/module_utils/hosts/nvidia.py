# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's GPUs, as nvidia-smi tells of them: in the order of the PCI bus, by UUID."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator
from typing import Any, Optional

from .nodes import read_nodes
from .tree import Tree

MIB = 1024 * 1024
SECONDS = 10
FIELDS = "uuid,name,memory.total,memory.free,pci.bus_id"
# Drivers before 510 refuse the whole question for this field, and those before 450 for the second.
NEWER_FIELDS = ("compute_cap,mig.mode.current", "mig.mode.current")
# What nvidia-smi prints for memory that is the machine's own (GB10, Jetson): NVML answers "not supported".
NO_FIGURE = ("[N/A]", "[Not Supported]", "N/A", "Not Supported")
# "  MIG 3g.20gb     Device  0: (UUID: MIG-5b3c...)" below the line of its card.
CARD = re.compile(r"^GPU \d+: .*\(UUID: (?P<uuid>\S+)\)")
SLICE = re.compile(r"^\s+MIG (?P<profile>\S+)\s+Device\s+(?P<index>\d+): \(UUID: (?P<uuid>\S+)\)")
# In the report of a card with slices: the number of a slice, and its memory.
SLICE_MEMORY = re.compile(
    r"MIG Device\s+Index\s+: (?P<index>\d+).*?FB Memory Usage\s+Total\s+: (?P<total>\d+) MiB.*?Free\s+: "
    r"(?P<free>\d+) MiB",
    re.DOTALL,
)
# Common to all cards; nvidia-uvm comes with the first use of CUDA after a boot.
NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm")
# A Jetson's GPU is part of the chip, with nodes of its own.
JETSON_NODES = re.compile(r"nvhost-.*|nvmap|nvsciipc")
JETSON_FOLDER = "/dev/nvgpu/igpu0"

Run = Callable[[list[str]], Optional[str]]


def read_nvidia(tree: Tree, pids: Collection[int], run: Run | None = None) -> list[dict[str, Any]]:
    """NVIDIA's GPUs as ``gpus.read_gpus`` lists them; the slices of a card that is split by MIG in its place.

    ``run`` takes the arguments of nvidia-smi and returns its output, or None when it cannot tell; it is asked only on a
    machine with NVIDIA's driver.
    """
    if tree.text("/proc/driver/nvidia/version") is None and tree.text("/sys/module/nvidia/version") is None:
        return []
    run = run or _nvidia_smi
    cards = _cards(run)
    held: dict[str, int] = {}
    if cards and pids:
        for fields in _rows(run(["--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits"])):
            if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit() and int(fields[1]) in pids:
                held[fields[0]] = held.get(fields[0], 0) + int(fields[2]) * MIB
    found: list[dict[str, Any]] = []
    for number, card in enumerate(cards):
        uuid, total, free = card["uuid"], card["total"], card["free"]
        nodes = _nodes(tree, number, card["pci"])
        if card["mig"] == "Enabled":
            nodes += read_nodes(tree, _within(tree, "/dev/nvidia-caps"))
            found += [
                _gpu(card, nodes, False, *memory, held.get(slice_uuid, 0), id=slice_uuid, name=name)
                for slice_uuid, name, memory in _slices(run, uuid, card["name"])
            ]
        elif total.isdigit() and free.isdigit():
            found.append(_gpu(card, nodes, False, int(total) * MIB, int(free) * MIB, held.get(uuid, 0)))
        elif total in NO_FIGURE:
            memory_bytes = tree.table("/proc/meminfo").get("MemTotal", 0) * 1024
            found.append(_gpu(card, nodes, True, memory_bytes, memory_bytes, held.get(uuid, 0)))
    return found


def _gpu(
    card: dict[str, str], nodes: list[dict[str, Any]], unified: bool, total: int, free: int, held: int, **more: str
) -> dict[str, Any]:
    return {
        "id": card["uuid"],
        "name": card["name"],
        "kind": "cuda",
        "unified": unified,
        "compute_capability": card["compute_capability"],
        "nodes": nodes,
        "total_bytes": total,
        "held_bytes": held,
        # What is shared is bounded by what the machine can lend, of which what is held is a part.
        "usable_bytes": free if unified else free + held,
        **more,
    }


def _cards(run: Run) -> list[dict[str, str]]:
    """Of each card ``uuid``, ``name``, ``total``, ``free``, ``pci``, ``compute_capability`` and ``mig``, as printed."""
    for more in (*NEWER_FIELDS, ""):
        answer = run([f"--query-gpu={FIELDS}{',' + more if more else ''}", "--format=csv,noheader,nounits"])
        wanted = len(f"{FIELDS},{more}".strip(",").split(","))
        rows = [fields for fields in _rows(answer) if len(fields) == wanted]
        if rows:
            return [_card(fields, more) for fields in rows]
    return []


def _card(fields: list[str], more: str) -> dict[str, Any]:
    uuid, name, total, free, pci, *newer = fields
    known = dict(zip(filter(None, more.split(",")), newer))
    capability = known.get("compute_cap", "")
    return {
        "uuid": uuid,
        "name": name,
        "total": total,
        "free": free,
        "pci": pci,
        "compute_capability": capability if re.fullmatch(r"\d+\.\d+", capability) else None,
        "mig": known.get("mig.mode.current"),
    }


def _slices(run: Run, uuid: str, name: str) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """UUID, name and memory (total and free, in bytes) of each slice of a card."""
    memory = {
        int(one["index"]): (int(one["total"]) * MIB, int(one["free"]) * MIB)
        for one in SLICE_MEMORY.finditer(run(["--query", f"--id={uuid}"]) or "")
    }
    card = None
    for line in (run(["--list-gpus"]) or "").splitlines():
        heading, entry = CARD.match(line), SLICE.match(line)
        card = heading["uuid"] if heading else card
        if entry and card == uuid and int(entry["index"]) in memory:
            yield entry["uuid"], f"{name} MIG {entry['profile']}", memory[int(entry["index"])]


def _nodes(tree: Tree, number: int, pci: str) -> list[dict[str, Any]]:
    """The nodes of a card at the address ``pci`` (``00000000:00:06.0``), the ``number``-th one."""
    address = pci.lower()[-12:]
    told = tree.text(f"/proc/driver/nvidia/gpus/{address}/information") or ""
    minor = re.search(r"^Device Minor:\s+(\d+)", told, re.MULTILINE)
    own = [f"/dev/nvidia{minor[1] if minor else number}"]
    jetson = [f"/dev/{name}" for name in tree.names("/dev") if JETSON_NODES.fullmatch(name)]
    return read_nodes(tree, [*NODES, *own, *jetson, *_within(tree, JETSON_FOLDER)])


def _within(tree: Tree, folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in tree.names(folder)]


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
