# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured of some layouts corrects what is predicted of others, by no more than it can tell."""

from __future__ import annotations

import random

import pytest
from module_utils.placement.fleet import read_fleet
from module_utils.placement.layout import Layout, Segment
from module_utils.placement.learning import (
    LEAST,
    MOST,
    NOTHING,
    EmptyContext,
    Equation,
    Learned,
    fitted,
    identity,
    learn,
)
from module_utils.placement.measured import machines_of
from module_utils.placement.plan import feasible_plan
from module_utils.placement.policy import Policy
from module_utils.placement.problem import Problem
from module_utils.placement.request import ONE_TOKEN
from unit.placement.fleets import GIB, MIB, model, tally
from unit.placement.starts import BUILD, machine, run_of

GGUF = model()
NAMES = ("a", "b", "c", "d")


def fleet_of(**bandwidths):
    tallies = [machine(tally(name, 2 * GIB, size)) for name, size in bandwidths.items()]
    return tallies, Problem(GGUF, Policy(), read_fleet(tallies, 0.05).hosts)


TALLIES, PROBLEM = fleet_of(a=20e9, b=15e9, c=10e9, d=8e9)
SPEEDS = EmptyContext(PROBLEM)


def layout(leader, kept, *parts):
    """``kept`` layers on the leader's CPU, and then so many on each host of ``parts``."""
    end, segments = kept, []
    for host, count in parts:
        segments.append(Segment(SPEEDS.hosts[host].cpu, end, end + count))
        end += count
    return Layout(SPEEDS.hosts[leader], kept, tuple(segments))


def every_layout():
    """With each leader: alone, before each worker with each share, and before two of them."""
    for leader in NAMES:
        others = [name for name in NAMES if name != leader]
        yield layout(leader, 9)
        for worker in others:
            yield from (layout(leader, kept, (worker, 9 - kept)) for kept in range(9))
        for one in others:
            yield from (layout(leader, 3, (one, 3), (two, 3)) for two in others if two != one)


def truth(**factors):
    """The hosts as they are, by factors of their seconds."""
    found = {(name, "CPU"): factor for name, factor in factors.items()}
    return Learned(found, found, frozenset(), {})


def measured(tried, true, noise=0.0, seed=1):
    chance = random.Random(seed)
    runs = []
    for at, one in enumerate(tried):
        real = true.layout(one)
        prompt = SPEEDS.prompt(64)
        seconds = SPEEDS.judge.seconds(real, ONE_TOKEN) * (1 + chance.uniform(-noise, noise))
        prompt_seconds = SPEEDS.judge.seconds(real, prompt) * (1 + chance.uniform(-noise, noise))
        plan = feasible_plan(PROBLEM, one)
        runs.append(run_of(plan, TALLIES, at=at, tokens=1 / seconds, prompt=64 / prompt_seconds))
    return runs


def learned_from(runs):
    return learn(SPEEDS, runs, BUILD, machines_of(TALLIES))


def worst(learned, true, layouts, request=ONE_TOKEN):
    """By how much the prediction of one of ``layouts`` is off at most."""
    ratios = [
        SPEEDS.judge.seconds(learned.layout(one), request) / SPEEDS.judge.seconds(true.layout(one), request)
        for one in layouts
    ]
    return max(abs(ratio - 1) for ratio in ratios)


# Of every host, one that is mostly about it.
TRIED = [layout("a", 9), *(layout("a", 1, (name, 8)) for name in "bcd")]


@pytest.mark.parametrize("seed", range(12))
def test_layouts_that_were_never_tried_are_predicted_within_15_percent(seed):
    """Hosts of which each takes from half to twice the seconds that its tally says, measured with 10 % of noise."""
    chance = random.Random(seed)
    true = truth(**{name: 2 ** chance.uniform(-1, 1) for name in NAMES})
    learned = learned_from(measured(TRIED, true, 0.1, seed))
    assert worst(learned, true, every_layout()) < 0.15
    assert worst(learned, true, every_layout(), SPEEDS.prompt(64)) < 0.15


def test_without_noise_next_to_nothing_is_off():
    true = truth(a=1.9, b=0.6, c=1.0, d=1.3)
    assert worst(NOTHING, true, every_layout()) > 0.4
    assert worst(learned_from(measured(TRIED, true)), true, every_layout()) < 0.01


def test_the_layouts_of_the_regret_bench_are_predicted_within_15_percent():
    """Its table in docs/design/planner.md: six layers on a leader of 18.3 GB/s and workers of 12.8 and 7.7. What it
    predicted for the leader alone gives the work of a layer there, and so on the others; the rest is visits."""
    near, far = (18.3 / bandwidth / 0.85 for bandwidth in (12.8, 7.7))
    tried = [  # layers on the leader, near and far; seconds predicted and measured
        ((6, 0, 0), 1.25, 2.44),
        ((1, 5, 0), 2.34, 2.57),
        ((3, 3, 0), 1.89, 2.60),
        ((1, 4, 1), 2.49, 2.71),
        ((0, 5, 1), 2.62, 2.74),
    ]
    equations = []
    for layers, predicted, seconds in tried:
        work = {
            (host, "CPU"): count * each * 1.25 / 6
            for host, count, each in zip("lnf", layers, (1.0, near, far))
            if count
        }
        equations.append(Equation(predicted - sum(work.values()), work, seconds))
    kinds = {(host, "CPU"): False for host in "lnf"}
    for known in (equations[:2], equations):
        factors = fitted(known, kinds)
        for one in equations:
            predicted = one.fixed + sum(factors[key] * work for key, work in one.work.items())
            assert predicted == pytest.approx(one.measured, rel=0.15)


