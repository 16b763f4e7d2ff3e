# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that join by themselves: found by one name, taken in by their own word, and forgotten when they are gone."""

from __future__ import annotations

import json
import threading

import pytest
from module_utils.errors import DroverError
from module_utils.healing.joins import newcomers, with_joined, without
from module_utils.healing.members import read_members
from module_utils.healing.replan import SILENT, Answer
from module_utils.hosts.tree import Tree
from module_utils.runtime import agent as agent_module
from module_utils.runtime import alike, decisions, known, leader
from module_utils.runtime.agent import agent_handler
from module_utils.runtime.agents import Agent, Slow, greet
from module_utils.runtime.command import main
from module_utils.runtime.http_service import Service
from module_utils.runtime.known import FORGET_SECONDS, Found, Known
from module_utils.runtime.leader import decide
from module_utils.runtime.watch import Watch
from module_utils.serving import cluster as cluster_module
from module_utils.serving.cluster import Cluster
from module_utils.serving.deployment import at_address
from unit.healing import worker
from unit.healing.test_leader import fleet, looks, process  # noqa: F401 - fixtures
from unit.kubernetes import objects

MAIN = Cluster("main")
NAME = "drover-main-workers.drover.svc"
GIB = objects.GIB
NODES = [objects.node(f"kube-{number}", "2Gi", address=f"10.0.0.{number}") for number in (1, 2, 3)]
MADE = objects.Cluster(nodes=NODES, healing=True, workers="daemonset", policy={"leader": "kube-1", "spread": "all"})
MEMBERS = read_members(json.loads(json.dumps(MADE.members)))


class Net:
    """Pods at addresses, the name that they have together, and what they say."""

    def __init__(self, monkeypatch):
        self.pods = {"10.244.2.5": "kube-2", "10.244.3.5": "kube-3"}
        self.dns_is_down = False
        self.starting, self.liars = set(), set()
        self.greeted = []
        monkeypatch.setattr(known, "look_up", self.look_up)
        monkeypatch.setattr(known, "greet", self.greet)
        monkeypatch.setattr(known, "Agent", self.agent)

    def look_up(self, names, _seconds):
        assert list(names) == [NAME]
        return {NAME: None if self.dns_is_down else sorted(self.pods)}

    def greet(self, address, port, _seconds):
        assert port == 51052
        self.greeted.append(address)
        if address in self.starting:
            raise Slow(f"No agent answers at {address} yet.")
        return self.pods[address]

    def agent(self, host, address, port, secret):
        net = self

        class Told:
            def tally(self):
                if host in net.liars:
                    raise DroverError(f"Whoever answers for {host} does not know the cluster's secret.")
                return objects.measured(host, 8 * GIB, 16 * GIB)

            def close(self):
                pass

            def give_up(self):
                pass

        return Told()


@pytest.fixture
def net(monkeypatch):
    return Net(monkeypatch)


def addresses(places):
    return {host: place["address"] for host, place in places.now().items()}


# --- where they are ---------------------------------------------------------------------------------------------------


def test_who_is_at_an_address_is_asked_once_while_all_is_well(net):
    found = Found(NAME, 51052)
    for _look in range(3):
        assert addresses(found) == {"kube-2": "10.244.2.5", "kube-3": "10.244.3.5"}
        found.heard({"kube-2": Answer(state={}), "kube-3": Answer(state={})})
    assert net.greeted == ["10.244.2.5", "10.244.3.5"]


def test_while_the_name_servers_are_down_nobody_is_lost(net):
    found = Found(NAME, 51052)
    before = addresses(found)
    net.dns_is_down = True
    found.heard({"kube-2": Answer(problem=SILENT), "kube-3": Answer(state={})})
    assert addresses(found) == before


def test_a_pod_that_is_replaced_is_found_at_its_new_address(net):
    found = Found(NAME, 51052)
    addresses(found)
    # The old address is told, too, for a while.
    net.pods["10.244.2.6"] = "kube-2"
    found.heard({"kube-2": Answer(problem=SILENT), "kube-3": Answer(state={})})
    assert addresses(found)["kube-2"] == "10.244.2.6"


