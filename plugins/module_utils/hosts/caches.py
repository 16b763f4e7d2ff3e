# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large the processor's caches are.

Source: Linux Documentation/ABI/testing/sysfs-devices-system-cpu, cpu*/cache/index*.
"""

from __future__ import annotations

from .tree import Tree

FOLDER = "/sys/devices/system/cpu"
FACTORS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def last_level_bytes(tree: Tree) -> int:
    """Bytes of all caches of the last level together, 0 where the kernel does not say.

    A cache counts once, however many cores share it; several sockets, or the parts of one, have one each.
    """
    caches: dict[tuple[int, str], int] = {}
    for cpu in tree.names(FOLDER):
        if not cpu[3:].isdigit():
            continue
        for index in tree.names(f"{FOLDER}/{cpu}/cache"):
            # Beside the folders index0, index1... lie files such as uevent.
            folder = f"{FOLDER}/{cpu}/cache/{index}"
            level, size = tree.integer(f"{folder}/level"), size_of(tree.text(f"{folder}/size") or "")
            if level and size and tree.text(f"{folder}/type") != "Instruction":
                caches[level, tree.text(f"{folder}/shared_cpu_list") or cpu] = size
    last = max((level for level, _sharers in caches), default=0)
    return sum(size for (level, _sharers), size in caches.items() if level == last)


def size_of(text: str) -> int:
    """Bytes of what the kernel prints: ``32768K``; 0 for anything else."""
    number, factor = (text[:-1], FACTORS.get(text[-1:], 0)) if text[-1:].isalpha() else (text, 1)
    return int(number) * factor if number.isdigit() else 0
