# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One DaemonSet of workers: what it is given, on which nodes it is, and what a leader decides later is its own."""

from __future__ import annotations

import copy
import json

import pytest
from module_utils.errors import DroverError
from module_utils.healing.granted import within_grant
from module_utils.healing.joins import with_joined
from module_utils.healing.members import read_members
from module_utils.healing.replan import Answer, replan
from module_utils.kubernetes.access import reviews
from module_utils.kubernetes.deploy import deploy_pods
from module_utils.kubernetes.manifests import manifests, superfluous
from module_utils.kubernetes.proof import absent_faults
from module_utils.kubernetes.quotas import quota_faults
from module_utils.kubernetes.restore import restorable
from module_utils.kubernetes.rollout import progress
from module_utils.kubernetes.shares import equal
from module_utils.kubernetes.status import part_states
from module_utils.kubernetes.workers import of_any_node
from module_utils.serving.deployment import at_address, at_host
from unit.healing.test_replan import memory

from .objects import GIB, IMAGE, MIB, PROGRAMS, Cluster, measured, node, settings
from .test_manifests import HEALS, made, named, names_of, outside

NODES = [
    node(f"kube-{number}", memory, address=f"10.0.0.{number}")
    for number, memory in ((1, "4Gi"), (2, "2Gi"), (3, "3Gi"))
]
LED = {"leader": "kube-1", "spread": "all"}
JOINS = {**HEALS, "nodes": NODES, "policy": LED, "workers": "daemonset"}


@pytest.fixture(scope="module")
def cluster():
    return Cluster(**JOINS)


@pytest.fixture(scope="module")
def daemon_set(cluster):
    return named(made(cluster), "DaemonSet", "drover-main-worker")


def spec(daemon_set):
    return daemon_set["spec"]["template"]["spec"]


def server(daemon_set):
    return spec(daemon_set)["containers"][0]


def test_all_workers_are_one_and_the_leader_is_as_ever(cluster):
    objects = made(cluster)
    assert names_of(objects, "Deployment") == ["drover-main-leader"]
    assert names_of(objects, "DaemonSet") == ["drover-main-worker"]
    assert "drover-main-worker" in names_of(objects, "ConfigMap")
    # A budget of theirs would keep the leader's pod from being moved for ever.
    assert names_of(objects, "PodDisruptionBudget") == []
    assert names_of(objects, "NetworkPolicy") == ["drover-main", "drover-main-workers", "drover-main-leader"]


def test_it_is_on_every_node_that_may_take_part_but_the_leaders(daemon_set):
    (term,) = spec(daemon_set)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"] == [
        {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["kube-1"]},
        {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
    ]
    assert "nodeSelector" not in spec(daemon_set)


