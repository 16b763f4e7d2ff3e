#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drover in Kubernetes beside the approach of the chart in llama.cpp's tree, on the same nodes, image and model.

That approach: an RPC server on every node without limits, probed by TCP every 10 and 30 seconds; a leader that takes
the addresses that the Service has, and starts anew when these are others 30 seconds later; llama.cpp's own split of the
layers. Drover is told to use all nodes, too, where it would choose one for so small a model. For each of the two a
client asks one question after another, and the table says what came of it.

Takes half an hour, and the lab `kubernetes`, which it brings up and down:  tests/bench/chart.py [--minutes 10]
"""

from __future__ import annotations

import argparse
import base64
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "molecule" / "resources"))
# Where the pieces that the scenario has look, too.
FOLDER = tempfile.TemporaryDirectory(prefix="drover-chart-")
os.environ |= {"MOLECULE_EPHEMERAL_DIRECTORY": FOLDER.name, "MOLECULE_SCENARIO_NAME": "kubernetes"}

from cluster import INVENTORY, Api, address, answers  # noqa: E402
from kubernetes_cluster import DROVER, KUBECONFIG, SETTINGS, found, kubectl, kubernetes  # noqa: E402
from lab import state  # noqa: E402
from playbook import play, succeeded  # noqa: E402

SPACE, PORT, NODE_PORT = "chart", 50052, 30480
MODEL = "/srv/chart"
FIRST_ANSWER_SECONDS = 600

# The leader's container: llama-server by the addresses of the workers, and once more when they change.
LEAD = f"""import socket, subprocess, sys, time

def workers():
    try:
        return sorted({{one[4][0] for one in socket.getaddrinfo("workers", {PORT}, socket.AF_INET)}})
    except OSError:
        return []

known, running = [], None
while True:
    there = workers()
    if there and there != known:
        if running:
            running.kill()
            running.wait()
        known = there
        addresses = ",".join(f"{{one}}:{PORT}" for one in there)
        running = subprocess.Popen([*sys.argv[1:], "--rpc", addresses])
    for _second in range(30):
        time.sleep(1)
        if running and running.poll() is not None:
            sys.exit(1)
