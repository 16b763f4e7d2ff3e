# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows the manifests: roll out, proof, the way back, and the image that nodes are given."""

from __future__ import annotations

import pytest
from module_utils.kubernetes.proof import held_faults
from module_utils.kubernetes.restore import restorable
from module_utils.kubernetes.rollout import progress
from module_utils.kubernetes.secret import token_secret
from unit.kubernetes.objects import IMAGE, settings

PLAN = {
    "cluster": "main",
    "leader": "kube-1",
    "addresses": {"kube-1": {}, "kube-2": {}},
    "devices": [{"host": "kube-2", "weight_bytes": 1000}, {"host": "kube-2", "weight_bytes": 1000}],
}


def deployment(name, generation=2, observed=2, available="True", updated=1, replicas=1):
    conditions = [{"type": "Available", "status": available}]
    status = {
        "observedGeneration": observed,
        "conditions": conditions,
        "updatedReplicas": updated,
        "replicas": replicas,
    }
    return {"metadata": {"name": name, "generation": generation}, "status": status}


def pod(part, host, ready=True, **state):
    return {
        "metadata": {
            "name": f"{part}-{host}",
            "namespace": "drover",
            "labels": {
                "app.kubernetes.io/name": "drover",
                "app.kubernetes.io/instance": "main",
                "app.kubernetes.io/component": part,
            },
            "annotations": {"drover.llama/node": host},
        },
        "spec": {"nodeName": host},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": part, "ready": ready, "image": IMAGE, "state": state}],
        },
    }


LEADER, WORKER = deployment("drover-main-leader"), deployment("drover-main-worker-kube-2")
PODS = [pod("leader", "kube-1"), pod("worker", "kube-2")]


def seen(deployments, pods, events=()):
    return progress(PLAN, deployments, pods, events, "drover", ["kube-1", "kube-2"])


def test_all_that_is_rolled_out_is_ready():
    found = seen([LEADER, WORKER], PODS)
    assert found["ready"]
    assert found["faults"] == {}


@pytest.mark.parametrize(
    "worker",
    [
        {"observed": 1},
        {"available": "False"},
        {"updated": 0},
        {"replicas": 2},
    ],
)
def test_what_is_not_rolled_out_is_waited_for(worker):
    found = seen([LEADER, deployment("drover-main-worker-kube-2", **worker)], PODS)
    assert not found["ready"]
    assert found["waits_for"] == "The worker on kube-2 did not become ready"


def test_a_pod_that_cannot_start_says_why():
    waiting = {"reason": "ErrImagePull", "message": "not found"}
    faults = seen([LEADER, WORKER], [PODS[0], pod("worker", "kube-2", ready=False, waiting=waiting)])["faults"]
    assert f"The worker on kube-2 cannot get the image {IMAGE}" in faults["worker-kube-2"]


def test_a_pod_that_is_not_made_says_why():
    event = {
        "reason": "FailedCreate",
        "type": "Warning",
        "message": "exceeded quota",
        "involvedObject": {"kind": "ReplicaSet", "name": "drover-main-worker-kube-2-abc12"},
    }
    faults = seen([LEADER, WORKER], PODS[:1], [event])["faults"]
    told = "Kubernetes makes no pod for drover-main-worker-kube-2 (exceeded quota): change what it refuses."
    assert faults == {"drover-main-worker-kube-2": told}


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({}, "kube-2 is planned to hold 2.0 KiB of weights and told nothing"),
        ({"kube-2": {"held_bytes": 9000, "connections": []}}, "kube-2 takes no part"),
        ({"kube-2": {"held_bytes": 9000, "connections": [{"peer": "127.0.0.1"}]}}, "kube-2 takes no part"),
        ({"kube-2": {"held_bytes": 100, "connections": [{"peer": "10.0.0.1"}]}}, "kube-2 holds 100 B where"),
    ],
)
def test_a_worker_that_takes_no_part_is_told_of(held, words):
    (fault,) = held_faults(PLAN, held, ["kube-1", "kube-2"])
    assert words in fault


def test_a_worker_that_holds_its_part_is_none():
    assert held_faults(PLAN, {"kube-2": {"held_bytes": 2000, "connections": [{"peer": "10.0.0.1"}]}}, ["kube-2"]) == []


def test_a_host_outside_is_not_asked_for_what_its_pod_holds():
    assert held_faults(PLAN, {}, ["kube-1"]) == []


def test_the_way_back_has_what_was_there_without_what_is_the_apis():
    present = [
        {
            "kind": "Deployment",
            "metadata": {
                "name": "drover-main-leader",
                "namespace": "drover",
                "uid": "1",
                "resourceVersion": "7",
                "managedFields": [],
                "annotations": {"deployment.kubernetes.io/revision": "3", "mine": "x"},
            },
            "spec": {"replicas": 1},
            "status": {"replicas": 1},
        },
        {"kind": "Secret", "metadata": {"name": "drover-main-api"}},
        {"kind": "Pod", "metadata": {"name": "drover-main-leader-1"}},
        {"kind": "EndpointSlice", "metadata": {"name": "drover-main-api-x", "ownerReferences": [{"kind": "Service"}]}},
        {"kind": "ConfigMap", "metadata": {"name": "drover-main-leader", "namespace": "drover"}, "data": {"a": "b"}},
    ]
    assert restorable(present) == [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "drover-main-leader", "namespace": "drover"},
            "data": {"a": "b"},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "drover-main-leader", "namespace": "drover", "annotations": {"mine": "x"}},
            "spec": {"replicas": 1},
        },
    ]


def test_nodes_of_another_kind_run_the_image_for_them():
    other = f"localhost/drover-llama@sha256:{'6' * 64}"
    wished = settings(images={"arm64": other})
    assert (wished.on("arm64").image, wished.on("amd64").image) == (other, IMAGE)


def test_the_token_is_where_the_leader_looks_for_it():
    made = token_secret(settings(), "main", "abc")
    assert (made["metadata"]["name"], made["data"]) == ("drover-main-token", {"token": "YWJj"})
