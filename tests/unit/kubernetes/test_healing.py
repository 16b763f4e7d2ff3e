# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in Kubernetes that heals itself: what pods are given for it, and that its leader can plan anew with it."""

from __future__ import annotations

import base64
import copy
import json

import pytest
from module_utils.errors import DroverError
from module_utils.healing.granted import of_leader, within_grant
from module_utils.healing.members import read_members
from module_utils.healing.replan import SILENT, Answer, replan
from module_utils.kubernetes import manifests as manifests_module
from module_utils.kubernetes.deploy import deploy_pods
from module_utils.kubernetes.lend import most_bytes
from module_utils.kubernetes.manifests import manifests
from module_utils.kubernetes.quantities import bytes_of, millicores_of
from module_utils.kubernetes.requests import requested
from module_utils.kubernetes.secret import agents_secret
from module_utils.serving.deployment import at_address
from unit.healing.test_replan import memory

from .objects import GIB, MIB, PROGRAMS, ROOMY, Cluster, node
from .test_manifests import HEALS, empties, made, named, outside, template

LEADER, WORKER = "drover-main-leader", "drover-main-worker-"


@pytest.fixture(scope="module")
def cluster():
    return Cluster(**HEALS)


@pytest.fixture(scope="module")
def objects(cluster):
    return made(cluster)


def containers(objects, name):
    return {each["name"]: each for each in template(objects, name)["spec"]["containers"]}


def workers_of(cluster):
    return sorted(cluster.deployments.keys() - {cluster.plan["leader"]})


def members_of(cluster):
    """As the leader reads them."""
    return read_members(json.loads(json.dumps(cluster.members)))


def replanned(cluster, lost=(), lends=4 * GIB, leader=4 * GIB):
    members = members_of(cluster)
    answers = {
        host: Answer(problem=SILENT) if host in lost else Answer(lent={"memory": memory(lends)})
        for host in members["agents"]
    }
    return replan(members, answers, memory(leader), members["plan"], {})


def test_an_agent_is_beside_each_rpc_server_and_a_watch_beside_the_leader(cluster, objects):
    assert list(containers(objects, LEADER)) == ["leader", "watch"]
    for host in workers_of(cluster):
        assert list(containers(objects, WORKER + host)) == ["worker", "agent"]
    drover = ["/usr/local/lib/drover/python3", "/usr/local/lib/drover/drover.pyz"]
    for part, command in (("leader", ["keep", "leader"]), ("watch", ["watch"])):
        assert containers(objects, LEADER)[part]["command"] == [*drover, *command, "--cluster", "main"]
    agent = containers(objects, WORKER + workers_of(cluster)[0])["agent"]
    assert agent["command"] == [*drover, "agent", "--cluster", "main"]
    assert agent["ports"] == [{"name": "agent", "containerPort": 51052, "protocol": "TCP"}]


def test_they_see_the_program_beside_them_and_share_what_was_decided(cluster, objects):
    for name in (LEADER, WORKER + workers_of(cluster)[0]):
        spec = template(objects, name)["spec"]
        assert spec["shareProcessNamespace"] is True
        assert {"name": "healing", "emptyDir": {"sizeLimit": str(64 * MIB)}} in spec["volumes"]
        for container in spec["containers"]:
            mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
            assert mounts["/var/lib/drover/healing/main"] == {
                "name": "healing",
                "mountPath": "/var/lib/drover/healing/main",
            }
            assert mounts["/etc/drover/main"]["readOnly"] is True
            # What it listens on is the pod's.
            assert [each for each in container["env"] if each["name"] == "DROVER_ADDRESS"]
    assert "/var/lib/drover/models" not in {
        mount["mountPath"] for mount in containers(objects, LEADER)["watch"]["volumeMounts"]
    }


