# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease: rule by rule, and over thousands of random sequences of faults, in which two hosts never lead."""

from __future__ import annotations

import random

import pytest
from module_utils.healing.lease import (
    Grant,
    Memory,
    Terms,
    Vote,
    begun_anew,
    follow,
    held_until,
    holder,
    leads,
    vote,
)

TERMS = Terms()
NOBODY = float("-inf")


def test_a_voter_grants_one_host_at_a_time_and_the_next_when_that_is_over():
    grant, granted = vote(TERMS, Grant(None, 0.0), "head", 100.0)
    assert (granted, grant) == (True, Grant("head", 115.0))
    assert vote(TERMS, grant, "pi-1", 114.9) == (grant, False)
    assert vote(TERMS, grant, "head", 114.9) == (Grant("head", 129.9), True)
    assert vote(TERMS, grant, "pi-1", 115.0) == (Grant("pi-1", 130.0), True)


@pytest.mark.parametrize(("known", "granted"), [("head", True), (None, False), ("pi-1", False)])
def test_a_voter_that_begins_anew_grants_for_a_while_to_nobody_but_whom_it_knows(known, granted):
    grant = begun_anew(TERMS, known, 100.0)
    assert vote(TERMS, grant, "head", 114.9)[1] is granted
    assert vote(TERMS, grant, "head", 115.0)[1] is True


def test_a_voter_tells_whose_the_lease_is():
    assert [holder(Grant(host, 10.0), now) for host, now in (("head", 9.0), (None, 9.0), ("head", 10.0))] == [
        "head",
        "",
        None,
    ]


def granted(*asked):
    return {f"pi-{place}": Vote(moment, True, "head") for place, moment in enumerate(asked)}


@pytest.mark.parametrize(
    ("votes", "members", "own", "until"),
    [
        # Two of three, one of which is its own.
        (granted(10.0, 7.0), 3, True, 22.0),
        (granted(10.0), 3, False, NOBODY),
        (granted(10.0, 7.0), 3, False, 19.0),
        # Of all members, not of those that answer.
        (granted(10.0), 4, True, NOBODY),
        (granted(10.0, 9.0, 8.0), 5, False, 20.0),
        ({**granted(10.0), "pi-9": Vote(11.0, False, "pi-1")}, 3, False, NOBODY),
    ],
)
def test_a_host_leads_while_more_than_half_of_all_members_grant_it(votes, members, own, until):
    assert held_until(TERMS, votes, members, own) == until


def test_most_voters_say_who_leads():
    votes = [Vote(0, False, "head"), Vote(0, False, "pi-1"), Vote(0, False, "head"), Vote(0, False, "")]
    assert leads(votes) == "head"
    assert leads([Vote(0, False, None)]) is None


def tries_after(place, host, said, seconds=100.0, seen=False):
    """Seconds until a candidate of three members asks for the lease, of which its voters have ``said`` whose it is."""
    memory = Memory(0.0, seen=seen)
    for tick in range(int(seconds * 4)):
        now = tick / 4
        votes = {f"pi-{number}": Vote(now, False, whose) for number, whose in enumerate(said)}
        memory = follow(TERMS, memory, votes, 3, place == 0, host, place, now)
        if memory.tries is not None:
            return now
    return None


@pytest.mark.parametrize(
    ("place", "said", "seen", "after"),
    [
        # The plan's leader at once; a standby when it was free for a while.
        (0, [None, None], False, 0.0),
        (0, [None, "pi-1"], False, 0.0),
        (1, [None, None], True, 0.0),
        (2, [None, None], True, 5.0),
        # After a power cut it gives the leader time to come.
        (1, [None, None], False, 45.0),
        (2, [None, None], False, 50.0),
        # Whose it is goes on.
        (1, ["standby", "standby"], False, 0.0),
        (1, [None, "standby"], False, 0.0),
        (1, [None, "head"], False, None),
        (1, ["", ""], True, None),
        (0, ["pi-1", "pi-1"], False, None),
        (1, [None], True, None),
    ],
)
def test_when_a_candidate_asks(place, said, seen, after):
    assert tries_after(place, "standby" if place else "head", said, seen=seen) == after


