# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A leader's start and its watch, with workers that are made up and a clock that is."""

from __future__ import annotations

import errno
import itertools
import json
import os

import pytest
from module_utils.errors import DroverError, NotYet
from module_utils.healing.members import make_members
from module_utils.healing.replan import SILENT, SLOW, Answer
from module_utils.hosts.process import boot
from module_utils.runtime import alike, decisions, leader, sights, watch
from module_utils.runtime.leader import decide
from module_utils.runtime.watch import Watch
from module_utils.serving import cluster as cluster_module
from module_utils.serving.cluster import Cluster
from module_utils.serving.deploy import deploy
from module_utils.serving.deployment import at_address
from unit.healing.test_replan import DEPLOYMENTS, MEMBERS, memory
from unit.placement.fleets import MIB

MAIN = Cluster("main")
BUILD = DEPLOYMENTS["head"]["build"]
ALL = ["pi-1", "pi-2"]
# No test lets more time pass.
MOST_SECONDS = 10000.0


class Fleet:
    """Workers that answer as they are told to, and what was asked of them."""

    def __init__(self):
        self.now = 1000.0
        self.slow_hosts = set()
        self.silent, self.refuses, self.clients, self.build = set(), {}, {}, dict.fromkeys(ALL, BUILD)
        self.protocol = dict.fromkeys(ALL, BUILD["rpc_protocol"])
        self.lent = dict.fromkeys(ALL, 700)
        self.starts = dict.fromkeys(ALL, 1)
        self.down = set()
        # How often an RPC server had to send its answer again.
        self.again = {}
        # Whose RPC server is another program than root has found.
        self.replaced = set()
        self.leader = 700
        self.stalled, self.swapped = {}, {}
        # Whether it takes time to wait for those who do not answer.
        self.slow = False
        self.deployed = []
        self.events = []

    def answer(self, host, lent=True):
        if host in self.silent:
            return Answer(problem=SILENT)
        if host in self.slow_hosts:
            return Answer(problem=SLOW)
        rpc = {"mark": f"{host} {self.starts[host]}", "started_seconds": 1.0, "clients": self.clients.get(host, [])}
        rpc.update(retransmits=self.again.get(host, 0), replaced=host in self.replaced)
        state = {"host": host, "cluster": "main", "build": self.build[host], "rpc": None if host in self.down else rpc}
        state["memory"] = self.pressure(host)
        return Answer(state, {"memory": memory(self.lent[host] * MIB)} if lent else None)

    def pressure(self, host):
        """What the kernel of ``host`` says of its memory."""
        usable = self.leader if host == "head" else self.lent[host]
        return {
            "lendable_bytes": usable * MIB,
            "stalled_seconds": self.stalled.get(host),
            "swapped_in_bytes": self.swapped.get(host),
        }

    def ask_all(self, known, secret, hosts=None, lent=True, seconds=2.0):
        assert secret == b"s" * 48
        self.now += seconds if self.slow and self.silent else 0
        return {host: self.answer(host, lent) for host in known if hosts is None or host in hosts}

    def probe(self, address, port, timeout):
        host = next(name for name, place in MEMBERS["agents"].items() if place["address"] == address)
        assert port == DEPLOYMENTS[host]["listen"]["port"]
        if self.protocol[host] is None:
            return {"version": None}
        return {"version": dict(zip(("major", "minor", "patch"), self.protocol[host].split("."), strict=True))}

    def sleep(self, seconds):
        self.now += seconds
        assert self.now < MOST_SECONDS, "it waits for ever"
        if self.events:
            moment, event = self.events[0]
            if self.now >= moment:
                self.events.pop(0)
                event()


