# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that may lead in the leader's place: what their pods are given, and how they are told of."""

from __future__ import annotations

import copy
import json

import pytest
from module_utils.errors import DroverError
from module_utils.healing.granted import within_grant
from module_utils.healing.members import read_members
from module_utils.healing.replan import Answer, replan
from module_utils.kubernetes.deploy import deploy_pods
from module_utils.kubernetes.obstacles import claim_faults
from module_utils.kubernetes.quantities import bytes_of, millicores_of
from module_utils.kubernetes.requests import requested
from module_utils.kubernetes.restore import restorable
from module_utils.kubernetes.rollout import progress
from module_utils.kubernetes.status import part_states, who_leads
from module_utils.placement.planner import make_plan
from module_utils.placement.policy import Policy
from module_utils.serving.deployment import at_address, read_deployment
from unit.healing.test_replan import memory

from .objects import GIB, MIB, PROGRAMS, Cluster, node, settings
from .test_manifests import STANDBY, made, named, names_of, outside, template

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/drover/leases/drover-main-lease"


@pytest.fixture(scope="module")
def cluster():
    return Cluster(**STANDBY)


@pytest.fixture(scope="module")
def objects(cluster):
    return made(cluster)


@pytest.fixture(scope="module")
def leaders(cluster):
    return cluster.plan["leaders"]


def leader_of(objects, host):
    return template(objects, f"drover-main-leader-{host}")


def containers(pod):
    return {each["name"]: each for each in pod["spec"]["containers"]}


def test_each_node_that_may_lead_has_a_deployment_of_its_own_and_a_worker_unless_it_leads(objects, leaders):
    leader, _standby = leaders
    assert {name for name in names_of(objects, "Deployment") if "-leader" in name} == {
        f"drover-main-leader-{host}" for host in leaders
    }
    workers = {name for name in names_of(objects, "Deployment") if "-worker-" in name}
    assert workers == {f"drover-main-worker-kube-{number}" for number in (1, 2, 3)} - {f"drover-main-worker-{leader}"}
    for host in leaders:
        found = named(objects, "Deployment", f"drover-main-leader-{host}")
        assert found["spec"]["selector"]["matchLabels"]["drover.llama/host"] == host
        # The Service asks for no node: whichever of them is ready.
        service = named(objects, "Service", "drover-main-api")["spec"]["selector"]
        assert service.items() <= found["spec"]["template"]["metadata"]["labels"].items()


def test_each_has_its_own_documents(cluster, objects, leaders):
    leader, standby = leaders
    for host in leaders:
        (volume,) = [each for each in leader_of(objects, host)["spec"]["volumes"] if each["name"] == "documents"]
        names = [source["configMap"]["name"] for source in volume["projected"]["sources"] if "configMap" in source]
        assert names == [f"drover-main-leader-{host}", "drover-main-plan", f"drover-main-members-{host}"]
        data = named(objects, "ConfigMap", f"drover-main-leader-{host}")["data"]
        found = read_deployment(json.loads(data["deployment.json"]))
        assert (found["host"], found["part"], found["healing"]["leaders"]) == (host, "leader", leaders)
        members = read_members(
            json.loads(named(objects, "ConfigMap", f"drover-main-members-{host}")["data"]["members.json"])
        )
        assert members["leader"] == host
    assert leader not in members["agents"] and standby not in members["agents"]
    assert members["plan"]["leader"] == standby
    assert leader not in members["plan"]["addresses"]


def test_one_that_stands_by_reserves_little_and_may_take_what_it_needs_when_it_leads(cluster, objects, leaders):
    leader, standby = leaders
    own = containers(leader_of(objects, standby))["leader"]["resources"]
    assert own["requests"]["memory"] == str(96 * MIB)
    assert own["requests"]["cpu"] == "25m"
    most = cluster.standbys[standby]["deployment"]["healing"]["most_bytes"]
    assert bytes_of(own["limits"]["memory"], "") == most + cluster.settings.leader_overhead_bytes
    for step in leader_of(objects, standby)["spec"]["initContainers"]:
        assert step["resources"] == own
    whole = containers(leader_of(objects, leader))["leader"]["resources"]
    planned = cluster.deployments[leader]["memory_bytes"] + cluster.settings.leader_overhead_bytes
    assert whole["requests"]["memory"] == str(planned)


