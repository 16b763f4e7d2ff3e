# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user may wish of K3s, checked: once for the cluster, and for each host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from .. import checks
from ..errors import DroverError
from .labels import check_labels, check_taints
from .version import Version, parse_release

BACKENDS = ("auto", "vxlan", "host-gw", "wireguard-native", "none")
DATASTORES = ("auto", "sqlite", "etcd")
EXTRAS = ("traefik", "servicelb", "metrics-server", "local-storage", "coredns")
PARTS = ("server", "agent")
_URL = re.compile(r"https://[^\s/:]+(:\d+)?")


@dataclass(frozen=True)
class Cluster:
    """What holds for all hosts. ``server_url`` is the fixed registration address, empty without one. ``restoring``: the
    state is taken back from a backup, after which one server has it and all others join that one."""

    version: Version
    datastore: str
    datastore_endpoint: str
    server_url: str
    tls_san: tuple[str, ...]
    flannel_backend: str
    cluster_cidr: IPv4Network
    service_cidr: IPv4Network
    disable: tuple[str, ...]
    embedded_registry: bool
    restoring: bool

    @property
    def cluster_dns(self) -> str:
        """The address of the cluster's name server: the tenth of its services."""
        return str(self.service_cidr[10])


@dataclass(frozen=True)
class Host:
    """One host: as the inventory calls it, its part, what was looked at, and what is wished of it."""

    name: str
    part: str
    survey: Mapping[str, Any]
    node: str
    address: str
    interface: str
    labels: Mapping[str, str]
    taints: tuple[str, ...]
    kubelet: Mapping[str, Any]
    firewall_is_open: bool

    @property
    def installed(self) -> Mapping[str, Any]:
        return self.survey["installed"]


def read_cluster(wished: Mapping[str, Any]) -> Cluster:
    """The settings of the cluster; raises DroverError for the first that is not right."""
    endpoint = wished["datastore_endpoint"]
    url = wished["server_url"]
    if url and not _URL.fullmatch(url):
        raise DroverError(f"k3s_server_url is {url!r} but must be like https://k3s.lan:6443: correct it.")
    datastore = checks.choice(wished["datastore"], "k3s_datastore", DATASTORES)
    if endpoint and datastore != "auto":
        raise DroverError(
            f"k3s_datastore is {datastore!r} beside a k3s_datastore_endpoint, and a cluster has one datastore: "
            "take one of them away."
        )
    cluster, services = (_network(wished[name], f"k3s_{name}") for name in ("cluster_cidr", "service_cidr"))
    if cluster.overlaps(services):
        raise DroverError(f"k3s_cluster_cidr {cluster} and k3s_service_cidr {services} overlap: choose two apart.")
    for name in wished["disable"]:
        checks.choice(name, "An entry of k3s_disable", EXTRAS)
    return Cluster(
        version=parse_release(wished["version"]),
        datastore=datastore,
        datastore_endpoint=endpoint,
        server_url=url,
        tls_san=tuple(wished["tls_san"]),
        flannel_backend=checks.choice(wished["flannel_backend"], "k3s_flannel_backend", BACKENDS),
        cluster_cidr=cluster,
        service_cidr=services,
        disable=tuple(sorted(set(wished["disable"]))),
        embedded_registry=wished["embedded_registry"],
        restoring=wished["restoring"],
    )


def read_host(given: Mapping[str, Any]) -> Host:
    """One host's settings and survey; raises DroverError, with the host's name, for the first that is not right."""
    name = checks.text(given.get("name"), "The name of a host")
    survey = checks.document(given["survey"], f"The survey of {name}", 1, {"hostname": str, "installed": dict})
    wished = given["settings"]
    address, interface = _own_address(name, survey, wished["node_ip"], wished["interface"])
    return Host(
        name=name,
        part=checks.choice(given["part"], f"The part of {name}", PARTS),
        survey=survey,
        node=wished["node_name"] or survey["hostname"],
        address=address,
        interface=interface,
        labels=check_labels(wished["labels"], name),
        taints=check_taints(wished["taints"], name),
        kubelet=checks.dictionary(wished["kubelet"], f"k3s_kubelet of {name}"),
        firewall_is_open=wished["firewall_is_open"],
    )


def _own_address(name: str, survey: Mapping[str, Any], wished: str, interface: str) -> tuple[str, str]:
    """The host's address and the interface that has it: the wished ones, or those that its default route leads by; both
    empty when there is none."""
    if not wished and not interface:
        interface = (survey["default_route"] or {}).get("interface", "")
    for own in survey["addresses"]:
        if (not wished or own["address"] == wished) and (not interface or own["interface"] == interface):
            return own["address"], own["interface"]
    if wished or interface != (survey["default_route"] or {}).get("interface", ""):
        choices = ", ".join(f"{own['address']} ({own['interface']})" for own in survey["addresses"]) or "none"
        asked = " on ".join(filter(None, (wished, interface)))
        raise DroverError(
            f"{name} has no address {asked}: set k3s_node_ip and k3s_interface to what it has: {choices}."
        )
    return "", ""


def _network(value: object, name: str) -> IPv4Network:
    try:
        return IPv4Network(str(value))
    except ValueError:
        raise DroverError(
            f"{name} is {value!r} but must be an IPv4 network such as 10.42.0.0/16: correct it."
        ) from None
