# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewalls that a host's owner may run, ufw and firewalld: what a rule of ours looks like there."""

from __future__ import annotations

import ipaddress
import re
import shlex
from dataclasses import dataclass
from typing import Any

from ..errors import DroverError
from ..hosts.network import local_addresses
from .tools import Run

# As it stands in the notes: ``firewall`` (whose it is), and what that one needs to add and remove it.
Rule = dict[str, Any]
EVERYWHERE = ("0.0.0.0", "::")
# firewalld's zone for networks of which everything is let in and passed on.
_TRUSTED = "trusted"
# What firewalld says of a rule that is not there.
_GONE = ("NOT_ENABLED", "UNKNOWN_SOURCE", "INVALID_ZONE")


@dataclass(frozen=True)
class Opening:
    """``source`` (an address or a network, None: anyone) must reach ``port`` of this host's ``address``.

    Without a port (None), everything that comes from the network ``source`` is let in, and passed on.
    """

    source: str | None
    address: str
    port: int | None
    label: str
    protocol: str = "tcp"


class Ufw:
    """ufw: rules are added while it runs and kept by itself."""

    name = "ufw"

    def active(self, run: Run) -> bool:
        """Whether it filters now."""
        code, output = run(["ufw", "status"], None)
        return code == 0 and "Status: active" in output

    def rules(self, wanted: list[Opening], run: Run) -> list[Rule]:
        """The rules that ``wanted`` takes."""
        return [{**self._rule(opening), "comment": opening.label} for opening in wanted]

    def serves(self, rule: Rule, opening: Opening) -> bool:
        """Whether ``rule`` is there for ``opening``."""
        return self._rule(opening).items() <= rule.items()

    def _rule(self, opening: Opening) -> Rule:
        rule: Rule = {
            "firewall": self.name,
            "from": opening.source or "any",
            "to": "any" if opening.address in EVERYWHERE else opening.address,
        }
        if opening.port is not None:
            rule["port"] = opening.port
        # What was noted before there was another has none.
        return rule if opening.protocol == "tcp" else {**rule, "protocol": opening.protocol}

    def missing(self, rules: list[Rule], run: Run) -> list[Rule]:
        """Those of ``rules`` that are not there, whatever their comment. (ufw would give an equal rule our comment.)"""
        if not rules:
            return []
        there = [_ufw_fields(line) for line in _done(run, self.name, ["ufw", "show", "added"]).splitlines()]
        return [rule for rule in rules if _ufw_wanted(rule) not in there]

    def add(self, rule: Rule, run: Run) -> None:
        """Add ``rule``."""
        _done(run, self.name, ["ufw", "allow", *_ufw_words(rule), "comment", rule["comment"]])

    def remove(self, rule: Rule, run: Run) -> None:
        """Remove ``rule``; one that is gone already, or whose ufw is, is no trouble."""
        code, output = run(["ufw", "delete", "allow", *_ufw_words(rule)], None)
        if code not in (0, None) and "non-existent" not in output:
            raise _refused(self.name, output)


class Firewalld:
    """firewalld: a rule is added to what runs and to what is kept, in the zone that the packets come in by."""

    name = "firewalld"

    def active(self, run: Run) -> bool:
        """Whether it filters now."""
        return run(["firewall-cmd", "--state"], None)[0] == 0

    def rules(self, wanted: list[Opening], run: Run) -> list[Rule]:
        """The rules that ``wanted`` takes."""
        if not wanted:
            return []
        zones = _Zones(run)
        return [
            {"firewall": self.name, "zone": zone, "permanent": permanent, **_in_zone(opening)}
            for opening in wanted
            for zone in (zones.of(opening) if opening.port is not None else [_TRUSTED])
            for permanent in (False, True)
        ]

    def serves(self, rule: Rule, opening: Opening) -> bool:
        """Whether ``rule`` is there for ``opening``."""
        return bool(_in_zone(opening).items() <= rule.items())

    def missing(self, rules: list[Rule], run: Run) -> list[Rule]:
        """Those of ``rules`` that are not there."""
        return [rule for rule in rules if run(_firewalld_command(rule, "query"), None)[0] != 0]

    def add(self, rule: Rule, run: Run) -> None:
        """Add ``rule``."""
        _done(run, self.name, _firewalld_command(rule, "add"))

    def remove(self, rule: Rule, run: Run) -> None:
        """Remove ``rule``. What is gone already is no trouble, and what does not run has no running rules."""
        if self.active(run):
            command = _firewalld_command(rule, "remove")
        elif rule["permanent"]:
            command = _firewalld_command(rule, "remove", "firewall-offline-cmd")
        else:
            return
        code, output = run(command, None)
        if code not in (0, None) and not any(word in output for word in _GONE):
            raise _refused(self.name, output)


