# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who must reach which port of a host, as the firewall of its owner has to know it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import ports
from .settings import Cluster, Host
from .topology import Topology


def openings_of(
    cluster: Cluster, topology: Topology, hosts: Sequence[Host], host: Host, backend: str
) -> list[dict[str, Any]]:
    """What is to be opened on one host: ``source`` (an address or a network, None: anyone), ``port`` (None: all) and
    ``protocol``. None of it where the owner has opened it.

    The API answers anyone, who needs a certificate or a token; pods and services come by addresses of their own.
    """
    if host.firewall_is_open:
        return []
    others = [other for other in hosts if other.name != host.name]
    servers = [other for other in others if other.part == "server"]
    found = [
        {"source": source.address, "port": port, "protocol": protocol}
        for port, protocol, by_servers_only in ports.open_to_nodes(
            host.part, topology.datastore, backend, cluster.embedded_registry
        )
        for source in (servers if by_servers_only else others)
    ]
    if host.part == "server":
        found.append({"source": None, "port": ports.API, "protocol": "tcp"})
    inside = (cluster.cluster_cidr, cluster.service_cidr)
    return [*found, *({"source": str(network), "port": None, "protocol": "tcp"} for network in inside)]