def test_labels_choose_nodes_that_are_yet_to_come_and_names_those_that_are_left_out():
    labelled = [node(f"kube-{number}", "2Gi", labels={"llm": "yes"}) for number in (1, 2, 3, 4)]
    cluster = Cluster(**{**JOINS, "nodes": labelled, "node_selector": {"llm": "yes"}, "exclude": ["kube-4"]})
    found = spec(named(made(cluster), "DaemonSet", "drover-main-worker"))
    assert found["nodeSelector"] == {"llm": "yes"}
    rule = found["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule["nodeSelectorTerms"][0]["matchExpressions"][0]["values"] == ["kube-1", "kube-4"]


def test_what_it_requests_is_its_limit_and_what_the_least_node_lends(cluster, daemon_set):
    resources = server(daemon_set)["resources"]
    assert resources["requests"] == resources["limits"]
    least = min(tally["memory"]["usable_bytes"] for tally in cluster.tallies if tally["host"] != "kube-1")
    assert resources["limits"]["memory"] == str(least + cluster.settings.worker_overhead_bytes)
    assert cluster.members["joins"]["most_bytes"] == least
    for host in ("kube-2", "kube-3"):
        assert cluster.deployments[host]["memory_bytes"] <= least
        assert cluster.deployments[host]["healing"]["most_bytes"] == least


def test_its_pods_are_as_confined_as_others(daemon_set):
    pinned = named(made(Cluster(**HEALS)), "Deployment", "drover-main-worker-kube-2")["spec"]["template"]["spec"]
    assert spec(daemon_set)["securityContext"] == pinned["securityContext"]
    for container in [*spec(daemon_set)["containers"], *spec(daemon_set)["initContainers"]]:
        assert container["securityContext"] == pinned["containers"][0]["securityContext"]
    assert server(daemon_set)["readinessProbe"] == pinned["containers"][0]["readinessProbe"]
    assert "exec" in server(daemon_set)["readinessProbe"]


def test_a_pod_learns_its_node_and_finds_out_what_that_can_lend(daemon_set):
    for container in [*spec(daemon_set)["containers"], *spec(daemon_set)["initContainers"]]:
        (told,) = [each for each in container["env"] if each["name"] == "DROVER_HOST"]
        assert told["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"
    (step,) = spec(daemon_set)["initContainers"]
    assert step["command"][2:5] == ["tally", "--pod", "--keep"]
    assert "$(DROVER_HOST)" in step["command"]
    assert "/var/lib/drover/healing/main" in [mount["mountPath"] for mount in step["volumeMounts"]]
    assert "hostname" not in spec(daemon_set) and "subdomain" not in spec(daemon_set)
    assert "drover.llama/node" not in daemon_set["spec"]["template"]["metadata"]["annotations"]


def document(objects):
    return json.loads(named(objects, "ConfigMap", "drover-main-worker")["data"]["deployment.json"])


def rooted(objects, host):
    """What the pod on a node is granted."""
    return at_address(at_host(document(objects), host), "10.244.1.7")


def test_what_is_planned_for_each_node_is_within_what_all_are_granted(cluster):
    objects = made(cluster)
    for host in ("kube-2", "kube-3"):
        assert within_grant(rooted(objects, host), cluster.deployments[host])["host"] == host
    with pytest.raises(DroverError, match="The deployment has host 'kube-2', and this host was granted 'kube-3'"):
        within_grant(rooted(objects, "kube-3"), cluster.deployments["kube-2"])


def test_a_pod_that_is_not_told_its_node_says_so(cluster):
    with pytest.raises(DroverError, match=r"^DROVER_HOST is not set, and the deployment is for whichever host runs it"):
        at_host(document(made(cluster)), None)


def members_of(cluster):
    return read_members(json.loads(json.dumps(cluster.members)))


def test_a_node_that_joins_is_planned_with_and_within_the_same_grant(cluster):
    members = with_joined(members_of(cluster), "kube-9", measured("kube-9", 8 * GIB, 16 * GIB))
    answers = {host: Answer(lent={"memory": memory(4 * GIB)}) for host in members["agents"]}
    absent = {"kube-9": "it has joined"}
    outcome = replan(members, answers, memory(4 * GIB), cluster.plan, absent)
    assert {device["host"] for device in outcome.plan["devices"]} == {"kube-2", "kube-3", "kube-9"}
    granted = within_grant(rooted(made(cluster), "kube-9"), outcome.deployments["kube-9"])
    assert 0 < granted["memory_bytes"] <= members["joins"]["most_bytes"]
    assert outcome.plan["addresses"]["kube-9"] == {"address": "kube-9.drover-main-workers.drover.svc", "port": 50052}


@pytest.mark.parametrize("told", [None, [], {}, {"schema": 1}, {"schema": 1, "memory": {}, "network": {}, "cpu": {}}])
def test_what_is_no_tally_joins_nothing(cluster, told):
    with pytest.raises(DroverError, match="What kube-9 tells of itself"):
        with_joined(members_of(cluster), "kube-9", told)


def run_again(cluster, tallies, plan=None, stock=None, before=None):
    """What a run of kubernetes.yml makes of the cluster as it is by now: the plan's manifests."""
    before = members_of(cluster) if before is None else before
    deployments, members, _standbys = deploy_pods(
        plan or cluster.plan,
        tallies,
        {each["host"]: PROGRAMS for each in tallies},
        cluster.members["served"],
        stock or cluster.stock,
        cluster.settings,
        cluster.gguf,
        before=before,
    )
    return manifests(members["plan"], deployments, stock or cluster.stock, cluster.settings, "", None, members)


def test_a_second_run_changes_nothing_though_the_memory_is_a_little_less(cluster):
    tallies = copy.deepcopy(cluster.tallies)
    for tally in tallies[1:]:
        tally["memory"]["usable_bytes"] -= 20 * MIB
    assert run_again(cluster, tallies) == made(cluster)


def test_nor_does_one_after_a_node_has_joined(cluster):
    bigger = Cluster(**{**JOINS, "nodes": [*NODES, node("kube-9", "2Gi", address="10.0.0.9")]})
    assert "kube-9" in bigger.plan["addresses"]
    assert run_again(cluster, bigger.tallies, bigger.plan, bigger.stock) == made(cluster)


def test_nor_after_one_has_gone(cluster):
    smaller = Cluster(**{**JOINS, "nodes": NODES[:2]})
    assert run_again(cluster, smaller.tallies, smaller.plan, smaller.stock) == made(cluster)


def test_a_share_that_is_another_is_given_to_all(cluster):
    tallies = copy.deepcopy(cluster.tallies)
    for tally in tallies[1:]:
        tally["memory"]["usable_bytes"] -= tally["memory"]["reserve_bytes"]
    changed = named(run_again(cluster, tallies), "DaemonSet", "drover-main-worker")
    assert int(server(changed)["resources"]["limits"]["memory"]) < int(
        server(named(made(cluster), "DaemonSet", "drover-main-worker"))["resources"]["limits"]["memory"]
    )


@pytest.mark.parametrize("before", [5, [], {"joins": 5}, {"joins": {"most_bytes": "1"}}])
def test_what_is_no_memory_of_a_run_before_is_nothing(cluster, before):
    assert run_again(cluster, cluster.tallies, before=before) == made(cluster)


def test_no_node_lends_more_than_the_least_and_who_lends_nothing_is_not_the_least():
    tallies = Cluster(**{**JOINS, "workers": "pinned"}).tallies
    tallies[1]["memory"]["usable_bytes"] = tallies[1]["devices"][0]["usable_bytes"] = 0
    least = tallies[2]["memory"]["usable_bytes"]
    tallies[2]["threads"] = 2
    found = equal(tallies, "kube-1")
    assert [tally["memory"]["usable_bytes"] for tally in found] == [tallies[0]["memory"]["usable_bytes"], 0, least]
    assert [tally["threads"] for tally in found] == [4, 2, 2]
    # Whoever may lead is a worker until then.
    assert equal(tallies, "")[0]["devices"][0]["usable_bytes"] == least


def test_hosts_outside_are_refused():
    with pytest.raises(DroverError, match="and mac of kubernetes_outside has no pod: take it out"):
        Cluster(**JOINS, outside=[outside()])


def test_a_leader_alone_has_no_share_to_tell():
    with pytest.raises(
        DroverError, match="there is no node beside the leader kube-1 whose share others could be given"
    ):
        Cluster(**{**JOINS, "nodes": NODES[:1]})


def test_images_of_machines_must_be_one():
    machines = [node("kube-1", "4Gi"), node("kube-2", "4Gi"), node("kube-3", "4Gi", machine="arm64")]
    other = IMAGE.replace("555", "666")
    cluster = Cluster(**{**JOINS, "nodes": machines}, images={"amd64": IMAGE, "arm64": other})
    with pytest.raises(DroverError, match="whose pods have one image, and nodes of amd64 and arm64 were each given"):
        made(cluster)
    cluster = Cluster(**{**JOINS, "nodes": machines[:2]}, images={"amd64": IMAGE, "arm64": other})
    rules = spec(named(made(cluster), "DaemonSet", "drover-main-worker"))["affinity"]["nodeAffinity"]
    (term,) = rules["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"][2] == {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}


def test_nodes_that_would_run_something_else_are_named(cluster):
    workers = [copy.deepcopy(cluster.deployments[host]) for host in ("kube-2", "kube-3")]
    workers[1]["arguments"] = ["--threads", "1"]
    with pytest.raises(DroverError, match=r"arguments of kube-3 is \['--threads', '1'\], where kube-2 has"):
        of_any_node(workers)


def test_back_to_one_workload_a_node_nothing_of_it_is_left(cluster):
    objects = made(cluster)
    pinned = made(Cluster(**{**JOINS, "workers": "pinned"}))
    taken = [(each["kind"], each["metadata"]["name"]) for each in superfluous(objects, pinned)]
    assert taken == [("DaemonSet", "drover-main-worker"), ("ConfigMap", "drover-main-worker")]
    taken = [each["kind"] for each in superfluous(pinned, objects)]
    assert taken == ["Deployment"] * 2 + ["PodDisruptionBudget"] + ["ConfigMap"] * 2
    back = named(restorable(objects), "DaemonSet", "drover-main-worker")
    assert back["spec"] == named(objects, "DaemonSet", "drover-main-worker")["spec"]


# --- on its way ------------------------------------------------------------------------------------------------------


def of_daemon_set(host):
    labels = {"app.kubernetes.io/name": "drover", "app.kubernetes.io/instance": "main"}
    return {
        "metadata": {
            "name": f"drover-main-worker-{host}x",
            "namespace": "drover",
            "labels": {**labels, "app.kubernetes.io/component": "worker"},
        },
        "spec": {"nodeName": host},
        "status": {"containerStatuses": [{"name": "worker", "ready": True, "state": {"running": {}}}]},
    }


def set_of(scheduled, updated, observed=2):
    status = {"observedGeneration": observed, "desiredNumberScheduled": scheduled, "updatedNumberScheduled": updated}
    return {"metadata": {"name": "drover-main-worker", "generation": 2}, "status": status}


def test_a_pod_of_it_is_known_by_its_node(cluster):
    states = part_states(cluster.plan, [of_daemon_set("kube-2")], "drover", ["kube-2", "kube-3"])
    assert [(state["host"], state["ready"]) for state in states] == [("kube-2", True), ("kube-3", False)]


@pytest.mark.parametrize(
    ("found", "ready"), [(set_of(2, 2), True), (set_of(2, 1), False), (set_of(2, 2, observed=1), False)]
)
def test_it_is_rolled_out_when_all_its_pods_are_the_latest(cluster, found, ready):
    pods = [of_daemon_set("kube-2"), of_daemon_set("kube-3")]
    assert progress(cluster.plan, [found], pods, [], "drover", ["kube-2", "kube-3"])["ready"] is ready


def test_what_keeps_it_from_making_pods_is_told(cluster):
    event = {
        "involvedObject": {"kind": "DaemonSet", "name": "drover-main-worker"},
        "reason": "FailedCreate",
        "message": "exceeded quota",
    }
    found = progress(cluster.plan, [set_of(2, 0)], [], [event], "drover", ["kube-2"])
    assert "Kubernetes makes no pod for drover-main-worker (exceeded quota)" in found["faults"]["drover-main-worker"]


def test_a_quota_has_to_have_room_for_all_its_pods(cluster):
    quota = {"metadata": {"name": "q"}, "status": {"hard": {"pods": "2"}, "used": {"pods": "0"}}}
    (fault,) = quota_faults([quota], [], made(cluster), cluster_names(), workers=2)
    assert "the plan needs 3" in fault
    assert quota_faults([quota], [], made(cluster), cluster_names(), workers=1) == []


def cluster_names():
    from module_utils.kubernetes.names import Names

    return Names("main", "drover")


def test_the_right_to_it_is_asked_for_where_it_is_wished_for():
    def resources(**wishes):
        return {each["spec"]["resourceAttributes"]["resource"] for each in reviews(settings(**wishes))}

    assert "daemonsets" not in resources()
    assert "daemonsets" in resources(workers="daemonset", healing=True)


def test_who_is_planned_and_missing_to_the_leader_is_told(cluster):
    assert absent_faults(cluster.plan, {"kube-7": "it does not answer"}) == []
    assert absent_faults(cluster.plan, {"kube-2": "it does not answer"}) == [
        "kube-2 takes no part, since it does not answer: look at its pod."
    ]