FOREIGN: tuple[Ufw | Firewalld, ...] = (Ufw(), Firewalld())


def _done(run: Run, name: str, command: list[str]) -> str:
    code, output = run(command, None)
    if code != 0:
        raise _refused(name, output)
    return output


def _refused(name: str, output: str) -> DroverError:
    told = output.splitlines()[-1] if output else "without a word"
    return DroverError(
        f"{name} runs on this host and did not take the rule that lets the cluster's hosts in ({told}): mend it, or "
        "switch it off."
    )


def _ufw_words(rule: Rule) -> list[str]:
    ends = ["from", rule["from"], "to", rule["to"]]
    if "port" not in rule:
        return ends
    return ["proto", rule.get("protocol", "tcp"), *ends, "port", str(rule["port"])]


def _ufw_wanted(rule: Rule) -> dict[str, str]:
    words = _ufw_words(rule)
    return dict(zip(words[::2], words[1::2]))


def _ufw_fields(line: str) -> dict[str, str] | None:
    """A line of "ufw show added", such as ``ufw allow from 10.0.0.1 to 10.0.0.2 port 50052 proto tcp``, by its words.

    None when it is no allowing rule or says more than ours do. A short one (``ufw allow 8080/tcp``) is for any address.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    if words[:2] != ["ufw", "allow"]:
        return None
    words = words[2:]
    if "comment" in words:
        words = words[: words.index("comment")]
    short = re.fullmatch(r"(\d+)/(tcp|udp)", words[0]) if len(words) == 1 else None
    if short:
        return {"proto": short[2], "from": "any", "to": "any", "port": short[1]}
    if len(words) % 2 or not set(words[::2]) <= {"from", "to", "port", "proto"}:
        return None
    return {"from": "any", "to": "any", **dict(zip(words[::2], words[1::2]))}


def _in_zone(opening: Opening) -> Rule:
    """What is added to a zone: a rich rule, which passes nothing on, or a network that belongs to it."""
    return {"rule": _rich_rule(opening)} if opening.port is not None else {"source": opening.source}


def _rich_rule(opening: Opening) -> str:
    version = ipaddress.ip_interface(opening.source or opening.address).version
    parts = [f'rule family="ipv{version}"']
    if opening.source:
        parts.append(f'source address="{opening.source}"')
    if opening.address not in EVERYWHERE:
        parts.append(f'destination address="{opening.address}"')
    return " ".join([*parts, f'port port="{opening.port}" protocol="{opening.protocol}" accept'])


def _firewalld_command(rule: Rule, verb: str, tool: str = "firewall-cmd") -> list[str]:
    permanent = ["--permanent"] if rule["permanent"] and tool == "firewall-cmd" else []
    what = f"--{verb}-source={rule['source']}" if "source" in rule else f"--{verb}-rich-rule={rule['rule']}"
    return [tool, *permanent, f"--zone={rule['zone']}", what]


class _Zones:
    """firewalld's zones: a packet belongs to that of its source, else to that of its interface, else to the default."""

    def __init__(self, run: Run) -> None:
        self.default = _done(run, Firewalld.name, ["firewall-cmd", "--get-default-zone"])
        self.by_interface: dict[str, str] = {}
        self.by_source: list[tuple[str, str]] = []
        zone = ""
        for line in _done(run, Firewalld.name, ["firewall-cmd", "--get-active-zones"]).splitlines():
            kind, _colon, names = line.strip().partition(":")
            if not line.startswith(" "):
                zone = line.split()[0]  # newer ones add "(default)"
            elif kind == "interfaces":
                self.by_interface.update(dict.fromkeys(names.split(), zone))
            elif kind == "sources":
                self.by_source += [(name, zone) for name in names.split()]

    def of(self, opening: Opening) -> list[str]:
        """The zones that packets of ``opening`` may belong to."""
        if opening.source:
            for source, zone in self.by_source:
                if _within(opening.source, source):
                    return [zone]
        interfaces = [
            local[0] for local in local_addresses() if opening.address == local[1] or opening.address in EVERYWHERE
        ]
        zones = {self.by_interface.get(name, self.default) for name in interfaces if name != "lo"} or {self.default}
        if not opening.source:
            # Nothing need be opened in the one that lets everything in.
            zones.update(zone for _source, zone in self.by_source if zone != _TRUSTED)
        return sorted(zones)


def _within(address: str, network: str) -> bool:
    """Sources may also be hardware addresses and sets, which say nothing here."""
    try:
        return ipaddress.ip_interface(address).ip in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
