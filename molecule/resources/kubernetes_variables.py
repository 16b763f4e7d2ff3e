# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable on the page of the role kubernetes, a value to set it to, and what must then stand in the manifests.

Most are set at once and looked at in what one run of kubernetes.yml writes to a folder; the others are set by a test,
or for a test, in the file that is named (``elsewhere``). tests/unit/checks/test_variables.py holds this table against
the argument specs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Two with both of their cores to themselves.
LEADER, WORKER, LEFT_OUT = "kube-2", "kube-3", "kube-1"


@dataclass(frozen=True)
class Written:
    """What a run has written."""

    manifests: list[dict]

    def of(self, kind: str, name: str = "") -> dict:
        """The manifest of this kind whose name ends so."""
        return next(each for each in self.manifests if each["kind"] == kind and each["metadata"]["name"].endswith(name))

    def pod(self, name: str = "leader") -> dict:
        """What a Deployment makes: its template."""
        return self.of("Deployment", name)["spec"]["template"]

    def container(self, name: str = "leader") -> dict:
        """The program of a Deployment's pod."""
        return self.pod(name)["spec"]["containers"][0]

    def document(self, name: str = "leader") -> dict:
        """The deployment that a pod reads."""
        return json.loads(self.of("ConfigMap", name)["data"]["deployment.json"])

    def volume(self, name: str, part: str = "leader") -> dict:
        """A volume of a pod."""
        return next(each for each in self.pod(part)["spec"]["volumes"] if each["name"] == name)

    def memory(self, name: str) -> int:
        """The bytes that a program requests beside what its deployment says."""
        requested = int(self.container(name)["resources"]["requests"]["memory"])
        return requested - self.document(name)["memory_bytes"]


@dataclass(frozen=True)
class Case:
    """A value for a variable, and ``look``, which tells whether it took effect; or the file that sets it."""

    value: Any = None
    look: Callable[[Written], bool] | None = None
    where: str = ""


def elsewhere(where: str) -> Case:
    """Set by a test, or for a test, in this file."""
    return Case(where=where)


CONVERGE = "molecule/kubernetes/converge.yml"
TESTS = "molecule/kubernetes/tests/test_kubernetes.py"
REFUSALS = "molecule/kubernetes/tests/test_refusals.py"
WALKED = "molecule/kubernetes/tests/test_variables.py"
TOLERATION = {"key": "walked", "operator": "Exists", "effect": "NoSchedule"}

