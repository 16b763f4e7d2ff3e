# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Healing as pods have it: agents by names, documents behind links, and the memory of the node around them."""

from __future__ import annotations

import json
import threading

import pytest
from module_utils.healing.replan import SILENT, SLOW, Answer
from module_utils.healing.sight import see_lent, see_state
from module_utils.hosts.pressure import read_pressure
from module_utils.hosts.tree import Tree
from module_utils.runtime import agent as agent_module
from module_utils.runtime import decisions, places, waiting
from module_utils.runtime.agent import agent_handler
from module_utils.runtime.agents import Agent
from module_utils.runtime.decisions import granted
from module_utils.runtime.http_service import Service
from module_utils.runtime.places import Places
from module_utils.serving.cluster import Cluster
from module_utils.serving.deployment import ADDRESS, at_address
from unit.healing import worker

MAIN = Cluster("main")
AGENTS = {
    "kube-2": {"address": "kube-2.drover-main-workers.drover.svc", "port": 51052},
    "old-server": {"address": "10.0.0.9", "port": 51052},
}
WELL = Answer(state={})


@pytest.fixture
def names(monkeypatch):
    """What the name servers tell, by name, and ``asked``, what they were asked for."""
    known = {"kube-2.drover-main-workers.drover.svc": ["10.244.2.5"], "asked": []}

    def ask(hosts, _seconds):
        wanted = [host for host in hosts if not host[0].isdigit()]
        known["asked"] += wanted
        return {host: known[host] for host in wanted}

    monkeypatch.setattr(places, "look_up", ask)
    return known


def place(known):
    return {host: each["address"] for host, each in known.now().items()}


def test_a_name_is_looked_up_once_while_its_agent_answers(names):
    known = Places(AGENTS)
    assert place(known) == {"kube-2": "10.244.2.5", "old-server": "10.0.0.9"}
    for _look in range(3):
        known.heard({"kube-2": WELL, "old-server": WELL})
        # The name servers are down, which says nothing of those who answer.
        names["kube-2.drover-main-workers.drover.svc"] = None
        assert place(known)["kube-2"] == "10.244.2.5"
    assert names["asked"] == [AGENTS["kube-2"]["address"]]


@pytest.mark.parametrize("problem", [SILENT, SLOW, "whoever answers for kube-2 does not know the cluster's secret"])
@pytest.mark.parametrize("told", [["10.244.2.6"], ["10.244.2.5", "10.244.2.6"]], ids=["replaced", "being replaced"])
def test_an_agent_that_does_not_answer_is_looked_for_elsewhere(names, problem, told):
    known = Places(AGENTS)
    place(known)
    known.heard({"kube-2": Answer(problem=problem), "old-server": Answer(problem=SILENT)})
    names["kube-2.drover-main-workers.drover.svc"] = told
    assert place(known) == {"kube-2": "10.244.2.6", "old-server": "10.0.0.9"}


@pytest.mark.parametrize("told", [None, [], ["10.244.2.5"]], ids=["unknown", "gone", "the same"])
def test_without_another_address_the_last_one_is_kept(names, told):
    known = Places(AGENTS)
    place(known)
    known.heard({"kube-2": Answer(problem=SILENT)})
    names["kube-2.drover-main-workers.drover.svc"] = told
    assert place(known)["kube-2"] == "10.244.2.5"


def test_a_name_that_stands_for_nothing_yet_is_asked_again(names):
    known = Places(AGENTS)
    names["kube-2.drover-main-workers.drover.svc"] = []
    assert place(known)["kube-2"] == AGENTS["kube-2"]["address"]
    known.heard({"kube-2": Answer(problem=SILENT)})
    names["kube-2.drover-main-workers.drover.svc"] = ["10.244.2.5"]
    assert place(known)["kube-2"] == "10.244.2.5"


# --- documents ------------------------------------------------------------------------------------------------------


def test_documents_behind_links_are_those_of_the_grant(tmp_path):
    """As kubelet puts them: a link to the latest of several folders."""
    folder = tmp_path / "etc/drover/main"
    for version, text in (("..1", "one"), ("..2", "two")):
        (folder / version).mkdir(parents=True)
        (folder / version / "deployment.json").write_text(text)
    (folder / "..data").symlink_to("..1")
    (folder / "deployment.json").symlink_to("..data/deployment.json")
    first = granted(MAIN, Tree(str(tmp_path)))
    assert first != granted(MAIN, Tree(str(tmp_path / "nothing")))
    (folder / "..data").unlink()
    (folder / "..data").symlink_to("..2")
    assert granted(MAIN, Tree(str(tmp_path))) != first