class FakeAgent:
    fleet = None

    def __init__(self, host, address, port, secret):
        self.host = host

    def deploy(self, deployment, fresh):
        fleet = self.fleet
        if self.host in fleet.refuses:
            raise DroverError(fleet.refuses[self.host])
        fleet.deployed.append((self.host, deployment, fresh))
        ended = f"{self.host} {fleet.starts[self.host]}" if fresh else None
        if fresh:
            fleet.starts[self.host] += 1
            fleet.clients.pop(self.host, None)
        return {"ended": ended}

    def close(self):
        pass


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    made = Fleet()
    monkeypatch.setattr(cluster_module, "CLUSTERS_FOLDER", str(tmp_path / "etc"))
    monkeypatch.setattr(cluster_module, "HEALING_FOLDER", str(tmp_path / "healing"))
    (tmp_path / "etc/main").mkdir(parents=True)
    (tmp_path / "healing/main").mkdir(parents=True)
    for path, content in (
        (MAIN.members_path, json.dumps(MEMBERS)),
        (MAIN.deployment_path, json.dumps(DEPLOYMENTS["head"])),
        (MAIN.secret_path, "s" * 48 + "\n"),
    ):
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
    monkeypatch.setattr(FakeAgent, "fleet", made)
    for module in (leader, watch):
        monkeypatch.setattr(module, "ask_all", made.ask_all)
        monkeypatch.setattr(module, "see_lent", lambda _tree, _root: {"memory": memory(made.leader * MIB)})
        monkeypatch.setattr(module.time, "monotonic", lambda: made.now)
        monkeypatch.setattr(module.time, "sleep", made.sleep)
    monkeypatch.setattr(watch, "read_pressure", lambda _tree, _cluster, _pids, _in_pod: made.pressure("head"))
    # This machine's own kernel goes through all of its sockets for each look.
    monkeypatch.setattr(sights, "retransmits_to", lambda _tree, _address, _port: 0)
    # Every start is a process of its own.
    marks = (f"{boot(leader.Tree())}:{number}:1" for number in itertools.count(1))
    monkeypatch.setattr(leader, "process_mark", lambda _tree, _pid: next(marks))
    monkeypatch.setattr(leader, "Agent", FakeAgent)
    monkeypatch.setattr(alike, "probe", made.probe)
    # Threads wait for the real clock.
    for module in (leader, alike):
        monkeypatch.setattr(
            module, "all_at_once", lambda calls, _seconds: {host: tried(call) for host, call in calls.items()}
        )
    return made


def tried(call):
    try:
        return call()
    except DroverError as error:
        return error


def start():
    deployment = decide("main", DEPLOYMENTS["head"])
    return deployment, decisions.decision(MAIN)


def start_without(fleet, host):
    """A start that ``host`` misses, which is back right after it."""
    fleet.silent.add(host)
    start()
    fleet.silent.clear()


def hosts_of(decided):
    return [endpoint["host"] for endpoint in decided["plan"]["endpoints"]]


def test_a_plan_that_holds_is_started_at_once(fleet):
    deployment, decided = start()
    assert deployment == DEPLOYMENTS["head"]
    assert decided["workers"] == {"pi-1": "pi-1 1", "pi-2": "pi-2 1"}
    assert (decided["absent"], decided["waiting"], fleet.now) == ({}, None, 1000.0)
    assert [(host, fresh) for host, _deployment, fresh in fleet.deployed] == [("pi-1", False), ("pi-2", False)]
    assert decisions.in_force(MAIN, DEPLOYMENTS["head"]) == deployment


def test_a_silent_worker_is_looked_for_and_then_done_without(fleet, capsys):
    fleet.silent.add("pi-2")
    _deployment, decided = start()
    assert hosts_of(decided) == ["pi-1"]
    assert decided["absent"] == {"pi-2": SILENT}
    assert 5 <= fleet.now - 1000 <= 8
    assert "Looks for pi-2\nServes with pi-1, without pi-2 (it does not answer)\n" in capsys.readouterr().out


def test_what_a_leader_decides_lets_in_whom_root_lets_in(fleet):
    root = {**DEPLOYMENTS["head"], "allow": ["10.9.9.9"]}
    with open(MAIN.deployment_path, "w", encoding="utf-8") as file:
        json.dump(root, file)
    fleet.silent.add("pi-2")
    deployment = decide("main", root)
    assert deployment["allow"] == ["10.9.9.9"]
    assert deployment["arguments"] != root["arguments"]
    assert decisions.in_force(MAIN, root) == deployment


