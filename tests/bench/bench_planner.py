#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long planning takes, and what trying only some orders of many workers costs against trying all.

Run as `python tests/bench/bench_planner.py`.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests")]

from module_utils.placement import search  # noqa: E402
from module_utils.placement.fleet import read_fleet  # noqa: E402
from module_utils.placement.policy import DEFAULT_MARGIN, Policy  # noqa: E402
from module_utils.placement.problem import Problem  # noqa: E402
from unit.placement.fleets import MIB, model, plan_of, tally  # noqa: E402

RUNS = 5
COMPARED = 40


def fleet(dice, count, total):
    """Machines that differ in everything and together lend ``total`` bytes."""
    shares = [dice.uniform(0.5, 1.5) for _ in range(count)]
    return [
        tally(
            f"host-{number:03}",
            round(total * share / sum(shares)),
            dice.uniform(4e9, 20e9),
            speed_mbps=dice.choice([100, 1000, 1000, 2500]),
        )
        for number, share in enumerate(shares)
    ]


def unequal(dice, blocks):
    """A model of blocks that differ by a third, as mixed quantisations make them."""
    return model(block_bytes=[dice.choice([100, 115, 133]) * MIB for _ in range(blocks)], output_bytes=300 * MIB)


def planning(dice):
    """``(what, milliseconds, what came out)`` for fleets that just about hold the model, and one that does not."""
    for what, hosts, blocks, room in (
        ("4 hosts, 32 blocks", 4, 32, 1.5),
        ("6 hosts, 128 blocks (all orders)", 6, 128, 1.5),
        ("17 hosts, 128 blocks, all needed", 17, 128, 1.25),
        ("17 hosts, 128 blocks, pinned leader", 17, 128, 1.25),
        ("300 hosts, 128 blocks, 17 needed", 300, 128, 300 / 17 * 1.0),
        ("17 hosts, 128 blocks, too small", 17, 128, 0.8),
        ("300 hosts, 128 blocks, too small", 300, 128, 300 / 17 * 0.5),
    ):
        gguf = unequal(dice, blocks)
        tallies = fleet(dice, hosts, gguf["weight_bytes"] * room)
        leader = "host-000" if "pinned" in what else None
        times = []
        for _run in range(RUNS):
            start = time.perf_counter()
            plan = plan_of(gguf, tallies, leader=leader)
            times.append((time.perf_counter() - start) * 1000)
        missing = f"{plan['missing_bytes'] // MIB} MiB missing"
        yield what, statistics.median(times), f"{len(plan['devices'])} devices" if plan["feasible"] else missing


def least_seconds(gguf, tallies, steps):
    """Seconds of the request in the fastest layout that is found in so many steps, or None if nothing fits."""
    before, search.EXACT_STEPS = search.EXACT_STEPS, steps
    problem = Problem(gguf, Policy(leader="host-000"), read_fleet(tallies, DEFAULT_MARGIN).hosts)
    layouts = problem.layouts()
    search.EXACT_STEPS = before
    return problem.judge.seconds(layouts[0]) if layouts else None


def lost_by_orders(dice):
    """Seconds of a request over the exact optimum, in per cent, for fleets of seven workers."""
    lost = []
    for _fleet in range(COMPARED):
        gguf = unequal(dice, 24)
        tallies = fleet(dice, 8, gguf["weight_bytes"] * dice.uniform(1.2, 2))
        exact = least_seconds(gguf, tallies, 10**9)
        if exact:
            lost.append((least_seconds(gguf, tallies, 0) / exact - 1) * 100)
    return lost


def main():
    dice = random.Random(5)
    print(f"{'planning':40} {'median ms':>10}  result")
    for what, milliseconds, came_out in planning(dice):
        print(f"{what:40} {milliseconds:10.1f}  {came_out}")
    lost = lost_by_orders(dice)
    print(
        f"\nsome orders against all, {len(lost)} fleets of 7 workers: {sum(value < 1e-6 for value in lost)} equal, "
        f"mean {statistics.mean(lost):.3f} % slower, worst {max(lost):.3f} %"
    )


if __name__ == "__main__":
    main()
