# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person may wish of a cluster in Kubernetes, and what is refused by name."""

from __future__ import annotations

from dataclasses import fields

import pytest
from module_utils.errors import DroverError
from module_utils.kubernetes.settings import Settings

from .objects import GIB, IMAGE, settings

# A wish of every kind that is not the default, and what becomes of it.
WISHES = {
    "image": (f"drover@sha256:{'a' * 64}", f"drover@sha256:{'a' * 64}"),
    "model": ({"file": "a/b.gguf", "claim": "models"}, None),
    "images": ({"arm64": IMAGE}, {"arm64": IMAGE}),
    "namespace": ("llm", "llm"),
    "create_namespace": (False, False),
    "image_pull_policy": ("Never", "Never"),
    "image_pull_secrets": (["lan"], ("lan",)),
    "node_selector": ({"example.com/llm": "yes"}, {"example.com/llm": "yes"}),
    "tolerations": ([{"key": "gpu", "operator": "Exists"}], ({"key": "gpu", "operator": "Exists"},)),
    "exclude": (["kube-1.lab"], ("kube-1.lab",)),
    "lend": ({"reserve_bytes": "1Gi", "threads": 2}, None),
    "nodes": ({"kube-1": {"memory_bytes": "2Gi"}}, None),
    "host_network": (True, True),
    "cache": ({"host_path": "/mnt/cache", "bytes": "20Gi"}, None),
    "rpc_port": (50060, 50060),
    "healing": (True, True),
    "service_type": ("NodePort", "NodePort"),
    "port": (80, 80),
    "service_annotations": ({"metallb.io/address-pool": "lan"}, {"metallb.io/address-pool": "lan"}),
    "ingress": ({"host": "llm.lan", "tls_secret": "llm-tls", "annotations": {"a": "b"}}, None),
    "http_route": ({"gateway": "lan", "hostnames": ["llm.lan"]}, None),
    "priority_class": ("high", "high"),
    "labels": ({"team": "a"}, {"team": "a"}),
    "annotations": ({"team": "any text at all"}, {"team": "any text at all"}),
    "service_account": ("llm", "llm"),
    "runtime_class": ("nvidia-cdi", "nvidia-cdi"),
    "gpu_groups": ([44, 993], (44, 993)),
    "gpu_overhead_bytes": ("1Gi", GIB),
    "leader_overhead_bytes": ("512Mi", GIB // 2),
    "worker_overhead_bytes": (0, 0),
    "ephemeral_bytes": ("1Gi", GIB),
    "start_seconds": (60, 60),
}


@pytest.mark.parametrize("name", sorted(WISHES))
def test_every_wish_is_taken(name):
    given, expected = WISHES[name]
    found = getattr(settings(**{name: given}), name)
    assert found != getattr(settings(), name)
    if expected is not None:
        assert found == expected


def test_every_setting_is_tried():
    alone = {"workers", "node_port", "standby"}
    assert {field.name for field in fields(Settings)} == {*WISHES, *alone}


def test_nested_wishes():
    found = settings(**{name: given for name, (given, _expected) in WISHES.items()})
    assert (found.model.path, found.model.claim) == ("/var/lib/drover/models/a/b.gguf", "models")
    assert (found.cache.host_path, found.cache.bytes) == ("/mnt/cache", 20 * GIB)
    assert (found.ingress.host, found.ingress.tls_secret, found.ingress.class_name) == ("llm.lan", "llm-tls", None)
    assert (found.http_route.gateway, found.http_route.hostnames) == ("lan", ("llm.lan",))
    assert settings(service_type="NodePort", node_port=30080).node_port == 30080


def test_a_nodes_own_wishes_come_first():
    found = settings(lend={"reserve_bytes": 5, "threads": 2}, nodes={"a": {"reserve_bytes": 0, "memory_bytes": 7}})
    assert (found.of_node("a").reserve_bytes, found.of_node("a").memory_bytes, found.of_node("a").threads) == (0, 7, 2)
    assert (found.of_node("b").reserve_bytes, found.of_node("b").memory_bytes, found.of_node("b").threads) == (
        5,
        None,
        2,
    )


def test_an_empty_text_is_no_wish():
    found = settings(cache="", ingress="", http_route=None, node_port="", priority_class="", service_account="")
    assert found == settings()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name_space": "a"}, "The Kubernetes settings: 'name_space' is unknown; use annotations, cache, create_name"),
        ({"image": ""}, "The Kubernetes settings: image must be set"),
        ({"model": {}}, "kubernetes_model: file must be set"),
        ({"model": {"file": "a", "fil": "b"}}, "kubernetes_model: 'fil' is unknown; use claim, file, host_path"),
        ({"model": "a.gguf"}, "kubernetes_model is 'a.gguf' but must be a dictionary"),
        ({"model": {"file": "a", "host_path": "/m", "claim": "c"}}, "kubernetes_model has a host_path and a claim"),
        ({"model": {"file": "a", "url": "ftp://x"}}, "kubernetes_model.url is 'ftp://x' but must be an address that"),
        ({"model": {"file": "a", "sha256": ["abc"]}}, "kubernetes_model.sha256[0] is 'abc' but must be a SHA-256"),
        ({"model": {"file": "/a"}}, "kubernetes_model.file is"),
        ({"image": "drover:latest"}, "kubernetes_image is 'drover:latest' but must be an image by its digest"),
        ({"image": "drover"}, "kubernetes_image is 'drover' but must be an image by its digest"),
        ({"namespace": "My_Space"}, "kubernetes_namespace is 'My_Space' but must be a name of at most 63"),
        ({"namespace": "a\n"}, "kubernetes_namespace is 'a\\n' but must be"),
        ({"create_namespace": "yes"}, "kubernetes_create_namespace is 'yes' but must be true or false"),
        ({"image_pull_policy": "Sometimes"}, "kubernetes_image_pull_policy is 'Sometimes' but must be one of Always"),
        ({"image_pull_secrets": "lan"}, "kubernetes_image_pull_secrets is 'lan' but must be a list"),
        ({"node_selector": {"a b": "c"}}, "A key of kubernetes_node_selector is 'a b' but must be the name of a label"),
        ({"node_selector": {"a": True}}, "kubernetes_node_selector['a'] is True but must be the value of a label"),
        ({"tolerations": [{"keys": "a"}]}, "kubernetes_tolerations[0]: 'keys' is unknown; use key, operator, value"),
        (
            {"tolerations": [{"effect": "Never"}]},
            "kubernetes_tolerations[0].effect is 'Never' but must be one of NoSch",
        ),
        ({"exclude": ["Kube 1"]}, "kubernetes_exclude[0] is 'Kube 1' but must be a name of lower-case letters"),
        ({"lend": {"memory_bytes": "1GB"}}, "kubernetes_lend.memory_bytes is '1GB' but must be a quantity"),
        ({"nodes": {"a": {"threads": 0}}}, "kubernetes_nodes['a'].threads is 0 but must be a whole number from 1"),
        ({"nodes": {"a": {"cores": 1}}}, "kubernetes_nodes['a']: 'cores' is unknown"),
        ({"workers": "all"}, "kubernetes_workers is 'all' but must be one of pinned, daemonset"),
        (
            {"workers": "daemonset", "healing": False},
            "kubernetes_workers is daemonset, where the leader plans from what the pods tell, and",
        ),
        (
            {"workers": "daemonset", "healing": True, "nodes": {"kube-2": {"threads": 1}}},
            "kubernetes_workers is daemonset, where all nodes lend the same, and kubernetes_nodes wishes",
        ),
        (
            {"workers": "daemonset", "healing": True, "lend": {"gpus": 1}},
            "kubernetes_workers is daemonset, where pods are given no GPUs, and kubernetes_lend wishes for 1",
        ),
        ({"standby": 3}, "placement_standby is 3 but must be a whole number from 0 to 2"),
        ({"standby": 1}, "placement_standby is 1, and a standby takes over only in a cluster that heals itself, and"),
        (
            {"workers": "daemonset", "healing": True, "standby": 2},
            "kubernetes_workers is daemonset, whose workers have one leader, and placement_standby is 2: set it to 0",
        ),
        ({"cache": {"host_path": "cache"}}, "kubernetes_cache.host_path is 'cache' but must be an absolute path"),
        ({"cache": {"spread": -1}}, "kubernetes_cache.spread is -1 but must be a whole number from 0"),
        ({"cache": {"spread": "2"}}, "kubernetes_cache.spread is '2' but must be a whole number from 0"),
        (
            {"workers": "daemonset", "healing": True, "cache": {"spread": 2}},
            "kubernetes_workers is daemonset, where the leader plans with whoever is there and nothing is placed",
        ),
        ({"rpc_port": 80}, "kubernetes_rpc_port is 80 but must be a whole number from 1024 to 65535"),
        ({"port": 0}, "kubernetes_port is 0 but must be a whole number from 1 to 65535"),
        ({"service_type": "ExternalName"}, "kubernetes_service_type is 'ExternalName' but must be one of ClusterIP"),
        ({"node_port": 30080}, "kubernetes_node_port is 30080, and kubernetes_service_type ClusterIP has no port on"),
        ({"ingress": {"class_name": "nginx"}}, "kubernetes_ingress: host must be set"),
        (
            {"http_route": {"gateway": "a", "hostnames": "b"}},
            "kubernetes_http_route.hostnames is 'b' but must be a list",
        ),
        ({"labels": {"app.kubernetes.io/name": "x"}}, "A key of kubernetes_labels is app.kubernetes.io/name, which"),
        ({"start_seconds": 1}, "kubernetes_start_seconds is 1 but must be a whole number from 60"),
    ],
)
def test_a_wish_that_is_none_is_refused_by_name(changes, told):
    with pytest.raises(DroverError) as raised:
        settings(**changes)
    assert str(raised.value).startswith(told)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")


def test_no_dictionary():
    with pytest.raises(DroverError, match=r"^The Kubernetes settings is .* but must be a dictionary"):
        Settings.from_dict([IMAGE])
