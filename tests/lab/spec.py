# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of a lab: YAML in, checked and complete dataclasses out."""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from . import fields
from .errors import LabError
from .kubernetes.spec import Kubernetes, with_containers, with_nodes
from .sizes import parse_cpu, parse_memory, parse_rate

SHIPPED = Path(__file__).parent / "specs"
DEFAULT_GROUP = "llama_cluster"

# `down` needs no record of a lab's networks: it looks for as many as there can be.
MAX_NETWORKS = 4

# Host addresses start here: the bridge has .1, and a few below stay free for experiments by hand.
_FIRST_ADDRESS = 11

_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SUITE = re.compile(r"[a-z][a-z-]*")
_HOST_KEYS = {
    *("suite", "architecture", "packages", "memory", "cpu", "link", "networks", "default_route", "groups", "vars"),
    "containers",
}


@dataclass(frozen=True)
class Network:
    """One private network: a bridge of its own, on which this machine has the first address."""

    name: str
    number: int  # 0 for the first of the lab
    subnet: ipaddress.IPv4Network

    @property
    def gateway(self) -> str:
        return str(self.subnet[1])


@dataclass(frozen=True)
class Card:
    """A host's network card: the network that its cable leads to, and its address there."""

    network: Network
    address: str

    @property
    def with_prefix(self) -> str:
        """The address as ``ip`` writes it, with the length of the network's prefix."""
        return f"{self.address}/{self.network.subnet.prefixlen}"


@dataclass(frozen=True)
class HostSpec:
    """One host: what it is (image), what it may use (limits) and how Ansible sees it."""

    name: str
    cards: tuple  # the first is the one that Ansible and the lab reach the host by
    default_route: str  # the name of the network whose gateway it uses
    suite: str
    architecture: str
    packages: tuple
    memory: int | None  # bytes
    cpu: float | None  # cores
    link: int | None  # bits per second
    groups: tuple
    vars: dict
    containers: bool = False  # whether it can run them; a node of the lab's own Kubernetes can, anyhow
    pods: ipaddress.IPv4Network | None = None  # the addresses of a node's pods; None for a host that is no node

    @property
    def address(self) -> str:
        return self.cards[0].address


@dataclass(frozen=True)
class LabSpec:
    """A lab: its hosts on its private networks."""

    name: str
    networks: tuple
    internet: bool
    hosts: dict
    kubernetes: Kubernetes | None = None

    @property
    def nodes(self) -> list:
        """The hosts that are nodes of the lab's cluster, the control plane first."""
        nodes = [host for host in self.hosts.values() if host.pods]
        return sorted(nodes, key=lambda host: host.name != self.kubernetes.control_plane)

    @property
    def architectures(self) -> set:
        return {host.architecture for host in self.hosts.values()}


def find(reference: str) -> Path:
    """The spec file that a path or the bare name of a shipped spec (``demo``) means."""
    path = Path(reference)
    if path.is_file():
        return path
    shipped = SHIPPED / f"{reference}.yml"
    if fields.NAME.fullmatch(reference) and shipped.is_file():
        return shipped
    names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yml")))
    raise LabError(f"There is no lab spec {reference!r}: give the path of a YAML file, or one of the shipped {names}.")


def load(reference: str) -> LabSpec:
    """Read and check a spec file, given by path or shipped name."""
    path = find(reference)
    try:
        return parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LabError(f"{path} is not readable YAML: {' '.join(str(error).split())}.") from None
    except LabError as error:
        raise LabError(f"{path}: {error}") from None


def parse(document) -> LabSpec:
    """Check a spec (as loaded from YAML) and fill in what it leaves out."""
    document = fields.mapping(document, "the spec")
    fields.refuse_unknown(document, {"name", "subnet", "networks", "internet", "hosts", "kubernetes"}, "the spec")
    name = fields.text(document.get("name"), fields.NAME, "name", "small letters, digits and dashes, like my-lab")
    networks = _networks(name, document)
    internet = document.get("internet", True)
    if not isinstance(internet, bool):
        raise LabError(f"internet {internet!r} must be true or false.")
    hosts = fields.mapping(document.get("hosts"), "hosts")
    if not hosts:
        raise LabError("hosts is empty: a lab needs at least one host.")
    for subnet in (network.subnet for network in networks):
        if len(hosts) > subnet.num_addresses - _FIRST_ADDRESS - 1:
            raise LabError(f"subnet {subnet} has no room for {len(hosts)} hosts: choose a wider one, such as a /24.")
    lab = LabSpec(
        name=name,
        networks=networks,
        internet=internet,
        hosts={host: _host(host, values, networks, index) for index, (host, values) in enumerate(hosts.items())},
    )
    return with_nodes(lab, document["kubernetes"]) if "kubernetes" in document else lab


