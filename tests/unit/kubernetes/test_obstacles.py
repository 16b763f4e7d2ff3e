# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way is told before anything is changed."""

from __future__ import annotations

import pytest
from module_utils.kubernetes.obstacles import claim_faults, namespace_faults, service_faults, volume_faults

from .objects import settings

CLAIM = {"model": {"file": "m.gguf", "claim": "models"}}


def namespace(level=None, **more):
    labels = {"pod-security.kubernetes.io/enforce": level} if level else {}
    return {"metadata": {"name": "drover", "labels": labels}, "status": {"phase": "Active"}, **more}


TERMINATING = namespace(
    status={
        "phase": "Terminating",
        "conditions": [
            {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources discovered"},
            {
                "type": "NamespaceFinalizersRemaining",
                "status": "True",
                "message": "Some content has finalizers: a in 1 instance.",
            },
        ],
    }
)


@pytest.mark.parametrize(
    ("given", "wishes", "told"),
    [
        (None, {}, []),
        (None, {"create_namespace": False}, ["There is no namespace drover, and kubernetes_create_namespace is false"]),
        (namespace(), {}, []),
        (namespace("restricted"), {}, []),  # it is ours to label
        (namespace("privileged"), {"create_namespace": False}, []),
        (namespace(), {"create_namespace": False}, []),
        (
            namespace("baseline"),
            {"create_namespace": False, "host_network": True, **CLAIM},
            [
                "The namespace drover allows pods of the Pod Security Standard baseline, and privileged is needed, "
                "since kubernetes_host_network has pods use the node's network (hostNetwork):"
            ],
        ),
        (namespace("restricted"), {"create_namespace": False, **CLAIM}, []),
        (
            namespace("restricted"),
            {"create_namespace": False},
            ["The namespace drover allows pods of the Pod Security"],
        ),
        (
            TERMINATING,
            {},
            ["The namespace drover is being deleted (Some content has finalizers: a in 1 instance): wait until"],
        ),
        (namespace(status={"phase": "Terminating"}), {}, ["The namespace drover is being deleted: wait until"]),
    ],
)
def test_namespaces(given, wishes, told):
    found = namespace_faults(given, settings(**wishes))
    assert [sentence[: len(start)] for sentence, start in zip(found, told)] == told
    assert len(found) == len(told)


def service(name="web", space="default", **spec):
    return {
        "metadata": {"name": name, "namespace": space},
        "spec": {"ports": [{"port": 80, "nodePort": 30080}], **spec},
    }


@pytest.mark.parametrize(
    ("services", "port", "told"),
    [
        ([], 30080, []),
        ([service()], None, []),
        ([service()], 30081, []),
        (
            [service()],
            30080,
            ["The port 30080 on the nodes is taken by the Service default/web: set kubernetes_node_port"],
        ),
        ([service("drover-main-api", "drover")], 30080, []),
        (
            [service("drover-main-api", "elsewhere")],
            30080,
            ["The port 30080 on the nodes is taken by the Service elsewhere"],
        ),
        (
            [service("drover-second-api", "drover")],
            30080,
            ["The port 30080 on the nodes is taken by the Service drover/dr"],
        ),
        (
            [service(healthCheckNodePort=30099)],
            30099,
            ["The port 30099 on the nodes is taken by the Service default/web"],
        ),
        ([], 8080, ["kubernetes_node_port is 8080, and Kubernetes gives ports from 30000 to 32767: use one of them."]),
        # A cluster may have been set up with other ports, which a Service that is there shows.
        ([service("drover-main-api", "drover", ports=[{"nodePort": 8080}])], 8080, []),
    ],
)
def test_ports_on_nodes(services, port, told):
    wish = {"service_type": "NodePort", "node_port": port} if port else {}
    found = service_faults(services, settings(**wish), "main")
    assert [sentence[: len(start)] for sentence, start in zip(found, told)] == told
    assert len(found) == len(told)


def claim(phase="Bound", **more):
    return {"metadata": {"name": "models", **more}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("given", "wishes", "told"),
    [
        (None, {}, []),
        (None, CLAIM, ["There is no PersistentVolumeClaim models in the namespace drover: create it"]),
        (claim(), CLAIM, []),
        (claim("Pending"), CLAIM, []),  # bound when the leader's pod is there, as storage classes of nodes' disks do
        (claim("Lost"), CLAIM, ["The volume of the PersistentVolumeClaim models is lost"]),
        (claim(deletionTimestamp="2026-01-01T00:00:00Z"), CLAIM, ["The PersistentVolumeClaim models is being deleted"]),
    ],
)
def test_claims(given, wishes, told):
    found = claim_faults(given, settings(**wishes))
    assert [sentence[: len(start)] for sentence, start in zip(found, told)] == told
    assert len(found) == len(told)


def volume(*terms):
    return {"metadata": {"name": "pvc-1"}, "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": list(terms)}}}}


def on(*hostnames, key="kubernetes.io/hostname", operator="In"):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(hostnames)}]}


LEADER = {"node": "kube-1", "hostname": "k1"}
ELSEWHERE = (
    "The volume of the PersistentVolumeClaim models lies on k2, and kube-1 is planned to lead, which cannot have it: "
    "set kubernetes_leader to the former"
)


@pytest.mark.parametrize(
    ("given", "leader", "told"),
    [
        (None, LEADER, []),
        ({"spec": {"nfs": {"server": "nas"}}}, LEADER, []),
        # As the provisioner of K3s makes them, on the disk of one node.
        (volume(on("k1")), LEADER, []),
        (volume(on("k2")), LEADER, [ELSEWHERE]),
        (volume(on("k2"), on("k1")), LEADER, []),
        (volume(on("k2")), None, []),
        (volume(on("zone-b", key="topology.kubernetes.io/zone")), LEADER, []),
        (volume(on("k1", operator="NotIn")), LEADER, []),
        (volume(on("k2"), on("zone-b", key="topology.kubernetes.io/zone")), LEADER, []),
    ],
)
def test_volumes_that_lie_on_another_node(given, leader, told):
    found = volume_faults(given, leader, "models")
    assert [sentence[: len(start)] for sentence, start in zip(found, told)] == told
    assert len(found) == len(told)
