# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster works over the network that all members share, through the firewalls of the hosts' owners."""

from __future__ import annotations

import json

import pytest
from cluster import Api, answers, host
from playbook import play, succeeded

NETWORK = "10.213.27."


@pytest.fixture(scope="module")
def plan() -> dict:
    return json.loads(host("old-server").file("/etc/drover/main/plan.json").content_string)


def test_the_network_that_all_share_is_taken_and_said(plan):
    assert plan["network"] == "10.213.27.0/24"
    assert all(place["address"].startswith(NETWORK) for place in plan["addresses"].values())
    assert [line for line in plan["reasons"] if "10.213.27.0/24" in line], plan["reasons"]


def test_the_workers_let_in_the_address_that_the_leader_really_has():
    for worker in ("pi-1", "pi-2"):
        peers = host(worker).check_output("ss --no-header --tcp --numeric state established sport = :50052").split()
        source = peers[3].rsplit(":", 1)[0]
        deployment = json.loads(host(worker).file("/etc/drover/main/deployment.json").content_string)
        assert source in deployment["allow"]
        assert source.startswith(NETWORK)


def test_the_answers_are_right_through_ufw_and_firewalld(plan):
    assert sorted({device["host"] for device in plan["devices"]}) == ["pi-1", "pi-2"]
    key = host("old-server").file("/etc/drover/main/api_key").content_string.strip()
    api = Api(f"http://{plan['addresses']['old-server']['address']}:8080", key)
    for question, answer in answers():
        assert api.ask(question) == answer


@pytest.mark.parametrize("worker", ["pi-1", "pi-2"])
def test_the_port_stays_closed_to_others(worker, plan):
    attempt = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{plan['addresses'][worker]['address']}/50052'"
    assert host("stranger").run(attempt).rc != 0
    assert host("pi-3").run(attempt).rc != 0


def test_exactly_what_is_needed_is_open():
    rules = host("pi-1").check_output("ufw status")
    assert "9100/tcp" in rules
    ours = [line for line in rules.splitlines() if "50052" in line]
    assert len(ours) == 1, rules
    assert "ALLOW" in ours[0]
    assert NETWORK in ours[0]
    assert "Anywhere" not in ours[0]
    for permanent in ("", "--permanent "):
        rules = host("pi-2").check_output(f"firewall-cmd {permanent}--list-rich-rules").splitlines()
        assert len([rule for rule in rules if 'port="50052"' in rule and f'address="{NETWORK}' in rule]) == 1, rules


def test_the_api_and_its_health_are_open_on_the_leaders_address_to_everybody(plan):
    """Who asks needs a key, but for the health. The offer of weights, which had a port open meanwhile, is over."""
    address = plan["addresses"]["old-server"]["address"]
    rules = host("old-server").check_output("ufw status").splitlines()
    ours = [line.split("#")[0].split() for line in rules if NETWORK in line]
    assert sorted(ours) == [[address, "8080/tcp", "ALLOW", "Anywhere"], [address, "9080/tcp", "ALLOW", "Anywhere"]]
    assert [line for line in rules if line.startswith("9100/tcp")], rules
    for port, answers_there in ((8080, True), (9080, True), (50060, False)):
        reached = host("stranger").run(f"timeout 3 bash -c 'exec 3<>/dev/tcp/{address}/{port}'").rc == 0
        assert reached == answers_there, port


def test_a_reload_of_the_owners_firewall_changes_nothing(plan):
    for name in ("old-server", "pi-1"):
        host(name).check_output("ufw reload")
    host("pi-2").check_output("firewall-cmd --reload")
    host("old-server").check_output("systemctl restart drover-server@main.service")
    succeeded(play("status"))


def test_a_host_that_cannot_have_the_build_is_left_out_and_said(plan):
    assert "pi-3" not in plan["addresses"]
    reasons = {spare["host"]: spare["reason"] for spare in plan["spare"]}
    assert "has no llama.cpp packages" in reasons["pi-3"]
    assert not host("pi-3").file("/etc/drover").exists
