# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each host is configured with: the settings of K3s, and those of its kubelet.

The names are those of K3s's documentation, "k3s server", "k3s agent" and "Configuration Options". Nothing here is newer
than K3s 1.21 but what was asked for by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ..errors import DroverError
from .preflight import share_a_network
from .settings import Cluster, Host
from .topology import Topology, is_member

# The same on all servers, or they refuse to join or do not work together. Source: "k3s server", "Critical Configuration
# Values".
CRITICAL = ("cluster-cidr", "cluster-dns", "embedded-registry", "flannel-backend", "service-cidr")
# Which variable a setting comes from, where it has another name.
_OF_SETTING = {"cluster-dns": "service-cidr"}


def flannel_backend(cluster: Cluster, hosts: Sequence[Host]) -> str:
    """The backend of the pods' network: the wished one; left to us, that of the running cluster, or for a new one
    host-gw, which costs nothing, where all hosts are in one network, and else vxlan.

    firewalld passes on to pods only what comes from their own network, and with host-gw what a node itself sends to
    another's pods does not.
    """
    if cluster.flannel_backend != "auto":
        return cluster.flannel_backend
    for host in hosts:
        if host.part == "server" and is_member(host):
            return str((host.installed["settings"] or {}).get("flannel-backend", "vxlan"))
    passed_on = not any("firewalld" in host.survey["firewalls"] for host in hosts)
    return "host-gw" if share_a_network(hosts) and passed_on else "vxlan"


def settings_of(cluster: Cluster, topology: Topology, host: Host, backend: str) -> dict[str, Any]:
    """The settings of one host, without secrets. Raises DroverError when one would change that no
    cluster can change."""
    found: dict[str, Any] = {"node-ip": host.address, "node-name": host.node}
    if host.labels:
        found["node-label"] = [f"{key}={value}" for key, value in sorted(host.labels.items())]
    if host.taints:
        found["node-taint"] = list(host.taints)
    # An agent learns the backend from its server.
    if backend != "none":
        found["flannel-iface"] = host.interface
    if host.part == "agent":
        return {**found, "server": topology.server_url}
    found.update(
        {
            "cluster-cidr": str(cluster.cluster_cidr),
            "cluster-dns": cluster.cluster_dns,
            "flannel-backend": backend,
            "service-cidr": str(cluster.service_cidr),
            "write-kubeconfig-mode": "0600",
        }
    )
    if cluster.disable:
        found["disable"] = list(cluster.disable)
    if names := _names(cluster):
        found["tls-san"] = names
    if cluster.embedded_registry:
        found["embedded-registry"] = True
    if topology.datastore == "etcd":
        found.update(_way_in(cluster, topology, host))
    _refuse_changes(host, found)
    return found


def kubelet_of(host: Host) -> dict[str, Any] | None:
    """The document for kubelet, None where nothing is wished of it."""
    if not host.kubelet:
        return None
    return {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", **host.kubelet}


def _way_in(cluster: Cluster, topology: Topology, host: Host) -> dict[str, Any]:
    """How a server of etcd comes in. One that is in asks nobody any more, so what stands there stays; but K3s takes no
    state back while it is told of a server to join."""
    if is_member(host) and not cluster.restoring:
        now = host.installed["settings"] or {}
        kept = {name: now[name] for name in ("cluster-init", "server") if name in now}
        # From SQLite to etcd by one restart.
        return kept or {"cluster-init": True}
    return {"cluster-init": True} if host.name == topology.anchor else {"server": topology.server_url}


def _names(cluster: Cluster) -> list[str]:
    """The names, besides those of nodes, that the API is asked by."""
    registration = urlsplit(cluster.server_url).hostname
    return sorted({*cluster.tls_san, *([registration] if registration else [])})


def _refuse_changes(host: Host, wanted: dict[str, Any]) -> None:
    if not is_member(host) or not host.installed["settings"]:
        return
    now = host.installed["settings"]
    changed = [name for name in CRITICAL if now.get(name) != wanted.get(name)]
    if changed:
        told = ", ".join(f"{name} {now.get(name)!r} and not {wanted.get(name)!r}" for name in changed)
        variables = sorted({f"k3s_{_OF_SETTING.get(name, name).replace('-', '_')}" for name in changed})
        raise DroverError(
            f"{host.name} runs with {told}, which a cluster keeps for life: set {', '.join(variables)} back, or reset "
            "the cluster."
        )
