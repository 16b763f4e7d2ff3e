# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes is given of a plan."""

from __future__ import annotations

import copy
import json

import kubernetes_validate
import pytest
from module_utils.errors import DroverError
from module_utils.kubernetes.manifests import KINDS, foundation, manifests, superfluous
from module_utils.kubernetes.quantities import bytes_of, millicores_of
from module_utils.kubernetes.requests import requested
from module_utils.kubernetes.short_lived import courier_pod, sweeper_pods, tally_pods
from module_utils.serving.deployment import read_deployment
from unit.placement import fleets

from .objects import GIB, IMAGE, MIB, NODES, ROOMY, Cluster, node, settings

EVERYTHING = {
    "cache": {"bytes": "20Gi"},
    "model": {
        "file": "small.gguf",
        "url": "https://models.lan:8443/small.gguf",
        "sha256": ["a" * 64],
        "token_secret": "hub",
    },
    "image_pull_secrets": ["lan"],
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "priority_class": "high",
    "labels": {"team": "a"},
    "annotations": {"about": "our llm"},
    "service_type": "NodePort",
    "node_port": 30080,
    "service_annotations": {"metallb.io/address-pool": "lan"},
    "ingress": {"host": "llm.lan", "class_name": "nginx", "tls_secret": "llm-tls", "annotations": {"a": "b"}},
}
HEALS = {"nodes": ROOMY, "healing": True, "policy": {"spread": "all"}}
STANDBY = {**HEALS, "standby": 1, "policy": {"spread": "all", "standby": 1}}
LABELLED = [node(each["metadata"]["name"], "2Gi", labels={"llm": "yes"}) for each in ROOMY]
CLAIM = {"model": {"file": "small.gguf", "claim": "models"}}
# What the newest and the oldest Kubernetes that people run take; strict: no field that it does not know.
VERSIONS = ("1.37.0", "1.28.0")


def made(cluster=None, secret_version="", **wishes):
    cluster = cluster or Cluster(**wishes)
    return manifests(
        *(cluster.plan, cluster.deployments, cluster.stock, cluster.settings, secret_version, None, cluster.members),
        cluster.standbys,
        [443, 6443],
    )


def named(objects, kind, name):
    (found,) = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def template(objects, name):
    return named(objects, "Deployment", name)["spec"]["template"]


def names_of(objects, kind):
    return [each["metadata"]["name"] for each in objects if each["kind"] == kind]


def outside(host="mac", **more):
    return fleets.tally(host, 3 * GIB, **more)


