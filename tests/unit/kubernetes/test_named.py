# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings name and the cluster lacks is told beforehand."""

from __future__ import annotations

import pytest
from module_utils.kubernetes.named import class_faults, named_objects, node_faults

from .objects import settings

SPACE = "/api/v1/namespaces/drover"
URL = {"file": "m.gguf", "url": "https://models.lan/m.gguf", "claim": "models"}
TLS = {"host": "llm.lan", "tls_secret": "llm-tls"}
ROUTE = {"gateway": "lan", "gateway_namespace": "edge"}
GATEWAY = "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways/lan"


def told(path, found, **wishes):
    """What is said of the one object that is named."""
    named = named_objects(settings(**wishes), "main")
    assert list(named) == [path]
    return named[path](found)


def secret(kind="Opaque", **data):
    return {"kind": "Secret", "type": kind, "data": data}


def gateway(*listeners):
    return {"spec": {"listeners": list(listeners)}}


def listener(name, allowed=None):
    routes = {"allowedRoutes": {"namespaces": {"from": allowed}}} if allowed else {}
    return {"name": name, "port": 443, "protocol": "HTTPS", **routes}


def test_nothing_is_named_by_default():
    assert named_objects(settings(), "main") == {}


@pytest.mark.parametrize(
    ("wishes", "path", "words"),
    [
        (
            {"service_account": "llm"},
            f"{SPACE}/serviceaccounts/llm",
            "There is no ServiceAccount llm in the namespace drover, which kubernetes_service_account names: create it",
        ),
        (
            {"priority_class": "high"},
            "/apis/scheduling.k8s.io/v1/priorityclasses/high",
            "There is no PriorityClass high in the cluster, which kubernetes_priority_class names: create it",
        ),
        (
            {"runtime_class": "nvidia"},
            "/apis/node.k8s.io/v1/runtimeclasses/nvidia",
            "There is no RuntimeClass nvidia in the cluster, which kubernetes_runtime_class names: create it",
        ),
        (
            {"image_pull_secrets": ["lan"]},
            f"{SPACE}/secrets/lan",
            "There is no Secret lan in the namespace drover, which kubernetes_image_pull_secrets names: create it",
        ),
        (
            {"model": {**URL, "token_secret": "hub"}},
            f"{SPACE}/secrets/hub",
            "There is no Secret hub in the namespace drover, which token_secret of kubernetes_model names: create it",
        ),
        (
            {"ingress": {"host": "llm.lan", "class_name": "nginx"}},
            "/apis/networking.k8s.io/v1/ingressclasses/nginx",
            "There is no IngressClass nginx in the cluster, which class_name of kubernetes_ingress names: create it",
        ),
        (
            {"ingress": TLS},
            f"{SPACE}/secrets/llm-tls",
            "There is no Secret llm-tls in the namespace drover, which tls_secret of kubernetes_ingress names: create",
        ),
        (
            {"http_route": ROUTE},
            GATEWAY,
            "There is no Gateway lan in the namespace edge, which kubernetes_http_route names: create it, once",
        ),
    ],
)
def test_what_is_not_there(wishes, path, words):
    assert told(path, None, **wishes).startswith(words)


