# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processor this machine has, in the words that matter to llama.cpp's CPU backend."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Collection
from typing import Any

from . import cgroups
from .classes import arm_core, fast_cores
from .tree import Tree

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


def read_cpu(tree: Tree, units: Collection[str] | None, online: int | None = None) -> dict[str, Any]:
    """Describe the processor of the machine in ``tree``.

    ``cores`` are the threads that services may really use: those that the kernel would run us on (``online``, a count;
    asked of it when it is None), no more than /proc/cpuinfo shows, and no more than a cgroup quota is worth.
    ``physical_cores`` are as many of them as are not SMT siblings of another. ``fast_cores`` are those of the fastest
    class, where there are classes (big.LITTLE, Intel's P and E cores): the threads of one operation wait for the
    slowest, so that four fast ones are quicker than those and four slow ones.
    """
    processors = _processors(tree)
    # Where a container cannot see its control group, it may still see its share in /proc/cpuinfo: lxcfs shows it there.
    counts: list[int] = [online or _online(), len(processors)]
    quota = cgroups.cpu_quota(tree, units)
    if quota is not None:
        # Rounded up: two threads on a quota of 1.5 do the work of 1.5 cores, and one thread that of one.
        counts.append(max(1, math.ceil(quota)))
    cores = min((count for count in counts if count), default=1)
    physical = min(_physical(processors) or cores, cores)
    return {
        "model": _model(tree, processors),
        "cores": cores,
        "physical_cores": physical,
        "fast_cores": min(fast_cores(tree, processors) or physical, physical),
        "isa": _isa(processors),
    }


def _online() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 0


def _processors(tree: Tree) -> list[dict[str, str]]:
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


def _physical(processors: list[dict[str, str]]) -> int:
    """Distinct (socket, core) pairs; 0 where /proc/cpuinfo does not tell them (ARM: no SMT to leave out)."""
    return len({(cpu["physical id"], cpu["core id"]) for cpu in processors if {"physical id", "core id"} <= cpu.keys()})


def _model(tree: Tree, processors: list[dict[str, str]]) -> str:
    """A name a person knows: x86's model name, else the board's and the core's."""
    first: dict[str, str] = processors[0] if processors else {}
    if "model name" in first and "CPU implementer" not in first:
        return first["model name"]
    cores = dict.fromkeys(core for core in map(arm_core, processors) if core)
    board = tree.text("/proc/device-tree/model") or tree.text("/sys/firmware/devicetree/base/model")
    chip = " + ".join(cores)
    if board:
        return f"{board} ({chip})" if chip else board
    return chip or first.get("model name") or platform.processor() or platform.machine()


def _isa(processors: list[dict[str, str]]) -> list[str]:
    """Names of the instruction sets of interest that *every* processor has, in the order of the tables above."""
    if not processors:
        return []
    common = set.intersection(*(set((cpu.get("flags") or cpu.get("Features") or "").split()) for cpu in processors))
    names = [name for table in (X86_FEATURES, ARM_FEATURES) for flag, name in table.items() if flag in common]
    return list(dict.fromkeys(names))
