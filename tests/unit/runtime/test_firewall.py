# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firewalls are told, against tools that remember their rules; the real ones are tried in the lab."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from module_utils.errors import DroverError
from module_utils.runtime import firewall, foreign_firewalls
from module_utils.runtime.firewall import (
    close_firewall,
    close_gateway,
    close_offer,
    guard_script,
    open_firewall,
    open_gateway,
    open_offer,
)
from module_utils.serving import cluster
from unit.documents import worker_deployment


class Tools:
    """nft, ufw and firewalld of one host. ``said`` is every command that changes something."""

    def __init__(self, *installed):
        self.installed = {"nft", *installed}
        self.active = set(installed)
        self.said = []
        self.tables = {}
        self.ufw = ["ufw allow 22/tcp", "ufw limit 80/tcp", "ufw allow OpenSSH"]
        self.firewalld = {("public", False): [], ("public", True): []}
        self.zones = "public (default)\n  interfaces: eth0\n"
        self.broken = None

    def __call__(self, command, text):
        if ("firewalld" if command[0].startswith("firewall-") else command[0]) not in self.installed:
            return None, ""
        if self.broken and self.broken in command:
            return 1, "ERROR: no such luck"
        return getattr(self, "run_" + command[0].replace("-", "_"))(command[1:], text)

    def run_nft(self, arguments, text):
        assert arguments == ["-f", "-"]
        self.said.append(text)
        for verb, name, body in re.findall(r"^(delete table|table) inet (\S+)( \{)?", text, re.MULTILINE):
            if verb == "delete table":
                del self.tables[name]
            else:
                self.tables[name] = text if body else self.tables.get(name, "")
        return 0, ""

    def run_ufw(self, arguments, _text):
        if arguments == ["status"]:
            return 0, "Status: active" if "ufw" in self.active else "Status: inactive"
        if arguments == ["show", "added"]:
            return 0, "Added user rules (see 'ufw status' for running firewall):\n" + "\n".join(self.ufw)
        self.said.append(" ".join(["ufw", *arguments]))
        delete = arguments[0] == "delete"
        words = arguments[arguments.index("allow") + 1 :]
        fields = dict(zip(words[::2], words[1::2]))
        rule = f"ufw allow from {fields['from']} to {fields['to']}"
        if "port" in fields:
            rule += f" port {fields['port']} proto {fields['proto']}"
        found = [known for known in self.ufw if known.startswith(rule)]
        if delete:
            if not found:
                return 1, "Could not delete non-existent rule"
            self.ufw.remove(found[0])
        else:
            self.ufw.append(f"{rule} comment {shlex.quote(fields['comment'])}")
        return 0, ""

    def run_firewall_cmd(self, arguments, _text):
        running = "firewalld" in self.active
        if arguments == ["--state"]:
            return (0, "running") if running else (252, "not running")
        assert running
        if arguments == ["--get-default-zone"]:
            return 0, "public"
        if arguments == ["--get-active-zones"]:
            return 0, self.zones
        return self.rich(arguments, "--permanent" in arguments, "firewall-cmd")

    def run_firewall_offline_cmd(self, arguments, _text):
        return self.rich(arguments, True, "firewall-offline-cmd")

    def rich(self, arguments, permanent, tool):
        given = dict(argument[2:].split("=", 1) for argument in arguments if "=" in argument)
        rules = self.firewalld.setdefault((given.pop("zone"), permanent), [])
        ((verb, what),) = ((option.partition("-")[0], value) for option, value in given.items())
        if verb == "query":
            return (0, "yes") if what in rules else (1, "no")
        self.said.append(" ".join([tool, *arguments]))
        if verb == "add":
            rules.append(what)
        elif what in rules:
            rules.remove(what)
        else:
            return 0, "Warning: NOT_ENABLED"
        return 0, "success"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Writes the deployment of a worker, with changes."""
    monkeypatch.setattr(cluster, "CLUSTERS_FOLDER", str(tmp_path / "etc"))
    monkeypatch.setattr(firewall, "NOTES_FOLDER", str(tmp_path / "notes"))
    monkeypatch.setattr(foreign_firewalls, "local_addresses", lambda: [("lo", "127.0.0.1"), ("eth0", "10.0.0.11")])

    def write(name="main", **changes):
        folder = tmp_path / "etc" / name
        folder.mkdir(parents=True, exist_ok=True)
        deployment = worker_deployment(**{"cluster": name, "allow": ["10.0.0.1"], **changes})
        (folder / "deployment.json").write_text(json.dumps(deployment))

    write.notes = tmp_path / "notes"
    write()
    return write


UFW_RULE = "ufw allow proto tcp from 10.0.0.1 to 10.0.0.11 port 50052 comment drover main worker"
UFW_ADDED = "ufw allow from 10.0.0.1 to 10.0.0.11 port 50052 proto tcp"
RICH_RULE = (
    'rule family="ipv4" source address="10.0.0.1" destination address="10.0.0.11" port port="50052" protocol="tcp" '
    "accept"
)


def test_the_guard_is_one_transaction():
    assert guard_script("drover-main", [([50052], ["10.0.0.2", "fd00::1", "10.0.0.1"])]) == (
        "table inet drover-main\n"
        "delete table inet drover-main\n"
        "table inet drover-main {\n"
        "  chain input {\n"
        "    type filter hook input priority -10; policy accept;\n"
        '    tcp dport 50052 iifname "lo" accept\n'
        "    tcp dport 50052 ip saddr { 10.0.0.1/32, 10.0.0.2/32 } accept\n"
        "    tcp dport 50052 ip6 saddr { fd00::1/128 } accept\n"
        "    tcp dport 50052 drop\n"
        "  }\n"
        "}\n"
    )


def test_a_port_that_nobody_may_reach_is_still_guarded():
    script = guard_script("drover-main", [([50052], [])])
    assert "saddr" not in script and "tcp dport 50052 drop" in script


@pytest.mark.parametrize("address", ["pi-1", "10.0.0.1; accept", "10.0.0.256", ""])
def test_only_addresses_are_let_in(address):
    with pytest.raises(DroverError, match=r"An address that may connect is .* but must be"):
        guard_script("drover-main", [([50052], [address])])


def test_without_a_foreign_firewall_the_guard_is_all(host):
    tools = Tools()
    open_firewall("main", tools)
    assert tools.said == [guard_script("drover-main", [([50052], ["10.0.0.1"])])]
    close_firewall("main", tools)
    assert tools.tables == {}
    assert not host.notes.exists()


def test_an_api_has_no_guard_since_clients_have_keys(host):
    host(part="leader", allow=None)
    tools = Tools()
    open_firewall("main", tools)
    assert tools.tables == {}


def test_ufw_is_told_exactly_what_is_needed_and_told_to_forget_it(host):
    tools = Tools("ufw")
    before = list(tools.ufw)
    open_firewall("main", tools)
    assert tools.said[1:] == [UFW_RULE]
    open_firewall("main", tools)
    assert tools.said[1:].count(UFW_RULE) == 1, "a second start adds nothing"
    close_firewall("main", tools)
    assert tools.said[-1] == "ufw delete allow proto tcp from 10.0.0.1 to 10.0.0.11 port 50052"
    assert tools.ufw == before
    assert list(host.notes.iterdir()) == []


def test_an_api_is_open_to_everyone_in_ufw(host):
    host(part="leader", allow=None, listen={"address": "10.0.0.11", "port": 8080})
    tools = Tools("ufw")
    open_firewall("main", tools)
    assert tools.said[1:] == ["ufw allow proto tcp from any to 10.0.0.11 port 8080 comment drover main leader"]
    host(part="leader", allow=None, listen={"address": "0.0.0.0", "port": 8080})
    open_firewall("main", tools)
    assert "ufw allow proto tcp from any to any port 8080 comment drover main leader" in tools.said


def test_an_api_for_this_machine_alone_is_opened_to_nobody(host):
    host(part="leader", allow=None, listen={"address": "127.0.0.1", "port": 8080})
    tools = Tools("ufw", "firewalld")
    open_firewall("main", tools)
    assert len(tools.said) == 1


def test_firewalld_is_told_at_once_and_for_later(host):
    tools = Tools("firewalld")
    open_firewall("main", tools)
    assert tools.said[1:] == [
        f"firewall-cmd --zone=public --add-rich-rule={RICH_RULE}",
        f"firewall-cmd --permanent --zone=public --add-rich-rule={RICH_RULE}",
    ]
    close_firewall("main", tools)
    assert tools.firewalld == {("public", False): [], ("public", True): []}


@pytest.mark.parametrize(
    ("zones", "allow", "expected"),
    [
        ("public (default)\n", ["10.0.0.1"], {"public"}),
        ("home\n  interfaces: eth0 eth1\n", ["10.0.0.1"], {"home"}),
        ("home\n  interfaces: eth1\n", ["10.0.0.1"], {"public"}),
        # A zone that is bound to the source comes before that of the interface.
        ("home\n  interfaces: eth0\nlan\n  sources: 192.168.0.0/16 10.0.0.0/24\n", ["10.0.0.1"], {"lan"}),
        ("home\n  interfaces: eth0\nlan\n  sources: 00:11:22:33:44:55 ipset:x\n", ["10.0.0.1"], {"home"}),
        ("home\n  interfaces: eth0\nlan\n  sources: 10.9.0.0/24\n", None, {"home", "lan"}),
    ],
)
def test_firewalld_is_told_in_the_zone_that_the_packets_come_in_by(host, zones, allow, expected):
    host(allow=allow)
    tools = Tools("firewalld")
    tools.zones = zones
    open_firewall("main", tools)
    assert {zone for (zone, _permanent), rules in tools.firewalld.items() if rules} == expected


def test_a_former_leader_is_shut_out(host):
    tools = Tools("ufw", "firewalld")
    open_firewall("main", tools)
    host(allow=["10.0.0.2"])
    open_firewall("main", tools)
    assert [rule for rule in tools.ufw if "50052" in rule] == [
        f"{UFW_ADDED.replace('10.0.0.1 ', '10.0.0.2 ')} comment 'drover main worker'"
    ]
    assert all("10.0.0.2" in rule for rules in tools.firewalld.values() for rule in rules)
    assert len(tools.tables) == 1 and "10.0.0.1/32" not in tools.tables["drover-main"]


@pytest.mark.parametrize("comment", ["", " comment 'my own'"])
def test_an_equal_rule_of_the_owner_is_not_ours(host, comment):
    tools = Tools("ufw", "firewalld")
    tools.ufw.append(UFW_ADDED + comment)
    tools.firewalld["public", True].append(RICH_RULE)
    open_firewall("main", tools)
    assert [said for said in tools.said if said.startswith("ufw")] == []
    open_firewall("main", tools)
    close_firewall("main", tools)
    assert UFW_ADDED + comment in tools.ufw
    assert tools.firewalld == {("public", False): [], ("public", True): [RICH_RULE]}


def test_a_short_rule_of_the_owner_is_for_any_address(host):
    host(part="leader", allow=None, listen={"address": "0.0.0.0", "port": 22})
    tools = Tools("ufw")
    open_firewall("main", tools)
    assert [said for said in tools.said if said.startswith("ufw")] == []


def test_two_clusters_know_their_own_rules(host):
    host("two", listen={"address": "10.0.0.11", "port": 50060})
    tools = Tools("ufw")
    open_firewall("main", tools)
    open_firewall("two", tools)
    close_firewall("main", tools)
    assert [rule for rule in tools.ufw if "drover" in rule] == [
        f"{UFW_ADDED.replace('50052', '50060')} comment 'drover two worker'"
    ]
    assert list(tools.tables) == ["drover-two"]


def test_closing_needs_no_deployment_and_finds_what_is_gone_already(host, tmp_path):
    tools = Tools("ufw", "firewalld")
    open_firewall("main", tools)
    (tmp_path / "etc" / "main" / "deployment.json").unlink()
    tools.ufw = [rule for rule in tools.ufw if "drover" not in rule]
    tools.active.discard("firewalld")
    close_firewall("main", tools)
    assert tools.said[-1] == f"firewall-offline-cmd --zone=public --remove-rich-rule={RICH_RULE}"
    assert list(host.notes.iterdir()) == []


def test_a_firewall_that_starts_later_finds_its_rules(host):
    tools = Tools("ufw", "firewalld")
    open_firewall("main", tools)
    before = (list(tools.ufw), {key: list(rules) for key, rules in tools.firewalld.items()})
    tools.active.clear()
    open_firewall("main", tools)
    assert (tools.ufw, tools.firewalld) == before
    host(allow=["10.0.0.2"])
    open_firewall("main", tools)
    assert "50052" not in str(tools.ufw) and tools.firewalld["public", True] == [], "a former leader's go all the same"
    assert list(host.notes.iterdir()) == []


def test_a_firewall_that_was_removed_since_is_no_trouble(host):
    tools = Tools("ufw")
    open_firewall("main", tools)
    tools.installed.discard("ufw")
    close_firewall("main", tools)
    assert list(host.notes.iterdir()) == []


def test_what_was_begun_is_taken_back_after_a_cut(host):
    tools = Tools("ufw")
    tools.broken = "comment"  # as every added rule has one
    with pytest.raises(DroverError):
        open_firewall("main", tools)
    assert "50052" in (host.notes / "main.json").read_text()
    tools.broken = None
    close_firewall("main", tools)
    assert list(host.notes.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rules": [1]}', '{"rules": [{"firewall": "gone"}]}'])
def test_damaged_notes_know_of_nothing(host, text):
    host.notes.mkdir()
    (host.notes / "main.json").write_text(text)
    tools = Tools("ufw")
    open_firewall("main", tools)
    assert UFW_RULE in tools.said


@pytest.mark.parametrize(
    ("installed", "broken", "told"),
    [
        ((), "-f", "nft refused the table drover-main (ERROR: no such luck): run as root, on a kernel with nftables."),
        (
            ("ufw",),
            "comment",
            "ufw runs on this host and did not take the rule that lets the cluster's hosts in (ERROR:",
        ),
        (("firewalld",), "--get-active-zones", "firewalld runs on this host and did not take the rule that lets"),
    ],
)
def test_what_a_tool_refuses_is_one_sentence(host, installed, broken, told):
    tools = Tools(*installed)
    tools.broken = broken
    with pytest.raises(DroverError) as caught:
        open_firewall("main", tools)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_without_nft_a_worker_does_not_start_and_a_leader_does(host):
    tools = Tools()
    tools.installed.clear()
    with pytest.raises(DroverError, match=r"since there is no nft: install the package nftables\.$"):
        open_firewall("main", tools)
    host(part="leader", allow=None)
    open_firewall("main", tools)


def test_an_offer_is_open_to_members_while_it_lasts(host, tmp_path):
    tools = Tools("ufw", "firewalld")
    before = (list(tools.ufw), {key: list(rules) for key, rules in tools.firewalld.items()})
    open_offer("10.0.0.11", 50060, ["10.0.0.1", "10.0.1.0/24", "fd00::1"], tools)
    assert tools.ufw[len(before[0]) :] == [
        "ufw allow from 10.0.0.1 to 10.0.0.11 port 50060 proto tcp comment 'drover offer'",
        "ufw allow from 10.0.1.0/24 to 10.0.0.11 port 50060 proto tcp comment 'drover offer'",
    ]
    assert len(tools.firewalld["public", False]) == 2
    assert tools.tables == {}
    close_offer(50060, tools)
    assert (tools.ufw, tools.firewalld) == before
    assert not list((tmp_path / "notes").iterdir())


def test_an_offer_for_this_machine_alone_opens_nothing(host):
    tools = Tools("ufw")
    open_offer("127.0.0.1", 50060, ["10.0.0.1"], tools)
    assert tools.said == []


@pytest.mark.parametrize("action", [open_firewall, close_firewall])
@pytest.mark.parametrize("listens", [True, False])
def test_an_offer_that_was_cut_off_is_closed_by_whoever_comes_next(host, monkeypatch, action, listens):
    tools = Tools("ufw")
    host()
    open_offer("10.0.0.11", 50060, ["10.0.0.1"], tools)
    asked = []
    monkeypatch.setattr(firewall, "find_listeners", lambda _tree, ports: asked.append(ports) or [1] * listens)
    action("main", tools)
    assert asked == [[50060]]
    assert any("50060" in rule for rule in tools.ufw) is listens


@pytest.fixture
def gateway(host, tmp_path):
    """Writes where the gateway listens."""

    def write(text):
        folder = tmp_path / "etc/main/gateway"
        folder.mkdir(exist_ok=True)
        (folder / "gateway.json").write_text(text)

    write.notes = host.notes
    write(json.dumps({"listen": {"address": "10.0.0.11", "port": 8443}}))
    return write


def test_everybody_may_come_to_a_gateway_and_its_rule_is_apart_from_the_parts(gateway):
    tools = Tools("ufw")
    before = list(tools.ufw)
    open_firewall("main", tools)
    open_gateway("main", tools)
    assert "ufw allow proto tcp from any to 10.0.0.11 port 8443 comment drover main gateway" in tools.said
    assert list(tools.tables) == ["drover-main"], "a gateway has no table"
    close_firewall("main", tools)
    assert [line for line in tools.ufw if "8443" in line]
    close_gateway("main", tools)
    assert tools.ufw == before
    assert list(gateway.notes.iterdir()) == []


def test_a_gateway_that_moves_takes_its_rule_along(gateway):
    tools = Tools("ufw")
    open_gateway("main", tools)
    gateway(json.dumps({"listen": {"address": "0.0.0.0", "port": 443}}))
    open_gateway("main", tools)
    assert not [line for line in tools.ufw if "8443" in line]
    assert [line for line in tools.ufw if "to any port 443" in line]
    gateway(json.dumps({"listen": {"address": "127.0.0.1", "port": 443}}))
    open_gateway("main", tools)
    assert not [line for line in tools.ufw if "443" in line]


@pytest.mark.parametrize("text", ["", "{}", '{"listen": []}', '{"listen": {"address": "10.0.0.11", "port": 0}}'])
def test_a_gateway_that_says_nowhere_is_refused(gateway, text):
    gateway(text)
    with pytest.raises(DroverError, match="gateway"):
        open_gateway("main", Tools("ufw"))