def _networks(lab: str, document: dict) -> tuple:
    if "networks" not in document:
        return (Network("lab", 0, fields.subnet(document.get("subnet", _default_subnet(lab)))),)
    if "subnet" in document:
        raise LabError("the spec has both subnet and networks: give networks, each with its subnet.")
    subnets = fields.mapping(document["networks"], "networks")
    if not 1 <= len(subnets) <= MAX_NETWORKS:
        raise LabError(f"networks has {len(subnets)} entries: a lab has 1 to {MAX_NETWORKS} networks.")
    for name in subnets:
        fields.text(name, fields.NAME, "network name", "small letters, digits and dashes, like house")
    networks = tuple(Network(name, number, fields.subnet(text)) for number, (name, text) in enumerate(subnets.items()))
    for one, other in itertools.combinations(networks, 2):
        if one.subnet.overlaps(other.subnet):
            raise LabError(f"subnet {one.subnet} of network {one.name} overlaps with {other.subnet} of {other.name}.")
    return networks


def _host(name, values, networks: tuple, index: int) -> HostSpec:
    name = fields.text(name, fields.NAME, "host name", "small letters, digits and dashes, like pi-1")
    where = f"host {name}"
    values = fields.mapping({} if values is None else values, where)
    fields.refuse_unknown(values, _HOST_KEYS, where)
    # A host has the same number in every network.
    cards = {network.name: Card(network, str(network.subnet[_FIRST_ADDRESS + index])) for network in networks}
    joined = fields.list_of(
        values.get("networks", [networks[0].name]), fields.NAME, f"{where}: networks", "names of networks"
    )
    default_route = values.get("default_route", joined[0] if joined else None)
    if not joined or not set(joined) <= set(cards) or len(set(joined)) < len(joined):
        choices = ", ".join(cards)
        raise LabError(f"{where}: networks {joined!r} is not right: choose one or more of {choices}, each once.")
    if default_route not in joined:
        raise LabError(f"{where}: default_route {default_route!r} is not right: choose one of {', '.join(joined)}.")
    architecture = values.get("architecture", "amd64")
    if architecture not in ("amd64", "arm64"):
        raise LabError(f"{where}: architecture {architecture!r} is not known: choose amd64 or arm64.")
    packages = fields.list_of(values.get("packages", []), _PACKAGE, f"{where}: packages", "Debian package names")
    groups = fields.list_of(values.get("groups", [DEFAULT_GROUP]), _GROUP, f"{where}: groups", "inventory group names")
    runs_containers = values.get("containers", False)
    if not isinstance(runs_containers, bool):
        raise LabError(f"{where}: containers {runs_containers!r} must be true or false.")
    host = HostSpec(
        name=name,
        cards=tuple(cards[network] for network in joined),
        default_route=default_route,
        suite=fields.text(values.get("suite", "forky"), _SUITE, f"{where}: suite", "a Debian suite such as forky"),
        architecture=architecture,
        packages=tuple(sorted(set(packages))),
        memory=None if values.get("memory") is None else fields.at(where, parse_memory, values["memory"]),
        cpu=None if values.get("cpu") is None else fields.at(where, parse_cpu, values["cpu"]),
        link=None if values.get("link") is None else fields.at(where, parse_rate, values["link"]),
        groups=tuple(groups),
        vars=fields.mapping(values.get("vars", {}), f"{where}: vars"),
        containers=runs_containers,
    )
    return with_containers(host) if runs_containers else host


def _default_subnet(name: str) -> str:
    return f"10.213.{hashlib.sha256(name.encode()).digest()[0]}.0/24"