def test_who_is_not_granted_it_lets_others_try():
    memory, tried = Memory(0.0, seen=True), []
    for tick in range(400):
        now = tick / 4
        votes = {"pi-1": Vote(now, True, "standby"), "pi-2": Vote(now, False, None), "pi-3": Vote(now, False, "")}
        memory = follow(TERMS, memory, votes, 5, False, "standby", 1, now)
        tried.append(memory.tries is not None)
    assert True not in tried  # two of five are no majority, so it does not even ask
    votes = {f"pi-{number}": Vote(0, False, None) for number in range(3)}
    memory = Memory(0.0, free=-10.0, seen=True)
    memory = follow(TERMS, memory, votes, 5, False, "standby", 1, 0.0)
    assert memory.tries == 0.0
    assert follow(TERMS, memory, votes, 5, False, "standby", 1, 5.9).tries == 0.0
    memory = follow(TERMS, memory, votes, 5, False, "standby", 1, 6.0)
    assert memory.tries is None
    again = {name: Vote(19.0, False, None) for name in votes}
    assert follow(TERMS, memory, again, 5, False, "standby", 1, 20.9).tries is None
    assert follow(TERMS, memory, again, 5, False, "standby", 1, 21.0).tries == 21.0


TICK = 0.25
# By so much clocks go wrong, which is a hundred times what they do; and so long a process takes to be killed.
RATE, KILL_SECONDS = 0.08, 0.5
# A part of the time to which a watchdog of the service manager holds a process that is stuck.
MOST_STUCK = 5.0


