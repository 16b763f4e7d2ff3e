# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster in Kubernetes as the tests see it: its nodes, pods and documents, by kubectl."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from cluster import INVENTORY, ROOT
from lab.kubernetes import programs
from playbook import play

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
KUBECONFIG = EPHEMERAL / "kubeconfig"
SETTINGS = {
    "kubernetes_kubeconfig": str(KUBECONFIG),
    "kubernetes_images_file": str(EPHEMERAL / "images" / "images.json"),
    "kubernetes_service_type": "NodePort",
    "gguf_model_path": str(ROOT / "tests/assets/drover-demo.gguf"),
    "llama_server_context_size": 2048,
    "placement_spread": "all",
}
NODES = ["kube-1", "kube-2", "kube-3"]
FROM_INSIDE = "import json; print(open('/var/lib/drover/healing/main/{}.json').read())"
DROVER = ["/usr/local/lib/drover/python3", "/usr/local/lib/drover/drover.pyz"]


def kubernetes(name="kubernetes", **settings):
    return play(name, settings={**SETTINGS, **settings}, inventories=(INVENTORY,))


def in_namespace(service):
    """The name of a Service for pods of all namespaces."""
    return f"{service}.drover.svc.cluster.local"


def kubectl(*arguments, given=None):
    command = [programs.folder() / "kubectl", f"--kubeconfig={KUBECONFIG}", "--namespace=drover", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=240)


def found(*arguments):
    done = kubectl("get", *arguments, "--output=json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lab(*arguments):
    subprocess.run([sys.executable, ROOT / "tests/lab/lab", *arguments], check=True, timeout=240)


def eventually(holds, seconds):
    """Wait until ``holds()`` is true; how long a pod takes is not ours to say."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(1)


def asked(api, question):
    """The answer, or None while there is none."""
    try:
        return api.ask(question)
    except (AssertionError, OSError):
        return None


def plan():
    return json.loads(found("configmap", "drover-main-plan")["data"]["plan.json"])


def secrets():
    """What nobody is to be told: the key of the API, and what the leader and the agents know each other by."""
    kept = [found("secret", f"drover-main-{name}")["data"].values() for name in ("api", "agents")]
    return [base64.b64decode(text).decode().strip() for texts in kept for text in texts]


def parts(part=""):
    """Node -> its pod of the cluster, of one ``part`` only if one is named."""
    chosen = "app.kubernetes.io/instance=main" + (f",app.kubernetes.io/component={part}" if part else "")
    return {pod["spec"]["nodeName"]: pod for pod in found("pods", f"-l{chosen}")["items"]}


def starts():
    """Node -> how often its program was started again in its pod."""
    return {
        node: each["restartCount"]
        for node, pod in parts().items()
        for each in pod["status"]["containerStatuses"]
        if each["name"] == pod["metadata"]["labels"]["app.kubernetes.io/component"]
    }


def in_pod(pod, part, *command):
    return kubectl("exec", pod["metadata"]["name"], f"--container={part}", "--", *command)


def healthy():
    """Whether the leader's pod is ready: clients are sent to it."""
    ((_node, pod),) = parts("leader").items()
    conditions = {each["type"]: each["status"] for each in pod["status"]["conditions"]}
    return conditions["Ready"] == "True"


def written(name):
    """What the leader keeps of its decisions (``running``), and what its watch has seen (``watch``)."""
    ((_node, pod),) = parts("leader").items()
    said = in_pod(pod, "watch", DROVER[0], "-c", FROM_INSIDE.format(name))
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def holding():
    """The nodes that hold layers besides the leader's, by the plan that it has made."""
    return sorted({device["host"] for device in written("running")["plan"]["devices"]})
