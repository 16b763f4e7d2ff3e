# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it takes to fill the caches of workers' nodes before the leader starts, and when it is due."""

from __future__ import annotations

import json

import pytest
from module_utils.kubernetes import weights_map as weights_map_module
from module_utils.kubernetes.manifests import manifests
from module_utils.kubernetes.names import Names
from module_utils.kubernetes.placing import _resources
from module_utils.kubernetes.weights_map import mark_in, weights_map
from module_utils.runtime.weights import cache_of
from module_utils.serving import cluster as cluster_module
from module_utils.weights.assigning import nothing_for

from .objects import MIB, ROOMY, Cluster, node, stock_of
from .test_manifests import ALL_WAYS, CLAIM, HEALS, outside

CACHE = {"cache": {}}
NAMES = Names("main", "drover")


def pods(made):
    return {each["metadata"]["name"]: each["spec"] for each in made["objects"] if each["kind"] == "Pod"}


def test_a_pod_has_the_model_and_one_is_on_the_node_of_each_worker():
    cluster = Cluster(cache={"host_path": "/mnt/ssd/drover"})
    made = cluster.placing()
    assert (made["due"], made["told"], made["spread"]) == (True, [], 1)
    assert made["offerer"] == "drover-main-offerer"
    assert made["placers"] == {each: f"drover-main-placer-{each}" for each in ("kube-1", "kube-3")}
    assert sorted(pods(made)) == ["drover-main-offerer", "drover-main-placer-kube-1", "drover-main-placer-kube-3"]
    assert made["deployments"]["kube-1"]["cache"]["directory"] == "/var/cache/drover/rpc"
    for name, spec in pods(made).items():
        folders = {each["name"]: each["hostPath"]["path"] for each in spec["volumes"] if "hostPath" in each}
        assert folders["cache"] == "/mnt/ssd/drover"
        assert ("model" in folders) is (name == made["offerer"])
        assert spec["restartPolicy"] == "Never"
        nodes = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        assert nodes[0]["matchExpressions"][0]["values"] == [name.partition("placer-")[2] or cluster.plan["leader"]]


def test_a_placing_pod_can_read_the_deployment_that_is_sent_to_it(monkeypatch, tmp_path):
    made = Cluster(**CACHE).placing()
    (work,) = pods(made)["drover-main-placer-kube-1"]["containers"]
    told = [each["name"] for each in work["env"] if "valueFrom" in each]
    for name in told:
        monkeypatch.setenv(name, "10.1.1.1")
    monkeypatch.setattr(cluster_module, "CLUSTERS_FOLDER", str(tmp_path))
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "deployment.json").write_text(json.dumps(made["deployments"]["kube-1"]))
    assert cache_of(NAMES.cluster)["directory"] == "/var/cache/drover/rpc"


def test_a_model_from_the_web_is_there_before_it_is_offered():
    wish = {"file": "small.gguf", "url": "https://models.lan/small.gguf", "token_secret": "hub"}
    made = Cluster(model=wish, **CACHE).placing()
    steps = pods(made)["drover-main-offerer"]["initContainers"]
    assert [step["name"] for step in steps] == ["own-model", "fetch", "own-cache"]
    (token,) = [each for each in steps[1]["env"] if each["name"] == "DROVER_TOKEN"]
    assert token["valueFrom"]["secretKeyRef"]["name"] == "hub"
    steps = pods(Cluster(**CACHE, **CLAIM).placing())["drover-main-offerer"]["initContainers"]
    assert [step["name"] for step in steps] == ["own-cache"]


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"cache": {"spread": 0}},
        {**HEALS, "workers": "daemonset", "cache": {}},
        {**CACHE, "nodes": [node("kube-1", memory="8Gi")]},
    ],
)
def test_nothing_is_due_where_nothing_is_wished_or_can_be_had(wishes):
    assert Cluster(**wishes).placing() == {"due": False, "told": []}


def test_nothing_is_due_where_nothing_is_gained():
    cluster = Cluster(**CACHE)
    predicted = cluster.plan["predicted"]
    predicted["load_bytes_once_cached"] = predicted["load_bytes_over_network"]
    assert not cluster.placing()["due"]


def test_it_is_due_once_for_the_same():
    cluster = Cluster(**CACHE)
    mark = cluster.placing()["mark"]
    assert cluster.placing(mark) == {"due": False, "told": []}
    # What was measured anew, and by which name the API offers the model, is nothing to caches.
    cluster.plan["predicted"]["seconds_per_token"] = 1.0
    cluster.model["alias"] = "Other"
    assert cluster.placing(mark) == {"due": False, "told": []}