def test_what_the_service_keeps_is_no_link(tmp_path):
    (tmp_path / "other").write_text("{}")
    (tmp_path / "running.json").symlink_to("other")
    assert decisions.read_document(str(tmp_path / "running.json")) is None
    assert decisions.read_document(str(tmp_path / "other")) == {}


# --- memory ---------------------------------------------------------------------------------------------------------

IN_POD = {**worker.DEPLOYMENT, "healing": {"port": 51052, "most_bytes": worker.GIB}}
# What a container sees of its own control group, in which the RPC server is not.
CGROUP = {
    "proc/self/mountinfo": "30 29 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
    "proc/self/cgroup": "0::/\n",
    "proc/1/comm": "pause\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    "sys/fs/cgroup/memory.max": str(96 << 20),
    "sys/fs/cgroup/memory.current": str(80 << 20),
    "sys/fs/cgroup/memory.stat": "",
    "sys/fs/cgroup/memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=7000000\n",
    "proc/vmstat": "pswpin 3\n",
}


@pytest.fixture
def pod(tmp_path):
    worker.make(tmp_path, pid=17)
    for path, text in CGROUP.items():
        worker.write(tmp_path, path, text)
    # Of another namespace of control groups.
    worker.write(tmp_path, "proc/17/cgroup", "0::/../cri-containerd-1.scope\n")
    return Tree(str(tmp_path))


def test_a_pod_tells_of_its_node_and_of_the_program_beside_it(pod):
    lent = see_lent(pod, IN_POD)
    assert lent["memory"]["held_bytes"] == 1 << 20
    assert lent["memory"]["usable_bytes"] == 6 * worker.GIB + (1 << 20)
    memory = see_state(pod, IN_POD)["memory"]
    assert memory["lendable_bytes"] == 6 * worker.GIB + (1 << 20)
    assert memory["stalled_seconds"] == 7.0


def test_a_host_goes_by_its_control_groups_all_the_same(pod):
    assert see_lent(pod, worker.DEPLOYMENT)["memory"]["usable_bytes"] < 96 << 20
    assert read_pressure(pod, "main", [17])["stalled_seconds"] == 1.0


# --- the agent ------------------------------------------------------------------------------------------------------


def test_a_leader_leaves_its_address_to_a_pod(tmp_path, monkeypatch):
    worker.make(tmp_path)
    told = {
        **IN_POD,
        "listen": {"address": None, "port": 50052},
        "arguments": [ADDRESS if word == worker.ADDRESS else word for word in worker.DEPLOYMENT["arguments"]],
    }
    root = at_address(told, worker.ADDRESS)
    monkeypatch.setattr(agent_module, "load_deployment", lambda _cluster: json.loads(json.dumps(root)))
    killed = []
    monkeypatch.setattr(agent_module.os, "kill", lambda pid, _number: killed.append(pid))
    tree = Tree(str(tmp_path))
    with Service("127.0.0.1", 0, agent_handler(MAIN, lambda: worker.SECRET, tree)) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        agent = Agent("pi-1", "127.0.0.1", service.server_port, worker.SECRET)
        assert agent.deploy(told, fresh=False)["changed"] is False
        wanted = {**told, "arguments": ["2" if word == "4" else word for word in told["arguments"]]}
        assert agent.deploy(wanted, fresh=False)["ended"] is not None
        agent.close()
        service.shutdown()
        thread.join()
    assert killed == [4711]
    assert decisions.in_force(MAIN, root, tree) == at_address(wanted, worker.ADDRESS)


# --- the init step --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "waited", "missing"),
    [
        ("", 0.0, None),
        (SILENT, 29.0, "Looks for kube-2"),
        # Its node is off, and the leader plans without it.
        (SILENT, 31.0, None),
        # Its image is on the way.
        (SLOW, 299.0, "Looks for kube-2"),
        (SLOW, 301.0, None),
        ("kube-2 has another secret than its leader", 0.0, None),
    ],
)
def test_a_leader_that_heals_waits_for_agents_and_not_for_ever(monkeypatch, names, problem, waited, missing):
    monkeypatch.setattr(waiting, "read_secret", lambda _cluster: worker.SECRET)
    monkeypatch.setattr(waiting, "load_members", lambda _cluster: {"agents": AGENTS, "joins": None})
    answers = {"kube-2": Answer(problem=problem), "old-server": WELL}
    monkeypatch.setattr(waiting, "ask_all", lambda _places, _secret, lent: answers)
    leader = {"files": [], "arguments": ["--rpc", "gone.invalid:50052"]}
    assert waiting._missing(leader, waiting._Agents(MAIN), waited) == missing