@pytest.mark.parametrize("cpu", ["300m", "1", "4"])
def test_all_of_them_and_one_that_measures_find_their_place(cpu):
    nodes = [node(f"kube-{number}", "2Gi", cpu=cpu, address=f"10.0.0.{number}") for number in (1, 2, 3)]
    policy = {"margin": 0.0, "spread": "all", "standby": 1}
    cluster = Cluster(**{**STANDBY, "nodes": nodes, "policy": policy}, lend={"reserve_bytes": 0})
    taken = {}
    for each in made(cluster):
        if each["kind"] == "Deployment":
            about = each["spec"]["template"]
            amount = requested({"metadata": about["metadata"], "spec": about["spec"]})
            host = about["metadata"]["annotations"]["drover.llama/node"]
            taken.setdefault(host, []).append(amount)
    assert sorted(map(len, taken.values())) == [1, 1, 2]
    for amounts in taken.values():
        assert sum(amount.memory_bytes for amount in amounts) + 96 * MIB <= 2 * GIB
        assert sum(amount.millicores for amount in amounts) + 50 <= millicores_of(cpu, "")


def test_only_what_asks_for_the_lease_has_a_token_and_that_is_good_for_nothing_else(objects, leaders):
    for each in objects:
        if each["kind"] == "Deployment":
            pod = each["spec"]["template"]["spec"]
            assert pod["automountServiceAccountToken"] is False
            mounting = [
                own["name"]
                for own in (*pod["containers"], *pod.get("initContainers", []))
                if TOKEN in {mount["mountPath"] for mount in own["volumeMounts"]}
            ]
            leads = "-leader-" in each["metadata"]["name"]
            assert mounting == (["leader"] if leads else [])
            assert pod["serviceAccountName"] == ("drover-main-lease" if leads else "drover-main")
    (rule,) = named(objects, "Role", "drover-main-lease")["rules"]
    assert rule == {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["drover-main-lease"],
        "verbs": ["get", "update"],
    }
    binding = named(objects, "RoleBinding", "drover-main-lease")
    assert binding["roleRef"]["name"] == "drover-main-lease"
    account = {"kind": "ServiceAccount", "name": "drover-main-lease", "namespace": "drover"}
    assert binding["subjects"] == [account]
    # Who leads is for the pods to write.
    assert "spec" not in named(objects, "Lease", "drover-main-lease")


def test_an_account_of_somebody_else_is_given_the_right():
    objects = made(**STANDBY, service_account="llm")
    assert named(objects, "RoleBinding", "drover-main-lease")["subjects"][0]["name"] == "llm"
    assert names_of(objects, "ServiceAccount") == []


def test_pods_are_told_of_the_lease_themselves_and_the_worker_beside(objects, leaders):
    _leader, standby = leaders
    for host in leaders:
        told = {each["name"]: each.get("value") for each in containers(leader_of(objects, host))["leader"]["env"]}
        assert told["DROVER_LEASE"] == LEASE
        assert {"name": "DROVER_POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}}} in (
            containers(leader_of(objects, host))["leader"]["env"]
        )
        beside = f"{standby}.drover-main-workers.drover.svc:51052" if host == standby else None
        assert told.get("DROVER_AGENT") == beside
        assert "DROVER_LEASE" not in {each["name"] for each in containers(leader_of(objects, host))["watch"]["env"]}


def test_the_leaders_reach_the_api_and_a_drain_is_not_held_up(objects):
    egress = named(objects, "NetworkPolicy", "drover-main-leader")["spec"]["egress"]
    assert {"ports": [{"protocol": "TCP", "port": port} for port in (443, 6443)]} in egress
    assert named(objects, "PodDisruptionBudget", "drover-main")["spec"]["maxUnavailable"] == 2