def test_an_address_that_another_pod_has_by_now_is_that_pods(net):
    found = Found(NAME, 51052)
    addresses(found)
    net.pods = {"10.244.2.5": "kube-9", "10.244.3.5": "kube-3", "10.244.2.8": "kube-2"}
    found.heard({"kube-2": Answer(problem="kube-2 has another secret than its leader"), "kube-3": Answer(state={})})
    assert addresses(found) == {"kube-2": "10.244.2.8", "kube-3": "10.244.3.5", "kube-9": "10.244.2.5"}


def test_whoever_answers_is_not_driven_out_by_one_who_says_to_be_the_same(net):
    found = Found(NAME, 51052)
    addresses(found)
    net.pods["10.244.7.7"] = "kube-2"
    found.heard({"kube-2": Answer(state={}), "kube-3": Answer(state={})})
    assert addresses(found)["kube-2"] == "10.244.2.5"


def test_pods_that_have_no_agent_yet_are_seen_to_be_there(net):
    every = Known(MEMBERS, worker.SECRET)
    net.starting = {"10.244.3.5"}
    every.now()
    assert every.may_start(Answer(problem=SILENT))
    assert not every.may_start(Answer(state={}))
    net.starting = set()
    every.now()
    assert not every.may_start(Answer(problem=SILENT))


# --- who they are -----------------------------------------------------------------------------------------------------


def test_one_that_is_new_is_counted_in(net):
    every = Known(MEMBERS, worker.SECRET)
    assert sorted(every.now()) == ["kube-2", "kube-3"]
    net.pods["10.244.9.5"] = "kube-9"
    assert every.now()["kube-9"] == {"address": "10.244.9.5", "port": 51052}
    read_members(every.members)
    assert newcomers(every.members, MEMBERS["plan"]) == {"kube-9": "it has joined"}
    assert newcomers(MEMBERS, MEMBERS["plan"]) == {}


def test_one_that_the_run_has_left_out_is_there_once(net):
    every = Known(with_one_left_out(MEMBERS), worker.SECRET)
    net.pods["10.244.9.5"] = "kube-9"
    every.now()
    assert [tally["obstacles"] for tally in every.members["tallies"] if tally["host"] == "kube-9"] == [[]]


@pytest.mark.parametrize("host", ["kube-9", "kube-1"], ids=["a stranger", "the leader"])
def test_one_that_does_not_prove_who_it_is_and_the_leader_itself_are_not(net, capsys, host):
    every = Known(MEMBERS, worker.SECRET)
    net.pods["10.244.9.5"] = host
    net.liars = {"kube-9"}
    for _look in range(3):
        assert sorted(every.now()) == ["kube-2", "kube-3"]
    assert every.members == MEMBERS
    assert capsys.readouterr().err.count("kube-9 cannot join") == (host == "kube-9")


def test_one_that_is_gone_is_forgotten_after_a_while_and_comes_back_as_a_new_one(net, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(known.time, "monotonic", lambda: clock[0])
    every = Known(MEMBERS, worker.SECRET)
    every.now()
    del net.pods["10.244.3.5"]
    gone = {"kube-2": Answer(state={}), "kube-3": Answer(problem=SILENT)}
    every.heard(gone)
    clock[0] += FORGET_SECONDS - 1
    every.heard(gone)
    assert "kube-3" in every.now()
    clock[0] += 2
    every.heard(gone)
    assert sorted(every.now()) == ["kube-2"]
    assert every.members == without(MEMBERS, "kube-3")
    read_members(every.members)
    net.pods["10.244.3.9"] = "kube-3"
    assert sorted(every.now()) == ["kube-2", "kube-3"]


def test_one_that_was_silent_for_a_moment_is_not(net, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(known.time, "monotonic", lambda: clock[0])
    every = Known(MEMBERS, worker.SECRET)
    for seconds in range(0, 2000, 500):
        clock[0] = 1000.0 + seconds
        every.heard({"kube-3": Answer(problem=SILENT)})
        every.heard({"kube-3": Answer(state={})})
    assert every.members == MEMBERS


def test_its_memory_is_what_it_tells_within_what_all_are_granted():
    told = objects.measured("kube-9", 3 * GIB, 4 * GIB)
    wishes = {**MEMBERS, "joins": {**MEMBERS["joins"], "most_bytes": 8 * GIB, "reserve_bytes": GIB}}
    (tally,) = [each for each in with_joined(wishes, "kube-9", told)["tallies"] if each["host"] == "kube-9"]
    assert tally["memory"]["usable_bytes"] == tally["devices"][0]["usable_bytes"] == 2 * GIB
    (tally,) = [each for each in with_joined(MEMBERS, "kube-9", told)["tallies"] if each["host"] == "kube-9"]
    assert tally["memory"]["usable_bytes"] == MEMBERS["joins"]["most_bytes"]
    assert tally["bandwidth_bytes_per_second"] == told["bandwidth_bytes_per_second"]
    slow = with_joined(MEMBERS, "kube-9", {**told, "bandwidth_bytes_per_second": None})["tallies"][-1]
    assert slow["bandwidth_bytes_per_second"] == min(each["bandwidth_bytes_per_second"] for each in MEMBERS["tallies"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"address": ""}, "joins: address is ''"),
        ({"agent_port": 0}, "joins: agent_port is 0"),
        ({"threads": 0}, "joins: threads is 0"),
        ({"most_bytes": -1}, "joins: most_bytes is -1"),
        ({"settings": []}, "joins has settings"),
    ],
)
def test_what_they_are_given_is_checked(changes, told):
    with pytest.raises(DroverError, match=told):
        read_members({**MEMBERS, "joins": {**MEMBERS["joins"], **changes}})