@pytest.mark.parametrize(
    ("wishes", "path", "found", "words"),
    [
        ({"service_account": "llm"}, f"{SPACE}/serviceaccounts/llm", {"metadata": {"name": "llm"}}, None),
        ({"image_pull_secrets": ["lan"]}, f"{SPACE}/secrets/lan", secret("kubernetes.io/dockerconfigjson"), None),
        ({"image_pull_secrets": ["lan"]}, f"{SPACE}/secrets/lan", secret("kubernetes.io/dockercfg"), None),
        (
            {"image_pull_secrets": ["lan"]},
            f"{SPACE}/secrets/lan",
            secret(password="eA=="),
            "The Secret lan is of the type Opaque, and nodes read the password of a registry from one of the type kube",
        ),
        ({"model": {**URL, "token_secret": "hub"}}, f"{SPACE}/secrets/hub", secret(token="eA=="), None),
        (
            {"model": {**URL, "token_secret": "hub"}},
            f"{SPACE}/secrets/hub",
            secret(password="eA=="),
            "The Secret hub has no token,",
        ),
        ({"http_route": ROUTE}, GATEWAY, gateway(listener("a", "All")), None),
        ({"http_route": ROUTE}, GATEWAY, gateway(listener("a"), listener("b", "Selector")), None),
        (
            {"http_route": ROUTE},
            GATEWAY,
            gateway(listener("a"), listener("b", "Same")),
            "The Gateway lan takes routes of its own namespace edge only, and this one is in drover: have",
        ),
        ({"http_route": {**ROUTE, "section": "b"}}, GATEWAY, gateway(listener("a"), listener("b", "All")), None),
        (
            {"http_route": {**ROUTE, "section": "a"}},
            GATEWAY,
            gateway(listener("a"), listener("b", "All")),
            "The Gateway lan takes routes of its own namespace",
        ),
        (
            {"http_route": {**ROUTE, "section": "web"}},
            GATEWAY,
            gateway(listener("b"), listener("a")),
            "The Gateway lan has no listener web, but a, b: name one of these",
        ),
        (
            {"http_route": {"gateway": "lan"}},
            "/apis/gateway.networking.k8s.io/v1/namespaces/drover/gateways/lan",
            gateway(listener("a")),
            None,
        ),
    ],
)
def test_what_is_there_and_does_not_do(wishes, path, found, words):
    said = told(path, found, **wishes)
    assert said is None if words is None else said.startswith(words)


def test_what_is_made_later_is_not_asked_for():
    # Drover's own, before the first run, and what cert-manager makes.
    assert named_objects(settings(model={**URL, "token_secret": "drover-main-token"}), "main") == {}
    annotated = {**TLS, "annotations": {"cert-manager.io/cluster-issuer": "lan"}}
    assert named_objects(settings(ingress=annotated), "main") == {}


def test_nodes_that_nobody_has():
    names = ["kube-2", "kube-1"]
    assert node_faults(names, settings(nodes={"kube-1": {"threads": 1}}, exclude=["kube-2"])) == []
    assert node_faults(names, settings(nodes={"kube1": {}, "kube-2": {}}, exclude=["pi"])) == [
        "kubernetes_nodes names kube1, and the cluster's nodes are kube-1, kube-2: use these.",
        "kubernetes_exclude names pi, and the cluster's nodes are kube-1, kube-2: use these.",
    ]


def claim(**spec):
    return {"metadata": {"name": "models"}, "spec": spec, "status": {"phase": "Pending"}}


def storage(name, default=None):
    notes = {"annotations": {"storageclass.kubernetes.io/is-default-class": default}} if default else {}
    return {"metadata": {"name": name, **notes}}


@pytest.mark.parametrize(
    ("given", "classes", "words"),
    [
        (None, [], None),
        (claim(storageClassName="fast"), [storage("fast")], None),
        (
            claim(storageClassName="fast", volumeName="pvc-1"),
            [],
            None,
        ),  # it has its volume, whatever became of the class
        (claim(storageClassName=""), [], None),  # of a volume that somebody made
        (claim(), [storage("a"), storage("b", "true")], None),
        (
            claim(storageClassName="fast"),
            [storage("slow"), storage("local")],
            "The PersistentVolumeClaim models wants the StorageClass fast, and the cluster's are: local, slow; make",
        ),
        (claim(storageClassName="fast"), [], "The PersistentVolumeClaim models wants the StorageClass fast, and the "),
        (
            claim(),
            [storage("a", "false")],
            "The PersistentVolumeClaim models names no StorageClass, and none of the cluster's (a) is the default:",
        ),
    ],
)
def test_claims_that_never_get_a_volume(given, classes, words):
    said = class_faults(given, classes)
    assert [one[: len(words or "")] for one in said] == ([] if words is None else [words])
