# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A leader is asked again where it was begun anew meanwhile, and only then."""

from __future__ import annotations

import importlib

import pytest
from module_utils.kubernetes.names import Names
from unit.plugins.actions import action_class

LEADER = {"part": "leader", "host": "kube-2", "pod": "leader-1", "problem": None}


def pod(name="leader-1", container="containerd://1", node="kube-2", runs=True, **metadata):
    state = {"running": {}} if runs else {"terminated": {"exitCode": 137}}
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"nodeName": node},
        "status": {"containerStatuses": [{"name": "leader", "containerID": container, "state": state}]},
    }


class Api:
    """One whose pods and answers are given, one after the other; the last for good."""

    def __init__(self, pods, answers):
        self.pods, self.answers, self.asked = list(pods), list(answers), []

    def list(self, path, **query):
        found = self.pods.pop(0) if len(self.pods) > 1 else self.pods[0]
        return [found] if isinstance(found, dict) else found

    def execute(self, namespace, name, container, command, timeout):
        self.asked.append(name)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(scope="module")
def asked():
    action_class("kubernetes_proof_info")  # knows the checkout
    proof = importlib.import_module("ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_proof")

    def ask(api, timeout=60):
        return proof.ask_again(api, Names("main", "llama"), LEADER, ["complete"], timeout)

    return ask


@pytest.fixture
def failure(asked):
    return importlib.import_module("ansible_collections.drover.llama.plugins.module_utils.errors").DroverError


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_once_is_enough(asked):
    api = Api([pod()], [(0, '{"content": "a"}', "")])
    assert asked(api) == {"content": "a"}
    assert api.asked == ["leader-1"]


def test_one_that_was_killed_with_its_container_is_asked_again_once_it_runs(asked):
    api = Api(
        [pod(), pod(runs=False), [], pod(container="containerd://2")], [(137, "", ""), (0, '{"content": "a"}', "")]
    )
    assert asked(api) == {"content": "a"}
    assert api.asked == ["leader-1", "leader-1"]


def test_another_pod_in_its_place_is_asked(asked, failure):
    gone = failure("Nothing can be run in the pod leader-1.")
    ends = pod(deletionTimestamp="2026-11-28T06:00:00Z")
    api = Api([pod(), [ends, pod("leader-2", "containerd://2")]], [gone, (0, '{"content": "a"}', "")])
    assert asked(api) == {"content": "a"}
    assert api.asked == ["leader-1", "leader-2"]


def test_what_another_node_runs_is_not_asked(asked):
    api = Api([[pod("leader-9", node="kube-3"), pod()]], [(0, '{"content": "a"}', "")])
    asked(api)
    assert api.asked == ["leader-1"]


def test_what_waiting_does_not_mend_is_said_at_once(asked, failure):
    api = Api([pod()], [(1, "", "The API refuses the key.")])
    with pytest.raises(failure, match=r"^The leader on kube-2 says: The API refuses the key\.$"):
        asked(api)
    assert len(api.asked) == 1


def test_one_that_is_always_killed_is_told_of_in_the_end(asked, failure):
    api = Api([pod()], [(137, "", "")] * 2)
    with pytest.raises(failure, match="leader on kube-2 says: code 137"):
        asked(api, timeout=0)


def test_one_that_does_not_run_is_told_of_in_the_end(asked, failure):
    with pytest.raises(failure, match="leader on kube-2 does not run"):
        asked(Api([[]], []), timeout=0)


def test_what_programs_hold_is_added_up_by_node_also_of_a_standby_that_leads(asked):
    """Its pod has requested next to nothing."""
    proof = importlib.import_module("ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_proof")
    names = Names("main", "llama")
    said = {"worker-1": 100, "leader-1": 3000, "leader-2": 0}
    nodes = {"worker-1": "kube-2", "leader-1": "kube-2", "leader-2": "kube-1", "leader-3": "kube-3"}

    class Nodes:
        def list(self, path, labelSelector):
            part = next(
                part for part in ("worker", "leader") if labelSelector == proof.selector_text(names.selector(part))
            )
            return [
                {"metadata": {"name": name}, "spec": {"nodeName": node}, "status": {"phase": "Running"}}
                for name, node in nodes.items()
                if name.startswith(part)
            ] + [{"metadata": {"name": f"{part}-9"}, "spec": {}, "status": {"phase": "Pending"}}]

        def execute(self, namespace, name, container, command, timeout):
            assert container == name.partition("-")[0] and command[2:] == ["held", "--cluster", "main"]
            return (0, f'{{"held_bytes": {said[name]}}}', "") if name in said else (1, "", "It does not answer.")

    assert proof.held_on_nodes(Nodes(), names) == {"kube-2": 3100, "kube-1": 0}