@pytest.mark.parametrize(
    "wishes",
    [
        {"cache": {"spread": 2}},
        {"cache": {"bytes": 1 << 30}},
        {"cache": {"host_path": "/mnt/ssd/drover"}},
        {**CACHE, "model": {"file": "small.gguf", "url": "https://models.lan/small.gguf", "sha256": ["a" * 64]}},
        {**CACHE, "image": f"registry.lan/drover@sha256:{'6' * 64}"},
        {**CACHE, "policy": {"spread": "all", "split": {"kube-1": 4, "kube-2": 12, "kube-3": 5}}},
    ],
)
def test_it_is_due_again_for_anything_else(wishes):
    assert Cluster(**wishes).placing(Cluster(**CACHE).placing()["mark"])["due"]


def test_hosts_outside_are_told_of():
    policy = {"leader": "kube-2", "spread": "all"}
    made = Cluster(outside=[outside()], policy=policy, **CACHE).placing()
    assert made["told"] == ["No weights are placed on mac, outside of the cluster; the leader sends them."]
    assert "mac" not in made["placers"]
    policy = {"leader": "mac", "spread": "all"}
    made = Cluster(outside=[outside()], policy=policy, host_network=True, **CACHE).placing()
    assert made["due"] is False
    assert made["told"] == [
        "mac leads from outside of the cluster, so it sends the pods their weights; none are placed there."
    ]


def test_on_the_network_of_the_nodes_there_are_no_policies():
    made = Cluster(**ALL_WAYS["caches on the network of the nodes"]).placing()
    assert {each["kind"] for each in made["objects"]} == {"Pod"}
    assert all(spec["hostNetwork"] for spec in pods(made).values())


@pytest.mark.parametrize(
    ("memory", "cpu", "processes", "limit"),
    [
        ("8Gi", "64", 4, 320),
        ("8Gi", "2", 2, 320),
        ("8Gi", "300m", 1, 320),
        ("200Mi", "8", 2, 200),
        ("64Mi", "8", 1, 96),
    ],
)
def test_as_many_processes_hash_as_find_cores_and_memory(memory, cpu, processes, limit):
    (entry,) = stock_of([node("kube-1", memory=memory, cpu=cpu)])
    resources, found = _resources(entry)
    assert (found, int(resources["limits"]["memory"]) // MIB) == (processes, limit)
    assert int(resources["requests"]["memory"]) == 96 * MIB


def sources(cluster, host="kube-1"):
    """What the documents of a worker's pod are made of."""
    objects = manifests(cluster.plan, cluster.deployments, cluster.stock, cluster.settings)
    (found,) = [each for each in objects if each["metadata"]["name"] == f"drover-main-worker-{host}" and "spec" in each]
    (volume,) = [each for each in found["spec"]["template"]["spec"]["volumes"] if each["name"] == "documents"]
    return volume["projected"]["sources"]


def test_a_worker_reads_what_its_cache_is_to_have_where_that_is_told():
    config_map = weights_map(NAMES, {"kube-1": nothing_for(Cluster(**CACHE).plan, "kube-1", 1)}, "abc")
    (key,) = config_map["data"]
    told = {"name": "drover-main-weights", "optional": True, "items": [{"key": key, "path": "weights.json"}]}
    assert {"configMap": told} in sources(Cluster(**CACHE))
    for wishes in ({}, {"cache": {"spread": 0}}):
        assert "drover-main-weights" not in json.dumps(sources(Cluster(**wishes)))
    joining = Cluster(nodes=ROOMY, healing=True, workers="daemonset", policy={"spread": "all"}, **CACHE)
    assert "drover-main-weights" not in json.dumps(
        manifests(
            *(joining.plan, joining.deployments, joining.stock, joining.settings, "", None, joining.members),
            joining.standbys,
        )
    )


def test_what_the_caches_were_filled_for_is_found_again():
    assert mark_in(weights_map(NAMES, {}, "abc")) == "abc"
    assert mark_in(None) == ""
    assert mark_in({"metadata": {"name": "drover-main-weights"}}) == ""


def test_more_than_a_config_map_holds_is_left_out(monkeypatch):
    monkeypatch.setattr(weights_map_module, "MOST_CONFIG_MAP_BYTES", 50)
    made = weights_map(NAMES, {"kube-1": nothing_for(Cluster(**CACHE).plan, "kube-1", 1)}, "abc")
    assert "data" not in made
    assert mark_in(made) == "abc"
