# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the watch decides over thousands of random sequences of faults, owners and requests, with a clock of its own."""

from __future__ import annotations

import random
import types

import pytest
from module_utils.healing.owner import OwnerLimits
from module_utils.healing.policy import ANOTHER, SAME, SILENT, STUCK, Limits, Look, Memory, decide
from module_utils.runtime import owners as owners_module
from module_utils.runtime.owners import Owners

LIMITS = Limits()
OWNER = OwnerLimits(free_seconds=60.0, most_free_seconds=240.0)
LOOK = 2.0
SIZE, RESERVE, MARGIN = 8000, 800, 0.95


class World:
    """A leader, its workers, their owners and whoever sends requests. What a start plans is spread over all hosts by
    what each can have; it is done without who is gone."""

    def __init__(self, chance, count):
        self.chance, self.now = chance, 0.0
        self.workers = [f"pi-{number}" for number in range(1, count + 1)]
        self.hosts = ["head", *self.workers]
        self.there = dict.fromkeys(self.workers, True)
        self.starts = dict.fromkeys(self.workers, 0)
        # Whose RPC port is cut, while their agents answer.
        self.cut = set()
        self.used = dict.fromkeys(self.hosts, 0)
        self.grows = dict.fromkeys(self.hosts, 0)
        # All that there is, less one or two hosts and what their owners may take.
        self.model = SIZE * len(self.hosts) * chance.uniform(0.2, 0.7)
        self.busy_until, self.ending = 0.0, None
        self.run, self.count, self.starting, self.waiting = None, 0, 0.0, False
        self.plan, self.with_starts, self.absent, self.lesser = {}, {}, set(), {}
        tallies = [{"host": host, "memory": {"reserve_bytes": RESERVE}} for host in self.hosts]
        self.owners = Owners({"tallies": tallies}, {})
        self.memory = Memory()

    def lendable(self, host):
        return max(0, SIZE - self.used[host])

    def usable(self, host, at_most):
        return max(0, min(self.lendable(host) - RESERVE, at_most.get(host, SIZE)))

    def planned(self, at_most, running=()):
        """Host -> bytes, with who is there and no more than ``at_most``; None when it does not fit. Of those who are
        not ``running`` it is known whether their RPC port is cut."""
        here = [host for host in self.hosts if self.there.get(host, True)]
        here = [host for host in here if host not in self.cut or host in running]
        room = {host: self.usable(host, at_most) * MARGIN for host in here}
        if sum(room.values()) < self.model:
            return None
        return {host: int(self.model * size / sum(room.values())) for host, size in room.items()}

    def fault(self):
        kind, worker = self.chance.random(), self.chance.choice(self.workers)
        host = self.chance.choice(self.hosts)
        if kind < 0.15:
            self.starts[worker] += 1
        elif kind < 0.25:
            self.there[worker] = False
            self.starts[worker] += 1
        elif kind < 0.35:
            self.there[worker] = False
        elif kind < 0.55:
            self.there[worker] = True
        elif kind < 0.57:
            self.cut.add(worker)
        elif kind < 0.59:
            self.cut.discard(worker)
        elif kind < 0.62:
            self.run, self.starting = None, self.now + 3
        elif kind < 0.7:
            self.used[host] = self.chance.randrange(SIZE)
        elif kind < 0.78:
            self.used[host] = max(0, SIZE - self.plan.get(host, 0) - self.chance.randrange(2 * RESERVE))
        elif kind < 0.85:
            self.grows[host] = self.chance.randrange(1, 200)
        else:
            self.used[host] = self.grows[host] = 0

    def end_of_faults(self):
        self.there = dict.fromkeys(self.workers, True)
        self.cut = set()
        self.used = dict.fromkeys(self.hosts, 0)
        self.grows = dict.fromkeys(self.hosts, 0)

    def tick(self):
        self.now += LOOK
        for host, more in self.grows.items():
            self.used[host] = min(SIZE, self.used[host] + more)
        if self.now >= self.busy_until and self.chance.random() < 0.04:
            self.busy_until = self.now + self.chance.choice([4, 30, 200])
        if self.ending and self.now >= self.ending:
            self.run, self.ending, self.starting = None, None, self.now + self.chance.uniform(2, 20)
        if self.run is None and self.now >= self.starting:
            self.start()

    def start(self):
        at_most = self.owners.at_most()
        plan = self.planned(at_most)
        self.waiting = plan is None
        if plan is None:
            return
        self.count += 1
        self.run, self.plan = f"run {self.count}", plan
        self.with_starts = {host: self.starts[host] for host in plan if host in self.starts}
        self.absent = {host for host in self.workers if host not in plan}
        self.lesser = {
            host: self.usable(host, at_most)
            for host in plan
            if host in at_most or self.usable(host, at_most) + RESERVE / 2 < SIZE - RESERVE
        }

    def decided(self):
        devices = [
            {"host": host, "kind": "cpu", "total_bytes": size} for host, size in self.plan.items() if host != "head"
        ]
        plan = {"leader": "head", "host": {"total_bytes": self.plan.get("head", 0)}, "devices": devices}
        return {"plan": plan, "lesser": self.lesser, "waiting": "it does not fit" if self.waiting else None}

    def sights(self):
        return {host: self.sight(host, start) for host, start in self.with_starts.items()}

    def sight(self, host, start):
        if not self.there[host]:
            return SILENT
        if self.starts[host] != start:
            return ANOTHER
        # While nobody asks, nothing is sent that could get lost.
        return STUCK if host in self.cut and self.now < self.busy_until else SAME

    def look(self):
        memories = {
            host: {"lendable_bytes": self.lendable(host), "stalled_seconds": None, "swapped_in_bytes": None}
            for host in self.hosts
            if self.there.get(host, True)
        }
        self.owners.look(self.decided(), self.run, memories, ready=True)
        if self.run is None:
            return Look(self.now, None)
        back = any(self.there[host] for host in self.absent)
        planned = self.planned(self.owners.at_most(), self.plan)
        better = bool(back or self.owners.free) and planned not in (None, self.plan)
        needs = {host: need.urgent for host, need in self.owners.needs.items()}
        return Look(self.now, self.run, self.sights(), better, self.now < self.busy_until, needs)

    def step(self):
        """One look, and what it leads to: the look, and the decision."""
        look = self.look()
        self.memory, decision = decide(LIMITS, self.memory, look)
        if decision.end:
            self.owners.ended()
            self.ending = self.now + self.chance.uniform(0, 0 if decision.at_once else 5)
        return look, decision