LOST = {
    "schema": 1,
    "cluster": "main",
    "healthy": False,
    "sentence": "",
    "since": 0.0,
    "workers": {
        host: {"up": host == "pi-1", "since": 0.0, "problem": "", "takes_part": True} for host in ("pi-1", "pi-2")
    },
    "heals": [],
    "heal_count": 0,
}


def test_one_that_the_watch_knows_as_lost_is_not_looked_for(fleet):
    fleet.silent.add("pi-2")
    decisions.write_document(MAIN.watch_path, {**LOST, "boot": boot(leader.Tree())})
    _deployment, decided = start()
    assert (hosts_of(decided), fleet.now) == (["pi-1"], 1000.0)


@pytest.mark.parametrize("told", [{**LOST, "boot": ""}, {**LOST, "boot": "of before a power cut"}])
def test_who_was_lost_before_a_boot_is_looked_for(fleet, told):
    fleet.silent.add("pi-2")
    fleet.events = [(1003, fleet.silent.clear)]
    decisions.write_document(MAIN.watch_path, told)
    _deployment, decided = start()
    assert hosts_of(decided) == ALL


@pytest.mark.parametrize("told", [[], {"workers": 3}, {"workers": {"pi-2": None}}, {"workers": {"pi-2": {"up": True}}}])
def test_whatever_the_watch_has_left_a_start_goes_on(fleet, told):
    fleet.silent.add("pi-2")
    decisions.write_document(MAIN.watch_path, told)
    _deployment, decided = start()
    assert hosts_of(decided) == ["pi-1"]
    assert fleet.now > 1005


@pytest.mark.parametrize(("after", "expected"), [(15, ALL), (60, ["pi-1"])])
def test_one_that_is_too_busy_to_answer_is_looked_for_longer(fleet, after, expected):
    fleet.slow_hosts.add("pi-2")
    fleet.events = [(1000 + after, fleet.slow_hosts.clear)]
    _deployment, decided = start()
    assert hosts_of(decided) == expected


def test_a_worker_that_comes_while_it_is_looked_for_takes_part(fleet):
    fleet.silent.add("pi-2")
    fleet.events = [(1003, fleet.silent.clear)]
    _deployment, decided = start()
    assert hosts_of(decided) == ALL


def test_who_took_no_part_last_time_is_taken_in_when_it_is_back(fleet):
    start_without(fleet, "pi-2")
    deployment, decided = start()
    assert (hosts_of(decided), decided["absent"]) == (ALL, {})
    assert deployment == DEPLOYMENTS["head"]


def test_it_waits_for_memory_says_so_and_goes_on(fleet, capsys):
    fleet.silent.add("pi-2")
    fleet.leader = 200
    seen = []
    fleet.events = [(1020, lambda: seen.append(decisions.decision(MAIN))), (1030, fleet.silent.clear)]
    _deployment, decided = start()
    sentence = "The model does not fit now: it needs 1.0 GiB, has 900 MiB; waiting for pi-2."
    assert f"drover: {sentence}\n" in capsys.readouterr().err
    assert (seen[0]["waiting"], seen[0]["workers"]) == (sentence, {})
    assert fleet.now >= 1030
    assert decided["waiting"] is None


def test_another_build_takes_no_part(fleet):
    fleet.build["pi-2"] = {**BUILD, "build": 9}
    _deployment, decided = start()
    assert hosts_of(decided) == ["pi-1"]
    assert decided["absent"]["pi-2"] == "it has build 9 of llama.cpp, and the leader has 11669"


def test_another_program_of_the_same_protocol_takes_no_part(fleet):
    fleet.replaced.add("pi-2")
    _deployment, decided = start()
    assert hosts_of(decided) == ["pi-1"]
    assert decided["absent"] == {"pi-2": "its llama.cpp is another one than when site.yml ran"}


def test_where_the_leaders_own_program_was_replaced_too_the_protocol_tells(fleet, monkeypatch):
    monkeypatch.setattr(alike, "is_at", lambda program, _prints: program != MEMBERS["programs"]["head"]["server"])
    fleet.replaced.update(ALL)
    fleet.protocol["pi-1"] = "9.0.0"
    _deployment, decided = start()
    assert hosts_of(decided) == ["pi-2"]