class Host:
    """A machine with its clock, the voter on it and, of a candidate, who asks the voters."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.rate, self.up = 1 + world.chance.choice([-RATE, 0, RATE]), True
        self.boots_at(world.now)

    def boots_at(self, moment):
        self.booted, self.up, self.kept = moment, True, None
        self.starts_voter()
        self.starts_candidate()

    def clock(self):
        return (self.world.now - self.booted) * self.rate + 100.0

    def begins_anew(self):
        """Its agent is started anew, or all of it."""
        if self.world.chance.random() < 0.5:
            self.starts_voter()
        else:
            self.boots_at(self.world.now)

    def starts_voter(self):
        self.grant = begun_anew(TERMS, self.kept, self.clock())

    def starts_candidate(self):
        self.votes, self.memory, self.serving = {}, Memory(self.clock()), False
        self.next_ask, self.stuck_until, self.kill_at = self.clock(), 0.0, None

    def answers(self, host, takes):
        """Whether it grants, and whose the lease is."""
        granted = False
        if takes:
            self.grant, granted = vote(TERMS, self.grant, host, self.clock())
            # Written down before it is told.
            self.kept = self.grant.host
        return granted, holder(self.grant, self.clock())


class World:
    """Members whose leader and standbys ask the voters: messages are lost and late, hosts and processes fail, and the
    network falls apart."""

    def __init__(self, chance):
        self.chance, self.now = chance, 0.0
        count = chance.randint(3, 6)
        self.names = ["head", *(f"pi-{number}" for number in range(1, count))]
        self.candidates = self.names[: chance.randint(2, min(3, count - 1))]
        self.hosts = {name: Host(self, name) for name in self.names}
        self.voters = self.names[1:]
        self.side = dict.fromkeys(self.names, 0)
        self.loss = self.late = 0.0
        self.messages = []
        self.led_by = []

    def connected(self, one, other):
        return self.side[one] == self.side[other]

    def fault(self):
        kind, host = self.chance.random(), self.hosts[self.chance.choice(self.names)]
        if kind < 0.05:
            # One is cut off, and all others begin anew.
            lone = self.chance.choice(self.candidates)
            self.side = {name: int(name == lone) for name in self.names}
            for name in self.names:
                if name != lone:
                    self.hosts[name].begins_anew()
        elif kind < 0.15:
            host.up = host.serving = False
        elif kind < 0.3:
            host.boots_at(self.now)
        elif kind < 0.4:
            host.starts_voter()
        elif kind < 0.5:
            host.starts_candidate()
        elif kind < 0.6:
            host.stuck_until = host.clock() + self.chance.uniform(0, 30)
        elif kind < 0.75:
            self.side = {name: self.chance.randint(0, 2) for name in self.names}
        elif kind < 0.85:
            self.side = dict.fromkeys(self.names, 0)
        else:
            self.loss, self.late = self.chance.choice([(0, 0), (0.3, 1), (0.1, 20), (0.7, 5)])

    def end_of_faults(self):
        self.side, self.loss, self.late = dict.fromkeys(self.names, 0), 0.0, 0.0
        for host in self.hosts.values():
            host.stuck_until = 0.0
            if not host.up:
                host.boots_at(self.now)

    def send(self, target, message):
        """Messages may overtake each other, and come twice."""
        if self.chance.random() < self.loss:
            return
        for _ in range(2 if self.chance.random() < 0.05 else 1):
            self.messages.append((self.now + self.chance.uniform(0, 0.1 + self.late), target, message))

    def deliver(self):
        due = [each for each in self.messages if each[0] <= self.now]
        self.messages = [each for each in self.messages if each[0] > self.now]
        for _moment, target, (kind, source, *rest) in sorted(due, key=lambda each: each[0]):
            host = self.hosts[target]
            if not host.up or not self.connected(target, source):
                continue
            if kind == "ask":
                takes, asked, start = rest
                self.send(source, ("answer", target, asked, start, *host.answers(source, takes)))
            else:
                asked, start, granted, whose = rest
                # Of a connection that an earlier start had begun nothing is heard.
                before = host.votes.get(source)
                if start == (host.booted, id(host.votes)) and (before is None or before.asked <= asked):
                    host.votes[source] = Vote(asked, granted, whose)

    def tick(self):
        self.now += TICK
        self.deliver()
        for name in self.candidates:
            self.step(self.hosts[name])
        serving = [name for name in self.candidates if self.hosts[name].serving]
        self.led_by.append(serving)

    def step(self, host):
        now, own = host.clock(), host.name == "head"
        if not host.up:
            return
        until = held_until(TERMS, host.votes, len(self.names), own)
        if host.serving:
            # Stuck, it is killed by the service manager, who counts from when all was well.
            is_stuck = now < host.stuck_until
            host.well = host.well if is_stuck or until - now < MOST_STUCK else now
            if now >= until or (is_stuck and now - host.well >= MOST_STUCK):
                host.kill_at = host.kill_at or self.now + KILL_SECONDS
            if host.kill_at and self.now >= host.kill_at:
                host.starts_candidate()
            if is_stuck:
                return
        elif now < host.stuck_until:
            return
        elif now < until:
            host.serving, host.well = True, now
        else:
            place = self.candidates.index(host.name)
            host.memory = follow(TERMS, host.memory, host.votes, len(self.names), own, host.name, place, now)
        if now >= host.next_ask:
            host.next_ask = now + TERMS.renew_seconds
            takes = host.serving or host.memory.tries is not None
            for voter in self.voters:
                self.send(voter, ("ask", host.name, takes, now, (host.booted, id(host.votes))))


def test_a_leader_has_ended_before_a_grant_is_over_however_clocks_go():
    assert TERMS.held_seconds / (1 - RATE) + KILL_SECONDS + TICK < TERMS.granted_seconds / (1 + RATE)


PARTS = [*range(2), *(pytest.param(part, marks=pytest.mark.long) for part in range(2, 100))]


@pytest.mark.parametrize("part", PARTS)
def test_whatever_happens_two_never_lead_and_somebody_does_in_the_end(part):
    led = 0
    for seed in range(part * 20, part * 20 + 20):
        world = World(random.Random(seed))
        rate = world.chance.choice([0.01, 0.05, 0.15])
        while world.now < 400:
            if world.chance.random() < rate:
                world.fault()
            world.tick()
            assert len(world.led_by[-1]) <= 1, (seed, world.now, world.led_by[-1])
        world.end_of_faults()
        while world.now < 520:
            world.tick()
            assert len(world.led_by[-1]) <= 1, (seed, world.now, world.led_by[-1])
        # And whoever leads then goes on doing so.
        last = world.led_by[-80:]
        assert last[0] and last == last[:1] * len(last), (seed, last)
        led += sum(map(bool, world.led_by))
    assert led > 20 * 480


@pytest.mark.parametrize("part", PARTS)
def test_a_standby_leads_soon_after_the_leader_is_gone_and_a_leader_alone_ends_before(part):
    for seed in range(part * 20, part * 20 + 20):
        world = World(random.Random(seed))
        while world.now < 90:
            world.tick()
        assert world.led_by[-1] == ["head"], seed
        cut = world.now
        if world.chance.random() < 0.5:
            world.hosts["head"].up = world.hosts["head"].serving = False
        else:
            world.side["head"] = 1
        while world.led_by[-1][:1] != [world.candidates[1]]:
            world.tick()
            assert len(world.led_by[-1]) <= 1, seed
            assert world.now - cut < 22, seed