def test_they_are_as_confined_as_the_programs(cluster, objects):
    for name in (LEADER, *(WORKER + host for host in workers_of(cluster))):
        contexts = [container["securityContext"] for container in template(objects, name)["spec"]["containers"]]
        assert contexts[0] == contexts[1]
        assert contexts[0]["capabilities"] == {"drop": ["ALL"]}
        assert contexts[0]["allowPrivilegeEscalation"] is False


def documents(objects, name):
    (volume,) = [each for each in template(objects, name)["spec"]["volumes"] if each["name"] == "documents"]
    found = {}
    for source in volume["projected"]["sources"]:
        ((kind, each),) = source.items()
        found.update({item["path"]: (kind, each["name"]) for item in each["items"]})
    return found


def test_each_has_the_documents_that_it_needs_and_the_secret(cluster, objects):
    assert documents(objects, LEADER) == {
        "deployment.json": ("configMap", "drover-main-leader"),
        "plan.json": ("configMap", "drover-main-plan"),
        "api_key": ("secret", "drover-main-api"),
        "members.json": ("configMap", "drover-main-members"),
        "secret": ("secret", "drover-main-agents"),
    }
    host = workers_of(cluster)[0]
    assert documents(objects, WORKER + host) == {
        "deployment.json": ("configMap", f"drover-main-worker-{host}"),
        "secret": ("secret", "drover-main-agents"),
    }


def test_no_manifest_has_the_secret(objects):
    assert [each for each in objects if each["kind"] == "Secret"] == []


def test_the_secret_is_a_secret():
    made = agents_secret(Cluster(**HEALS).settings, "main", "s" * 64)
    assert made["metadata"]["name"] == "drover-main-agents"
    assert base64.b64decode(made["data"]["secret"]) == b"s" * 64 + b"\n"


def test_what_is_planned_is_requested_and_any_plan_that_may_come_is_within_the_limit(cluster, objects):
    settings = cluster.settings
    memories = {tally["host"]: tally["memory"] for tally in cluster.tallies}
    for host, deployment in cluster.deployments.items():
        leads = host == cluster.plan["leader"]
        server, healer = template(objects, LEADER if leads else WORKER + host)["spec"]["containers"]
        overhead = settings.leader_overhead_bytes if leads else settings.worker_overhead_bytes
        assert bytes_of(server["resources"]["requests"]["memory"], "") == deployment["memory_bytes"] + overhead
        most = memories[host]["usable_bytes"]
        assert bytes_of(server["resources"]["limits"]["memory"], "") == most + overhead
        assert deployment["healing"]["most_bytes"] == most > deployment["memory_bytes"]
        assert healer["resources"]["requests"]["memory"] == healer["resources"]["limits"]["memory"] == str(96 * MIB)
        # Beside the limit there is room for what is beside the program, and for a pod that measures.
        assert memories[host]["reserve_bytes"] >= overhead + 2 * 96 * MIB


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (None, 1000),
        (1000, 1000),
        # A run that measures beside pods that stand finds a little more or less.
        (1150, 1150),
        (1151, 1000),
        (700, 700),
        (699, 1000),
        # What is planned must have its place.
        (599, 1000),
    ],
)
def test_what_a_node_lends_at_most_stays_while_it_is_about_right(before, expected):
    tally = {"memory": {"usable_bytes": 1000 * MIB, "reserve_bytes": 300 * MIB}}
    assert most_bytes(tally, 600 * MIB, before and before * MIB) == expected * MIB
    assert most_bytes(tally, 1100 * MIB, 1050 * MIB) == 1100 * MIB


def test_what_a_node_lends_at_most_bounds_any_plan():
    cluster = Cluster(**{**HEALS, "lend": {"memory_bytes": GIB}})
    assert {each["healing"]["most_bytes"] for each in cluster.deployments.values()} == {GIB}


