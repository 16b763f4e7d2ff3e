# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an owner needs memory, how much is left to the plan then, and when it is free again."""

from __future__ import annotations

import pytest
from module_utils.healing.owner import HostMemory, Known, Need, OwnerLimits, follow, given_back, planned_bytes

LIMITS = OwnerLimits()
RESERVE, PLANNED = 800, 4000


def seen(left, **more):
    """A host on which so much would be left with all that is planned in its place."""
    return HostMemory(**{"lendable": PLANNED + left, "reserve": RESERVE, "planned": PLANNED, **more})


def watched(memories, serving=True, known=None, step=2):
    """(moment, needs, free) of each look, one every other second at a host of ``memories``."""
    known, told = known or {}, []
    for number, memory in enumerate(memories):
        now = 100.0 + number * step
        hosts = {} if memory is None else {"old-server": memory}
        known, needs, free = follow(LIMITS, known, now, hosts, serving)
        told.append((now - 100, needs.get("old-server"), "old-server" in free))
    return told


def first_need(memories, **more):
    return next(((moment, need) for moment, need, _free in watched(memories, **more) if need), None)


def first_free(memories, **more):
    return next((moment for moment, _need, free in watched(memories, **more) if free), None)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        # What the plan and its margin leave; what the reserve is there for; and just about half of it.
        (1000, None),
        (800, None),
        (400, None),
        (399, (10, Need(lesser=PLANNED + 399 - RESERVE, urgent=False))),
        (100, (10, Need(lesser=PLANNED + 100 - RESERVE, urgent=False))),
        (99, (2, Need(lesser=PLANNED + 99 - RESERVE, urgent=True))),
        # What the plan has put there is swapped out, or read from the disk again and again.
        (-2000, (2, Need(lesser=PLANNED - 2000 - RESERVE, urgent=True))),
        (-PLANNED, (2, Need(lesser=0, urgent=True))),
    ],
)
def test_an_owner_needs_memory_when_half_of_what_is_its_own_is_gone(left, expected):
    assert first_need([seen(left)] * 100) == expected


def test_what_comes_and_goes_within_ten_seconds_is_no_need():
    assert first_need([seen(300 if number % 5 else 900) for number in range(500)]) is None


def test_a_host_that_nothing_is_planned_on_has_nothing_to_give():
    assert first_need([HostMemory(lendable=0, reserve=RESERVE)] * 100) is None
    assert first_need([seen(-5000, planned=0)] * 100) is None


def test_who_is_not_heard_is_looked_at_anew():
    assert first_need(([seen(300)] * 5 + [None]) * 5) is None


def counted(name, rates, left, **more):
    """Looks at a host whose kernel counts up so much a second, one rate for each look."""
    total, memories = 1000.0, []
    for rate in rates:
        memories.append(seen(left, **{name: total}, **more))
        total += 2 * rate
    return memories


@pytest.mark.parametrize(
    ("name", "calm", "hard"), [("stalled_seconds", 0.19, 0.21), ("swapped_in_bytes", 0.9e6, 1.1e6)]
)
def test_programs_that_wait_for_memory_show_a_need_that_bytes_do_not(name, calm, hard):
    # Two windows of 20 seconds, and ten seconds as ever.
    moment, need = first_need(counted(name, [hard] * 100, left=900))
    assert (moment, need) == (50, Need(lesser=int(PLANNED * 0.75), urgent=False))
    assert first_need(counted(name, [calm] * 100, left=900)) is None
    # One window alone is an accident.
    assert first_need(counted(name, ([hard] * 10 + [calm] * 10) * 10, left=900)) is None
    # With so much available they wait for something that nobody here can give.
    assert first_need(counted(name, [hard] * 100, left=2 * RESERVE)) is None


def test_what_is_swapped_in_does_not_count_where_stalls_are_counted():
    memories = [seen(900, stalled_seconds=1.0, swapped_in_bytes=int(number * 1e9)) for number in range(100)]
    assert first_need(memories) is None


def test_a_host_that_was_started_anew_counts_from_the_beginning():
    memories = [seen(900, stalled_seconds=5000.0)] * 5 + [seen(900, stalled_seconds=1.0)] * 100
    assert first_need(memories) is None


def test_it_is_free_when_it_could_lend_notably_more_for_long_enough():
    lesser = PLANNED - 1000
    enough = seen(RESERVE + lesser + 400 - PLANNED, lesser=lesser, planned=3000)
    little = seen(RESERVE + lesser + 399 - PLANNED, lesser=lesser, planned=3000)
    assert first_free([little] * 1000) is None
    assert first_free([enough] * 1000) == 600
    assert first_free([enough] * 250 + [little] + [enough] * 1000) == 502 + 600
    # Nobody is answered meanwhile.
    assert first_free([enough] * 1000, serving=False) == 30
    # Who has all that it may have gets no more.
    assert first_free([seen(5000)] * 1000) is None


def test_it_is_not_free_while_its_programs_wait():
    memories = counted("stalled_seconds", [0.5] * 1000, left=3000, lesser=3000)
    assert first_free(memories) is None
    assert first_free(counted("stalled_seconds", [0.5] * 50 + [0.0] * 1000, left=3000, lesser=3000)) == 100 + 20 + 600


def test_who_needs_it_again_and_again_gets_it_for_ever_longer():
    known, moment, waits = Known(), 0.0, []
    for _ in range(8):
        known = given_back(LIMITS, known, moment)
        waits.append(first_free([seen(2000, lesser=3000)] * 12_000, known={"old-server": known}))
        moment += waits[-1] + 100
    assert waits == [600, 1200, 2400, 4800, 9600, 19200, 21600, 21600]
    assert given_back(LIMITS, known, moment + 24 * 3600).times == 1


def test_planned_is_what_lies_in_main_memory():
    plan = {
        "leader": "head",
        "host": {"total_bytes": 10},
        "devices": [
            {"host": "pi-1", "kind": "cpu", "total_bytes": 5},
            {"host": "box", "kind": "cuda", "total_bytes": 7},
            {"host": "box", "kind": "cpu", "total_bytes": 3},
        ],
    }
    assert planned_bytes(plan) == {"head": 10, "pi-1": 5}
    assert planned_bytes(
        {**plan, "devices": [*plan["devices"], {"host": "head", "kind": "cuda", "total_bytes": 1}]}
    ) == {"pi-1": 5}
    assert planned_bytes({"leader": None, "host": None, "devices": []}) == {}