@pytest.fixture
def clock(monkeypatch):
    """The moment that all believe it is."""
    moment = types.SimpleNamespace(now=0.0)
    fake = types.SimpleNamespace(monotonic=lambda: moment.now, time=lambda: moment.now)
    monkeypatch.setattr(owners_module, "time", fake)
    monkeypatch.setattr(owners_module, "LIMITS", OWNER)
    return moment


# Of each thing that lasts: after how many seconds it is acted upon, and what the wait since the last end may be.
TIMES = {
    "another": (0.0, LIMITS.most_hang_seconds),
    "silent": (LIMITS.lost_seconds, LIMITS.most_hang_seconds),
    "stuck": (0.0, LIMITS.most_hang_seconds),
    "very short": (OWNER.urgent_seconds, LIMITS.most_owner_seconds),
    "short": (OWNER.need_seconds + LIMITS.yield_seconds, LIMITS.most_owner_seconds),
    "short, and nobody asks": (OWNER.need_seconds, LIMITS.most_owner_seconds),
    "better": (LIMITS.settle_seconds + LIMITS.drain_seconds, LIMITS.most_wait_seconds),
    "better, and nobody asks": (LIMITS.settle_seconds, LIMITS.most_wait_seconds),
}


class Held:
    """What must hold of all that is decided, by the facts and not by what the watch remembers."""

    def __init__(self, world, seed):
        self.world, self.seed = world, seed
        self.since, self.runs, self.ends = {}, set(), []
        # (run, worker) -> the looks in a row at which it was stuck.
        self.stuck = {}

    def left(self):
        """What the owner of each host would have with all that is planned in its place."""
        world = self.world
        planned = {host: size for host, size in world.plan.items() if size and world.there.get(host, True)}
        return {host: world.lendable(host) - size for host, size in planned.items()} if world.run else {}

    def see(self, look, decision, left):
        """Whatever lasts is acted upon in time; ``left`` is that of before the look."""
        idle, sights = not look.busy, look.workers.values()
        short = [host for host, size in left.items() if size < RESERVE / 2]
        here = {
            "another": ANOTHER in sights,
            "silent": SILENT in sights,
            "stuck": self.is_stuck(look),
            "very short": any(size < RESERVE / 8 for size in left.values()),
            "short": bool(short),
            "short, and nobody asks": bool(short) and idle,
            "better": look.better,
            "better, and nobody asks": look.better and idle,
        }
        for what, (patience, most) in TIMES.items():
            # By when it has begun, whether or not anybody asks.
            begun = what.partition(",")[0]
            self.since[what] = self.since.get(what) if here[begun] and look.run and look.run not in self.runs else None
            if here[begun] and look.run and look.run not in self.runs and self.since[what] is None:
                self.since[what] = self.world.now
            if here[what] and self.since[what] is not None and not decision.end:
                since_end = self.world.now - self.ends[-1] if self.ends else 1e9
                waits = self.world.now - self.since[what] < patience + LOOK or since_end < min(self.wait(), most)
                assert waits, (self.seed, what, self.world.now)
        if decision.end:
            self.ended(look, decision, short)

    def is_stuck(self, look):
        """Whether one worker was for as long as it may be."""
        stuck = [(look.run, worker) for worker, sight in look.workers.items() if sight == STUCK]
        self.stuck = {known: self.stuck.get(known, 0) + 1 for known in stuck}
        return any((count - 1) * LOOK >= LIMITS.stuck_seconds for count in self.stuck.values())

    def wait(self):
        """Seconds after the last end until the next at the earliest: they double until there was none for long."""
        in_a_row = 0
        for before, after in zip(self.ends, [*self.ends[1:], self.world.now]):
            in_a_row += 1
            wait = min(300.0, 5.0 * 2 ** (in_a_row - 1))
            if after - before >= 600.0 + wait:
                in_a_row = 0
        return min(300.0, 5.0 * 2 ** (in_a_row - 1)) if in_a_row else 0.0

    def ended(self, look, decision, short):
        """No end without its reason, none too soon after the one before, and of no run a second time."""
        reasons = {
            "owner": any(f"{host}'s" in decision.reason or "owners" in decision.reason for host in short),
            "has ended": ANOTHER in look.workers.values(),
            "does not answer": SILENT in look.workers.values(),
            "nothing gets through": STUCK in look.workers.values(),
            "better plan": look.better,
        }
        reason = next(name for name in reasons if name in decision.reason)
        assert look.run and reasons[reason], (self.seed, decision)
        hangs = ("has ended", "does not answer", "nothing gets through")
        assert decision.at_once == (reason in hangs), (self.seed, decision)
        most = {"owner": 30.0, "better plan": 300.0}.get(reason, 10.0)
        assert not self.ends or look.now - self.ends[-1] >= min(self.wait(), most), (self.seed, decision)
        assert look.run not in self.runs, (self.seed, decision)
        self.ends.append(look.now)
        self.runs.add(look.run)