def test_a_node_that_is_full_of_threads_has_room_for_the_agent():
    cluster = Cluster(
        **{**HEALS, "nodes": [node(f"kube-{i}", "2Gi", cpu="1", address=f"10.0.0.{i}") for i in (1, 2, 3)]}
    )
    for each in made(cluster):
        if each["kind"] == "Deployment":
            pod = {"metadata": {"name": "a"}, "spec": each["spec"]["template"]["spec"]}
            assert requested(pod).millicores == 950
            assert millicores_of(pod["spec"]["containers"][1]["resources"]["requests"]["cpu"], "") == 25


def test_the_leader_is_ready_by_true_health_and_never_killed_for_waiting(objects):
    leader = containers(objects, LEADER)["leader"]
    assert leader["readinessProbe"]["httpGet"] == {"path": "/health", "port": 9080, "scheme": "HTTP"}
    assert leader["readinessProbe"]["failureThreshold"] == 1
    assert not {"startupProbe", "livenessProbe"} & leader.keys()
    # Nobody connects to an RPC port.
    for name in [each["metadata"]["name"] for each in objects if each["kind"] == "Deployment"]:
        for container in template(objects, name)["spec"]["containers"]:
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container.get(kind, {})
                assert "tcpSocket" not in probe
                assert probe.get("httpGet", {}).get("port", 9080) == 9080


def test_only_the_leader_reaches_the_agents(objects):
    leader = {"app.kubernetes.io/name": "drover", "app.kubernetes.io/instance": "main"}
    leader = {"podSelector": {"matchLabels": {**leader, "app.kubernetes.io/component": "leader"}}}
    (rule,) = named(objects, "NetworkPolicy", "drover-main-workers")["spec"]["ingress"]
    assert rule == {"from": [leader], "ports": [{"protocol": "TCP", "port": port} for port in (50052, 51052)]}
    policy = named(objects, "NetworkPolicy", "drover-main-leader")["spec"]
    assert [each["port"] for each in policy["ingress"][0]["ports"]] == [8080, 9080]
    assert [each["port"] for each in policy["egress"][0]["ports"]] == [50052, 51052]


@pytest.mark.parametrize(("port", "agent"), [(50060, 51060), (64535, 65535), (64536, 63536)])
def test_the_agents_port_goes_with_that_of_the_rpc_server(port, agent):
    assert Cluster(**HEALS, rpc_port=port).members["agents"]["kube-2"]["port"] == agent


def test_without_it_pods_are_as_before():
    cluster = Cluster(nodes=ROOMY)
    assert cluster.members is None
    for each in made(cluster):
        assert "members" not in json.dumps(each) and "agents" not in json.dumps(each)
        if each["kind"] == "Deployment":
            assert len(each["spec"]["template"]["spec"]["containers"]) == 1
            assert "shareProcessNamespace" not in each["spec"]["template"]["spec"]


def test_hosts_outside_have_no_secret_so_that_nothing_heals_with_them():
    cluster = Cluster(**{**HEALS, "policy": {"leader": "kube-2", "spread": "all"}}, outside=[outside()])
    assert "mac" in cluster.deployments
    assert cluster.members is None
    assert {each["healing"] for each in cluster.deployments.values()} == {None}


# --- what the leader plans anew with --------------------------------------------------------------------------------


def test_the_members_are_found_by_their_names(cluster):
    members = members_of(cluster)
    assert members["agents"] == {
        host: {"address": f"{host}.drover-main-workers.drover.svc", "port": 51052} for host in workers_of(cluster)
    }
    assert sorted(members["pods"]) == ["kube-1", "kube-2", "kube-3"]


def test_while_all_are_there_the_plan_stays_and_its_deployments_are_those_of_the_pods(cluster):
    outcome = replanned(cluster)
    assert outcome.plan == cluster.plan
    assert outcome.deployments == cluster.deployments


