# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bound on what a service may take of its host's memory: above every plan, below what the host needs itself."""

from __future__ import annotations

import pytest
from module_utils.hosts.ceiling import DROP_IN, ceiling_bytes, ceiling_drop_in, most_planned, own_ceiling
from module_utils.hosts.memory import default_reserve, read_memory
from module_utils.hosts.tally import UNITS

MIB, GIB = 1 << 20, 1 << 30
RPC = "drover-rpc@main.service"
RPC_GROUP = r"/sys/fs/cgroup/system.slice/system-drover\x2drpc.slice/drover-rpc@main.service"


def memory(total, reserve, limit=None):
    return {"total_bytes": total, "limit_bytes": limit, "reserve_bytes": reserve}


@pytest.mark.parametrize("total", [GIB, 8256256 << 10, 64 * GIB, 512 * GIB])
def test_it_is_above_all_plans_and_leaves_half_of_the_reserve(total):
    reserve = default_reserve(total)
    found = memory(total, reserve)
    assert most_planned(found) == total - reserve
    assert ceiling_bytes(found) - most_planned(found) >= 95 * MIB
    assert total - ceiling_bytes(found) >= reserve // 2
    assert ceiling_bytes(found) % MIB == 0


@pytest.mark.parametrize(
    ("found", "most", "ceiling"),
    [
        # What bounds the host's services bounds it, too.
        (memory(8 * GIB, GIB, limit=4 * GIB), 3 * GIB, 7 * GIB // 2),
        # Its owner wants all of it used.
        (memory(8 * GIB, 0), 8 * GIB, 8 * GIB),
        # Or none of it: a worker without layers runs all the same.
        (memory(8 * GIB, 20 * GIB), 0, 4 * GIB),
    ],
)
def test_whatever_its_owner_keeps(found, most, ceiling):
    assert (most_planned(found), ceiling_bytes(found)) == (most, ceiling)


def test_memory_and_swap_together_are_what_the_host_has():
    told = dict(line.split("=") for line in ceiling_drop_in(memory(8 * GIB, GIB)).splitlines() if "=" in line)
    assert int(told["MemoryMax"]) + int(told["MemorySwapMax"]) == 8 * GIB


def test_a_bound_of_our_own_is_no_limit_of_the_host(machine):
    """Else a second run would see less memory than the first, and bound it lower again."""
    before = read_memory(machine("server_v2"), UNITS, GIB)
    own = ceiling_bytes({**before, "limit_bytes": 6 * GIB})
    bounded = {f"{RPC_GROUP}/memory.max": str(own)}
    text = ceiling_drop_in({**before, "limit_bytes": 6 * GIB})
    held_to = machine("server_v2", files={**bounded, DROP_IN.format(RPC): text})
    assert own_ceiling(held_to, RPC) == own
    assert read_memory(held_to, UNITS, GIB) == before
    # The owner has set another one.
    lower = machine("server_v2", files={**bounded, DROP_IN.format(RPC): text.replace(str(own), str(own + MIB))})
    assert read_memory(lower, UNITS, GIB)["limit_bytes"] == own


def test_without_a_drop_in_there_is_none(machine):
    assert own_ceiling(machine("pi5"), RPC) is None
    assert own_ceiling(machine("pi5", files={DROP_IN.format(RPC): "[Service]\nMemoryMax=infinity\n"}), RPC) is None
