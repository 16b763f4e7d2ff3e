# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that stands by, and its voters: with a clock and a child that are made up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import types

import pytest
from module_utils.errors import DroverError
from module_utils.healing.lease import Vote
from module_utils.hosts.process import marked_process, process_mark
from module_utils.hosts.tree import Tree
from module_utils.runtime import decisions, standby, watch
from module_utils.runtime.command import EX_TEMPFAIL
from module_utils.runtime.http_service import Refused
from module_utils.runtime.standby import Candidate, standing_by
from module_utils.runtime.voter import Voter
from module_utils.runtime.watch import Watch
from module_utils.serving.cluster import Cluster, Standby, led
from unit.documents import worker_deployment
from unit.healing.test_replan import DEPLOYMENTS, MEMBERS

MAIN = Cluster("main")


@pytest.fixture
def clock(folders, monkeypatch):
    made = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(standby, "boot_clock", lambda: made.now)
    return made


def test_a_voter_goes_on_where_it_was_and_after_a_boot_grants_nobody_anything_for_a_while(folders, clock):
    tree = Tree()

    def ask(voter, host, takes=True):
        said = voter.ask({"host": host, "takes": takes})
        return said["granted"], said["holder"]

    voter = Voter(MAIN, tree, lambda: clock.now)
    assert ask(voter, "head") == (False, "")
    clock.now += 15
    assert ask(voter, "head", takes=False) == (False, None)
    assert ask(voter, "head") == (True, "head")
    assert ask(voter, "pi-1") == (False, "head")
    anew = Voter(MAIN, tree, lambda: clock.now)
    assert ask(anew, "pi-1") == (False, "head")
    assert ask(anew, "head") == (True, "head")
    kept = decisions.read_document(MAIN.lease_path)
    decisions.write_document(MAIN.lease_path, {**kept, "boot": "another"})
    assert ask(Voter(MAIN, tree, lambda: clock.now), "head") == (False, "")


@pytest.mark.parametrize("kept", [[], {}, {"host": 3}, {"host": ""}])
def test_a_voter_knows_nothing_by_a_file_that_is_none(folders, kept):
    with open(MAIN.lease_path, "w", encoding="utf-8") as file:
        json.dump({**kept, "boot": standby.Tree().text("/proc/sys/kernel/random/boot_id")} if kept else kept, file)
    assert Voter(MAIN, Tree(), lambda: 100.0).grant.host is None


def test_a_voter_grants_nothing_that_it_cannot_write_down(folders, monkeypatch):
    voter = Voter(MAIN, Tree(), lambda: 100.0)
    voter.clock = lambda: 200.0
    os.mkdir(f"{MAIN.lease_path}.new")
    with pytest.raises(DroverError):
        voter.ask({"host": "head", "takes": True})
    os.rmdir(f"{MAIN.lease_path}.new")
    assert voter.ask({"host": "pi-1", "takes": True})["granted"]


def test_who_does_not_say_for_whom_it_asks_is_refused(folders):
    with pytest.raises(Refused):
        Voter(MAIN, Tree()).ask({"takes": True})


class Child:
    def __init__(self):
        self.returncode, self.killed = None, False

    def poll(self):
        return self.returncode

    def kill(self):
        self.killed, self.returncode = True, -9

    def wait(self):
        return self.returncode


def write(path, content):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)


def candidate(host, monkeypatch, leaders=("head", "pi-1")):
    """The leader or a standby of three members, and what it has told the service manager."""
    root = DEPLOYMENTS["head"]
    root = {**root, "host": host, "healing": {**root["healing"], "leaders": list(leaders)}}
    cluster = MAIN if host == "head" else Standby("main")
    own = MEMBERS["agents"] if host == "head" else {"pi-2": MEMBERS["agents"]["pi-2"]}
    write(cluster.members_path, {**MEMBERS, "agents": own})
    write(cluster.deployment_path, root)
    if host != "head":
        write(MAIN.deployment_path, worker_deployment(healing={"port": 51052}))
    made = Candidate(led("main"), Tree(), root)
    made.child_made = Child()
    made.notes = []
    monkeypatch.setattr(standby, "notify", made.notes.append)
    monkeypatch.setattr(Candidate, "start", lambda self: self.child_made)
    return made


def said(candidate, clock, seconds, granted=(), holders=None):
    """Look for so many seconds, in which voters say so: the exit code, or None."""
    for _ in range(int(seconds * 4)):
        for voter in candidate.voters:
            holder = (holders or {}).get(voter)
            candidate.votes[voter] = Vote(clock.now, voter in granted and candidate.takes, holder)
        code = candidate.look()
        if code is not None:
            return code
        clock.now += 0.25
    return None