def test_without_a_node_the_others_hold_its_layers_within_what_they_were_granted(cluster):
    lost = workers_of(cluster)[-1]
    outcome = replanned(cluster, lost=[lost])
    assert {device["host"] for device in outcome.plan["devices"]} == {workers_of(cluster)[0]}
    for host in outcome.deployments.keys() - {cluster.plan["leader"]}:
        root = at_address(copy.deepcopy(cluster.deployments[host]), "10.244.1.7")
        granted = within_grant(root, outcome.deployments[host])
        assert granted["listen"]["address"] == "10.244.1.7"
        assert "{address}" not in granted["arguments"]
        assert granted["memory_bytes"] > cluster.deployments[host]["memory_bytes"]


def test_the_leader_runs_a_plan_of_its_own_at_its_own_address(cluster):
    leader = cluster.plan["leader"]
    root = at_address(copy.deepcopy(cluster.deployments[leader]), "10.244.1.9")
    mine = of_leader(root, replanned(cluster, lost=workers_of(cluster)[-1:]).deployments[leader])
    assert mine["arguments"][mine["arguments"].index("--host") + 1] == "10.244.1.9"
    assert mine["listen"] == root["listen"]
    # And the plan that stands is no other one.
    assert of_leader(root, replanned(cluster).deployments[leader]) == root


def test_no_plan_puts_more_into_a_pod_than_its_limit(cluster):
    members = members_of(cluster)
    lost = [host for host in members["agents"] if host != workers_of(cluster)[0]]
    outcome = replanned(cluster, lost=lost, lends=64 * GIB, leader=64 * GIB)
    for host, deployment in outcome.deployments.items():
        assert deployment["memory_bytes"] <= members["pods"][host]["most_bytes"]


def test_a_model_that_does_not_fit_on_the_rest_is_waited_for(cluster):
    outcome = replanned(cluster, lost=workers_of(cluster), leader=512 * MIB)
    assert outcome.plan is None
    assert "waiting for kube-" in outcome.waiting


def again(cluster, bandwidth=None, before=None, **wishes):
    """What another run makes of it, after it has measured anew."""
    tallies = copy.deepcopy(cluster.tallies)
    if bandwidth:
        tallies[0]["memory"]["usable_bytes"] -= 5 * MIB
    return deploy_pods(
        cluster.plan,
        tallies,
        {each["host"]: PROGRAMS for each in tallies},
        {"path": cluster.settings.model.path, "alias": "Small", "files": cluster.members["served"]["files"], **wishes},
        cluster.stock,
        cluster.settings,
        cluster.gguf,
        before=before,
    )[1]


def test_what_was_measured_anew_starts_no_leader_anew(cluster):
    assert again(cluster, bandwidth=1, before=cluster.members) == cluster.members
    assert again(cluster, bandwidth=1) != cluster.members


def test_what_lasts_and_is_another_does(cluster):
    changed = again(cluster, before=cluster.members, alias="Other")
    assert changed["served"]["alias"] == "Other"
    before = {**cluster.members, "plan": {**cluster.plan, "threads": {}}}
    assert again(cluster, before=before) == cluster.members
    settings = cluster.settings
    deployments = cluster.deployments
    first, second = (
        template(manifests(cluster.plan, deployments, cluster.stock, settings, "", None, members), LEADER)["metadata"][
            "annotations"
        ]["drover.llama/members"]
        for members in (cluster.members, changed)
    )
    assert first != second


@pytest.mark.parametrize(
    "before", [None, [], {}, {"lasting": 5}, "members", {"pods": 5}, {"pods": {"kube-1": {"most_bytes": "1"}}}]
)
def test_members_that_are_none_are_written_anew(cluster, before):
    assert again(cluster, before=before) == cluster.members


def test_members_that_no_config_map_holds_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(manifests_module, "MOST_CONFIG_MAP_BYTES", 1000)
    with pytest.raises(DroverError, match="and a ConfigMap holds 1000 B: set kubernetes_healing to false"):
        made(cluster)


def test_the_members_have_nothing_empty_where_the_api_would_drop_it(objects):
    assert list(empties(named(objects, "ConfigMap", "drover-main-members"))) == []