# --- the agent's word -------------------------------------------------------------------------------------------------


def test_an_agent_tells_whose_it_is_and_with_the_secret_what_its_node_lends(tmp_path, monkeypatch):
    worker.make(tmp_path)
    monkeypatch.setattr(agent_module, "load_deployment", lambda _cluster: worker.DEPLOYMENT)
    handler = agent_handler(MAIN, lambda: worker.SECRET, Tree(str(tmp_path)))
    with Service("127.0.0.1", 0, handler) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            assert greet("127.0.0.1", service.server_port, 5.0) == "pi-1"
            asked = Agent("pi-1", "127.0.0.1", service.server_port, worker.SECRET)
            with pytest.raises(DroverError, match="It has not found what its node can lend"):
                asked.tally()
            worker.write(tmp_path, MAIN.tally_path.lstrip("/"), '{"schema": 1}')
            assert asked.tally() == {"schema": 1}
            asked.close()
            stranger = Agent("pi-1", "127.0.0.1", service.server_port, b"x" * 48)
            with pytest.raises(DroverError, match="has another secret"):
                stranger.tally()
            stranger.close()
        finally:
            service.shutdown()
            thread.join()
    with pytest.raises(Slow, match="No agent answers at "):
        greet("127.0.0.1", service.server_port, 5.0)


def test_a_pod_keeps_what_its_node_can_lend_for_its_agent(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "HEALING_FOLDER", str(tmp_path))
    (tmp_path / "main").mkdir()
    asked = ["tally", "--pod", "--keep", "--cluster", "main", "--host", "kube-9", "--port", "50052"]
    assert main("1.0.0", [*asked, "--disk-path", "/tmp", "--reserve-bytes", "0", "--no-bandwidth"]) == 0
    told = json.loads((tmp_path / "main/tally.json").read_text())
    assert told["host"] == "kube-9"
    assert sorted(with_joined(MEMBERS, "kube-9", told)["agents"]) == ["kube-2", "kube-3", "kube-9"]


# --- a leader and its watch -------------------------------------------------------------------------------------------


def with_one_left_out(members):
    """The run has seen another node, which had not the labels."""
    (seen,) = (tally for tally in members["tallies"] if tally["host"] == "kube-2")
    left_out = {**seen, "host": "kube-9", "obstacles": ["It has not the labels of kubernetes_node_selector (llm=yes)."]}
    return {**members, "tallies": [*members["tallies"], left_out]}