def test_without_a_standby_nothing_of_it_is_there():
    objects = made(Cluster(**{**STANDBY, "standby": 0, "policy": {"spread": "all"}}))
    assert not {"Lease", "Role", "RoleBinding"} & {each["kind"] for each in objects}
    text = json.dumps(objects)
    assert TOKEN not in text and "DROVER_LEASE" not in text and "6443" not in text
    assert [name for name in names_of(objects, "Deployment") if "leader" in name] == ["drover-main-leader"]
    assert named(objects, "PodDisruptionBudget", "drover-main")["spec"]["maxUnavailable"] == 1


def test_two_stand_by_one_after_the_other():
    nodes = [node(f"kube-{number}", "6Gi", address=f"10.0.0.{number}") for number in (1, 2, 3)]
    cluster = Cluster(**{**STANDBY, "nodes": nodes, "standby": 2, "policy": {"spread": "all", "standby": 2}})
    leaders = cluster.plan["leaders"]
    assert sorted(leaders) == ["kube-1", "kube-2", "kube-3"]
    assert cluster.standbys.keys() == set(leaders[1:])
    assert named(made(cluster), "PodDisruptionBudget", "drover-main")["spec"]["maxUnavailable"] == 3


def test_two_nodes_are_enough_where_the_api_says_who_leads():
    cluster = Cluster(**{**STANDBY, "nodes": [node("kube-1", "6Gi"), node("kube-2", "6Gi")], "policy": {}})
    policy = Policy(standby=1)
    assert make_plan(cluster.gguf, cluster.tallies, policy)["shortfall"]["kind"] == "standby"
    plan = make_plan(cluster.gguf, cluster.tallies, policy, members_vote=False)
    assert sorted(plan["leaders"]) == ["kube-1", "kube-2"]
    alone = make_plan(cluster.gguf, cluster.tallies[:1], policy, members_vote=False)
    assert alone["shortfall"]["text"].startswith("placement_standby is 1, and no host could lead without kube-1: ")


def deploy(cluster, tallies=None, stock=None, **more):
    return deploy_pods(
        cluster.plan,
        tallies or cluster.tallies,
        {each["host"]: PROGRAMS for each in tallies or cluster.tallies},
        {"path": cluster.settings.model.path, "alias": "Small", "files": cluster.members["served"]["files"]},
        stock or cluster.stock,
        cluster.settings,
        cluster.gguf,
        before=cluster.members,
        **more,
    )


def test_what_was_measured_anew_starts_no_standby_anew(cluster, leaders):
    standby = leaders[1]
    tallies = copy.deepcopy(cluster.tallies)
    for each in tallies:
        each["memory"]["usable_bytes"] -= 5 * MIB
        each["devices"][0]["usable_bytes"] -= 5 * MIB
    before = {standby: json.loads(json.dumps(cluster.standbys[standby]["members"]))}
    assert deploy(cluster, tallies, standbys_before=before)[2] == cluster.standbys
    assert deploy(cluster, tallies)[2][standby]["members"] != cluster.standbys[standby]["members"]


@pytest.mark.parametrize("before", [None, [], {}, {"lasting": 3}, "leaders", "served"])
def test_what_lasts_and_is_another_does(cluster, leaders, before):
    standby = leaders[1]
    members = json.loads(json.dumps(cluster.standbys[standby]["members"]))
    if before == "leaders":
        before = {**members, "plan": {**members["plan"], "leaders": [*leaders, "kube-9"]}}
    elif before == "served":
        before = {**members, "lasting": "of another model"}
    assert deploy(cluster, standbys_before={standby: before})[2] == cluster.standbys


def test_with_hosts_outside_nobody_stands_by():
    with pytest.raises(DroverError) as raised:
        Cluster(**{**STANDBY, "policy": {"leader": "kube-2", "spread": "all", "standby": 1}}, outside=[outside()])
    assert str(raised.value) == (
        "placement_standby is 1, and a standby takes over only in a cluster that heals itself, of which mac of "
        "kubernetes_outside is no part: take it out, or set placement_standby to 0."
    )