ALL_WAYS = {
    "defaults": {},
    "everything": EVERYTHING,
    "claim": CLAIM,
    "host network": {"host_network": True},
    "caches on the network of the nodes": {"host_network": True, "cache": {"spread": 2}},
    "a namespace that is not ours": {"create_namespace": False, "service_account": "llm"},
    "healing": HEALS,
    "healing with everything": {**HEALS, **EVERYTHING},
    "healing on the network of the nodes": {**HEALS, "host_network": True},
    "workers that join": {**HEALS, "workers": "daemonset", "node_selector": {"llm": "yes"}, "nodes": LABELLED},
    "workers that join with everything": {**HEALS, **EVERYTHING, "workers": "daemonset"},
    "workers that join on the network of the nodes": {**HEALS, "workers": "daemonset", "host_network": True},
    "a standby": STANDBY,
    "a standby with everything": {**STANDBY, **EVERYTHING},
    "a standby with an account of somebody's": {**STANDBY, "service_account": "llm"},
    "a standby on the network of the nodes": {**STANDBY, "host_network": True},
    "a load balancer": {"service_type": "LoadBalancer", "port": 80},
    "a worker outside": {"outside": [outside()], "policy": {"leader": "kube-2", "spread": "all"}},
    "a leader outside": {"outside": [outside()], "policy": {"leader": "mac", "spread": "all"}, "host_network": True},
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", ALL_WAYS)
def test_the_api_knows_every_field(way, version):
    cluster = Cluster(**ALL_WAYS[way])
    objects = made(cluster)
    objects += tally_pods(cluster.stock, cluster.settings, "main")
    objects += sweeper_pods(cluster.stock, cluster.settings, "main")
    objects.append(courier_pod(cluster.stock[0], cluster.settings, "main"))
    objects += cluster.placing().get("objects", [])
    for each in objects:
        # As the API gets it.
        kubernetes_validate.validate(json.loads(json.dumps(each)), version, strict=True)


def empties(value, path=()):
    """Where there is a null, or an empty list or dictionary."""
    if value in (None, [], {}):
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from empties(item, (*path, key))


@pytest.mark.parametrize("way", ALL_WAYS)
def test_nothing_is_left_empty_which_the_api_would_drop_and_see_as_a_change_each_time(way):
    for each in made(**ALL_WAYS[way]):
        assert list(empties(each)) == []


def test_one_thing_of_each_name_in_an_order_that_works():
    objects = made(**EVERYTHING)
    assert names_of(objects, "Deployment") == [
        "drover-main-worker-kube-1",
        "drover-main-worker-kube-3",
        "drover-main-leader",
    ]
    assert names_of(objects, "ConfigMap") == [
        "drover-main-worker-kube-1",
        "drover-main-worker-kube-3",
        "drover-main-plan",
        "drover-main-leader",
    ]
    assert names_of(objects, "Service") == ["drover-main-workers", "drover-main-api"]
    assert names_of(objects, "NetworkPolicy") == ["drover-main", "drover-main-workers", "drover-main-leader"]
    kinds = list(dict.fromkeys(each["kind"] for each in objects))
    assert kinds == [
        "Namespace",
        "ServiceAccount",
        "NetworkPolicy",
        "ConfigMap",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
        "Ingress",
    ]
    assert {(each["apiVersion"], each["kind"]) for each in objects[1:]} <= set(KINDS)


def test_the_labels_are_the_recommended_ones():
    for each in made(**EVERYTHING)[1:]:
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "drover"
        assert labels["app.kubernetes.io/instance"] == "main"
        assert labels["app.kubernetes.io/managed-by"] == "drover"
        assert labels["app.kubernetes.io/part-of"] == "drover"
        assert each["metadata"]["namespace"] == "drover"


def test_a_worker_is_pinned_with_what_the_plan_says():
    cluster = Cluster(
        nodes=[*NODES[:2], node("kube-3", memory="1Gi", address="10.0.0.3", labels={"kubernetes.io/hostname": "k3"})]
    )
    objects = made(cluster)
    spec = template(objects, "drover-main-worker-kube-3")["spec"]
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["k3"]}]}
    required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required == {"nodeSelectorTerms": [term]}
    (server,) = spec["containers"]
    assert server["command"] == [
        "/usr/local/lib/drover/python3",
        "/usr/local/lib/drover/drover.pyz",
        *("worker", "--cluster", "main"),
    ]
    planned = cluster.deployments["kube-3"]["memory_bytes"]
    assert planned > 400 * MIB
    assert server["resources"]["requests"] == server["resources"]["limits"]
    assert bytes_of(server["resources"]["limits"]["memory"], "") == planned + 128 * MIB
    assert server["resources"]["limits"]["cpu"] == "3950m"
    assert (spec["hostname"], spec["subdomain"]) == ("kube-3", "drover-main-workers")
    assert cluster.plan["addresses"]["kube-3"]["address"] == "kube-3.drover-main-workers.drover.svc"
    assert {
        "name": "DROVER_ADDRESS",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}},
    } in server["env"]
    assert server["ports"] == [{"name": "rpc", "containerPort": 50052, "protocol": "TCP"}]
    assert named(objects, "Deployment", "drover-main-worker-kube-3")["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("way", ["defaults", "everything", "claim", "host network"])
@pytest.mark.parametrize("cpu", ["300m", "1500m", "4"])
def test_what_is_planned_can_be_scheduled(way, cpu):
    nodes = [node(f"kube-{number}", memory=f"{number}Gi", cpu=cpu, address=f"10.0.0.{number}") for number in (1, 2, 3)]
    cluster = Cluster(nodes=nodes, policy={"margin": 0.0, "spread": "all"}, lend={"reserve_bytes": 0}, **ALL_WAYS[way])
    for each in made(cluster):
        if each["kind"] != "Deployment":
            continue
        about = each["spec"]["template"]
        host = about["metadata"]["annotations"]["drover.llama/node"]
        (entry,) = [entry for entry in cluster.stock if entry["node"] == host]
        amount = requested({"metadata": about["metadata"], "spec": about["spec"]})
        assert amount.memory_bytes <= entry["allocatable"]["memory_bytes"]
        assert amount.millicores <= millicores_of(cpu, "")


def test_probes_never_connect_and_never_end_a_leader_that_loads():
    objects = made()
    for name in names_of(objects, "Deployment"):
        (server,) = template(objects, name)["spec"]["containers"]
        probes = {key: value for key, value in server.items() if key.endswith("Probe")}
        assert all(set(probe) & {"exec", "tcpSocket", "httpGet", "grpc"} == {"exec"} for probe in probes.values())
        words = {key: probe["exec"]["command"][-3:] for key, probe in probes.items()}
        if name.endswith("-leader"):
            assert words == {
                "startupProbe": ["ready", "--cluster", "main"],
                "readinessProbe": ["ready", "--cluster", "main"],
                "livenessProbe": ["alive", "--cluster", "main"],
            }
            assert probes["startupProbe"]["failureThreshold"] * probes["startupProbe"]["periodSeconds"] == 6 * 3600
        else:
            assert words == {"readinessProbe": ["ready", "--cluster", "main"]}


def test_the_documents_are_where_the_runtime_reads_them():
    cluster = Cluster()
    objects = made(cluster)
    for host, name in (("kube-1", "drover-main-worker-kube-1"), ("kube-2", "drover-main-leader")):
        data = named(objects, "ConfigMap", name)["data"]
        assert read_deployment(json.loads(data["deployment.json"])) == cluster.deployments[host]
    assert json.loads(named(objects, "ConfigMap", "drover-main-plan")["data"]["plan.json"]) == cluster.plan
    spec = template(objects, "drover-main-leader")["spec"]
    (server,) = spec["containers"]
    assert {"name": "documents", "mountPath": "/etc/drover/main", "readOnly": True} in server["volumeMounts"]
    (volume,) = [each for each in spec["volumes"] if each["name"] == "documents"]
    kept = [
        (kind, source["name"], source["items"][0]["path"])
        for one in volume["projected"]["sources"]
        for kind, source in one.items()
    ]
    assert kept == [
        ("configMap", "drover-main-leader", "deployment.json"),
        ("configMap", "drover-main-plan", "plan.json"),
        ("secret", "drover-main-api", "api_key"),
    ]
    assert "/etc/drover/main/api_key" in cluster.deployments["kube-2"]["arguments"]


def test_only_what_changed_starts_anew():
    cluster = Cluster()
    before = made(cluster)
    other = copy.deepcopy(cluster)
    other.deployments["kube-3"]["arguments"].append("--more")
    other.plan["predicted"]["tokens_per_second"] += 1
    after = made(other)
    changed = [name for name in names_of(before, "Deployment") if template(before, name) != template(after, name)]
    assert changed == ["drover-main-worker-kube-3"]
    rotated = made(cluster, secret_version="7")
    changed = [name for name in names_of(before, "Deployment") if template(before, name) != template(rotated, name)]
    assert changed == ["drover-main-leader"]


def test_the_same_in_gives_the_same_out():
    assert json.dumps(made(**EVERYTHING)) == json.dumps(made(**EVERYTHING))


def test_the_steps_before_a_leader():
    def steps(**wishes):
        return template(made(**wishes), "drover-main-leader")["spec"]["initContainers"]

    assert [step["name"] for step in steps()] == ["await"]
    assert steps()[0]["command"][2:] == ["await", "--cluster", "main"]
    own, fetch, wait = steps(**EVERYTHING)
    assert [own["name"], fetch["name"], wait["name"]] == ["own-model", "fetch", "await"]
    assert fetch["command"][2:] == [
        *("fetch", "--url", "https://models.lan:8443/small.gguf", "--to", "/var/lib/drover/models/small.gguf"),
        *("--sha256", "a" * 64),
    ]
    # A token is in no process list.
    reference = {"secretKeyRef": {"name": "hub", "key": "token"}}
    assert {"name": "DROVER_TOKEN", "valueFrom": reference} in fetch["env"]
    model = {"file": "small.gguf", "claim": "models", "url": "https://models.lan/small.gguf"}
    assert [step["name"] for step in steps(model=model)] == ["fetch", "await"]


def test_the_model_and_the_cache_are_where_they_were_wished():
    spec = template(made(), "drover-main-leader")["spec"]
    folder = {"path": "/var/lib/drover/models", "type": "DirectoryOrCreate"}
    assert {"name": "model", "hostPath": folder} in spec["volumes"]
    spec = template(made(**CLAIM), "drover-main-leader")["spec"]
    assert {"name": "model", "persistentVolumeClaim": {"claimName": "models"}} in spec["volumes"]
    cluster = Cluster(cache={"host_path": "/mnt/cache", "bytes": "20Gi"})
    assert cluster.deployments["kube-1"]["cache"] == {
        "directory": "/var/cache/drover/rpc",
        "days": 30,
        "bytes": 20 * GIB,
    }
    spec = template(made(cluster), "drover-main-worker-kube-1")["spec"]
    assert {"name": "cache", "hostPath": {"path": "/mnt/cache", "type": "DirectoryOrCreate"}} in spec["volumes"]
    assert [step["name"] for step in spec["initContainers"]] == ["own-cache"]
    cluster = Cluster()
    assert cluster.deployments["kube-1"]["cache"] is None
    assert "--cache" not in cluster.deployments["kube-1"]["arguments"]


def test_a_users_own_things_are_on_the_pods():
    objects = made(**EVERYTHING)
    for name in names_of(objects, "Deployment"):
        about = template(objects, name)
        assert about["metadata"]["labels"]["team"] == "a"
        assert about["metadata"]["annotations"]["about"] == "our llm"
        assert about["spec"]["priorityClassName"] == "high"
        assert about["spec"]["imagePullSecrets"] == [{"name": "lan"}]
        assert {"key": "gpu", "operator": "Exists"} in about["spec"]["tolerations"]
        assert {one["image"] for one in about["spec"]["containers"]} == {IMAGE}
        # Selectors never change, so nothing of a user's is in them.
        selector = named(objects, "Deployment", name)["spec"]["selector"]["matchLabels"]
        assert "team" not in selector
        assert selector.items() <= about["metadata"]["labels"].items()


def test_the_api_is_found():
    objects = made(**EVERYTHING)
    service = named(objects, "Service", "drover-main-api")
    assert service["spec"] == {
        "type": "NodePort",
        "ports": [{"name": "api", "port": 8080, "targetPort": "api", "protocol": "TCP", "nodePort": 30080}],
        "selector": {
            "app.kubernetes.io/name": "drover",
            "app.kubernetes.io/instance": "main",
            "app.kubernetes.io/component": "leader",
        },
    }
    assert service["metadata"]["annotations"] == {"metallb.io/address-pool": "lan"}
    ingress = named(objects, "Ingress", "drover-main-api")
    assert ingress["spec"]["tls"] == [{"hosts": ["llm.lan"], "secretName": "llm-tls"}]
    assert ingress["spec"]["ingressClassName"] == "nginx"
    route = {"gateway": "lan", "gateway_namespace": "edge", "section": "https", "hostnames": ["llm.lan"]}
    route = named(made(http_route=route), "HTTPRoute", "drover-main-api")
    assert route["spec"]["parentRefs"] == [{"name": "lan", "namespace": "edge", "sectionName": "https"}]
    assert route["spec"]["rules"][0]["backendRefs"] == [{"name": "drover-main-api", "port": 8080}]
    assert route["spec"]["hostnames"] == ["llm.lan"]


def test_workers_have_names_before_they_are_ready():
    service = named(made(), "Service", "drover-main-workers")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True


def test_a_drain_takes_one_pod_after_the_other_and_is_never_held_up_by_one_that_does_not_serve():
    budget = named(made(), "PodDisruptionBudget", "drover-main")
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_a_worker_outside_is_one_that_no_object_is_made_for():
    cluster = Cluster(**ALL_WAYS["a worker outside"])
    objects = made(cluster)
    assert names_of(objects, "Deployment") == [
        "drover-main-worker-kube-1",
        "drover-main-worker-kube-3",
        "drover-main-leader",
    ]
    address = cluster.plan["addresses"]["mac"]["address"]
    assert (
        address
        in cluster.deployments["kube-2"]["arguments"][cluster.deployments["kube-2"]["arguments"].index("--rpc") + 1]
    )
    # It lets in what a leader in a pod comes from.
    assert cluster.deployments["mac"]["allow"] == ["10.0.0.2", "10.244.1.0/24"]
    egress = named(objects, "NetworkPolicy", "drover-main-leader")["spec"]["egress"]
    to = {"to": [{"ipBlock": {"cidr": f"{address}/32"}}], "ports": [{"protocol": "TCP", "port": 50052}]}
    assert to in egress


def test_a_leader_outside_is_behind_the_same_service():
    cluster = Cluster(**ALL_WAYS["a leader outside"])
    objects = made(cluster)
    assert names_of(objects, "Deployment") == [f"drover-main-worker-kube-{number}" for number in (1, 2, 3)]
    assert "drover-main-leader" not in names_of(objects, "ConfigMap")
    assert "selector" not in named(objects, "Service", "drover-main-api")["spec"]
    slice_ = named(objects, "EndpointSlice", "drover-main-api")
    assert slice_["metadata"]["labels"]["kubernetes.io/service-name"] == "drover-main-api"
    assert slice_["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "drover"
    assert slice_["endpoints"] == [
        {"addresses": [cluster.plan["addresses"]["mac"]["address"]], "conditions": {"ready": True}}
    ]
    assert slice_["ports"] == [{"name": "api", "port": 8080, "protocol": "TCP"}]
    # The addresses that a leader outside can use are those of the nodes.
    assert cluster.plan["addresses"]["kube-1"]["address"] == "10.0.0.1"


def test_a_leader_outside_cannot_look_up_pods():
    cluster = Cluster(**{**ALL_WAYS["a leader outside"], "host_network": False})
    with pytest.raises(
        DroverError, match=r"^mac leads from outside of the cluster, where the names .*kube-1.* mean nothing"
    ):
        made(cluster)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.1.1", "0.0.0.0"])
def test_an_address_that_pods_cannot_reach_is_refused(address):
    cluster = Cluster(**ALL_WAYS["a leader outside"])
    cluster.deployments["mac"]["listen"]["address"] = address
    with pytest.raises(DroverError, match=rf"^The API of mac listens on {address}, which pods cannot reach"):
        made(cluster)


def test_with_the_nodes_network():
    objects = made(host_network=True)
    assert names_of(objects, "NetworkPolicy") == []
    for name in names_of(objects, "Deployment"):
        spec = template(objects, name)["spec"]
        assert (spec["hostNetwork"], spec["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")


def test_the_foundation_comes_before_anything_is_known():
    kinds = [(each["kind"], each["metadata"]["name"]) for each in foundation(settings(), "main")]
    assert kinds == [("Namespace", "drover"), ("ServiceAccount", "drover-main"), ("NetworkPolicy", "drover-main")]
    objects = made()
    assert objects[: len(kinds)] == foundation(settings(), "main")


def test_no_pod_has_a_right_in_the_api():
    objects = made()
    assert named(objects, "ServiceAccount", "drover-main")["automountServiceAccountToken"] is False
    for name in names_of(objects, "Deployment"):
        spec = template(objects, name)["spec"]
        assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("drover-main", False)
        assert spec["enableServiceLinks"] is False


def test_what_is_not_wanted_any_more():
    before = made(**EVERYTHING)
    replica = {
        "kind": "Pod",
        "metadata": {"name": "drover-main-leader-x", "ownerReferences": [{"kind": "ReplicaSet"}]},
    }
    secret = {"kind": "Secret", "metadata": {"name": "drover-main-api"}}
    tally = {"kind": "Pod", "metadata": {"name": "drover-main-tally-kube-1"}}
    after = made(**{**EVERYTHING, "ingress": None})
    after = [each for each in after if not each["metadata"]["name"].endswith("worker-kube-3")]
    gone = superfluous([*before, replica, secret, tally], after)
    assert [(each["kind"], each["metadata"]["name"]) for each in gone] == [
        ("Deployment", "drover-main-worker-kube-3"),
        ("Pod", "drover-main-tally-kube-1"),
        ("Ingress", "drover-main-api"),
        ("ConfigMap", "drover-main-worker-kube-3"),
    ]
