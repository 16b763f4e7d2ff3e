# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processors with fast and slow cores: which core is which, and how many are fast."""

from __future__ import annotations

from .tree import Tree

FOLDER = "/sys/devices/system/cpu"
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
# ARM's own small cores, which stand beside larger ones.
LITTLE_CORES = ("Cortex-A7", "Cortex-A53", "Cortex-A55", "Cortex-A510", "Cortex-A520")
# A core that is at least so fast, against the fastest, is of its class: the two clusters of large cores of an RK3588
# differ by a few per cent from chip to chip, and x86 processors have a favourite core for bursts.
SAME_CLASS = 0.75


def fast_cores(tree: Tree, processors: list[dict[str, str]]) -> int:
    """The physical cores of the fastest class among ``processors`` (blocks of /proc/cpuinfo), 0 where all are alike or
    nothing tells.

    In this order: the kernel's own measure (cpu_capacity: ARM, and newer kernels on hybrid x86), Intel's two kinds
    (the devices cpu_core and cpu_atom), the cores' names, their highest frequencies (ARM only: x86's are of bursts).
    """
    found = (
        _fastest(_readings(tree, processors, "cpu_capacity"))
        or _listed(tree, "/sys/devices/cpu_core/cpus", "/sys/devices/cpu_atom/cpus")
        or _large(processors)
        or (_fastest(_readings(tree, processors, "cpufreq/cpuinfo_max_freq")) if _is_arm(processors) else set())
    )
    chosen = [cpu for cpu in processors if cpu["processor"] in found]
    # SMT siblings are one core; ARM's /proc/cpuinfo tells no ids and has none.
    return len({(cpu.get("physical id"), cpu.get("core id", cpu["processor"])) for cpu in chosen})


def arm_core(cpu: dict[str, str]) -> str | None:
    """The name of an ARM core by its block of /proc/cpuinfo, or None."""
    try:
        return ARM_CORES.get((int(cpu["CPU implementer"], 0), int(cpu["CPU part"], 0)))
    except (KeyError, ValueError):
        return None


def _readings(tree: Tree, processors: list[dict[str, str]], name: str) -> dict[str, int]:
    """Processor -> the number in its file ``name``; empty unless every one has it."""
    found = {cpu["processor"]: tree.integer(f"{FOLDER}/cpu{cpu['processor']}/{name}") for cpu in processors}
    known = {cpu: number for cpu, number in found.items() if number}
    return known if len(known) == len(found) else {}


def _fastest(readings: dict[str, int]) -> set[str]:
    """The processors of the fastest class; none when there is only one class."""
    most = max(readings.values(), default=0)
    fast = {cpu for cpu, number in readings.items() if number >= SAME_CLASS * most}
    return fast if len(fast) < len(readings) else set()


def _listed(tree: Tree, fast: str, slow: str) -> set[str]:
    """The processors of the list (``0-3,8``) in the file ``fast``; none unless ``slow`` lists some, too."""
    if not tree.text(slow):
        return set()
    found: set[str] = set()
    for part in (tree.text(fast) or "").split(","):
        first, _separator, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found.update(str(number) for number in range(int(first), int(last or first) + 1))
    return found


def _large(processors: list[dict[str, str]]) -> set[str]:
    large = {cpu["processor"] for cpu in processors if arm_core(cpu) not in LITTLE_CORES}
    return large if len(large) < len(processors) and _is_arm(processors) else set()


def _is_arm(processors: list[dict[str, str]]) -> bool:
    return any("CPU implementer" in cpu for cpu in processors)