PARTS = [*range(2), *(pytest.param(part, marks=pytest.mark.long) for part in range(2, 120))]


@pytest.mark.parametrize("part", PARTS)
def test_whatever_happens_the_watch_acts_in_time_for_a_reason_and_not_too_often(part, clock):
    for seed in range(part * 25, part * 25 + 25):
        chance = random.Random(seed)
        world = World(chance, chance.randint(1, 4))
        held = Held(world, seed)
        faults_end, rate = chance.choice([200.0, 600.0]), chance.choice([0.02, 0.1, 0.3])
        ended = False
        while world.now < faults_end + 2000:
            if world.now < faults_end:
                if chance.random() < rate:
                    world.fault()
            elif not ended:
                ended = True
                world.end_of_faults()
            world.tick()
            clock.now = world.now
            left = held.left()
            look, decision = world.step()
            held.see(look, decision, left)
        # All is as it was, and so it has been for a long while.
        assert world.run and world.with_starts == world.starts, seed
        assert world.owners.given == {} and world.lesser == {}, seed
        planned = world.planned({})
        assert world.plan.keys() == planned.keys(), seed
        # Less than half a reserve that an owner had at the last start is not worth another one.
        assert all(abs(size - planned[host]) < RESERVE / 2 for host, size in world.plan.items()), seed
        assert not held.ends or held.ends[-1] < faults_end + 1500, seed


@pytest.mark.parametrize("part", PARTS)
def test_a_cable_that_blinks_and_an_owner_who_does_end_nothing(part, clock):
    for seed in range(part * 25, part * 25 + 25):
        chance = random.Random(seed)
        world = World(chance, chance.randint(1, 4))
        blinked = {}
        for _ in range(500):
            for host in world.workers:
                # Silent at one look, and never at two in a row.
                world.there[host] = blinked.get(host, False) or chance.random() < 0.7
                blinked[host] = not world.there[host]
            if world.run is None:
                world.end_of_faults()
            for host in world.hosts:
                # Short for up to eight seconds.
                if world.used[host] and world.now >= world.grows[host]:
                    world.used[host] = world.grows[host] = 0
                elif world.run and not world.used[host] and chance.random() < 0.05:
                    left = chance.randrange(RESERVE // 8 + 1, RESERVE)
                    world.used[host] = max(0, SIZE - world.plan.get(host, 0) - left)
                    world.grows[host] = world.now + 8
            world.now += LOOK
            clock.now = world.now
            if world.run is None:
                world.start()
            _look, decision = world.step()
            assert not decision.end, (seed, world.now, decision)