VARIABLES = {
    "kubernetes_kubeconfig": elsewhere(CONVERGE),
    "kubernetes_context": elsewhere(REFUSALS),
    "kubernetes_cluster": Case("walked", lambda seen: seen.document()["cluster"] == "walked"),
    "kubernetes_namespace": Case("walks", lambda seen: seen.of("Namespace")["metadata"]["name"] == "walks"),
    "kubernetes_create_namespace": elsewhere(TESTS),
    "kubernetes_image": elsewhere(TESTS),
    "kubernetes_images_file": elsewhere(CONVERGE),
    "kubernetes_image_pull_policy": Case("Never", lambda seen: seen.container()["imagePullPolicy"] == "Never"),
    "kubernetes_image_pull_secrets": Case(
        ["walked"], lambda seen: seen.pod()["spec"]["imagePullSecrets"] == [{"name": "walked"}]
    ),
    "kubernetes_node_selector": elsewhere(REFUSALS),
    "kubernetes_tolerations": Case([TOLERATION], lambda seen: TOLERATION in seen.pod()["spec"]["tolerations"]),
    "kubernetes_exclude": Case(
        [LEFT_OUT], lambda seen: all(LEFT_OUT not in each["metadata"]["name"] for each in seen.manifests)
    ),
    "kubernetes_leader": elsewhere(TESTS),
    "kubernetes_outside": elsewhere("molecule/kubernetes/tests/test_outside.py"),
    "kubernetes_lend": Case({"threads": 1}, lambda seen: "--threads 1" in " ".join(seen.document(WORKER)["arguments"])),
    "kubernetes_nodes": Case(
        {LEADER: {"threads": 2}}, lambda seen: "--threads 2" in " ".join(seen.document()["arguments"])
    ),
    "kubernetes_workers": elsewhere("molecule/kubernetes/tests/test_daemonset.py"),
    "kubernetes_healing": elsewhere("molecule/kubernetes/tests/test_healing.py"),
    "kubernetes_host_network": Case("true", lambda seen: seen.pod()["spec"]["hostNetwork"] is True),
    "kubernetes_model": Case(
        {"host_path": "/srv/walked"}, lambda seen: seen.volume("model")["hostPath"]["path"] == "/srv/walked"
    ),
    "kubernetes_cache": Case(
        {"host_path": "/srv/cache", "bytes": 5 << 30, "spread": 2},
        lambda seen: (
            seen.volume("cache", WORKER)["hostPath"]["path"] == "/srv/cache"
            and seen.document(WORKER)["cache"]["bytes"] == 5 << 30
            and seen.volume("documents", WORKER)["projected"]["sources"][-1]["configMap"]["optional"]
        ),
    ),
    "kubernetes_rpc_port": Case("50099", lambda seen: seen.document(WORKER)["listen"]["port"] == 50099),
    "kubernetes_service_type": Case(
        "LoadBalancer", lambda seen: seen.of("Service", "api")["spec"]["type"] == "LoadBalancer"
    ),
    "kubernetes_port": Case("8099", lambda seen: seen.of("Service", "api")["spec"]["ports"][0]["port"] == 8099),
    "kubernetes_node_port": Case(
        "30099", lambda seen: seen.of("Service", "api")["spec"]["ports"][0]["nodePort"] == 30099
    ),
    "kubernetes_service_annotations": Case(
        {"walked": "yes"}, lambda seen: seen.of("Service", "api")["metadata"]["annotations"]["walked"] == "yes"
    ),
    "kubernetes_ingress": Case(
        {"host": "llm.example.lan"}, lambda seen: seen.of("Ingress")["spec"]["rules"][0]["host"] == "llm.example.lan"
    ),
    "kubernetes_http_route": Case(
        {"gateway": "walked"}, lambda seen: seen.of("HTTPRoute")["spec"]["parentRefs"] == [{"name": "walked"}]
    ),
    "kubernetes_priority_class": Case("walked", lambda seen: seen.pod()["spec"]["priorityClassName"] == "walked"),
    "kubernetes_labels": Case({"walked": "yes"}, lambda seen: seen.pod()["metadata"]["labels"]["walked"] == "yes"),
    "kubernetes_annotations": Case(
        {"walked": "yes"}, lambda seen: seen.pod(WORKER)["metadata"]["annotations"]["walked"] == "yes"
    ),
    "kubernetes_service_account": Case("walked", lambda seen: seen.pod()["spec"]["serviceAccountName"] == "walked"),
    # No host of the lab has a GPU for pods; what becomes of these is held in tests/unit/kubernetes/test_gpus.py.
    "kubernetes_runtime_class": elsewhere(REFUSALS),
    "kubernetes_gpu_groups": elsewhere(REFUSALS),
    "kubernetes_gpu_overhead_bytes": elsewhere(REFUSALS),
    "kubernetes_leader_overhead_bytes": Case("209715200", lambda seen: seen.memory("leader") == 209715200),
    "kubernetes_worker_overhead_bytes": Case("104857600", lambda seen: seen.memory(WORKER) == 104857600),
    "kubernetes_ephemeral_bytes": Case(
        "100000000",
        lambda seen: seen.container()["resources"]["limits"]["ephemeral-storage"] == "100000000",
    ),
    "kubernetes_start_seconds": Case(
        "600", lambda seen: seen.of("Deployment", "leader")["spec"]["progressDeadlineSeconds"] == 1200
    ),
    "kubernetes_measure": elsewhere(TESTS),
    "kubernetes_api_key": elsewhere(TESTS),
    "kubernetes_alias": Case("walked", lambda seen: "--alias walked" in " ".join(seen.document()["arguments"])),
    "kubernetes_extra_arguments": Case(["--no-warmup"], lambda seen: "--no-warmup" in seen.document()["arguments"]),
    "kubernetes_timeout": elsewhere(TESTS),
    "kubernetes_manifests": elsewhere(WALKED),
    "kubernetes_remove_models": elsewhere("playbooks/kubernetes_reset.yml"),
}


def settings() -> dict[str, Any]:
    """All that can be set together, as an inventory of text has it."""
    return {name: case.value for name, case in VARIABLES.items() if case.look}