@pytest.fixture(params=[dict, with_one_left_out], ids=["of a new node", "of a node that was left out"])
def joining(request, fleet, net, monkeypatch):  # noqa: F811
    """The leader's pod, and pods of a DaemonSet on two nodes."""
    build = MADE.deployments["kube-1"]["build"]
    for host in ("kube-2", "kube-3", "kube-9"):
        fleet.build[host], fleet.starts[host], fleet.lent[host] = build, 1, 4000
    fleet.leader = 4000
    fleet.probed = []

    def probe(address, _port, _timeout):
        fleet.probed.append(address)
        major, minor, patch = build["rpc_protocol"].split(".")
        return {"version": {"major": major, "minor": minor, "patch": patch}}

    monkeypatch.setattr(alike, "probe", probe)
    root = at_address(MADE.deployments["kube-1"], "10.244.0.9")
    for path, content in (
        (MAIN.members_path, request.param(MEMBERS)),
        (MAIN.deployment_path, MADE.deployments["kube-1"]),
    ):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file)

    def begin():
        return decide("main", root), decisions.decision(MAIN)

    begin.root = root
    return begin


def rpc_of(deployment):
    return deployment["arguments"][deployment["arguments"].index("--rpc") + 1]


def held(decided):
    return [endpoint["host"] for endpoint in decided["plan"]["endpoints"]]


def test_a_leader_is_started_with_the_addresses_at_which_agents_answer(fleet, joining):  # noqa: F811
    deployment, decided = joining()
    assert held(decided) == ["kube-2", "kube-3"]
    assert rpc_of(deployment) == "10.244.2.5:50052,10.244.3.5:50052"
    assert sorted(fleet.probed) == ["10.244.2.5", "10.244.3.5"]
    # What was decided has names, so that a pod that is replaced is no other plan.
    assert rpc_of(decided["deployment"]) == f"kube-2.{NAME}:50052,kube-3.{NAME}:50052"


def test_a_node_that_joins_is_taken_in_once_and_one_that_goes_is_done_without(fleet, net, joining, process):  # noqa: F811
    joining()
    watched = Watch(MAIN, leader.Tree(), joining.root, MEMBERS, b"s" * 48)
    looks(fleet, watched, 20)
    assert (process.signals, watched.told["healthy"]) == ([], True)
    net.pods["10.244.9.5"] = "kube-9"
    looks(fleet, watched, 30)
    assert process.signals == [15]
    process.alive = True
    deployment, decided = joining()
    assert held(decided) == ["kube-2", "kube-3", "kube-9"]
    assert "10.244.9.5:50052" in rpc_of(deployment)
    looks(fleet, watched, 200)
    assert (process.signals, watched.told["healthy"]) == ([15], True)
    assert sorted(watched.told["workers"]) == ["kube-2", "kube-3", "kube-9"]
    # Its label is taken away: the pod goes, and its name with it.
    del net.pods["10.244.9.5"]
    fleet.silent.add("kube-9")
    looks(fleet, watched, 3)
    assert process.signals == [15, 9]
    process.alive = True
    _deployment, decided = joining()
    assert held(decided) == ["kube-2", "kube-3"]
    looks(fleet, watched, 310)
    assert (process.signals, watched.told["healthy"]) == ([15, 9], True)
    assert sorted(watched.told["workers"]) == ["kube-2", "kube-3"]


def test_a_start_finds_who_has_joined_before(net, joining):
    net.pods["10.244.9.5"] = "kube-9"
    _deployment, decided = joining()
    assert "kube-9" in held(decided)
    _deployment, again = joining()
    assert again["plan"] == decided["plan"]


def test_who_had_joined_and_held_nothing_is_not_waited_for(fleet, net, joining):  # noqa: F811
    fleet.lent["kube-9"] = 0
    net.pods["10.244.9.5"] = "kube-9"
    _deployment, decided = joining()
    assert "kube-9" in decided["plan"]["addresses"] and held(decided) == ["kube-2", "kube-3"]
    del net.pods["10.244.9.5"]
    _deployment, decided = joining()
    assert (decided["waiting"], held(decided)) == (None, ["kube-2", "kube-3"])
    assert "kube-9" not in decided["plan"]["addresses"]


def test_who_had_joined_and_is_not_found_is_looked_for_and_then_done_without(fleet, net, joining):  # noqa: F811
    net.pods["10.244.9.5"] = "kube-9"
    joining()
    del net.pods["10.244.9.5"]
    began = fleet.now
    _deployment, decided = joining()
    assert held(decided) == ["kube-2", "kube-3"]
    assert 5 <= fleet.now - began <= 8
