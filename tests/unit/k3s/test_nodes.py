# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels and taints of nodes that run, whether nodes are as they should be, and what K3s leaves behind."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from module_utils.k3s import leftovers, status
from module_utils.k3s.labels import RECORD, changes


def node(name="pi-1", labels=None, taints=None, record=None, ready=True, version="v1.34.4+k3s1", **spec):
    return {
        "metadata": {"name": name, "labels": labels or {}, "annotations": {RECORD: record} if record else {}},
        "spec": {"taints": taints, **spec},
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
            "nodeInfo": {"kubeletVersion": version},
        },
    }


GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("now", "labels", "taints", "calls"),
    [
        (node(), {}, [], []),
        (
            node(),
            {"a": "1"},
            ["gpu=yes:NoSchedule"],
            [
                ["label", "node", "pi-1", "--overwrite", "a=1"],
                ["taint", "node", "pi-1", "--overwrite", "gpu=yes:NoSchedule"],
                ["annotate", "node", "pi-1", "--overwrite", f"{RECORD}=l:a,t:gpu=yes:NoSchedule"],
            ],
        ),
        (
            node(labels={"a": "1"}, taints=[GPU], record="l:a,t:gpu=yes:NoSchedule"),
            {"a": "1"},
            ["gpu=yes:NoSchedule"],
            [],
        ),
        (
            node(labels={"a": "1", "theirs": "x"}, taints=[GPU], record="l:a,t:gpu=yes:NoSchedule"),
            {},
            [],
            [
                ["label", "node", "pi-1", "--overwrite", "a-"],
                ["taint", "node", "pi-1", "--overwrite", "gpu:NoSchedule-"],
                ["annotate", "node", "pi-1", "--overwrite", f"{RECORD}-"],
            ],
        ),
        (node(labels={"theirs": "x"}, taints=[GPU]), {}, [], []),
        (
            node(labels={"a": "1"}, record="l:a"),
            {"a": "2"},
            [],
            [["label", "node", "pi-1", "--overwrite", "a=2"]],
        ),
    ],
)
def test_a_node_gets_what_is_wished_and_loses_what_we_gave_it(now, labels, taints, calls):
    assert changes(now, labels, taints) == calls


def test_nodes_that_are_not_as_they_should_be_are_named():
    nodes = [node("a"), node("b", ready=False), node("c", version="v1.34.3")]
    assert status.missing(nodes, ["a", "b", "c", "d"], "v1.34.4+k3s1") == [
        "Node b is not ready.",
        "Node c runs v1.34.3 and not v1.34.4+k3s1.",
        "Node d has not joined.",
    ]
    assert status.missing(nodes, ["a", "c"]) == []


def test_a_node_that_never_told_is_not_ready():
    assert not status.is_ready({"metadata": {"name": "a"}})


def test_a_status_names_nodes_in_order():
    lines = status.told([node("b", ready=False), node("a", unschedulable=True)], {}, datetime.now(timezone.utc))
    assert lines == ["a  ready, takes no new pods  v1.34.4+k3s1", "b  NOT READY  v1.34.4+k3s1"]


SHIM = ["/var/lib/rancher/k3s/data/0a/bin/containerd-shim-runc-v2", "-address", "/run/k3s/containerd/containerd.sock"]
OTHER = ["/usr/bin/containerd-shim-runc-v2", "-address", "/run/containerd/containerd.sock"]


def test_pods_of_k3s_are_ended_and_those_of_others_are_not():
    running = {
        1: (0, ["/sbin/init"]),
        5: (1, SHIM),
        6: (5, ["/pause"]),
        7: (6, ["sh"]),
        8: (1, OTHER),
        9: (8, ["/pause"]),
        10: (1, ["/usr/bin/vim", "containerd-shim"]),
        11: (2, [""]),
    }
    assert leftovers.processes(running) == [5, 6, 7]


@pytest.mark.parametrize(("others", "folder"), [(False, "/run/containerd"), (True, "/run/containerd/runc/k8s.io")])
def test_what_the_runtime_of_others_notes_stays(others, folder):
    assert leftovers.runtime_state(others) == folder


def test_mounts_go_the_last_first():
    mounted = [
        "/",
        "/var/lib/rancher",
        "/run/k3s/a",
        "/run/k3s/a/b",
        "/run/netns/cni-1",
        "/run/netns/mine",
        "/var/lib/kubelet/pods/x",
        "/var/lib/kubelet-mine/y",
        "/run/k3s-mine",
    ]
    assert leftovers.mounts(mounted) == ["/var/lib/kubelet/pods/x", "/run/netns/cni-1", "/run/k3s/a/b", "/run/k3s/a"]


def test_interfaces_and_routes_of_pods_go():
    links = [
        {"ifname": "eth0"},
        {"ifname": "cni0"},
        {"ifname": "veth1", "master": "cni0"},
        {"ifname": "veth2", "master": "br0"},
        {"ifname": "flannel.1"},
        {"ifname": "flannel.10"},
    ]
    assert leftovers.interfaces(links) == ["cni0", "flannel.1", "veth1"]
    known = [{"dst": "default"}, {"dst": "10.42.1.0/24"}, {"dst": "10.4.0.0/16"}, {"dst": "192.168.1.0/24"}, {}]
    assert leftovers.routes(known, "10.42.0.0/16") == ["10.42.1.0/24"]


SAVED = """\
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:CNI-abc - [0:0]
:MINE - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A POSTROUTING -s 10.0.0.0/8 -j MINE
-A MINE -j ACCEPT
COMMIT
"""
KEPT = """\
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:MINE - [0:0]
-A POSTROUTING -s 10.0.0.0/8 -j MINE
-A MINE -j ACCEPT
COMMIT
"""


def test_rules_of_others_stay():
    assert leftovers.without_rules(SAVED) == KEPT
    assert leftovers.without_rules(KEPT) is None


@pytest.mark.parametrize(
    ("saved", "empty"),
    [
        ("", []),
        ("# Generated by iptables-save\n*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n", ["nat"]),
        ("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n*mangle\n:INPUT ACCEPT [0:0]\nCOMMIT\n", ["mangle"]),
        (KEPT, []),
        ("*nat\n:MINE - [0:0]\nCOMMIT\n", []),
    ],
)
def test_only_tables_that_hold_nothing_are_empty(saved, empty):
    assert leftovers.empty_tables(saved) == empty


def test_sets_of_addresses_of_others_stay():
    known = ["KUBE-SRC-A", "inet6:KUBE-DST-B", "kube-router-local-ips", "mine"]
    assert leftovers.sets(known) == known[:2] + known[2:3]
