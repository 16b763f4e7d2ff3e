# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes can be used, and what is left on them."""

from __future__ import annotations

import copy

import pytest
from module_utils.errors import DroverError
from module_utils.kubernetes.nodes import left_over
from module_utils.kubernetes.requests import Amount

from .objects import GIB, container, node, own_pod, pod, stock_of

TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


def only(*arguments, **wishes):
    (entry,) = stock_of(*arguments, **wishes)
    return entry


def test_a_node_that_can_be_used():
    others = [
        pod("kube-1", container("512Mi", "250m"), name="web"),
        pod("kube-1", container("9Gi", "9"), name="done", phase="Succeeded"),
        pod("kube-2", container("9Gi", "9"), name="elsewhere"),
        pod(None, container("9Gi", "9"), name="nowhere", phase="Pending"),
    ]
    entry = only([node("kube-1")], others)
    assert entry == {
        "node": "kube-1",
        "hostname": "kube-1",
        "machine": "amd64",
        "reason": "",
        "address": "10.0.0.1",
        "networks": ["10.244.1.0/24"],
        "allocatable": {"memory_bytes": 4 * GIB, "millicores": 4000},
        "others": {"memory_bytes": GIB // 2, "millicores": 250},
        "held": {"memory_bytes": 0, "millicores": 0},
        "ephemeral_bytes": 20 * GIB,
        "cores": 4,
        "parts": [],
        "boot": "",
        "bandwidth_bytes_per_second": None,
    }
    assert left_over(entry) == Amount(4 * GIB - GIB // 2, 3750)


def test_what_our_own_pods_hold_counts_as_available_and_that_of_other_clusters_does_not():
    pods = [
        own_pod("kube-1", container("1Gi", "1"), part="worker"),
        own_pod("kube-1", container("96Mi", "50m"), part="tally"),
        own_pod("kube-1", container("2Gi", "1"), part="worker", cluster="second"),
        # Of our name, and somebody else's: labels alone can be anyone's.
        own_pod("kube-1", container("256Mi", "100m"), part="leader", namespace="elsewhere"),
    ]
    entry = only([node("kube-1")], pods)
    assert entry["held"] == {"memory_bytes": GIB, "millicores": 1000}
    assert entry["others"] == {"memory_bytes": 2 * GIB + GIB // 4, "millicores": 1100}
    assert entry["parts"] == ["worker"]


def broken(**changes):
    one = node("kube-1")
    for path, value in changes.items():
        part, _separator, key = path.partition("_")
        one[part][key] = value
    return one


def conditions(**statuses):
    return node("kube-1", conditions=[{"type": kind, "status": status} for kind, status in statuses.items()])


@pytest.mark.parametrize(
    ("given", "wishes", "told"),
    [
        (node("kube-1"), {"exclude": ["kube-1"]}, "It is in kubernetes_exclude."),
        (
            node("kube-1"),
            {"node_selector": {"drover": "yes"}},
            "It has not the labels of kubernetes_node_selector (drover",
        ),
        (conditions(Ready="Unknown"), {}, "It is not ready: look at its kubelet."),
        (node("kube-1", conditions=[]), {}, "It is not ready: look"),
        (
            node("kube-1", conditions=[{"type": "Ready", "status": "False", "message": "PLEG is not healthy."}]),
            {},
            "It is not ready (PLEG is not healthy): look at its kubelet.",
        ),
        (broken(spec_unschedulable=True), {}, "It is cordoned: uncordon it"),
        (node("kube-1", taints=[TAINT]), {}, "Its taint gpu=yes:NoSchedule keeps pods away: add it to kubernetes_tol"),
        (conditions(Ready="True", MemoryPressure="True"), {}, "It is short of memory (MemoryPressure):"),
        (conditions(Ready="True", DiskPressure="True"), {}, "It is short of disk space (DiskPressure):"),
        (conditions(Ready="True", PIDPressure="True"), {}, "It is short of process ids (PIDPressure):"),
        (conditions(Ready="True", NetworkUnavailable="True"), {}, "It has no network for pods (NetworkUnavailable):"),
        (node("kube-1", labels={"type": "virtual-kubelet"}), {}, "It is a virtual node"),
        (
            node("kube-1", taints=[{"key": "virtual-kubelet.io/provider", "effect": "NoSchedule"}]),
            {},
            "It is a virtual",
        ),
        (node("kube-1", nodeInfo={"operatingSystem": "windows", "architecture": "amd64"}), {}, "It runs windows, and"),
        (node("kube-1", machine="s390x"), {}, "The image is not built for s390x (but for amd64, arm64): add it"),
        (node("kube-1", cpu="50m"), {}, "Others' pods request all but 50m of its 50m of CPU"),
        (node("kube-1", memory="0"), {}, "Others' pods request all of its 0 B of memory"),
        (
            node("kube-1", address="fd00::1"),
            {"host_network": True},
            "It tells no IPv4 address, and llama.cpp's RPC has",
        ),
        (
            node("kube-1", allocatable={"cpu": "4", "memory": "4Gi", "pods": "1"}),
            {},
            "It runs as many pods as it may (1): move some",
        ),
    ],
)
def test_why_a_node_takes_no_part(given, wishes, told):
    entry = only([given], [pod("kube-1")], architectures=["arm64", "amd64"], **wishes)
    assert entry["reason"].startswith(told)
    assert entry["reason"].endswith(".")
    assert "\n" not in entry["reason"]


@pytest.mark.parametrize(
    ("given", "wishes"),
    [
        (node("kube-1", labels={"drover": "yes"}), {"node_selector": {"drover": "yes"}}),
        (node("kube-1", taints=[TAINT]), {"tolerations": [{"key": "gpu", "operator": "Exists"}]}),
        (node("kube-1", taints=[{**TAINT, "effect": "PreferNoSchedule"}]), {}),
        (node("kube-1", address="fd00::1"), {}),
    ],
)
def test_what_keeps_no_node_away(given, wishes):
    assert only([given], [pod("kube-1")], architectures=["amd64"], **wishes)["reason"] == ""


def test_a_node_full_of_our_own_pods_is_not_full():
    entry = only([node("kube-1")], [own_pod("kube-1", container("4Gi", "4"))])
    assert (entry["reason"], left_over(entry)) == ("", Amount(4 * GIB, 4000))


def test_more_requested_than_there_is_leaves_nothing():
    entry = only([node("kube-1")], [pod("kube-1", container("9Gi", "1"))])
    assert left_over(entry).memory_bytes == 0
    assert entry["reason"].startswith("Others' pods request all of its 4.0 GiB of memory")


def test_nodes_come_by_name_and_are_not_changed():
    nodes = [node("kube-2"), node("kube-1")]
    before = copy.deepcopy(nodes)
    assert [entry["node"] for entry in stock_of(nodes)] == ["kube-1", "kube-2"]
    assert nodes == before


def test_the_label_that_pods_are_pinned_by_may_differ_from_the_name():
    assert only([node("kube-1", labels={"kubernetes.io/hostname": "pi"})])["hostname"] == "pi"


def test_a_quantity_that_is_none():
    with pytest.raises(DroverError, match=r"^The allocatable memory of kube-1 is 'much' but must be"):
        stock_of([node("kube-1", memory="much")])