def test_the_leader_has_a_vote_of_its_own_and_a_standby_its_agents(clock, monkeypatch):
    head = candidate("head", monkeypatch)
    assert (sorted(head.voters), head.members, head.place) == (["pi-1", "pi-2"], 3, 0)
    other = candidate("pi-1", monkeypatch)
    assert (sorted(other.voters), other.members, other.place) == (["pi-1", "pi-2"], 3, 1)
    assert other.voters["pi-1"] == {"address": "10.0.0.11", "port": 51052}


def test_the_leader_leads_by_one_more_vote_and_ends_in_time_without(clock, monkeypatch):
    head = candidate("head", monkeypatch)
    assert said(head, clock, 1, granted=("pi-2",), holders={"pi-1": ""}) is None
    assert head.child is head.child_made
    assert said(head, clock, 60, granted=("pi-2",)) is None
    cut = clock.now
    while head.look() is None:
        clock.now += 0.25
    assert head.child_made.killed
    assert clock.now - cut <= standby.TERMS.held_seconds < standby.TERMS.granted_seconds


def test_a_standby_waits_while_another_leads_and_takes_over_when_most_are_free(clock, monkeypatch):
    other = candidate("pi-1", monkeypatch)
    assert said(other, clock, 60, granted=("pi-1", "pi-2"), holders=dict.fromkeys(("pi-1", "pi-2"), "head")) is None
    assert (other.child, other.takes, other.told) == (None, False, "Stands by; head leads")
    assert standing_by(Standby("main"), Tree()) == "Stands by; head leads."
    assert said(other, clock, 60, granted=("pi-2",), holders={"pi-1": "head"}) is None
    assert other.child is None
    assert said(other, clock, 3, granted=("pi-1", "pi-2")) is None
    assert other.child is other.child_made
    assert standing_by(Standby("main"), Tree()) is None


def test_one_that_loses_the_lease_says_so_to_be_started_anew(clock, monkeypatch):
    head = candidate("head", monkeypatch)
    said(head, clock, 2, granted=("pi-1",))
    assert said(head, clock, 30, holders=dict.fromkeys(("pi-1", "pi-2"), "pi-1")) == EX_TEMPFAIL


@pytest.mark.parametrize(("ended", "code"), [(78, 78), (0, 0), (-9, 137)])
def test_it_ends_as_its_child_does(clock, monkeypatch, ended, code):
    head = candidate("head", monkeypatch)
    said(head, clock, 2, granted=("pi-1",))
    head.child.returncode = ended
    assert head.look() == code


def test_the_watchdog_is_told_while_there_is_enough_of_the_lease(clock, monkeypatch):
    head = candidate("head", monkeypatch)
    said(head, clock, 2, granted=("pi-1",))
    head.notes.clear()
    cut = clock.now
    while head.look() is None:
        if head.notes and head.notes[-1] == "WATCHDOG=1":
            last = clock.now
            head.notes.clear()
        clock.now += 0.25
    assert last - cut + standby.STUCK_SECONDS <= standby.TERMS.held_seconds


def test_the_watch_of_a_standby_asks_nobody_and_says_who_leads(clock, monkeypatch):
    other = candidate("pi-1", monkeypatch)
    monkeypatch.setattr(watch, "ask_all", None)
    said(other, clock, 3, holders=dict.fromkeys(("pi-1", "pi-2"), "head"))
    watched = Watch(led("main"), Tree(), other.root, MEMBERS, b"s" * 48)
    watched.look()
    assert (watched.told["healthy"], watched.told["sentence"]) == (False, "Stands by; head leads.")


PARENT = """
import os, subprocess, sys, time
read, write = os.pipe()
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(read)], pass_fds=[read])
os.close(read)
print(child.pid, flush=True)
time.sleep(60)
"""
CHILD = """
import os, sys
from module_utils.runtime.tether import tie
tie(int(sys.argv[1]))
print("tied", flush=True)
os.execv("/bin/sleep", ["sleep", "60"])
"""


def test_a_child_is_killed_with_its_parent_whatever_it_has_become():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        pid = int(parent.stdout.readline())
        assert parent.stdout.readline() == "tied\n"
        mark = process_mark(Tree(), pid)
        assert marked_process(Tree(), mark) == pid
        parent.kill()
    deadline = time.monotonic() + 30
    while marked_process(Tree(), mark):
        assert time.monotonic() < deadline
        time.sleep(0.05)
