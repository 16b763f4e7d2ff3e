# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may talk to whom: the policies are asked, as Kubernetes does, about connections."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from module_utils.kubernetes.manifests import foundation, manifests
from module_utils.kubernetes.policies import left_to_firewalls

from .objects import Cluster
from .test_manifests import ALL_WAYS

LEADER = {
    "app.kubernetes.io/name": "drover",
    "app.kubernetes.io/instance": "main",
    "app.kubernetes.io/component": "leader",
}
WORKER = {**LEADER, "app.kubernetes.io/component": "worker"}
TALLY = {**LEADER, "app.kubernetes.io/component": "tally"}
OTHER_LEADER = {**LEADER, "app.kubernetes.io/instance": "second"}
STRANGER = {"app": "web"}


class Firewall:
    """Kubernetes' rules for NetworkPolicies (networking.k8s.io/v1): what no policy selects is open, and what one
    selects is closed but for what one of them lets through."""

    def __init__(self, objects):
        self.policies = [each["spec"] for each in objects if each["kind"] == "NetworkPolicy"]

    def allows(self, source, target, port, protocol="TCP"):
        """``source`` and ``target`` are labels of pods in the namespace, or addresses outside."""
        return self._side("Egress", source, target, port, protocol) and self._side(
            "Ingress", target, source, port, protocol
        )

    def _side(self, kind, own, peer, port, protocol):
        if isinstance(own, str):
            return True
        mine = [each for each in self.policies if kind in each["policyTypes"] and _selects(each["podSelector"], own)]
        word = {"Egress": "to", "Ingress": "from"}[kind]
        rules = [rule for each in mine for rule in each.get(kind.lower(), ())]
        return not mine or any(_passes(rule, word, peer, port, protocol) for rule in rules)


def _passes(rule, word, peer, port, protocol):
    ports = rule.get("ports")
    if ports is not None and {"port": port, "protocol": protocol} not in ports:
        return False
    return word not in rule or any(_is(one, peer) for one in rule[word])


def _is(wanted, peer):
    if isinstance(peer, str):
        return "ipBlock" in wanted and ip_address(peer) in ip_network(wanted["ipBlock"]["cidr"])
    return "podSelector" in wanted and _selects(wanted["podSelector"], peer)


def _selects(selector, labels):
    return selector["matchLabels"].items() <= labels.items()


def firewall(**wishes):
    cluster = Cluster(**wishes)
    return Firewall(manifests(cluster.plan, cluster.deployments, cluster.stock, cluster.settings)), cluster


@pytest.mark.parametrize(
    ("source", "target", "port", "passes"),
    [
        (LEADER, WORKER, 50052, True),
        (LEADER, WORKER, 8080, False),
        (STRANGER, WORKER, 50052, False),
        (WORKER, WORKER, 50052, False),
        (TALLY, WORKER, 50052, False),
        (OTHER_LEADER, WORKER, 50052, False),
        ("10.0.0.9", WORKER, 50052, False),
        (STRANGER, LEADER, 8080, True),
        ("192.168.1.7", LEADER, 8080, True),
        (STRANGER, LEADER, 50052, False),
        (WORKER, LEADER, 8080, False),  # a worker connects to nobody
        (WORKER, "10.96.0.1", 443, False),
        (LEADER, "10.96.0.1", 443, False),
        (TALLY, "10.96.0.1", 443, False),
        (STRANGER, TALLY, 8080, False),
        (STRANGER, "10.96.0.1", 443, True),
    ],
)
def test_who_may_connect(source, target, port, passes):
    assert firewall()[0].allows(source, target, port) is passes


OFFERER = {**LEADER, "app.kubernetes.io/component": "offerer"}
PLACER = {**LEADER, "app.kubernetes.io/component": "placer"}
OTHER_PLACER = {**PLACER, "app.kubernetes.io/instance": "second"}


