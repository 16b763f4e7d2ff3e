# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The most memory that a service of Drover's may take of its host, whatever happens to it. All sizes are bytes.

It is for one that runs wild. So it lies above what any plan may put there, by half of the reserve, for what no plan
counts (an interpreter, page tables, the slack of an allocator), and the other half stays with the host's owner. It is
made of what lasts: of what is available there is another number at every run, and a cluster that heals itself may use
tomorrow what others hold today.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .tree import Tree

MIB = 1 << 20
DROP_IN = "/etc/systemd/system/{}.d/10-memory.conf"


def most_planned(memory: Mapping[str, Any]) -> int:
    """What any plan may put into the main memory of a host whose tally has this ``memory``."""
    return max(0, _whole(memory) - int(memory["reserve_bytes"]))


def ceiling_bytes(memory: Mapping[str, Any]) -> int:
    """What its service may take, page cache among it: a multiple of every kernel's page size, as a limit must be."""
    return (_whole(memory) - _kept(memory)) // MIB * MIB


def ceiling_drop_in(memory: Mapping[str, Any]) -> str:
    """The text of a drop-in that has systemd hold a unit to that. Without a bound on swap, what is over would go there
    first: memory and swap together it gets no more than the host has memory."""
    return (
        "# The most that it may take of this host's memory, whatever happens to it: not half of the reserve.\n"
        f"[Service]\nMemoryMax={ceiling_bytes(memory)}\nMemorySwapMax={_kept(memory) // MIB * MIB}\n"
    )


def own_ceiling(tree: Tree, unit: str) -> int | None:
    """The ceiling that Drover has given ``unit`` on the machine in ``tree``, or None."""
    found = re.search(r"^MemoryMax=(\d+)$", tree.text(DROP_IN.format(unit)) or "", re.MULTILINE | re.ASCII)
    return int(found[1]) if found else None


def _whole(memory: Mapping[str, Any]) -> int:
    limit = memory["limit_bytes"]
    return int(memory["total_bytes"] if limit is None else min(memory["total_bytes"], limit))


def _kept(memory: Mapping[str, Any]) -> int:
    # An owner may reserve more than there is.
    return min(int(memory["reserve_bytes"]), _whole(memory)) // 2
