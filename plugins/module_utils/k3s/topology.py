# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who begins a cluster, who joins it after whom and by which address, and where its state is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DroverError
from ..text import counted
from .settings import Cluster, Host

PORT = 6443


@dataclass(frozen=True)
class Topology:
    """``datastore``: ``sqlite``, ``etcd`` or ``external``. ``anchor``: the server that others join by.

    ``begins``: the anchor when no server runs yet, else None. ``joins``: the servers that are not in the cluster yet,
    in the order in which they join, one after another. ``servers`` and ``agents``: all, by name.
    """

    datastore: str
    anchor: str
    begins: str | None
    joins: tuple[str, ...]
    servers: tuple[str, ...]
    agents: tuple[str, ...]
    server_url: str


def arrange(cluster: Cluster, hosts: Sequence[Host]) -> Topology:
    """The topology of these hosts. Raises DroverError where there can be none."""
    servers = [host for host in hosts if host.part == "server"]
    if not servers:
        raise DroverError("No host is in the group k3s_servers, and a cluster needs one: put a host there.")
    members = [host for host in servers if is_member(host)]
    if cluster.restoring and not members:
        raise DroverError(
            f"No cluster of K3s is on {', '.join(host.name for host in servers)}, and a backup is taken back on the "
            "servers that it is of, be it one of them: put such a host into k3s_servers."
        )
    datastore = _datastore(cluster, servers, members)
    anchor = _asked_most(hosts, members) if members else servers[0]
    return Topology(
        datastore=datastore,
        anchor=anchor.name,
        begins=None if members else anchor.name,
        joins=tuple(host.name for host in servers if host not in members and host is not anchor),
        servers=tuple(host.name for host in servers),
        agents=tuple(host.name for host in hosts if host.part == "agent"),
        server_url=cluster.server_url or f"https://{anchor.address}:{PORT}",
    )


def _asked_most(hosts: Sequence[Host], members: Sequence[Host]) -> Host:
    """The member by which most hosts came in, so that one that is new and stands before it changes nothing."""
    told = [(host.installed["settings"] or {}).get("server") for host in hosts]
    return max(members, key=lambda member: told.count(f"https://{member.address}:{PORT}"))


def is_member(host: Host) -> bool:
    """Tell whether a server is in a cluster already: it has the cluster's state, or joined one that
    keeps it outside."""
    return host.installed["part"] == "server" and bool(host.installed["datastore"] or host.installed["joined"])


def is_promoted(topology: Topology, host: Host) -> bool:
    """Tell whether a host is an agent of the cluster and is to be a server of it: it goes out, and comes in as one."""
    return host.part == "server" and host.installed["part"] == "agent" and topology.begins is None


def warnings(topology: Topology) -> list[str]:
    """What is allowed and seldom meant, a sentence each."""
    number = len(topology.servers)
    if topology.datastore == "etcd" and number % 2 == 0:
        return [
            f"{counted(number, 'server')} keep their state in etcd, which stands no more failures than "
            f"{number - 1} would and needs {number // 2 + 1} of them up: use an odd number."
        ]
    return []


def _datastore(cluster: Cluster, servers: Sequence[Host], members: Sequence[Host]) -> str:
    if cluster.datastore_endpoint:
        return "external"
    now = next((host.installed["datastore"] for host in members if host.installed["datastore"]), None)
    wished = cluster.datastore
    if wished == "auto":
        wished = now if now and len(servers) == 1 else "etcd" if len(servers) > 1 else "sqlite"
    if wished == "sqlite" and now == "etcd":
        raise DroverError(
            "k3s_datastore is 'sqlite' and the cluster keeps its state in etcd, from which there is no way back: set "
            "it to etcd."
        )
    if wished == "sqlite" and len(servers) > 1:
        raise DroverError(
            f"k3s_datastore is 'sqlite', which one server alone can have, and k3s_servers has {len(servers)}: set it "
            "to etcd, or leave one server."
        )
    return wished
