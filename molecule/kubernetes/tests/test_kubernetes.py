# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in Kubernetes: right answers through three nodes, what the plan says in every pod, nothing else open."""

from __future__ import annotations

import json

import pytest
import yaml
from cluster import INVENTORY, answers, scenario_lab
from kubernetes_cluster import (
    DROVER,
    EPHEMERAL,
    NODES,
    SETTINGS,
    asked,
    eventually,
    found,
    in_pod,
    kubectl,
    kubernetes,
    lab,
    parts,
    plan,
    secrets,
    starts,
)
from leaks import told_in
from playbook import failed, play, refused, succeeded

QUESTION, ANSWER = answers()[0]


@pytest.mark.parametrize(("question", "answer"), answers())
def test_greedy_answer_is_the_trained_text(api, question, answer):
    assert api.ask(question) == answer


def test_every_node_takes_part_as_planned():
    made = plan()
    assert sorted(made["addresses"]) == NODES
    pods = parts()
    assert sorted(pods) == NODES
    for node, pod in pods.items():
        assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == (
            "leader" if node == made["leader"] else "worker"
        )
        # What is planned is theirs; what heals the cluster may be more, see test_healing.py.
        assert pod["status"]["qosClass"] == "Burstable"


def test_the_api_refuses_without_the_key(api):
    question = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    assert api.request("/v1/chat/completions", question, key="")[0] == 401


def test_pods_hold_what_the_plan_puts_there():
    weights = {device["host"]: device["weight_bytes"] for device in plan()["devices"]}
    workers = parts("worker")
    assert sorted(weights) == sorted(workers)
    for node, pod in workers.items():
        said = in_pod(pod, "worker", *DROVER, "held", "--cluster", "main")
        assert said.returncode == 0, said.stderr
        # The program's own memory is beside it.
        assert weights[node] <= json.loads(said.stdout)["held_bytes"] < weights[node] + 150 * 2**20


def through(stranger, pod):
    """Whether the stranger gets through to the port of a pod's program."""
    container = pod["spec"]["containers"][0]
    return stranger(pod["status"]["podIP"], container["ports"][0]["containerPort"])


def test_a_stranger_reaches_the_api_and_no_worker(stranger):
    leader, workers = parts("leader"), parts("worker")
    assert [through(stranger, pod) for pod in leader.values()] == [True]
    assert [through(stranger, pod) for pod in workers.values()] == [False, False]


