# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a spec says of Kubernetes: which of the lab's hosts are nodes, and the addresses of pods and services."""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import fields
from ..errors import LabError
from ..sizes import show_memory

if TYPE_CHECKING:  # it imports this module
    from ..spec import HostSpec, LabSpec

# The suite of a node: newer ones have no control groups of version 1, which kubelet needs on a machine that has them.
NODE_SUITE = "trixie"
# What a node has besides what every host has.
NODE_PACKAGES = (
    *("conntrack", "containerd", "containernetworking-plugins", "ethtool", "ipset", "iptables", "kmod", "runc"),
    *("socat", "util-linux"),
)
# Less, and the kernel kills what makes a node of it.
_NODE_MEMORY = 512 << 20
_CONTROL_PLANE_MEMORY = 1280 << 20
# The addresses of a lab's pods and services are a network of this size each, with a /24 of pods for every host.
_CLUSTER_PREFIX = 20


@dataclass(frozen=True)
class Kubernetes:
    """The cluster that hosts of a lab are the nodes of."""

    control_plane: str
    pods: ipaddress.IPv4Network
    services: ipaddress.IPv4Network


def with_nodes(lab: LabSpec, values) -> LabSpec:
    """The lab with its hosts as the nodes of a cluster."""
    values = fields.mapping(values, "kubernetes")
    fields.refuse_unknown(values, {"control_plane", "nodes", "pods", "services"}, "kubernetes")
    nodes = fields.list_of(values.get("nodes", list(lab.hosts)), fields.NAME, "kubernetes: nodes", "names of hosts")
    if not nodes or not set(nodes) <= set(lab.hosts) or len(set(nodes)) < len(nodes):
        choices = ", ".join(lab.hosts)
        raise LabError(f"kubernetes: nodes {nodes!r} is not right: choose one or more of {choices}, each once.")
    if (control_plane := values.get("control_plane")) not in nodes:
        raise LabError(f"kubernetes: control_plane {control_plane!r} is not right: choose one of {', '.join(nodes)}.")
    if len(lab.networks) > 1:
        raise LabError("kubernetes: the lab has several networks, and its nodes must share their only one.")
    if not lab.internet:
        raise LabError("kubernetes: internet is false, and the cluster's name server asks one outside: make it true.")
    pods, services = (
        _cluster_network(what, values.get(what, default))
        for what, default in _default_cluster_networks(lab.name).items()
    )
    taken = [*(network.subnet for network in lab.networks), pods, services]
    for one, other in itertools.combinations(taken, 2):
        if one.overlaps(other):
            raise LabError(f"kubernetes: {one} and {other} overlap: the lab, its pods and services need one each.")
    own = list(pods.subnets(new_prefix=24))
    if len(lab.hosts) > len(own):
        raise LabError(f"kubernetes: the lab has {len(lab.hosts)} hosts, and {pods} has pods for {len(own)}.")
    hosts = {
        name: _node(host, own[number], name == control_plane) if name in nodes else host
        for number, (name, host) in enumerate(lab.hosts.items())
    }
    return replace(lab, hosts=hosts, kubernetes=Kubernetes(control_plane, pods, services))


def with_containers(host: HostSpec) -> HostSpec:
    """The host with what it takes to run containers: it is no node, and may be made one by who puts K3s on it."""
    if host.suite != NODE_SUITE:
        raise LabError(f"host {host.name}: suite {host.suite} runs no containers here: write {NODE_SUITE}.")
    return replace(host, packages=tuple(sorted({*host.packages, *NODE_PACKAGES})))


def _node(host: HostSpec, pods: ipaddress.IPv4Network, leads: bool) -> HostSpec:
    where = f"host {host.name}"
    if host.suite != NODE_SUITE:
        raise LabError(f"{where}: suite {host.suite} makes no node of Kubernetes: write {NODE_SUITE}.")
    needed = _CONTROL_PLANE_MEMORY if leads else _NODE_MEMORY
    if host.memory is not None and host.memory < needed:
        raise LabError(
            f"{where}: memory {show_memory(host.memory)} is too little for a {'control plane' if leads else 'node'} "
            f"of Kubernetes: give it {show_memory(needed)} or more."
        )
    return replace(host, pods=pods, packages=tuple(sorted({*host.packages, *NODE_PACKAGES})))


def _default_cluster_networks(name: str) -> dict:
    # Beside those of the labs' own networks, and like them another for every name.
    number = hashlib.sha256(name.encode()).digest()[1]
    return {
        what: f"10.{first + number // 16}.{number % 16 * 16}.0/{_CLUSTER_PREFIX}"
        for what, first in (("pods", 214), ("services", 230))
    }


def _cluster_network(what: str, value) -> ipaddress.IPv4Network:
    network = fields.subnet(value)
    if network.prefixlen != _CLUSTER_PREFIX:
        raise LabError(
            f"kubernetes: {what} {network} is not right: it must be a /{_CLUSTER_PREFIX}, like 10.214.16.0/20."
        )
    return network