def test_gpus_of_a_worker_are_no_standbys(cluster, leaders):
    stock = copy.deepcopy(cluster.stock)
    next(entry for entry in stock if entry["node"] == leaders[1])["gpus"] = {"given": 1}
    with pytest.raises(DroverError, match=f"and the GPUs of {leaders[1]}, which would stand by, are its worker's"):
        deploy(cluster, stock=stock)


@pytest.mark.parametrize(
    ("modes", "told"),
    [
        (["ReadWriteMany"], []),
        (["ReadWriteOnce", "ReadOnlyMany"], []),
        (
            ["ReadWriteOnce"],
            [
                "placement_standby is 1, and the PersistentVolumeClaim models is ReadWriteOnce, which pods of several "
                "nodes cannot have: use one that is ReadWriteMany, or set placement_standby to 0."
            ],
        ),
    ],
)
def test_a_claim_is_to_be_one_that_several_nodes_can_have(modes, told):
    claim = {"metadata": {"name": "models"}, "spec": {"accessModes": modes}, "status": {"phase": "Bound"}}
    wished = settings(model={"file": "a", "claim": "models"}, healing=True, standby=1)
    assert claim_faults(claim, wished) == told


def test_a_policy_without_a_standby_is_as_before():
    assert "standby" not in Policy().to_dict()


def test_it_leads_with_those_who_are_left_within_what_they_were_granted(cluster, leaders):
    leader, standby = leaders
    members = read_members(json.loads(json.dumps(cluster.standbys[standby]["members"])))
    answers = {host: Answer(lent={"memory": memory(4 * GIB)}) for host in members["agents"]}
    outcome = replan(members, answers, memory(4 * GIB), members["plan"], {})
    assert outcome.plan["leader"] == standby
    assert outcome.deployments[standby] == cluster.standbys[standby]["deployment"]
    (other,) = outcome.deployments.keys() - {standby}
    assert other not in leaders
    root = at_address(copy.deepcopy(cluster.deployments[other]), "10.244.1.7")
    assert within_grant(root, outcome.deployments[other])["listen"]["address"] == "10.244.1.7"
    assert f"{leader}." not in json.dumps(outcome.deployments)


# --- afterwards -----------------------------------------------------------------------------------------------------


def held_by(host):
    return {"spec": {"holderIdentity": host}}


def test_who_has_the_lease_leads(cluster, leaders):
    leader, standby = leaders
    plan = cluster.plan
    assert who_leads(plan, held_by(f"{standby}_1b2c")) == standby
    for lease in (None, {}, held_by(""), held_by(leader), held_by(f"{leader}_1"), held_by("kube-9_1")):
        assert who_leads(plan, lease) == leader


def pod(host, part, ready=True):
    running = {"running": {"startedAt": "2026-01-01T00:01:00Z"}}
    labels = {"app.kubernetes.io/name": "drover", "app.kubernetes.io/instance": "main"}
    return {
        "metadata": {
            "name": f"{part}-{host}",
            "namespace": "drover",
            "labels": {**labels, "app.kubernetes.io/component": part},
            "annotations": {"drover.llama/node": host},
        },
        "spec": {"nodeName": host},
        "status": {"phase": "Running", "containerStatuses": [{"name": part, "ready": ready, "state": running}]},
    }


def all_pods(leaders, leads):
    workers = [pod(host, "worker") for host in ("kube-1", "kube-2", "kube-3") if host != leaders[0]]
    return [*workers, *(pod(host, "leader", ready=host == leads) for host in leaders)]


def told(plan, leads, pods):
    found = part_states(plan, pods, "drover", ["kube-1", "kube-2", "kube-3"], lease=held_by(f"{leads}_1"))
    return {(state["host"], state["part"]): (state["pod"], state["ready"]) for state in found}


def test_one_that_stands_by_is_told_of_beside_its_worker(cluster, leaders):
    leader, standby = leaders
    found = told(cluster.plan, leader, all_pods(leaders, leader))
    assert found[leader, "leader"] == (f"leader-{leader}", True)
    assert found[standby, "worker"] == (f"worker-{standby}", True)
    assert found[standby, "standby"] == (f"leader-{standby}", True)
    assert len(found) == 4


