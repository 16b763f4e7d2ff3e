# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in Kubernetes: right answers through three nodes, what the plan says in every pod, nothing else open."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest
from cluster import INVENTORY, ROOT, Api, address, answers
from lab.kubernetes import images, programs
from playbook import play, refused, succeeded

KUBECONFIG = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "kubeconfig"
SETTINGS = {
    "kubernetes_kubeconfig": str(KUBECONFIG),
    "kubernetes_service_type": "NodePort",
    "gguf_model_path": str(ROOT / "tests/assets/drover-demo.gguf"),
    "llama_server_context_size": 2048,
    "placement_spread": "all",
}
NODES = ["kube-1", "kube-2", "kube-3"]


def kubernetes(name="kubernetes", **settings):
    return play(name, settings={**SETTINGS, **settings}, inventories=(INVENTORY,))


def kubectl(*arguments, given=None):
    command = [programs.folder() / "kubectl", f"--kubeconfig={KUBECONFIG}", "--namespace=drover", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=240)


def found(*arguments):
    done = kubectl("get", *arguments, "--output=json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def plan():
    return json.loads(found("configmap", "drover-main-plan")["data"]["plan.json"])


@pytest.fixture
def api():
    port = found("service", "drover-main-api")["spec"]["ports"][0]["nodePort"]
    key = base64.b64decode(found("secret", "drover-main-api")["data"]["api_key"]).decode().strip()
    return Api(f"http://{address('kube-1')}:{port}", key)


@pytest.mark.parametrize(("question", "answer"), answers())
def test_greedy_answer_is_the_trained_text(api, question, answer):
    assert api.ask(question) == answer


def test_every_node_takes_part_as_planned():
    made = plan()
    assert sorted(made["addresses"]) == NODES
    pods = {pod["spec"]["nodeName"]: pod for pod in found("pods")["items"]}
    assert sorted(pods) == NODES
    for node, pod in pods.items():
        assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == (
            "leader" if node == made["leader"] else "worker"
        )
        assert pod["status"]["qosClass"] == "Guaranteed"


def test_the_api_refuses_without_the_key(api):
    question = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    assert api.request("/v1/chat/completions", question, key="")[0] == 401


def test_a_stranger_does_not_reach_a_worker():
    worker = next(pod for pod in found("pods", "-lapp.kubernetes.io/component=worker")["items"])
    asked = kubectl(
        *("run", "stranger", "--rm", "--attach", "--restart=Never", f"--image={images.TOOLS}"),
        *("--image-pull-policy=Never", "--namespace=default", "--command", "--"),
        *("nc", "-w", "3", worker["status"]["podIP"], "50052", "-e", "true"),
    )
    assert asked.returncode != 0


def test_a_replaced_worker_is_found_again(api):
    worker = found("pods", "-lapp.kubernetes.io/component=worker")["items"][0]["metadata"]["name"]
    assert kubectl("delete", "pod", worker).returncode == 0
    succeeded(kubernetes())
    question, answer = answers()[0]
    assert api.ask(question) == answer


def test_status_tells_every_part():
    said = succeeded(kubernetes("kubernetes_status")).said
    assert all(node in said for node in NODES)
    assert "tokens per second" in said


def test_plan_takes_its_pods_off_again():
    run = succeeded(kubernetes("kubernetes_plan"))
    assert set(run.changed.values()) == {0}
    assert not found("pods", "-lapp.kubernetes.io/component=tally")["items"]


def test_an_image_that_does_not_work_is_taken_back(api):
    bad = f"lab.invalid/nothing@sha256:{'0' * 64}"
    refused(
        kubernetes(kubernetes_image=bad, kubernetes_measure=False), "cannot get the image", "What ran before runs again"
    )
    question, answer = answers()[0]
    assert api.ask(question) == answer


def test_manifests_are_written_instead(tmp_path):
    succeeded(kubernetes(kubernetes_manifests=str(tmp_path)))
    checked = kubectl("apply", "--server-side", "--dry-run=server", "--force-conflicts", f"--filename={tmp_path}")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kubernetes_kubeconfig": "/nowhere"}, "There is no kubeconfig /nowhere"),
        ({"kubernetes_context": "nobody"}, "cannot be used"),
        ({"kubernetes_node_port": 80}, "Kubernetes gives ports from 30000"),
        ({"kubernetes_image": "drover:latest"}, "must be an image by its digest"),
        ({"kubernetes_node_selector": {"no": "node"}}, "does not fit"),
    ],
)
def test_refusals_come_before_anything_is_changed(settings, words):
    refused(kubernetes(**settings), words)


def test_reset_leaves_nothing():
    refused(kubernetes("kubernetes_reset"), "reset_confirm=true")
    succeeded(kubernetes("kubernetes_reset", reset_confirm=True, reset_models=True))
    assert kubectl("get", "namespace", "drover").returncode != 0
    succeeded(kubernetes("kubernetes_reset", reset_confirm=True))
