# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model served in a cluster that the same run has made of bare hosts."""

from __future__ import annotations

import base64
import json

import pytest
from cluster import INVENTORY, Api, address, answers, host
from k3s_cluster import OWN, SERVER, kubectl, nodes, ready
from playbook import play, refused, succeeded

NODES = [SERVER, "agent-1"]


def found(*arguments: str) -> dict:
    return json.loads(kubectl("-n drover get", *arguments, "-o json"))


def run(name: str, **settings):
    return play(name, inventories=(INVENTORY, OWN / "settings.yml"), settings=settings)


@pytest.fixture
def api() -> Api:
    port = found("service", "drover-main-api")["spec"]["ports"][0]["nodePort"]
    key = base64.b64decode(found("secret", "drover-main-api")["data"]["api_key"]).decode().strip()
    return Api(f"http://{address(SERVER)}:{port}", key)


@pytest.mark.parametrize(("question", "answer"), answers())
def test_greedy_answer_is_the_trained_text(api, question, answer):
    assert api.ask(question) == answer


def test_every_node_of_the_new_cluster_takes_part():
    assert sorted(name for name, node in nodes().items() if ready(node)) == sorted(NODES)
    pods = found("pods", "-l app.kubernetes.io/instance=main")["items"]
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == sorted(NODES)


def test_the_builder_is_no_node_and_has_no_k3s():
    assert set(nodes()) == set(NODES)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"drover_platform": "k8s"}, "drover_platform is 'k8s' but must be hosts or k3s"),
        ({"k3s_kubeconfig": ""}, "k3s_kubeconfig of server-1 is empty, and by that file site.yml reaches the cluster"),
    ],
)
def test_what_cannot_be_served_on_is_refused_in_one_sentence(settings, words):
    refused(run("site", **settings), words)


def test_what_is_served_goes_and_the_cluster_stays():
    succeeded(
        run(
            "kubernetes_reset",
            reset_confirm=True,
            kubernetes_context="drover-k3s",
            kubernetes_kubeconfig=str(OWN / "kubeconfig"),
        )
    )
    assert kubectl("get namespace drover --ignore-not-found") == ""
    assert all(ready(node) for node in nodes().values())


def owners_rules(name: str) -> str:
    """What the firewalls of a host's owner let in, as prepare.yml has kept it."""
    commands = (
        "ufw status numbered 2>/dev/null || true",
        "firewall-cmd --list-all-zones 2>/dev/null || true",
        "firewall-cmd --list-all-zones --permanent 2>/dev/null || true",
    )
    return host(name).check_output("; ".join(commands)).strip()


def test_what_the_owners_firewalls_let_in_is_what_nodes_need():
    own, other = address("agent-1"), address(SERVER)
    rules = owners_rules("agent-1")
    for port, source in (("10250/tcp", other), ("8472/udp", other), ("Anywhere", "10.42.0.0/16")):
        assert any(line.split()[-1:] == ["k3s"] and port in line and source in line for line in rules.splitlines()), (
            rules
        )
    rules = owners_rules(SERVER)
    assert "sources: 10.42.0.0/16 10.43.0.0/16" in rules
    assert rules.count(f'source address="{own}" port port="10250" protocol="tcp" accept') == 2
    assert rules.count('rule family="ipv4" port port="6443" protocol="tcp" accept') == 2
    assert 'port="2379"' not in rules


def test_reset_leaves_the_owners_firewalls_as_they_were():
    succeeded(run("k3s_reset", reset_confirm=True))
    for name in NODES:
        assert owners_rules(name) == host(name).file("/root/owners-rules").content_string.strip(), name
        # A file system of its own in the lab, which stays.
        assert host(name).check_output("find /var/lib/rancher -mindepth 1") == "", name