@pytest.mark.parametrize(
    ("protocol", "reason"),
    [
        ("9.0.1", "its RPC server speaks protocol 9.0.1, and the leader's {}"),
        (None, "its RPC server does not answer"),
    ],
)
def test_an_rpc_server_that_was_replaced_behind_roots_back_takes_no_part(fleet, protocol, reason):
    fleet.protocol["pi-2"] = protocol
    _deployment, decided = start()
    assert hosts_of(decided) == ["pi-1"]
    assert decided["absent"] == {"pi-2": reason.format(BUILD["rpc_protocol"])}


def test_one_that_refuses_what_it_is_to_run_is_done_without(fleet):
    fleet.refuses["pi-2"] = "The deployment has another program."
    _deployment, decided = start()
    assert hosts_of(decided) == ["pi-1"]
    assert decided["absent"] == {"pi-2": "The deployment has another program"}


def test_an_rpc_server_that_was_never_told_of_the_end_is_started_anew(fleet):
    own = MEMBERS["tallies"][0]["network"]["addresses"][0]["address"]
    fleet.clients = {"pi-1": [own], "pi-2": ["10.99.99.99"]}
    _deployment, decided = start()
    assert {host: fresh for host, _deployment, fresh in fleet.deployed} == {"pi-1": True, "pi-2": False}
    assert decided["workers"] == {"pi-1": "pi-1 2", "pi-2": "pi-2 1"}


def test_one_whose_rpc_server_does_not_start_is_done_without(fleet):
    fleet.down.add("pi-2")
    _deployment, decided = start()
    assert decided["absent"] == {"pi-2": "its RPC server does not start"}
    assert fleet.now - 1000 < 60


def test_a_worker_that_ends_every_run_rests_and_comes_again(fleet, capsys):
    start()
    for _ in range(2):
        fleet.now += 300
        fleet.starts["pi-2"] += 1
        _deployment, decided = start()
        assert hosts_of(decided) == ALL
    fleet.now += 300
    fleet.starts["pi-2"] += 1
    _deployment, decided = start()
    reason = "its RPC server has ended 3 times in a row, and it rests for 10 minutes"
    assert (hosts_of(decided), decided["absent"]) == (["pi-1"], {"pi-2": reason})
    fleet.now += 610
    _deployment, decided = start()
    assert hosts_of(decided) == ALL


def test_who_ends_every_run_takes_part_where_the_model_does_not_fit_without_it(fleet):
    fleet.leader = 200
    for _ in range(5):
        _deployment, decided = start()
        assert hosts_of(decided) == ALL
        fleet.now += 300
        fleet.starts["pi-2"] += 1
    assert decided["strikes"]["pi-2"]["count"] == 4


def test_nothing_is_held_against_a_worker_over_a_boot_of_the_leader(fleet, monkeypatch):
    for _ in range(5):
        start()
        fleet.starts["pi-2"] += 1
        decided = decisions.decision(MAIN)
        decisions.write_document(MAIN.running_path, {**decided, "leader": "another boot:1:1"})
    _deployment, decided = start()
    assert (hosts_of(decided), decided["strikes"]) == (ALL, {})


def test_who_rests_is_not_taken_for_back(fleet, watched, process):
    decided = decisions.decision(MAIN)
    start_without(fleet, "pi-2")
    decided = decisions.decision(MAIN)
    until = fleet.now + 100
    resting = {**decided, "strikes": {"pi-2": {"count": 3, "until": until}}}
    decisions.write_document(MAIN.running_path, resting)
    while fleet.now < until:
        looks(fleet, watched, 1)
    assert process.signals == []
    looks(fleet, watched, 25)
    assert process.signals == [15]


def test_what_was_decided_is_nothing_when_root_has_written_anew(fleet):
    fleet.silent.add("pi-2")
    start()
    with open(MAIN.members_path, "w", encoding="utf-8") as file:
        json.dump({**MEMBERS, "model_host": "head"}, file)
    assert decisions.decision(MAIN) is None
    assert decisions.in_force(MAIN, DEPLOYMENTS["head"]) == DEPLOYMENTS["head"]


