# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's GPUs, as nvidia-smi tells of them: in the order of the PCI bus, by UUID."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Optional

from .nodes import read_nodes
from .program import printed
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
# In the report of a card with slices: the number of a slice, the instances that it consists of, and its memory.
SLICE_REPORT = re.compile(
    r"MIG Device\s+Index\s+: (?P<index>\d+)(?:\s+GPU Instance ID\s+: (?P<gpu_instance>\d+))?"
    r"(?:\s+Compute Instance ID\s+: (?P<compute_instance>\d+))?.*?FB Memory Usage\s+Total\s+: (?P<total>\d+) MiB"
    r".*?Free\s+: (?P<free>\d+) MiB",
    re.DOTALL,
)
# Common to all cards, and listed before they are there: nvidia-uvm comes with the first use of CUDA after a boot.
NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm")
# What lets a program use a slice of MIG; the first two are for configuring and watching MIG, and not for us.
# Source: NVIDIA's user guide to MIG, "Device nodes and capabilities".
CAPS = "/dev/nvidia-caps"
CAPS_OF_ROOT = ("nvidia-cap1", "nvidia-cap2")
CAPS_TABLE = "/proc/driver/nvidia-caps/mig-minors"
# A Jetson's GPU is part of the chip, with nodes of its own.
JETSON_NODES = re.compile(r"nvhost-.*|nvmap|nvsciipc")
JETSON_FOLDER = "/dev/nvgpu/igpu0"

Run = Callable[[list[str]], Optional[str]]


def read_nvidia(tree: Tree, pids: Collection[int], run: Run | None = None) -> list[dict[str, Any]]:
    """NVIDIA's GPUs as ``gpus.read_gpus`` lists them; the slices of a card that is split by MIG in its place.

    ``run`` takes the arguments of nvidia-smi and returns its output, or None when it cannot tell; it is asked only on a
    machine with NVIDIA's driver.
    """
    if not driver_is_loaded(tree):
        return []
    run = run or nvidia_smi
    cards = _cards(run)
    held: dict[str, int] = {}
    if cards and pids:
        for fields in _rows(run(["--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits"])):
            if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit() and int(fields[1]) in pids:
                held[fields[0]] = held.get(fields[0], 0) + int(fields[2]) * MIB
    found: list[dict[str, Any]] = []
    for number, card in enumerate(cards):
        uuid, total, free = card["uuid"], card["total"], card["free"]
        minor = _minor(tree, number, card["pci"])
        nodes = _nodes(tree, minor)
        if card["mig"] == "Enabled":
            found += [
                _gpu(
                    card,
                    [*nodes, *read_nodes(tree, _caps(tree, minor, report))],
                    False,
                    int(report["total"]) * MIB,
                    int(report["free"]) * MIB,
                    held.get(slice_uuid, 0),
                    id=slice_uuid,
                    name=name,
                )
                for slice_uuid, name, report in _slices(run, uuid, card["name"])
            ]
        elif total.isdigit() and free.isdigit():
            found.append(_gpu(card, nodes, False, int(total) * MIB, int(free) * MIB, held.get(uuid, 0)))
        elif total in NO_FIGURE:
            memory_bytes = tree.table("/proc/meminfo").get("MemTotal", 0) * 1024
            found.append(_gpu(card, nodes, True, memory_bytes, memory_bytes, held.get(uuid, 0)))
    return found


def nvidia_problem(tree: Tree, gpus: Iterable[dict[str, Any]]) -> str | None:
    """Why cards of NVIDIA's are not among ``gpus`` (as ``read_nvidia`` lists them) though their driver is loaded, and
    what to do: a sentence, or None. A driver that was updated under a running kernel is the usual cause."""
    if not driver_is_loaded(tree) or any(gpu["kind"] == "cuda" for gpu in gpus):
        return None
    return (
        "NVIDIA's driver is loaded and nvidia-smi tells of no card that can be used: see with nvidia-smi on the host "
        "why (install it where it is missing, and restart the host where the driver was updated), or set "
        "llama_cpp_backends to [cpu] there."
    )


def driver_is_loaded(tree: Tree) -> bool:
    return any(tree.text(path) is not None for path in ("/proc/driver/nvidia/version", "/sys/module/nvidia/version"))


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
        # A name may have commas in it.
        rows = [
            [fields[0], ", ".join(fields[1 : len(fields) - wanted + 2]), *fields[len(fields) - wanted + 2 :]]
            for fields in _rows(answer)
            if len(fields) >= wanted
        ]
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


def _slices(run: Run, uuid: str, name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """UUID, name and report (the groups of SLICE_REPORT) of each slice of a card."""
    answer = run(["--query", f"--id={uuid}"]) or ""
    reports = {int(one["index"]): one.groupdict() for one in SLICE_REPORT.finditer(answer)}
    card = None
    for line in (run(["--list-gpus"]) or "").splitlines():
        heading, entry = CARD.match(line), SLICE.match(line)
        card = heading["uuid"] if heading else card
        if entry and card == uuid and int(entry["index"]) in reports:
            yield entry["uuid"], f"{name} MIG {entry['profile']}", reports[int(entry["index"])]


def _caps(tree: Tree, minor: str, report: dict[str, Any]) -> list[str]:
    """The nodes that a program needs to use one slice; those of all slices where the driver does not say which."""
    instance = f"gpu{minor}/gi{report['gpu_instance']}"
    table = tree.table(CAPS_TABLE)
    own = [table.get(f"{instance}/{part}access") for part in ("", f"ci{report['compute_instance']}/")]
    if all(number is not None for number in own):
        return [f"{CAPS}/nvidia-cap{number}" for number in own]
    return [f"{CAPS}/{name}" for name in tree.names(CAPS) if name not in CAPS_OF_ROOT]


def _minor(tree: Tree, number: int, pci: str) -> str:
    """The number in the node's name of a card at the address ``pci`` (``00000000:00:06.0``), the ``number``-th one."""
    told = tree.text(f"/proc/driver/nvidia/gpus/{pci.lower()[-12:]}/information") or ""
    minor = re.search(r"^Device Minor:\s+(\d+)", told, re.MULTILINE)
    return minor[1] if minor else str(number)


def _nodes(tree: Tree, minor: str) -> list[dict[str, Any]]:
    jetson = [f"/dev/{name}" for name in tree.names("/dev") if JETSON_NODES.fullmatch(name)]
    return read_nodes(tree, [*NODES, f"/dev/nvidia{minor}", *jetson, *_within(tree, JETSON_FOLDER)], NODES)


def _within(tree: Tree, folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in tree.names(folder)]


def _rows(text: str | None) -> list[list[str]]:
    return [[field.strip() for field in line.split(",")] for line in (text or "").splitlines() if line.strip()]


def nvidia_smi(arguments: list[str]) -> str | None:
    program = shutil.which("nvidia-smi")
    return None if program is None else printed([program, *arguments], SECONDS)
