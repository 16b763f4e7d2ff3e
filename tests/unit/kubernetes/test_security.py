# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods may do no more than they need: held against the rules of the Pod Security Standards."""

from __future__ import annotations

import pytest
from module_utils.kubernetes.manifests import manifests
from module_utils.kubernetes.security import level
from module_utils.kubernetes.short_lived import courier_pod, sweeper_pods, tally_pods

from .objects import Cluster, settings

CLAIM = {"model": {"file": "small.gguf", "claim": "models"}}
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def pods_of(**wishes):
    """The specification of every pod of a cluster, also of those that take stock."""
    cluster = Cluster(**wishes)
    objects = manifests(cluster.plan, cluster.deployments, cluster.stock, cluster.settings)
    objects += tally_pods(cluster.stock, cluster.settings, "main")
    objects += cluster.placing().get("objects", [])
    objects.append(courier_pod(cluster.stock[0], cluster.settings, "main"))
    return [
        each["spec"]["template"]["spec"] if each["kind"] == "Deployment" else each["spec"]
        for each in objects
        if each["kind"] in ("Deployment", "Pod")
    ]


def breaches(spec):
    """What of a pod the standards forbid, by the level that forbids it. Source: Kubernetes' documentation "Pod Security
    Standards", the tables of baseline and restricted."""
    found = set()
    of_pod = spec.get("securityContext") or {}
    if spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC"):
        found.add(("baseline", "host namespaces"))
    for volume in spec.get("volumes") or ():
        (kind,) = set(volume) - {"name"}
        if kind == "hostPath":
            found.add(("baseline", "hostPath"))
        elif kind not in VOLUMES:
            found.add(("restricted", f"volume {kind}"))
    for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
        own = container.get("securityContext") or {}
        added = set((own.get("capabilities") or {}).get("add") or ())
        if own.get("privileged") or added - {"CHOWN", "DAC_OVERRIDE"}:
            found.add(("baseline", "privileges"))
        if any(port.get("hostPort") for port in container.get("ports") or ()):
            found.add(("baseline", "hostPort"))
        if own.get("allowPrivilegeEscalation") is not False:
            found.add(("restricted", "escalation"))
        if "ALL" not in ((own.get("capabilities") or {}).get("drop") or ()) or added - {"NET_BIND_SERVICE"}:
            found.add(("restricted", "capabilities"))
        if own.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
            found.add(("restricted", "root"))
        if own.get("runAsUser", of_pod.get("runAsUser")) == 0:
            found.add(("restricted", "root"))
        profile = own.get("seccompProfile") or of_pod.get("seccompProfile") or {}
        if profile.get("type") not in ("RuntimeDefault", "Localhost"):
            found.add(("restricted", "seccomp"))
    return found


def test_with_a_claim_all_pods_are_restricted():
    for wish in (CLAIM, {"model": {**CLAIM["model"], "url": "https://models.lan/small.gguf"}}):
        assert level(settings(**wish)) == ("restricted", [])
        for spec in pods_of(**wish):
            assert breaches(spec) == set()


@pytest.mark.parametrize(
    ("wishes", "reasons", "allowed"),
    [
        ({}, ["kubernetes_model has the model in /var/lib/drover/models"], {("baseline", "hostPath")}),
        (
            {**CLAIM, "cache": {}},
            ["kubernetes_cache has the tensor cache in /var/cache/drover"],
            {("baseline", "hostPath"), ("restricted", "root"), ("restricted", "capabilities")},
        ),
        ({**CLAIM, "host_network": True}, ["kubernetes_host_network has pods use"], {("baseline", "host namespaces")}),
    ],
)
def test_what_is_asked_of_a_node_is_named(wishes, reasons, allowed):
    name, told = level(settings(**wishes))
    assert name == "privileged"
    assert [sentence[: len(start)] for sentence, start in zip(told, reasons)] == reasons
    assert len(told) == len(reasons)
    found = set().union(*(breaches(spec) for spec in pods_of(**wishes)[:-1]))
    assert found == allowed


def test_root_is_a_step_and_never_what_stays():
    wishes = {"cache": {}, "model": {"file": "small.gguf", "url": "https://models.lan/small.gguf"}}
    steps = set()
    for spec in pods_of(**wishes):
        for container in spec["containers"]:
            assert container["securityContext"].get("runAsUser") is None
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
        steps |= {
            (step["name"], tuple(step["securityContext"]["capabilities"]["add"]))
            for step in spec.get("initContainers") or ()
            if step["securityContext"].get("runAsUser") == 0
        }
    assert steps == {("own-cache", ("CHOWN",)), ("own-model", ("CHOWN",))}


def test_where_the_model_is_offered_nobody_writes_to_it():
    for wish in ({}, CLAIM):
        pod = Cluster(cache={}, **wish).placing()["objects"][2]
        (container,) = pod["spec"]["containers"]
        assert container["name"] == "offerer"
        mounts = {mount["name"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
        assert mounts == {"model": True, "cache": False, "tmp": False}


def test_the_namespace_is_labelled_with_what_is_needed():
    for wishes, name in ((CLAIM, "restricted"), ({}, "privileged")):
        cluster = Cluster(**wishes)
        namespace = manifests(cluster.plan, cluster.deployments, cluster.stock, cluster.settings)[0]
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == name


def test_only_a_sweeper_may_take_off_what_is_another_users():
    cluster = Cluster(cache={})
    (pod, *_others) = sweeper_pods(cluster.stock, cluster.settings, "main")
    containers = [*pod["spec"]["containers"], *pod["spec"]["initContainers"]]
    assert {tuple(one["securityContext"]["capabilities"]["add"]) for one in containers} == {("DAC_OVERRIDE",)}
    assert sweeper_pods(cluster.stock, settings(**CLAIM), "main") == []