class Process:
    """llama-server, as the watch sees it."""

    def __init__(self, monkeypatch):
        self.alive, self.signals = True, []
        monkeypatch.setattr(watch, "marked_process", lambda _tree, mark: 4242 if mark and self.alive else None)
        monkeypatch.setattr(watch, "process_mark", lambda _tree, pid: f"mark of {pid}")
        monkeypatch.setattr(watch, "find_listeners", lambda _tree, _ports: [{"pid": 4242}] if self.alive else [])
        monkeypatch.setattr(watch.os, "kill", self.kill)
        monkeypatch.setattr(watch, "health", lambda _url, _seconds: None)
        monkeypatch.setattr(Watch, "_busy", lambda _self: False)

    def kill(self, pid, number):
        assert pid == 4242
        self.signals.append(number)
        self.alive = False


@pytest.fixture
def process(monkeypatch):
    return Process(monkeypatch)


@pytest.fixture
def watched(fleet, process):
    start()
    return Watch(MAIN, leader.Tree(), DEPLOYMENTS["head"], MEMBERS, b"s" * 48)


def looks(fleet, watched, count, seconds=2.0):
    for _ in range(count):
        watched.look()
        fleet.now += seconds


def test_a_healthy_cluster_is_left_alone(fleet, watched, process):
    looks(fleet, watched, 50)
    assert process.signals == []
    assert (watched.told["healthy"], watched.told["sentence"]) == (True, "")
    assert {host: worker["up"] for host, worker in watched.told["workers"].items()} == {"pi-1": True, "pi-2": True}
    assert decisions.read_document(MAIN.watch_path) == watched.told


def test_a_worker_too_busy_to_answer_ends_nothing_for_a_while(fleet, watched, process):
    looks(fleet, watched, 3)
    fleet.slow_hosts.add("pi-2")
    looks(fleet, watched, 7)
    assert (process.signals, watched.told["healthy"]) == ([], True)
    assert watched.told["workers"]["pi-2"]["problem"] == SLOW
    looks(fleet, watched, 3)
    assert process.signals == [9]


def test_a_restarted_worker_ends_llama_server(fleet, watched, process):
    looks(fleet, watched, 3)
    fleet.starts["pi-2"] += 1
    looks(fleet, watched, 1)
    assert process.signals == [9]
    assert not watched.told["healthy"]
    assert watched.told["heals"][-1]["reason"] == "the RPC server of pi-2 has ended or was started anew"


def test_a_silent_worker_is_no_health_at_once_and_ends_it_after_a_while(fleet, watched, process):
    looks(fleet, watched, 3)
    fleet.silent.add("pi-1")
    looks(fleet, watched, 1)
    assert (process.signals, watched.told["healthy"]) == ([], False)
    assert watched.told["sentence"] == "pi-1 holds layers, and it does not answer."
    looks(fleet, watched, 1)
    assert process.signals == [9]


def test_a_worker_to_which_nothing_gets_through_is_no_health_at_once_and_ends_it_after_a_while(fleet, watched, process):
    looks(fleet, watched, 3)
    fleet.again["pi-1"] = 3
    looks(fleet, watched, 2)
    assert (process.signals, watched.told["healthy"]) == ([], False)
    assert watched.told["sentence"] == "pi-1 holds layers, and nothing gets through to its RPC port."
    looks(fleet, watched, 1)
    assert process.signals == [9]
    assert watched.told["heals"][-1]["reason"] == "nothing gets through to the RPC port of pi-1"
    # Its agent answers, but the leader finds that its RPC server does not, and nobody is waited for.
    fleet.protocol["pi-1"], began = None, fleet.now
    _deployment, decided = start()
    assert (hosts_of(decided), fleet.now) == (["pi-2"], began)
    assert decided["absent"] == {"pi-1": "its RPC server does not answer"}


def test_a_link_that_loses_now_and_then_ends_nothing(fleet, watched, process):
    for number in range(60):
        fleet.again["pi-1"] = 4 if number % 3 else 0
        looks(fleet, watched, 1)
    assert process.signals == []


def test_a_silent_worker_is_noticed_within_six_seconds(fleet, watched, process):
    looks(fleet, watched, 3)
    # Its cable is pulled right after a look.
    pulled = fleet.now - watch.LOOK_SECONDS
    fleet.silent.add("pi-1")
    fleet.slow = True
    while not process.signals:
        began = fleet.now
        watched.look()
        ended = fleet.now
        fleet.now = max(ended + 0.1, began + watch.LOOK_SECONDS)
    assert ended - pulled < 6


