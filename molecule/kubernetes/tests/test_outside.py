# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and nodes in one plan: a worker outside of the cluster, then a leader outside."""

from __future__ import annotations

import pytest
from cluster import INVENTORY, Api, address, answers, host
from kubernetes_cluster import NODES, SETTINGS, in_namespace, kubectl, parts, plan
from lab.kubernetes import images
from playbook import play, succeeded

OUTSIDE = "old-server"
QUESTION, ANSWER = answers()[0]


@pytest.fixture
def hybrid(inventory):
    """Runs a playbook with a host outside."""
    groups = inventory(
        {"llama_cluster": {"hosts": {OUTSIDE: {}}}, "llama_outside": {"children": {"llama_cluster": {}}}}
    )
    return lambda name="kubernetes", **settings: play(
        name, groups, settings={**SETTINGS, **settings}, inventories=(INVENTORY,)
    )


def test_a_host_outside_is_a_worker_like_others(hybrid, api):
    succeeded(hybrid(kubernetes_leader="kube-2"))
    made = plan()
    assert sorted(made["addresses"]) == [*NODES, OUTSIDE]
    assert api.ask(QUESTION) == ANSWER
    (device,) = [each for each in made["devices"] if each["host"] == OUTSIDE]
    process = host(OUTSIDE).check_output("systemctl show --value --property=MainPID drover-rpc@main.service").strip()
    weighed = host(OUTSIDE).check_output(f"awk '/^RssAnon/ {{print $2 * 1024}}' /proc/{process}/status")
    assert int(weighed) >= device["weight_bytes"]


def test_its_port_is_open_to_the_leaders_node_only(hybrid):
    leader = plan()["leader"]
    rules = host(OUTSIDE).check_output("nft list ruleset")
    assert address(leader) in rules
    for node in NODES:
        assert node == leader or address(node) not in rules


def test_a_second_run_changes_nothing(hybrid):
    assert set(succeeded(hybrid(kubernetes_leader="kube-2")).changed.values()) == {0}


def test_status_tells_of_it(hybrid):
    said = succeeded(hybrid("kubernetes_status")).said
    assert all(name in said for name in [*NODES, OUTSIDE])


def test_only_a_host_that_is_named_takes_part(hybrid):
    said = succeeded(hybrid("kubernetes_plan", kubernetes_leader="kube-2", kubernetes_outside=[])).said
    table = said.partition("Show the plan]")[2].partition("TASK [")[0]
    assert all(node in table for node in NODES)
    assert OUTSIDE not in table


def test_a_leader_outside_has_one_name_within(hybrid):
    settings = {"kubernetes_leader": OUTSIDE, "kubernetes_host_network": "true"}
    said = succeeded(hybrid(**settings)).said
    # Beside the plan, and at the end.
    sentence = f"let nobody but {OUTSIDE} ({address(OUTSIDE)}) connect to TCP 50052, since RPC asks for no password."
    assert said.count(sentence) == 2
    assert not parts("leader")
    key = host(OUTSIDE).check_output("cat /etc/drover/main/api_key").strip()
    assert Api(f"http://{address(OUTSIDE)}:8080", key).ask(QUESTION) == ANSWER
    asked = kubectl(
        *("run", "client", "--rm", "--attach", "--quiet", "--restart=Never", "--namespace=default"),
        *(f"--image={images.TOOLS}", "--image-pull-policy=Never", "--command", "--"),
        *("wget", "-q", "-O", "-", "-T", "10", f"--header=Authorization: Bearer {key}"),
        f"http://{in_namespace('drover-main-api')}:8080/v1/models",
    )
    assert '"Drover demo"' in asked.stdout, asked.stdout + asked.stderr
    said = succeeded(hybrid("kubernetes_status", **settings)).said
    assert all(name in said for name in [*NODES, OUTSIDE])
    assert set(succeeded(hybrid(**settings)).changed.values()) == {0}


def test_a_leader_outside_goes_on_when_only_speeds_are_measured_anew(hybrid):
    pid = "systemctl show --value --property=MainPID drover-server@main.service"
    before = host(OUTSIDE).check_output(pid)
    assert kubectl("delete", "configmap", "drover-main-speeds").returncode == 0
    run = succeeded(hybrid(kubernetes_leader=OUTSIDE, kubernetes_host_network="true"))
    assert run.changed["localhost"] == 1
    assert host(OUTSIDE).check_output(pid) == before


def test_a_host_that_is_taken_back_leaves_nothing(hybrid, api):
    succeeded(hybrid(kubernetes_leader="kube-1"))
    succeeded(play("kubernetes", settings=SETTINGS, inventories=(INVENTORY,)))
    assert sorted(plan()["addresses"]) == NODES
    succeeded(hybrid("reset", reset_confirm="true", reset_models="true"))
    assert not host(OUTSIDE).file("/etc/drover").exists
    assert api.ask(QUESTION) == ANSWER
