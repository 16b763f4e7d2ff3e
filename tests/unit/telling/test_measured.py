# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A start against its prediction, for people."""

from __future__ import annotations

from module_utils.telling.measured import measured_lines
from unit.placement.fleets import MIB, model, plan_of, tally
from unit.placement.starts import machine, measured_of, run_of

HOSTS = [machine(tally(name, 600 * MIB)) for name in ("a", "b")]
PLAN = plan_of(model(), HOSTS, leader="a", split={"a": 5, "b": 4})
RUN = run_of(PLAN, HOSTS, held_bytes={"b": 300 * MIB})


def test_speed_memory_and_the_wait_are_held_against_the_plan():
    assert measured_lines(PLAN, [None, measured_of({**RUN, "measured": {}, "at": 0}), measured_of(RUN)])[1:] == [
        "Measured: 2.0 tokens/s generated (predicted: 2.5), 20 tokens/s of a prompt of 64 (predicted: 25)",
        f"Memory of b: 300 MiB held (planned: {PLAN['devices'][0]['total_bytes'] / MIB:.0f} MiB)",
    ]


def test_the_last_start_of_this_plan_counts():
    other = plan_of(model(), HOSTS, leader="a", split={"a": 4, "b": 5})
    later = {**RUN, "at": 5, "measured": {"tokens_per_second": 3.0, "prompt_tokens_per_second": 30.0}}
    others = run_of(other, HOSTS, at=9, tokens=9.0)
    assert measured_lines(PLAN, [measured_of(later, RUN, others)])[0].startswith("Measured: 3.0 tokens/s")
    assert measured_lines(other, [measured_of(RUN)]) == [
        "Not measured in this layout: that is done when site.yml starts it anew"
    ]


def test_where_nothing_was_measured_nothing_is_told():
    assert measured_lines(PLAN, []) == measured_lines(PLAN, [None, {}, measured_of()]) == []


def test_what_cannot_be_read_is_told():
    (line,) = measured_lines(PLAN, [{"schema": 7}])
    assert "schema 7" in line