def test_pods_are_as_confined_as_they_can_be():
    for pod in parts().values():
        assert not pod["spec"].get("hostNetwork")
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in pod["spec"]["containers"]:
            context = {**pod["spec"]["securityContext"], **container["securityContext"]}
            assert context["runAsNonRoot"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_keys_are_in_the_secrets_only():
    for kind in ("configmaps", "pods", "deployments.apps", "events"):
        assert told_in(kubectl("get", kind, "--output=yaml").stdout, secrets()) == []
    for pod in parts().values():
        said = kubectl("logs", pod["metadata"]["name"], "--all-containers")
        assert said.returncode == 0 and said.stdout, said.stderr
        assert told_in(said.stdout, secrets()) == []


@pytest.mark.parametrize("check", [False, True])
def test_no_run_tells_a_key(api, check):
    """Also one that writes it, the same here as what is there."""
    given = {**SETTINGS, "kubernetes_api_key": api.key}
    run = play("kubernetes", settings=given, inventories=(INVENTORY,), check=check, diff=True, verbose=True)
    assert "Write the Secrets" in succeeded(run).said
    assert told_in(run.said, secrets()) == []


def test_what_takes_more_than_its_pod_may_is_killed_and_nothing_else_is(api):
    before = starts()
    # Not the one of the control plane, which requests less than it takes.
    node, pod = sorted(parts("worker").items())[-1]
    grow = "held = []\nwhile True: held.append(bytearray(16 << 20))"
    assert in_pod(pod, "worker", DROVER[0], "-c", grow).returncode == 137
    # Whether all of the container ends or the one process is the kubelet's to say; what ends is found again.
    eventually(lambda: asked(api, QUESTION) == ANSWER, 180)
    after = starts()
    assert {each: after[each] for each in parts("worker") if each != node} == {
        each: before[each] for each in parts("worker") if each != node
    }
    conditions = {each["type"]: each["status"] for each in found("node", node)["status"]["conditions"]}
    assert (conditions["Ready"], conditions["MemoryPressure"]) == ("True", "False")


def test_a_replaced_worker_is_found_again(api):
    before = parts("worker")
    node = sorted(before)[0]
    assert kubectl("delete", "pod", before[node]["metadata"]["name"]).returncode == 0
    # Nothing is run here: the leader sees by itself that the name stands for another pod.
    waited = kubectl("rollout", "status", f"deployment/drover-main-worker-{node}", "--timeout=120s")
    assert waited.returncode == 0, waited.stderr
    eventually(lambda: asked(api, QUESTION) == ANSWER, 180)
    assert parts("worker")[node]["metadata"]["uid"] != before[node]["metadata"]["uid"]
    # And a run finds nothing to change.
    assert set(succeeded(kubernetes()).changed.values()) == {0}


def test_a_lost_node_is_left_out_and_comes_back(api):
    lost = sorted(parts("worker"))[-1]
    lab("kill", f"{scenario_lab()}/{lost}")
    try:
        waited = kubectl("wait", f"node/{lost}", "--for=condition=Ready=Unknown", "--timeout=180s")
        assert waited.returncode == 0, waited.stderr
        run = succeeded(kubernetes())
        assert f"{lost}" in run.said
        assert lost not in plan()["addresses"]
        assert api.ask(QUESTION) == ANSWER
    finally:
        lab("start", f"{scenario_lab()}/{lost}")
    waited = kubectl("wait", f"node/{lost}", "--for=condition=Ready", "--timeout=180s")
    assert waited.returncode == 0, waited.stderr
    succeeded(kubernetes())
    assert sorted(plan()["addresses"]) == NODES
    assert api.ask(QUESTION) == ANSWER


def test_another_node_leads_when_it_is_told_to(api):
    other = next(node for node in NODES if node != plan()["leader"] and node != "kube-3")
    succeeded(kubernetes(kubernetes_leader=other))
    assert list(parts("leader")) == [other]
    assert api.ask(QUESTION) == ANSWER


def test_another_image_is_rolled_out(api):
    """Made by a user with one package more; of the same build, since Debian has no other."""
    folder = EPHEMERAL / "other-images"
    succeeded(
        play(
            "images",
            settings={
                "images_builder": "kube-1",
                "images_nodes": "kubernetes_nodes",
                "llama_image_architectures": ["amd64"],
                "llama_image_base": "mmdebstrap",
                "llama_image_packages": ["ca-certificates"],
                "llama_image_apt_options": ['Acquire::Check-Valid-Until "false"'],
                "llama_image_cache": str(folder),
            },
            inventories=(INVENTORY,),
        )
    )
    digest = json.loads((folder / "images.json").read_text())["images"]["amd64"]["digest"]
    succeeded(kubernetes(kubernetes_images_file=str(folder / "images.json")))
    for pod in parts().values():
        assert pod["spec"]["containers"][0]["image"].endswith(digest)
    assert api.ask(QUESTION) == ANSWER
    succeeded(kubernetes())


def test_status_tells_every_part():
    said = succeeded(kubernetes("kubernetes_status")).said
    assert all(node in said for node in NODES)
    assert "tokens per second" in said


def test_plan_takes_its_pods_off_again():
    run = succeeded(kubernetes("kubernetes_plan"))
    assert set(run.changed.values()) == {0}
    assert not found("pods", "-lapp.kubernetes.io/component=tally")["items"]


@pytest.fixture
def cards():
    """A node that offers GPUs to pods, as a device plugin would have it."""
    node = "kube-3"

    def offer(number):
        told = {"nvidia.com/gpu": number}
        patch = json.dumps({"status": {"capacity": told, "allocatable": told}})
        done = kubectl("patch", "node", node, "--subresource=status", "--type=merge", f"--patch={patch}")
        assert done.returncode == 0, done.stderr

    offer("2")
    yield node
    offer(None)


def test_cards_that_the_image_does_not_drive_are_named(cards):
    said = succeeded(kubernetes("kubernetes_plan")).said
    assert f"{cards}: The image has no backend for nvidia.com/gpu (CUDA)" in said
    wishes = {cards: {"gpus": 1}}
    refused(kubernetes(kubernetes_nodes=wishes), f"GPUs of {cards} are wished for", "no backend for nvidia.com/gpu")
    refused(kubernetes(kubernetes_nodes={cards: {"gpus": 3}}), "where others' pods leave 2 of nvidia.com/gpu")


def test_a_key_of_ones_own_takes_the_place_of_the_one_that_was_made(api):
    succeeded(kubernetes(kubernetes_api_key="a-key-of-my-own"))
    question = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 1}
    assert api.request("/v1/chat/completions", question)[0] == 401
    assert api.request("/v1/chat/completions", question, key="a-key-of-my-own")[0] == 200
    # It stays where none is given.
    succeeded(kubernetes())
    assert api.request("/v1/chat/completions", question, key="a-key-of-my-own")[0] == 200


def test_an_image_that_no_node_gets_is_told_before_anything_is_changed(api):
    bad = f"lab.invalid/nothing@sha256:{'0' * 64}"
    refused(kubernetes(kubernetes_image=bad, kubernetes_measure="false"), "cannot get the image", bad)
    assert api.ask(QUESTION) == ANSWER


def test_what_does_not_serve_is_taken_back(api):
    """A value that llama-server alone knows to be none."""
    before = found("deployments")["items"]
    run = kubernetes(kubernetes_extra_arguments=["--rope-scaling", "nonsense"], kubernetes_timeout="900")
    failed(run, "does not work by this plan", "What ran before runs again")
    assert api.ask(QUESTION) == ANSWER
    after = found("deployments")["items"]
    assert [each["spec"]["template"] for each in after] == [each["spec"]["template"] for each in before]


def test_what_is_written_is_what_the_api_takes(tmp_path):
    before = found("deployments")["items"]
    succeeded(kubernetes(kubernetes_manifests=str(tmp_path), kubernetes_create_namespace="false"))
    written = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(tmp_path.iterdir())]
    assert {"Deployment", "Service", "NetworkPolicy"} < {each["kind"] for each in written}
    assert "Namespace" not in [each["kind"] for each in written]
    checked = kubectl("apply", "--server-side", "--dry-run=server", "--force-conflicts", f"--filename={tmp_path}")
    assert checked.returncode == 0, checked.stderr
    assert [each["spec"] for each in found("deployments")["items"]] == [each["spec"] for each in before]
