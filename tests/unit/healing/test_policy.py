# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the watch acts: case by case, and over thousands of random sequences of faults with a clock of their own."""

from __future__ import annotations

import random

import pytest
from module_utils.healing.policy import ANOTHER, NOTHING, SAME, SILENT, SLOW, STUCK, Limits, Look, Memory, decide

LIMITS = Limits()


def watch(looks, limits=LIMITS):
    """(moment, decision) of each decision that is one, over ``looks``."""
    memory, found = Memory(), []
    for look in looks:
        memory, decision = decide(limits, memory, look)
        if decision != NOTHING:
            found.append((look.now, decision))
    return found


def test_nothing_is_done_while_all_is_well_or_nothing_serves():
    assert watch(Look(now, "run", {"pi-1": SAME}) for now in range(100)) == []
    assert watch(Look(now, None) for now in range(100)) == []


def test_a_restarted_worker_ends_llama_server_at_once():
    (moment, decision), *rest = watch(Look(now, "run", {"pi-1": SAME if now < 5 else ANOTHER}) for now in range(50))
    assert (moment, decision.at_once, rest) == (5, True, [])
    assert decision.reason == "the RPC server of pi-1 has ended or was started anew"


def test_a_silent_worker_ends_it_at_the_second_look():
    (moment, decision), *_rest = watch(
        Look(now, "run", {"pi-1": SAME if now < 10 else SILENT}) for now in range(0, 50, 2)
    )
    assert (moment, decision.at_once) == (12, True)
    assert decision.reason == "pi-1 does not answer"


@pytest.mark.parametrize(
    ("sights", "moment"),
    [
        ([SLOW] * 30, 15),
        ([SLOW] * 5 + [SILENT] * 5, 7),
        ([SLOW] * 5 + [SAME] * 5, None),
        ([SLOW] * 10 + [SAME] + [SLOW] * 10, None),
    ],
)
def test_a_worker_that_is_slow_is_waited_for_longer(sights, moment):
    found = watch(Look(float(now), "run", {"pi-1": sight}) for now, sight in enumerate(sights))
    assert [when for when, _decision in found[:1]] == ([] if moment is None else [moment])


def test_a_worker_that_blinks_ends_nothing():
    assert watch(Look(now, "run", {"pi-1": SILENT if now % 6 < 2 else SAME}) for now in range(0, 1000, 2)) == []


@pytest.mark.parametrize(
    ("sights", "moment"),
    [
        ([STUCK] * 5, 4),
        ([STUCK, STUCK, SAME] * 20, None),  # something gets through now and then
        ([SAME, STUCK, STUCK, STUCK], 6),
        ([SLOW, STUCK] * 10, 16),
    ],
)
def test_what_does_not_get_through_at_three_looks_is_stuck(sights, moment):
    found = watch(Look(2.0 * number, "run", {"pi-1": sight}) for number, sight in enumerate(sights))
    assert [when for when, _decision in found[:1]] == ([] if moment is None else [moment])
    if moment and SLOW not in sights:
        assert found[0][1].at_once
        assert found[0][1].reason == "nothing gets through to the RPC port of pi-1"


def test_silence_of_an_earlier_run_does_not_count():
    looks = [Look(0, "one", {"pi-1": SILENT}), Look(2, "two", {"pi-1": SILENT}), Look(3, "two", {"pi-1": SILENT})]
    assert watch(looks) == []
    assert [moment for moment, _decision in watch([*looks, Look(4, "two", {"pi-1": SILENT})])] == [4]


@pytest.mark.parametrize(
    ("busy", "expected"),
    [
        (lambda now: False, 30),
        (lambda now: now < 50, 50),
        (lambda now: True, 90),
    ],
)
def test_a_better_plan_waits_until_it_is_settled_and_requests_have_ended(busy, expected):
    (moment, decision), *rest = watch(Look(now, "run", {}, better=True, busy=busy(now)) for now in range(200))
    assert (moment, decision.at_once, rest) == (expected, False, [])


def test_a_better_plan_that_comes_and_goes_changes_nothing():
    assert watch(Look(now, "run", {}, better=now % 20 < 19) for now in range(2000)) == []


def moments(looks, limits=LIMITS):
    return [moment for moment, _decision in watch(looks, limits)]


def test_ends_in_a_row_for_a_better_plan_come_ever_more_rarely_until_all_was_well():
    limits = Limits(settle_seconds=0)
    looks = [Look(now, f"run {now}", better=True) for now in range(2000)]
    ended = moments(looks, limits)
    assert ended == [0, 5, 15, 35, 75, 155, 315, 615, 915, 1215, 1515, 1815]
    calm = [Look(now, "last") for now in range(2000, 4000)]
    again = [Look(now, f"run {now}", better=True) for now in range(4000, 4012)]
    assert moments([*looks, *calm, *again], limits)[len(ended) :] == [4000, 4005]


