# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.telling.changes import change_lines, plan_changes
from unit.placement.fleets import MIB, model, plan_of, tally

HOSTS = [tally(name, 1100 * MIB) for name in ("pi-1", "pi-2", "pi-3")]


def split(pi_1=0, pi_2=0, pi_3=0):
    return plan_of(model(), HOSTS, leader="pi-1", split={"pi-1": pi_1, "pi-2": pi_2, "pi-3": pi_3})


def test_moves_are_told_with_their_bytes():
    changes = plan_changes(split(pi_1=4, pi_2=5), split(pi_1=2, pi_2=3, pi_3=4))
    assert changes["moves"] == [
        {"layers": "blocks 2-3", "from": "pi-1", "to": "pi-2", "bytes": 200 * MIB},
        {"layers": "blocks 5-7 + output", "from": "pi-2", "to": "pi-3", "bytes": 350 * MIB},
    ]
    assert changes["moved_bytes"] == 550 * MIB and changes["leader"] is None and changes["settings"] == []


def test_moves_are_lines_for_a_person():
    assert change_lines(split(pi_1=4, pi_2=5), split(pi_1=2, pi_2=3, pi_3=4)) == [
        "blocks 2-3: pi-1 -> pi-2, 200 MiB",
        "blocks 5-7 + output: pi-2 -> pi-3, 350 MiB",
        "Weights that move: 550 MiB of 850 MiB.",
    ]


def test_the_same_plan_changes_nothing():
    assert change_lines(split(pi_1=4, pi_2=5), split(pi_1=4, pi_2=5)) == ["Nothing would change."]


def test_another_leader_and_other_settings_are_told():
    before = plan_of(model(), HOSTS, leader="pi-1")
    after = plan_of(model(), HOSTS, leader="pi-2", context_size=2048)
    assert change_lines(before, after) == [
        "pi-2 takes the lead from pi-1.",
        "blocks 0-7 + output: pi-1 -> pi-2, 850 MiB",
        "context_size: 4096 -> 2048",
        "Weights that move: 850 MiB of 850 MiB.",
    ]


def test_another_model_is_all_new():
    lines = change_lines(split(pi_1=9), plan_of({**model(), "name": "Other"}, HOSTS, leader="pi-1"))
    assert lines[:2] == [
        "Another model: Small Q8_0 gives way to Other Q8_0.",
        "blocks 0-7 + output: new -> pi-1, 850 MiB",
    ]


@pytest.mark.parametrize("before", [None, {}, {"feasible": False}, {"feasible": True}, "nonsense"])
def test_without_a_running_plan_all_is_new(before):
    after = split(pi_1=9)
    assert change_lines(before, after) == ["Nothing runs yet: all of the plan is new."]
    assert plan_changes(before, after)["moves"][0]["from"] is None


def test_a_plan_that_does_not_fit_cannot_be_compared():
    with pytest.raises(DroverError, match="does not fit"):
        change_lines(split(pi_1=9), plan_of(model(), [tally("pi-1", 100 * MIB)]))