@pytest.mark.parametrize(
    ("source", "target", "port", "passes"),
    [
        (PLACER, OFFERER, 50060, True),
        (PLACER, OFFERER, 8080, False),
        (OTHER_PLACER, OFFERER, 50060, False),
        (LEADER, OFFERER, 50060, False),
        (WORKER, OFFERER, 50060, False),
        (STRANGER, OFFERER, 50060, False),
        ("192.168.1.7", OFFERER, 50060, False),
        (OFFERER, PLACER, 50060, False),
        (PLACER, PLACER, 50060, False),
        (PLACER, WORKER, 50052, False),
        (PLACER, "10.96.0.1", 443, False),
        (OFFERER, WORKER, 50052, False),
        (OFFERER, "203.0.113.7", 443, False),
        (LEADER, WORKER, 50052, True),
    ],
)
def test_who_reaches_whom_while_caches_are_filled(source, target, port, passes):
    cluster = Cluster(cache={})
    objects = manifests(cluster.plan, cluster.deployments, cluster.stock, cluster.settings)
    assert Firewall([*objects, *cluster.placing()["objects"]]).allows(source, target, port) is passes


def test_whoever_offers_a_model_gets_it_from_the_web_first():
    cluster = Cluster(cache={}, model={"file": "m.gguf", "url": "https://models.lan:8443/m.gguf"})
    walls = Firewall([*foundation(cluster.settings, "main"), *cluster.placing()["objects"]])
    assert [walls.allows(OFFERER, "203.0.113.7", port) for port in (443, 8443, 8444)] == [True, True, False]
    assert walls.allows(OFFERER, "10.96.0.10", 53, "UDP")
    assert not walls.allows(PLACER, "203.0.113.7", 443)


def test_the_leader_alone_asks_for_names():
    walls, _cluster = firewall()
    for protocol in ("UDP", "TCP"):
        assert walls.allows(LEADER, "10.96.0.10", 53, protocol)
        assert not walls.allows(WORKER, "10.96.0.10", 53, protocol)


def test_a_model_from_the_web_is_reached():
    walls, _cluster = firewall(model={"file": "m.gguf", "url": "https://models.lan:8443/m.gguf"})
    assert [walls.allows(LEADER, "203.0.113.7", port) for port in (80, 443, 8443, 8444)] == [True, True, True, False]


def test_a_worker_outside_is_reached():
    walls, cluster = firewall(**ALL_WAYS["a worker outside"])
    address = cluster.plan["addresses"]["mac"]["address"]
    assert walls.allows(LEADER, address, 50052)
    assert not walls.allows(LEADER, address, 22)
    assert not walls.allows(WORKER, address, 50052)


def test_addresses_that_a_user_lets_in():
    cluster = Cluster()
    for host in ("kube-1", "kube-3"):
        cluster.deployments[host]["allow"] = ["10.7.0.0/16", "10.8.0.1"]
    walls = Firewall(manifests(cluster.plan, cluster.deployments, cluster.stock, cluster.settings))
    assert walls.allows("10.7.1.1", WORKER, 50052)
    assert walls.allows("10.8.0.1", WORKER, 50052)
    assert not walls.allows("10.8.0.2", WORKER, 50052)
    assert walls.allows(LEADER, WORKER, 50052)


def test_another_port():
    walls, _cluster = firewall(rpc_port=50060)
    assert walls.allows(LEADER, WORKER, 50060)
    assert not walls.allows(LEADER, WORKER, 50052)


def left(way):
    cluster = Cluster(**ALL_WAYS[way])
    nodes = {entry["node"] for entry in cluster.stock}
    return cluster.plan, left_to_firewalls(cluster.plan, cluster.deployments, nodes, cluster.settings)


@pytest.mark.parametrize(
    ("way", "ports"),
    [
        ("host network", "50052"),
        ("healing on the network of the nodes", "50052 and 51052"),
        ("workers that join on the network of the nodes", "50052 and 51052"),
        ("a leader outside", "50052"),
    ],
)
def test_what_no_policy_holds_is_left_to_the_firewalls_of_the_nodes_and_told(way, ports):
    plan, (sentence,) = left(way)
    who = f"{plan['leader']} ({plan['addresses'][plan['leader']]['address']})"
    assert sentence.startswith("kubernetes_host_network has pods use the network of their nodes, where no ")
    assert sentence.endswith(f"let nobody but {who} connect to TCP {ports}, since RPC asks for no password.")


def test_whoever_may_lead_is_let_in_too():
    plan, (sentence,) = left("a standby on the network of the nodes")
    first, second = plan["leaders"]
    assert f"{first} ({plan['addresses'][first]['address']}) and {second} (" in sentence


@pytest.mark.parametrize("way", ["defaults", "healing"])
def test_where_policies_hold_nothing_is_left_to_others(way):
    assert left(way)[1] == []