def test_who_is_back_is_taken_in_when_it_has_settled(fleet, watched, process):
    fleet.silent.add("pi-2")
    start()
    looks(fleet, watched, 5)
    fleet.silent.clear()
    looks(fleet, watched, 15)
    assert process.signals == []
    looks(fleet, watched, 3)
    assert process.signals == [15]
    heal = watched.told["heals"][-1]
    assert (heal["reason"], heal["seconds"]) == ("a better plan is possible", None)
    process.alive = True
    start()
    looks(fleet, watched, 50)
    assert process.signals == [15]
    assert watched.told["healthy"]
    assert watched.told["heals"][-1]["seconds"] is not None


def test_one_missed_answer_leaves_nobody_out(fleet, watched, process):
    fleet.silent.add("pi-2")
    start()
    looks(fleet, watched, 5)
    fleet.silent.clear()
    answer = fleet.answer
    fleet.answer = lambda host, lent=True: Answer(problem=SILENT) if lent else answer(host, lent)
    looks(fleet, watched, 1)
    fleet.answer = answer
    looks(fleet, watched, 20)
    assert process.signals == [15]


def test_one_that_serves_and_misses_a_question_makes_no_plan_without_it_a_better_one(fleet, watched, process):
    start_without(fleet, "pi-2")
    # Back, and of no use.
    fleet.lent["pi-2"] = 1
    answer = fleet.answer
    fleet.answer = lambda host, lent=True: Answer(problem=SLOW) if lent and host == "pi-1" else answer(host, lent)
    looks(fleet, watched, 60)
    assert process.signals == []


def test_who_answers_and_can_never_take_part_is_tried_ever_more_rarely(fleet, watched, process):
    start_without(fleet, "pi-2")
    fleet.refuses["pi-2"] = "no"
    ends = []
    for _ in range(6000):
        looks(fleet, watched, 1)
        if not process.alive:
            ends.append(fleet.now)
            process.alive = True
            start()
    waits = [after - before for before, after in zip(ends, ends[1:])]
    assert len(ends) <= 6
    assert all(later > 1.8 * earlier for earlier, later in zip(waits, waits[1:]))


def test_one_whose_rpc_port_is_blocked_ends_nothing_until_it_is_open(fleet, watched, process):
    start_without(fleet, "pi-2")
    fleet.protocol["pi-2"] = None
    looks(fleet, watched, 1000)
    assert process.signals == []
    assert watched.told["workers"]["pi-2"]["problem"] == "its RPC server does not answer"
    fleet.protocol["pi-2"] = BUILD["rpc_protocol"]
    looks(fleet, watched, 50)
    assert process.signals == [15]
    assert watched.told["workers"]["pi-2"]["problem"] == ""


def test_an_rpc_server_that_is_in_use_is_never_probed(fleet, watched, process, monkeypatch):
    start_without(fleet, "pi-2")
    fleet.clients = {"pi-2": ["10.99.99.99"]}
    monkeypatch.setattr(alike, "probe", lambda *_place: pytest.fail("it was probed"))
    looks(fleet, watched, 20)
    assert process.signals == [15]


def test_who_lends_more_after_a_while_is_taken_in(fleet, watched, process):
    start_without(fleet, "pi-2")
    fleet.lent["pi-2"] = 1
    looks(fleet, watched, 10)
    fleet.lent["pi-2"] = 700
    looks(fleet, watched, 50)
    assert process.signals == [15]


def test_who_takes_no_part_after_an_end_for_it_is_left_alone_for_a_while(fleet, watched, process):
    start_without(fleet, "pi-2")
    fleet.refuses["pi-2"] = "no"
    for _ in range(4):
        looks(fleet, watched, 60)
        process.alive = True
        start()
    assert process.signals == [15]


def full_disk(monkeypatch):
    def refuse(_before, after):
        raise OSError(errno.ENOSPC, "No space left on device", after)

    monkeypatch.setattr(decisions.os, "replace", refuse)