def test_while_a_standby_leads_the_leader_stands_by(cluster, leaders):
    leader, standby = leaders
    for plan in (cluster.plan, cluster.standbys[standby]["members"]["plan"]):
        found = told(plan, standby, all_pods(leaders, standby))
        assert found[standby, "leader"] == (f"leader-{standby}", True)
        assert found[leader, "standby"] == (f"leader-{leader}", True)
        # Of its own node's worker nothing is asked now.
        assert len(found) == 3


def test_one_that_stands_by_on_a_node_that_was_off_is_well(cluster, leaders):
    leader, standby = leaders
    pods = all_pods(leaders, standby)
    (program,) = next(each for each in pods if each["metadata"]["name"] == f"leader-{leader}")["status"][
        "containerStatuses"
    ]
    program["lastState"] = {"terminated": {"exitCode": 255, "reason": "Unknown"}}
    found = part_states(cluster.plan, pods, "drover", ["kube-1", "kube-2", "kube-3"], lease=held_by(f"{standby}_1"))
    (state,) = (each for each in found if each["part"] == "standby")
    assert (state["ready"], state["problem"], state["last_end"]["exit_code"]) == (True, None, 255)
    # Its watch has ended, and is not back.
    watch = {"name": "watch", "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    watch["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    statuses = next(each for each in pods if each["metadata"]["name"] == f"leader-{leader}")["status"]
    statuses["containerStatuses"].append(watch)
    found = part_states(cluster.plan, pods, "drover", ["kube-1", "kube-2", "kube-3"], lease=held_by(f"{standby}_1"))
    (state,) = (each for each in found if each["part"] == "standby")
    assert "ended with code 1 (container watch" in state["problem"]
    statuses["containerStatuses"].remove(watch)
    # It has ended itself.
    program["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    found = part_states(cluster.plan, pods, "drover", ["kube-1", "kube-2", "kube-3"], lease=held_by(f"{standby}_1"))
    (state,) = (each for each in found if each["part"] == "standby")
    assert not state["ready"] and "ended with code 255" in state["problem"]


def test_a_standby_whose_pod_is_gone_is_missed(cluster, leaders):
    pods = all_pods(leaders, leaders[0])[:-1]
    assert told(cluster.plan, leaders[0], pods)[leaders[1], "standby"] == (None, False)


def rolled(name, available="True", updated=1):
    conditions = [{"type": "Available", "status": available}]
    status = {"observedGeneration": 2, "conditions": conditions, "updatedReplicas": updated, "replicas": 1}
    return {"metadata": {"name": name, "generation": 2}, "status": status}


@pytest.mark.parametrize("place", [0, 1])
def test_a_rollout_is_over_when_one_leads_and_the_other_stands_by(cluster, leaders, place):
    leads, waits = leaders[place], leaders[1 - place]
    deployments = [rolled(f"drover-main-worker-{host}") for host in ("kube-1", "kube-2", "kube-3")]
    deployments += [rolled(f"drover-main-leader-{leads}"), rolled(f"drover-main-leader-{waits}", available="False")]

    def seen(deployments, pods):
        nodes = ["kube-1", "kube-2", "kube-3"]
        return progress(cluster.plan, deployments, pods, [], "drover", nodes, held_by(f"{leads}_1"))

    assert seen(deployments, all_pods(leaders, leads))["ready"]
    assert seen(deployments, all_pods(leaders, None))["waits_for"] == f"The leader on {leads} did not become ready"
    deployments[-1] = rolled(f"drover-main-leader-{waits}", available="False", updated=0)
    found = seen(deployments, all_pods(leaders, leads))
    assert found["waits_for"] == f"The standby on {waits} did not become ready"


def test_the_way_back_leaves_the_lease_to_who_has_it(objects):
    there = [{**each, "spec": {"holderIdentity": "kube-1_1"}} if each["kind"] == "Lease" else each for each in objects]
    back = restorable(each for each in there if each["kind"] != "Namespace")
    assert "spec" not in named(back, "Lease", "drover-main-lease")
    kinds = list(dict.fromkeys(each["kind"] for each in back))
    assert kinds.index("RoleBinding") < kinds.index("Deployment")