"""


def worker(image: dict) -> dict:
    """The workers: one on every node, as many threads as the RPC server takes by itself."""
    probe = {"tcpSocket": {"port": PORT}}
    container = {
        "name": "worker",
        "image": image["reference"],
        "imagePullPolicy": "IfNotPresent",
        "command": [image["programs"]["rpc_server"], "--host", "0.0.0.0", "--port", str(PORT)],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {**probe, "periodSeconds": 10},
        "livenessProbe": {**probe, "periodSeconds": 30},
    }
    return _workload("DaemonSet", "worker", container)


def leader(image: dict) -> dict:
    """The leader, wherever it lands: all layers to the workers."""
    arguments = [
        *(image["programs"]["server"], "--model", f"{MODEL}/drover-demo.gguf", "--host", "0.0.0.0", "--port", "8080"),
        *("--ctx-size", "2048", "--n-gpu-layers", "999"),
    ]
    probe = {"httpGet": {"path": "/health", "port": 8080}}
    container = {
        "name": "leader",
        "image": image["reference"],
        "imagePullPolicy": "IfNotPresent",
        "command": [DROVER[0], "-c", LEAD, *arguments],
        "env": [{"name": "HOME", "value": "/tmp"}],
        "readinessProbe": {**probe, "periodSeconds": 10},
        "livenessProbe": {**probe, "periodSeconds": 30, "initialDelaySeconds": 120},
        "volumeMounts": [{"name": "model", "mountPath": MODEL, "readOnly": True}],
    }
    made = _workload("Deployment", "leader", container)
    made["spec"]["replicas"] = 1
    made["spec"]["template"]["spec"]["volumes"] = [{"name": "model", "hostPath": {"path": MODEL}}]
    return made


def _workload(kind: str, name: str, container: dict) -> dict:
    labels = {"app": name}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1, "tolerations": [{"operator": "Exists"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def manifests(image: dict) -> list[dict]:
    """All objects of the approach."""
    services = {
        "workers": {"clusterIP": "None", "selector": {"app": "worker"}, "ports": [{"port": PORT}]},
        "api": {
            "type": "NodePort",
            "selector": {"app": "leader"},
            "ports": [{"port": 8080, "nodePort": NODE_PORT}],
        },
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}},
        *(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": SPACE}, "spec": spec}
            for name, spec in services.items()
        ),
        worker(image),
        leader(image),
    ]


def restarts(namespace: str) -> dict[str, int]:
    """Of each pod how often its programs were started again."""
    pods = found("pods", f"--namespace={namespace}")["items"]
    return {
        pod["metadata"]["name"]: sum(each["restartCount"] for each in pod["status"].get("containerStatuses", ()))
        for pod in pods
    }


def asked(api: Api, question: str) -> dict | None:
    """The reply, or None where there is none."""
    body = {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 200}
    try:
        status, reply = api.request("/v1/chat/completions", body)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return reply if status == 200 else None


def measure(api: Api, namespace: str, minutes: float) -> dict[str, str]:
    """A line of the table for each figure. The time begins with the first answer, or when one has not come for long."""
    began = time.monotonic()
    while asked(api, answers()[0][0]) is None and time.monotonic() - began < FIRST_ANSWER_SECONDS:
        time.sleep(1)
    first = time.monotonic() - began
    before = restarts(namespace)
    counted = {"right": 0, "wrong": 0, "none": 0}
    tokens, speeds, longest = 0, [], 0.0
    start = last = time.monotonic()
    for question, answer in itertools.cycle(answers()):
        reply = asked(api, question)
        now = time.monotonic()
        if now - start > minutes * 60:
            break
        if reply is None:
            counted["none"] += 1
            time.sleep(1)
            continue
        counted["right" if reply["choices"][0]["message"]["content"] == answer else "wrong"] += 1
        longest, last = max(longest, now - last), now
        tokens += reply["usage"]["completion_tokens"]
        speeds.append(reply["timings"]["predicted_per_second"])
    again = {pod: number - before.get(pod, 0) for pod, number in restarts(namespace).items()}
    return {
        "first answer after": f"{first:.0f} s",
        "right answers": str(counted["right"]),
        "wrong answers": str(counted["wrong"]),
        "requests without an answer": str(counted["none"]),
        "longest time between two answers": f"{max(longest, time.monotonic() - last):.0f} s",
        "programs started again": str(sum(again.values())),
        "tokens per second, over all of the time": f"{tokens / (minutes * 60):.1f}",
        "tokens per second, within an answer (median)": f"{statistics.median(speeds):.1f}" if speeds else "none",
    }


def as_the_chart(image: dict, minutes: float) -> dict[str, str]:
    """Its figures; afterwards nothing of it is there."""
    items = {"apiVersion": "v1", "kind": "List", "items": manifests(image)}
    applied = kubectl("apply", f"--namespace={SPACE}", "--filename=-", given=json.dumps(items))
    if applied.returncode:
        sys.exit(applied.stderr)
    try:
        return measure(Api(f"http://{address('kube-1')}:{NODE_PORT}", ""), SPACE, minutes)
    finally:
        kubectl("delete", "namespace", SPACE, "--wait=true")


def as_drover(minutes: float) -> dict[str, str]:
    """The same of Drover's."""
    succeeded(kubernetes())
    service = found("service", "drover-main-api")["spec"]["ports"][0]["nodePort"]
    key = base64.b64decode(found("secret", "drover-main-api")["data"]["api_key"]).decode().strip()
    try:
        return measure(Api(f"http://{address('kube-1')}:{service}", key), "drover", minutes)
    finally:
        succeeded(kubernetes("kubernetes_reset", reset_confirm="true", reset_models="true"))


def prepare() -> dict:
    """The image for these nodes, which all have it, and the model on each of them."""
    KUBECONFIG.symlink_to(state.kubeconfig_path("kubernetes"))
    cache = Path(SETTINGS["kubernetes_images_file"]).parent
    wishes = {
        "images_builder": "kube-1",
        "images_nodes": "kubernetes_nodes",
        "llama_image_architectures": ["amd64"],
        "llama_image_base": "mmdebstrap",
        "llama_image_apt_options": ['Acquire::Check-Valid-Until "false"'],
        "llama_image_cache": str(cache),
    }
    succeeded(play("images", settings=wishes, inventories=(INVENTORY,)))
    return json.loads((cache / "images.json").read_text(encoding="utf-8"))["images"]["amd64"]


def place_model() -> None:
    """Give every node the model where the leader of the approach may look for it."""
    wishes = f"src={SETTINGS['gguf_model_path']} dest={MODEL}/ mode=0644"
    command = ["ansible", "kubernetes_nodes", "-i", str(INVENTORY), "-m", "ansible.builtin.copy", "-a", wishes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"The model could not be copied to the nodes:\n{done.stdout}\n{done.stderr}")


def lab(command: str) -> None:
    """Bring the lab up or down."""
    subprocess.run([sys.executable, str(ROOT / "tests/lab/lab"), command, "kubernetes"], check=True)


def main() -> None:
    """Print the table."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--minutes", type=float, default=10)
    minutes = given.parse_args().minutes
    lab("up")
    try:
        image = prepare()
        place_model()
        theirs = as_the_chart(image, minutes)
        ours = as_drover(minutes)
    finally:
        lab("down")
    print(f"| in {minutes:g} minutes | as the chart does | Drover |\n| --- | --- | --- |")
    for name, figure in theirs.items():
        print(f"| {name} | {figure} | {ours[name]} |")


if __name__ == "__main__":
    main()
