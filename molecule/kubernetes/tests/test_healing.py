# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of pods heals itself: it answers again, rightly, and no playbook runs in between."""

from __future__ import annotations

import time

import pytest
from cluster import answers, scenario_lab
from kubernetes_cluster import (
    DROVER,
    NODES,
    asked,
    eventually,
    found,
    healthy,
    holding,
    in_pod,
    kubectl,
    kubernetes,
    lab,
    parts,
    plan,
    written,
)
from playbook import succeeded

QUESTION, ANSWER = answers()[0]


@pytest.fixture(scope="module", autouse=True)
def well():
    """All nodes take part, and nothing was healed yet."""
    succeeded(kubernetes())
    eventually(healthy, 120)


def answers_again(api, what):
    """Wait for the right answer; how long it took is for who reads the output."""
    began = time.monotonic()
    eventually(lambda: asked(api, QUESTION) == ANSWER, 180)
    print(f"{what}: answers again after {time.monotonic() - began:.1f} s")


def restarts():
    return {
        (node, each["name"]): each["restartCount"]
        for node, pod in parts().items()
        for each in pod["status"]["containerStatuses"]
    }


def test_true_health_is_what_makes_the_leader_ready(api):
    assert healthy()
    assert written("watch")["healthy"] is True
    assert holding() == sorted(parts("worker"))


def test_an_rpc_server_that_is_killed_is_started_anew_and_its_pod_is_not(api):
    node, pod = sorted(parts("worker").items())[0]
    before, heals = restarts(), written("watch")["heal_count"]
    kill = "import os, signal; [os.kill(int(p), signal.SIGKILL) for p in os.listdir('/proc') if p.isdigit() and "
    kill += "'ggml-rpc-server' in open(f'/proc/{p}/cmdline').read().split(chr(0))[0]]"
    assert in_pod(pod, "agent", DROVER[0], "-c", kill).returncode == 0
    eventually(lambda: written("watch")["heal_count"] > heals, 30)
    answers_again(api, "an RPC server is killed")
    assert holding() == sorted(parts("worker"))
    assert restarts() == before
    assert parts("worker")[node]["metadata"]["uid"] == pod["metadata"]["uid"]


def test_a_pod_of_a_worker_that_is_deleted_is_found_again(api):
    node, pod = sorted(parts("worker").items())[0]
    leader = parts("leader")
    assert kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false").returncode == 0
    eventually(lambda: node not in holding() or written("watch")["workers"][node]["since"] > time.time() - 30, 60)
    answers_again(api, "a worker's pod is deleted")
    # It is taken in again by itself, wherever it is by now.
    eventually(lambda: holding() == sorted(parts("worker")), 240)
    answers_again(api, "it takes part again")
    assert parts("worker")[node]["metadata"]["uid"] != pod["metadata"]["uid"]
    assert {node: each["metadata"]["uid"] for node, each in parts("leader").items()} == {
        node: each["metadata"]["uid"] for node, each in leader.items()
    }


def test_a_node_that_is_lost_is_planned_around_and_taken_in_when_it_is_back(api):
    lost = sorted(parts("worker"))[-1]
    template = found("deployment", "drover-main-leader")["spec"]["template"]
    lab("kill", f"{scenario_lab()}/{lost}")
    try:
        answers_again(api, "a node is lost")
        assert lost not in holding()
        assert "does not answer" in written("running")["absent"][lost]
        # The node is not even known to be lost by Kubernetes, or just so.
        assert healthy()
    finally:
        lab("start", f"{scenario_lab()}/{lost}")
    eventually(lambda: lost in holding(), 300)
    answers_again(api, "it is back")
    assert found("deployment", "drover-main-leader")["spec"]["template"] == template
    eventually(healthy, 60)


def test_a_run_of_the_playbook_leaves_it_alone():
    before = {node: pod["metadata"]["uid"] for node, pod in parts().items()}
    # How fast the node is that was off is measured anew, which starts nothing.
    succeeded(kubernetes())
    assert sorted(plan()["addresses"]) == NODES
    assert {node: pod["metadata"]["uid"] for node, pod in parts().items()} == before
    assert set(succeeded(kubernetes()).changed.values()) == {0}


def test_status_tells_of_the_heals():
    said = succeeded(kubernetes("kubernetes_status")).said
    assert "Healthy since" in said
    assert "Heals:" in said and "does not answer" in said


def test_a_stranger_reaches_no_agent(stranger):
    for pod in parts("worker").values():
        assert stranger(pod["status"]["podIP"], 51052) is False
    ((_node, pod),) = parts("leader").items()
    assert stranger(pod["status"]["podIP"], 9080) is True


def test_a_node_that_is_drained_is_done_without_then_left_out_and_taken_back(api):
    """As people do it before they mend a machine."""
    drained = sorted(parts("worker"))[-1]
    try:
        done = kubectl("drain", drained, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
        assert done.returncode == 0, done.stderr
        answers_again(api, "a node is drained")
        assert drained not in holding()
        assert "does not answer" in written("running")["absent"][drained]
        eventually(healthy, 60)
        run = succeeded(kubernetes())
        assert "It is cordoned: uncordon it to have it take part." in run.said
        assert drained not in plan()["addresses"]
        assert api.ask(QUESTION) == ANSWER
    finally:
        done = kubectl("uncordon", drained)
    assert done.returncode == 0, done.stderr
    succeeded(kubernetes())
    assert sorted(plan()["addresses"]) == NODES
    assert drained in holding()
    assert api.ask(QUESTION) == ANSWER


def test_without_it_nothing_of_it_is_left_and_it_comes_back(api):
    succeeded(kubernetes(kubernetes_healing=False))
    for pod in parts().values():
        assert len(pod["spec"]["containers"]) == 1
        assert pod["status"]["qosClass"] == "Guaranteed"
    assert not [each for each in found("configmaps")["items"] if each["metadata"]["name"] == "drover-main-members"]
    assert api.ask(QUESTION) == ANSWER
    succeeded(kubernetes())
    assert api.ask(QUESTION) == ANSWER
