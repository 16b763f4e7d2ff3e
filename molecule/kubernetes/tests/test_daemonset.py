# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that are one DaemonSet: a node that is given the label joins by itself, one that loses it is done without."""

from __future__ import annotations

import pytest
from cluster import answers
from kubernetes_cluster import (
    NODES,
    asked,
    eventually,
    found,
    healthy,
    holding,
    kubectl,
    kubernetes,
    parts,
    plan,
    written,
)
from playbook import succeeded

QUESTION, ANSWER = answers()[0]
LABEL = "drover-lab/lends"
CHOSEN = {
    "kubernetes_workers": "daemonset",
    "kubernetes_node_selector": {LABEL: "yes"},
    # The control plane's node has no second processor left.
    "kubernetes_lend": {"threads": 1},
}


def label(node, word="=yes"):
    done = kubectl("label", "node", node, f"{LABEL}{word}", "--overwrite")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def nodes():
    """The leader, a worker, and one that is to join, which has no label yet."""
    leader = plan()["leader"]
    # The smaller one first: what it lends is what all lend, and who joins must have as much.
    first, later = (node for node in reversed(NODES) if node != leader)
    label(leader)
    label(first)
    yield leader, first, later
    for node in NODES:
        label(node, "-")


@pytest.fixture(scope="module")
def run(nodes):
    """Runs a playbook in this mode."""
    return lambda name="kubernetes", **settings: kubernetes(name, kubernetes_leader=nodes[0], **{**CHOSEN, **settings})


def pods():
    return {node: pod["metadata"]["uid"] for node, pod in parts().items()}


def changes_nothing(run):
    """How fast a node is that has just come is remembered, which starts nothing; then there is nothing left to do."""
    before = pods()
    succeeded(run())
    assert pods() == before
    assert set(succeeded(run()).changed.values()) == {0}


def rightly_with(api, *workers):
    """Wait until these hold layers, and no others, and the answer is right."""
    eventually(lambda: healthy() and holding() == sorted(workers), 300)
    eventually(lambda: asked(api, QUESTION) == ANSWER, 120)


def test_all_workers_are_one_daemon_set(run, nodes, api):
    leader, first, _later = nodes
    succeeded(run())
    assert sorted(parts("worker")) == [first]
    assert sorted(parts("leader")) == [leader]
    assert [each["metadata"]["name"] for each in found("deployments")["items"]] == ["drover-main-leader"]
    assert [each["metadata"]["name"] for each in found("daemonsets")["items"]] == ["drover-main-worker"]
    (given,) = (each["resources"] for each in parts("worker")[first]["spec"]["containers"] if each["name"] == "worker")
    assert given["requests"] == given["limits"]
    rightly_with(api, first)


def test_a_second_run_changes_nothing(run):
    assert set(succeeded(run()).changed.values()) == {0}


def test_a_node_that_is_given_the_label_joins_by_itself(run, nodes, api):
    _leader, first, later = nodes
    leaders = parts("leader")
    label(later)
    rightly_with(api, first, later)
    assert sorted(parts("worker")) == sorted([first, later])
    assert written("watch")["workers"][later]["takes_part"] is True
    assert {node: pod["metadata"]["uid"] for node, pod in parts("leader").items()} == {
        node: pod["metadata"]["uid"] for node, pod in leaders.items()
    }
    changes_nothing(run)


def test_status_tells_of_it(run, nodes):
    said = succeeded(run("kubernetes_status")).said
    assert all(node in said for node in nodes)
    assert "Healthy since" in said


def test_one_that_loses_the_label_is_done_without_and_may_come_back(run, nodes, api):
    _leader, first, later = nodes
    label(later, "-")
    eventually(lambda: sorted(parts("worker")) == [first], 120)
    rightly_with(api, first)
    changes_nothing(run)
    label(later)
    rightly_with(api, first, later)


def test_a_pod_that_is_deleted_is_found_at_another_address(nodes, api):
    _leader, first, later = nodes
    gone = parts("worker")[first]["metadata"]
    assert kubectl("delete", "pod", gone["name"]).returncode == 0
    eventually(lambda: parts("worker").get(first, {"metadata": gone})["metadata"]["uid"] != gone["uid"], 120)
    rightly_with(api, first, later)


def test_a_stranger_reaches_none_of_its_pods(stranger):
    for pod in parts("worker").values():
        assert stranger(pod["status"]["podIP"], 50052) is False
        assert stranger(pod["status"]["podIP"], 51052) is False


def test_back_to_one_workload_a_node_none_of_it_is_left(api):
    succeeded(kubernetes())
    assert not found("daemonsets")["items"]
    assert "drover-main-worker" not in [each["metadata"]["name"] for each in found("configmaps")["items"]]
    assert sorted(parts()) == NODES
    assert api.ask(QUESTION) == ANSWER
    assert set(succeeded(kubernetes()).changed.values()) == {0}