def test_where_requests_can_only_hang_the_wait_is_short():
    looks = [Look(now, f"run {now}", {"pi-1": ANOTHER}) for now in range(100)]
    assert moments(looks) == [0, 5, *range(15, 100, 10)]
    assert moments([*looks, Look(109, "last", {"pi-1": SILENT}), Look(111, "last", {"pi-1": SILENT})])[-1] == 111


class Cluster:
    """A leader, its workers and the hand of fate. The leader starts with whoever answers, if these are enough."""

    def __init__(self, chance, workers, needed):
        self.chance, self.needed = chance, needed
        self.there = dict.fromkeys(workers, True)
        self.starts = dict.fromkeys(workers, 0)
        # Whose RPC port is cut, while their agents answer.
        self.cut = set()
        self.run = None
        self.with_workers = {}
        self.starting = 0.0
        self.count = 0

    def fault(self):
        worker = self.chance.choice(sorted(self.there))
        kind = self.chance.choice(["restart", "power", "cable", "crash", "back", "back", "cut", "open"])
        if kind == "restart":
            self.starts[worker] += 1
        elif kind == "power":
            self.there[worker] = False
            self.starts[worker] += 1
        elif kind == "cable":
            self.there[worker] = False
        elif kind == "back":
            self.there[worker] = True
        elif kind == "crash":
            self.run = None
        elif kind == "cut":
            self.cut.add(worker)
        elif kind == "open":
            self.cut.discard(worker)

    def tick(self, now):
        if self.run is None and now >= self.starting:
            there = [worker for worker, is_there in self.there.items() if is_there and worker not in self.cut]
            here = {worker: self.starts[worker] for worker in there}
            if len(here) >= self.needed:
                self.count += 1
                self.run, self.with_workers = f"run {self.count}", here

    def look(self, now):
        if self.run is None:
            return Look(now, None)
        sights = {worker: self.sight(worker, start) for worker, start in self.with_workers.items()}
        absent = self.there.keys() - self.with_workers.keys() - self.cut
        better = any(self.there[worker] for worker in absent)
        return Look(now, self.run, sights, better, busy=self.chance.random() < 0.5)

    def sight(self, worker, start):
        if not self.there[worker]:
            return SILENT
        if self.starts[worker] != start:
            return ANOTHER
        # While nobody asks, nothing is sent that could get lost.
        return STUCK if worker in self.cut and self.chance.random() < 0.8 else SAME

    def end(self, now):
        self.run, self.starting = None, now + self.chance.uniform(1, 20)


@pytest.mark.parametrize("part", [*range(4), *(pytest.param(part, marks=pytest.mark.long) for part in range(4, 20))])
def test_random_faults_neither_flap_nor_stay(part):
    for seed in range(part * 250, part * 250 + 250):
        chance = random.Random(seed)
        workers = [f"pi-{number}" for number in range(1, chance.randint(2, 6))]
        cluster = Cluster(chance, workers, needed=chance.randint(0, len(workers) - 1))
        memory, ended, hanging = Memory(), [], None
        faults_end, now = 300.0, 0.0
        while now < faults_end + 900:
            if now < faults_end and chance.random() < 0.03:
                cluster.fault()
            if now == faults_end:
                cluster.there, cluster.cut = dict.fromkeys(workers, True), set()
            cluster.tick(now)
            look = cluster.look(now)
            memory, decision = decide(LIMITS, memory, look)
            broken = any(sight == ANOTHER for sight in look.workers.values())
            hanging = (now if hanging is None else hanging) if broken else None
            # Where requests can only hang, they do not for long.
            assert hanging is None or now - hanging <= LIMITS.most_hang_seconds, seed
            if decision.end:
                assert look.run is not None, seed
                waits = now - ended[-1] if ended else None
                assert waits is None or waits >= LIMITS.first_wait_seconds, seed
                if not decision.at_once and len(ended) > 7 and all(b - a < 600 for a, b in zip(ended[-8:], ended[-7:])):
                    assert waits >= 200, seed
                ended.append(now)
                cluster.end(now)
            now += 2.0
        # The faults have ended: all workers take part, as they are now, and nothing has changed for a long while.
        assert cluster.with_workers == cluster.starts, seed
        assert ended == [] or ended[-1] < faults_end + 700, seed
