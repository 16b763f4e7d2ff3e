# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processor this machine has, in the words that matter to llama.cpp's CPU backend."""

from __future__ import annotations

import math
import os
import platform

from . import cgroups

# /proc/cpuinfo's flag -> our name.
X86_FEATURES = {
    "pni": "sse3",
    "ssse3": "ssse3",
    "avx": "avx",
    "avx2": "avx2",
    "fma": "fma",
    "f16c": "f16c",
    "avx_vnni": "avx_vnni",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
}
ARM_FEATURES = {
    "asimd": "neon",
    "neon": "neon",
    "asimddp": "dotprod",
    "asimdhp": "fp16",
    "i8mm": "i8mm",
    "sve": "sve",
    "bf16": "bf16",
}
# (implementer, part) -> core. Source: Linux arch/arm64/include/asm/cputype.h.
ARM_CORES = {
    (0x41, 0xC07): "Cortex-A7",
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD44): "Cortex-X1",
    (0x41, 0xD46): "Cortex-A510",
    (0x41, 0xD47): "Cortex-A710",
    (0x41, 0xD48): "Cortex-X2",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4B): "Cortex-A78C",
    (0x41, 0xD4D): "Cortex-A715",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD80): "Cortex-A520",
    (0x41, 0xD81): "Cortex-A720",
    (0xC0, 0xAC3): "Ampere-1",
}


def read_cpu(tree, units, online=None):
    """Describe the processor of the machine in ``tree``.

    ``cores`` are the threads that services may really use: those that the kernel would run us on (``online``, a count;
    asked of it when it is None), no more than /proc/cpuinfo shows, and no more than a cgroup quota is worth.
    ``physical_cores`` are as many of them as are not SMT siblings of another.
    """
    processors = _processors(tree)
    # Where a container cannot see its control group, it may still see its share in /proc/cpuinfo: lxcfs shows it there.
    counts = [online or _online(), len(processors)]
    quota = cgroups.cpu_quota(tree, units)
    if quota is not None:
        # Rounded up: two threads on a quota of 1.5 do the work of 1.5 cores, and one thread that of one.
        counts.append(max(1, math.ceil(quota)))
    cores = min((count for count in counts if count), default=1)
    return {
        "model": _model(tree, processors),
        "cores": cores,
        "physical_cores": min(_physical(processors) or cores, cores),
        "isa": _isa(processors),
    }


def _online():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count()


def _processors(tree):
    """One dictionary for each block of /proc/cpuinfo that describes a processor."""
    processors = []
    for block in (tree.text("/proc/cpuinfo") or "").split("\n\n"):
        fields = {}
        for line in block.splitlines():
            name, separator, value = line.partition(":")
            if separator:
                fields[name.strip()] = value.strip()
        if "processor" in fields:
            processors.append(fields)
    return processors


def _physical(processors):
    """Distinct (socket, core) pairs; 0 where /proc/cpuinfo does not tell them (ARM: no SMT to leave out)."""
    return len({(cpu["physical id"], cpu["core id"]) for cpu in processors if {"physical id", "core id"} <= cpu.keys()})


def _model(tree, processors):
    """A name a person knows: x86's model name, else the board's and the core's."""
    first = processors[0] if processors else {}
    if "model name" in first and "CPU implementer" not in first:
        return first["model name"]
    cores = []
    for cpu in processors:
        try:
            core = ARM_CORES.get((int(cpu["CPU implementer"], 0), int(cpu["CPU part"], 0)))
        except (KeyError, ValueError):
            core = None
        if core and core not in cores:
            cores.append(core)
    board = tree.text("/proc/device-tree/model") or tree.text("/sys/firmware/devicetree/base/model")
    chip = " + ".join(cores)
    if board:
        return f"{board} ({chip})" if chip else board
    return chip or first.get("model name") or platform.processor() or platform.machine()


def _isa(processors):
    """Names of the instruction sets of interest that *every* processor has, in the order of the tables above."""
    if not processors:
        return []
    common = None
    for cpu in processors:
        flags = set((cpu.get("flags") or cpu.get("Features") or "").split())
        common = flags if common is None else common & flags
    names = [name for table in (X86_FEATURES, ARM_FEATURES) for flag, name in table.items() if flag in common]
    return list(dict.fromkeys(names))
