# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of all kinds in the owner's firewalls: opened once, noted, closed again."""

from __future__ import annotations

import json

import pytest
from module_utils.runtime import foreign_firewalls
from module_utils.runtime.foreign_firewalls import Opening
from module_utils.runtime.opened import keep_open
from unit.runtime.test_firewall import Tools

KUBELET = Opening("10.0.0.12", "0.0.0.0", 10250, "k3s")
TUNNEL = Opening("10.0.0.12", "0.0.0.0", 8472, "k3s", "udp")
API = Opening(None, "0.0.0.0", 6443, "k3s")
PODS = Opening("10.42.0.0/16", "0.0.0.0", None, "k3s")
WANTED = [KUBELET, TUNNEL, API, PODS]


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign_firewalls, "local_addresses", lambda: [("lo", "127.0.0.1"), ("eth0", "10.0.0.11")])
    return tmp_path / "k3s" / "notes.json"


def test_ufw_gets_a_rule_for_each_and_loses_them_again(notes):
    tools = Tools("ufw")
    before = list(tools.ufw)
    assert keep_open(str(notes), WANTED, tools)
    assert tools.said == [
        "ufw allow proto tcp from 10.0.0.12 to any port 10250 comment k3s",
        "ufw allow proto udp from 10.0.0.12 to any port 8472 comment k3s",
        "ufw allow proto tcp from any to any port 6443 comment k3s",
        "ufw allow from 10.42.0.0/16 to any comment k3s",
    ]
    assert not keep_open(str(notes), WANTED, tools)
    assert keep_open(str(notes), [], tools)
    assert tools.ufw == before
    assert not notes.exists()


def test_ufw_is_asked_once_for_all_of_them(notes):
    tools, asked = Tools("ufw"), []

    def run(command, text):
        asked.append(command)
        return tools(command, text)

    assert keep_open(str(notes), WANTED, run)
    assert asked.count(["ufw", "show", "added"]) == 1


def test_firewalld_trusts_a_network_and_opens_ports(notes):
    tools = Tools("firewalld")
    assert keep_open(str(notes), WANTED, tools)
    assert tools.firewalld[("trusted", True)] == tools.firewalld[("trusted", False)] == ["10.42.0.0/16"]
    assert [rule.partition("port ")[2] for rule in tools.firewalld[("public", True)]] == [
        'port="10250" protocol="tcp" accept',
        'port="8472" protocol="udp" accept',
        'port="6443" protocol="tcp" accept',
    ]
    tools.zones += "trusted\n  sources: 10.42.0.0/16\n"
    assert not keep_open(str(notes), WANTED, tools)
    assert keep_open(str(notes), [], tools)
    assert not any(tools.firewalld.values())


@pytest.mark.parametrize("tool", ["ufw", "firewalld"])
def test_what_the_owner_has_already_stays_his(notes, tool):
    tools = Tools(tool)
    tools.ufw += ["ufw allow 6443/tcp", "ufw allow 8472/udp", "ufw allow from 10.42.0.0/16"]
    tools.firewalld[("trusted", False)] = ["10.42.0.0/16"]
    tools.firewalld[("trusted", True)] = ["10.42.0.0/16"]
    keep_open(str(notes), [PODS], tools)
    assert tools.said == []
    assert not notes.exists()


def test_pretending_tells_and_does_nothing(notes):
    tools = Tools("ufw")
    assert keep_open(str(notes), WANTED, tools, pretend=True)
    assert tools.said == []
    assert not notes.exists()


def test_without_a_firewall_nothing_is_done(notes):
    assert not keep_open(str(notes), WANTED, Tools())
    assert not notes.exists()


def test_only_what_is_not_wanted_any_more_is_closed(notes):
    tools = Tools("ufw")
    keep_open(str(notes), WANTED, tools)
    del tools.said[:]
    assert keep_open(str(notes), [KUBELET, API, PODS], tools)
    assert tools.said == ["ufw delete allow proto udp from 10.0.0.12 to any port 8472"]
    assert len(json.loads(notes.read_text())["rules"]) == 3