def test_a_host_that_was_not_measured_is_off_as_the_others_are():
    learned = learned_from(measured([TRIED[0]], truth(a=1.8)))
    assert learned.reading["a", "CPU"] == pytest.approx(1.8, rel=0.01)
    for name in "bcd":
        assert learned.reading["a", "CPU"] / 1.05 < learned.reading[name, "CPU"] < learned.reading["a", "CPU"]


def test_what_cpus_are_off_by_says_nothing_of_gpus():
    kinds = {("a", "CPU"): False, ("a", "CUDA0"): True}
    assert fitted([Equation(0.0, {("a", "CPU"): 1.0}, 1.8)], kinds)["a", "CUDA0"] == 1


@pytest.mark.parametrize(("times", "bound"), [(1000.0, MOST), (0.001, LEAST)])
def test_a_wrong_measurement_is_bounded(times, bound):
    learned = learned_from(measured([TRIED[0]], truth(a=times)))
    assert learned.reading["a", "CPU"] == pytest.approx(bound, rel=0.02)
    assert all(LEAST <= factor <= MOST for factor in learned.reading.values())


def test_of_the_starts_of_a_layout_the_fastest_counts():
    quick, loaded = (measured([TRIED[0]], truth(a=factor)) for factor in (1.2, 9.0))
    for runs in ([*quick, *loaded], [*loaded, *quick]):
        assert learned_from(runs).reading == learned_from(quick).reading
        assert learned_from(runs).starts == {identity(TRIED[0]): 2}


def test_a_layout_that_is_mostly_visits_tells_little_of_its_hosts():
    """What is missing may as well be of the visits."""
    kinds = {("a", "CPU"): False}
    assert fitted([Equation(0.0, {("a", "CPU"): 1.0}, 0.5)], kinds)["a", "CPU"] == pytest.approx(0.5, abs=0.01)
    assert fitted([Equation(9.0, {("a", "CPU"): 1.0}, 9.5)], kinds)["a", "CPU"] > 0.7


@pytest.mark.parametrize(
    "changes",
    [
        {"build": "b11670"},
        {"model": {"name": "Another"}},
        {"machines": {"a": "0" * 64}},
        {"machines": {"a": None}},
        {"machines": {}},
        {"layout": {"leader": "a", "leader_layers": 8, "devices": [], "streams": False}},
        {"layout": {"leader": "gone", "leader_layers": 9, "devices": [], "streams": False}},
        {
            "layout": {
                "leader": "a",
                "leader_layers": 1,
                "devices": [{"host": "a", "id": "CUDA0", "first": 1, "end": 9, "kept": 0}],
                "streams": False,
            }
        },
    ],
)
def test_what_was_measured_of_something_else_does_not_count(changes):
    runs = [{**run, **changes} for run in measured([TRIED[0]], truth(a=1.8))]
    assert learned_from(runs) is NOTHING


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu": {**TALLIES[0]["cpu"], "model": "Another"}},
        {"memory": {**TALLIES[0]["memory"], "total_bytes": 128 * GIB}},
        {"threads": 2},
        {"machine": None},
    ],
)
def test_a_machine_that_was_changed_is_another_one(changes):
    assert machines_of([{**TALLIES[0], **changes}]) != machines_of(TALLIES[:1])


def test_a_boot_makes_no_other_machine():
    later = {**TALLIES[0]["memory"], "total_bytes": 64 * GIB - 5 * MIB, "usable_bytes": GIB}
    assert machines_of([{**TALLIES[0], "memory": later, "bandwidth_bytes_per_second": 1e9}]) == machines_of(TALLIES[:1])


def test_experts_on_the_cpu_are_learned_from_too():
    """A card that holds all but the experts of six blocks: both work, and what was measured is what is predicted."""
    tallies = [machine(tally("box", 8 * GIB, 20e9, gpus=[400 * MIB]))]
    problem = Problem(model(experts=8, used=2), Policy(), read_fleet(tallies, 0.05).hosts)
    speeds = EmptyContext(problem)
    one = next(one for one in problem.layouts() if any(part.kept for part in one.segments))
    plan = feasible_plan(problem, one)
    for factor in (0.8, 1.4):
        seconds = speeds.judge.seconds(one, ONE_TOKEN) * factor
        runs = [run_of(plan, tallies, tokens=1 / seconds)]
        learned = learn(speeds, runs, BUILD, machines_of(tallies))
        assert speeds.judge.seconds(learned.layout(one), ONE_TOKEN) == pytest.approx(seconds, rel=0.05)