def test_a_full_disk_does_not_end_the_watch(fleet, watched, process, monkeypatch, capsys):
    full_disk(monkeypatch)
    looks(fleet, watched, 3)
    fleet.starts["pi-2"] += 1
    looks(fleet, watched, 1)
    assert process.signals == [9]
    assert not watched.told["healthy"]
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_a_leader_whose_disk_is_full_tries_again(fleet, monkeypatch):
    full_disk(monkeypatch)
    with pytest.raises(NotYet, match="No space left on device"):
        start()


def test_a_secret_that_cannot_be_read_may_be_there_later(fleet):
    os.unlink(MAIN.secret_path)
    with pytest.raises(NotYet, match="cannot be read"):
        start()


def test_health_waits_with_the_leader(fleet, watched, process):
    decided = decisions.decision(MAIN)
    decisions.write_document(MAIN.running_path, {**decided, "waiting": "The model does not fit now.", "workers": {}})
    looks(fleet, watched, 1)
    assert (watched.told["healthy"], watched.told["sentence"]) == (False, "The model does not fit now.")


def test_what_was_healed_is_remembered_over_a_restart_of_the_watch(fleet, watched):
    looks(fleet, watched, 2)
    fleet.starts["pi-2"] += 1
    looks(fleet, watched, 1)
    again = Watch(MAIN, leader.Tree(), DEPLOYMENTS["head"], MEMBERS, b"s" * 48)
    assert again.told["heal_count"] == 1


# --- in pods --------------------------------------------------------------------------------------------------------


class Podded:
    """The same cluster with every part in a pod, whose address is not known to the one who deployed it."""

    def __init__(self):
        pods = {host: {"sources": [], "most_bytes": 800 * MIB} for host in ("head", *ALL)}
        known = (MEMBERS["plan"], MEMBERS["tallies"], MEMBERS["programs"], MEMBERS["served"], MEMBERS["settings"])
        self.deployments = deploy(*known, pods=pods)
        plan, tallies, programs, served, settings = known
        self.members = make_members(
            plan, MEMBERS["gguf"], tallies, programs, served, settings, self.deployments, pods=pods
        )
        self.root = at_address(self.deployments["head"], "10.244.0.9")
        for path, content in ((MAIN.members_path, self.members), (MAIN.deployment_path, self.deployments["head"])):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(content, file)

    def start(self):
        return decide("main", self.root), decisions.decision(MAIN)


@pytest.fixture
def podded(fleet):
    return Podded()


def test_a_leader_in_a_pod_serves_at_its_own_address(fleet, podded):
    deployment, decided = podded.start()
    assert deployment == podded.root
    assert decided["deployment"]["arguments"][decided["deployment"]["arguments"].index("--host") + 1] == "10.244.0.9"
    # The workers' own are theirs to know.
    assert [deployed["listen"]["address"] for _host, deployed, _fresh in fleet.deployed] == [None, None]


def test_whoever_is_connected_before_it_serves_was_a_pod_of_this_leader(fleet, podded):
    fleet.clients = {"pi-1": ["10.244.0.7"]}
    podded.start()
    assert [(host, fresh) for host, _deployment, fresh in fleet.deployed] == [("pi-1", True), ("pi-2", False)]


def test_a_healthy_cluster_of_pods_is_left_alone_and_who_is_back_is_taken_in_once(fleet, podded, process):
    podded.start()
    watched = Watch(MAIN, leader.Tree(), podded.root, podded.members, b"s" * 48)
    looks(fleet, watched, 50)
    assert (process.signals, watched.told["healthy"]) == ([], True)
    fleet.silent.add("pi-2")
    looks(fleet, watched, 3)
    assert process.signals == [9]
    process.alive = True
    _deployment, decided = podded.start()
    assert hosts_of(decided) == ["pi-1"]
    looks(fleet, watched, 3)
    fleet.silent.clear()
    looks(fleet, watched, 20)
    assert process.signals == [9, 15]
    process.alive = True
    _deployment, decided = podded.start()
    assert hosts_of(decided) == ALL
    looks(fleet, watched, 200)
    assert (process.signals, watched.told["healthy"]) == ([9, 15], True)
