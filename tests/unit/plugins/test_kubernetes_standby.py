# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What actions ask an API where nodes stand by, and what they make of it."""

from __future__ import annotations

import json
import sys

import pytest
from unit.kubernetes.objects import IMAGE, PROGRAMS, Cluster
from unit.kubernetes.test_manifests import STANDBY, made, names_of
from unit.kubernetes.test_standby import all_pods, held_by, rolled
from unit.plugins.actions import act, action_class, decorated

SPACE = "/api/v1/namespaces/drover"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/drover/leases/drover-main-lease"
NODES = ["kube-1", "kube-2", "kube-3"]


class Api:
    """Objects by their path, and what programs in pods say."""

    def __init__(self, objects, said=None):
        self.objects, self.said = objects, said or {}

    def get(self, path):
        return self.objects.get(path)

    def list(self, path, _kind="", **_query):
        return self.objects.get(path, [])

    def events(self, _namespace):
        return []

    def execute(self, _namespace, pod, _container, command, _timeout):
        found = self.said.get((pod, command[2]))
        return (0, json.dumps(found), "") if found is not None else (1, "", "it does not tell")


@pytest.fixture(scope="module")
def cluster():
    return Cluster(**STANDBY)


@pytest.fixture
def ask(monkeypatch):
    def ask(api, name, **args):
        kind = action_class(name)
        monkeypatch.setattr(sys.modules[kind.__module__], "connect", lambda _given: api)
        return act(kind, decorated({"kubeconfig": "/nowhere", **args}))

    return ask


def work_out(ask, cluster, present=()):
    maps = [each for each in present if each["kind"] == "ConfigMap"]
    service = {"metadata": {"name": "kubernetes"}, "spec": {"ports": [{"port": 443, "targetPort": 16443}]}}
    api = Api({"/api/v1/namespaces/default/services": [service], f"{SPACE}/configmaps": maps})
    return ask(
        api,
        "kubernetes_manifests",
        settings={"image": IMAGE, "model": {"file": "small.gguf"}, "standby": 1},
        plan=cluster.plan,
        tallies=cluster.tallies,
        stock=cluster.stock,
        programs={each["host"]: PROGRAMS for each in cluster.tallies},
        model={"path": cluster.settings.model.path, "alias": "Small", "files": cluster.members["served"]["files"]},
        gguf=cluster.gguf,
    )


def test_the_manifests_are_those_of_the_brain_and_the_apis_own_ports_are_open(ask, cluster):
    found = work_out(ask, cluster)
    wanted = made(cluster)
    assert [(each["kind"], each["metadata"]["name"]) for each in found["manifests"]] == [
        (each["kind"], each["metadata"]["name"]) for each in wanted
    ]
    (policy,) = [each for each in found["manifests"] if each["metadata"]["name"] == "drover-main-leader"]
    assert [each["port"] for each in policy["spec"]["egress"][-1]["ports"]] == [443, 16443]
    assert work_out(ask, cluster, found["manifests"])["manifests"] == found["manifests"]


def test_what_was_there_without_a_standby_is_taken_off(ask, cluster):
    alone = made(Cluster(**{**STANDBY, "standby": 0, "policy": {"spread": "all"}}))
    gone = {each["name"] for each in work_out(ask, cluster, alone)["superfluous"]}
    assert {"drover-main-leader", "drover-main-members"} <= gone
    assert not gone & set(names_of(made(cluster), "ConfigMap"))


def there(cluster, leads, leaders, lost=()):
    nodes = [
        {
            "metadata": {"name": host},
            "status": {"conditions": [{"type": "Ready", "status": "Unknown" if host in lost else "True"}]},
        }
        for host in NODES
    ]
    return {
        f"{SPACE}/pods": all_pods(leaders, leads),
        f"{SPACE}/configmaps": [each for each in made(cluster) if each["kind"] == "ConfigMap"],
        "/api/v1/nodes": nodes,
        LEASE: held_by(f"{leads}_1"),
    }


def status(ask, cluster, leads, plan, lost=()):
    leaders = cluster.plan["leaders"]
    workers = {end["host"] for end in plan["endpoints"]}
    heard = {
        "healthy": True,
        "since": 1.0,
        "sentence": "",
        "workers": {host: {"up": True, "problem": "", "takes_part": True, "since": 1.0} for host in workers},
        "heals": [],
        "heal_count": 0,
        "cluster": "main",
        "schema": 1,
        "owners": {},
        "boot": "",
    }
    said = {
        (f"worker-{host}", "held"): {"held_bytes": 1 << 40, "connections": [{"peer": "10.9.9.9"}]} for host in workers
    }
    said[f"leader-{leads}", "status"] = {"plan": plan, "told": heard}
    said[f"leader-{leads}", "complete"] = {"completion_tokens": 16, "tokens_per_second": 9.0, "text": "a"}
    return ask(Api(there(cluster, leads, leaders, lost), said), "kubernetes_status_info", namespace="drover")


def test_status_says_who_leads_and_who_stands_by(ask, cluster):
    leader, standby = cluster.plan["leaders"]
    found = status(ask, cluster, leader, cluster.plan)
    assert f"{leader} leads, {standby} stands by" in found["lines"]
    assert found["problems"] == []
    plan = cluster.standbys[standby]["members"]["plan"]
    found = status(ask, cluster, standby, plan)
    assert f"{standby} leads, {leader} stands by" in found["lines"]
    assert found["problems"] == []
    found = status(ask, cluster, standby, plan, lost=[leader])
    assert found["problems"] == [f"{leader} cannot stand by, since the node is not ready: look at its kubelet."]
    assert not found["healthy"]


def test_a_rollout_is_seen_by_the_lease(ask, cluster):
    leader, standby = cluster.plan["leaders"]
    objects = there(cluster, standby, [leader, standby])
    objects["/apis/apps/v1/namespaces/drover/deployments"] = [
        *(rolled(f"drover-main-worker-{host}") for host in NODES if host != leader),
        rolled(f"drover-main-leader-{standby}"),
        rolled(f"drover-main-leader-{leader}", available="False"),
    ]
    found = ask(Api(objects), "kubernetes_rollout_info", namespace="drover", plan=cluster.plan, nodes=NODES, timeout=1)
    assert {(state["host"], state["part"]) for state in found["states"]} >= {(standby, "leader"), (leader, "standby")}
