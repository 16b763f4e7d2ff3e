# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for K3s on all hosts: everything that is decided, as data that roles carry out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DroverError
from . import configuration, documents, preflight, topology, upgrade
from .openings import openings_of
from .release import architecture_of
from .settings import Cluster, Host, read_cluster, read_host
from .survey import UNITS
from .version import Version, latest_of_channel, parse_release

SCHEMA = 1


def choose_version(wished: str, channel: str, channels: Sequence[dict], hosts: Sequence[Mapping[str, Any]]) -> Version:
    """The version to have: the wished one, else the one that the cluster runs (its latest, where an upgrade was broken
    off), else that of the channel, of ``channels`` as K3s's channel server lists them.

    Raises DroverError when there is none to choose.
    """
    if wished:
        return parse_release(wished)
    told = [
        parse_release(host["survey"]["installed"]["version"], f"K3s on {host['name']}")
        for host in hosts
        if host["survey"]["installed"]["part"] and host["survey"]["installed"]["version"]
    ]
    return max(told) if told else latest_of_channel(channels, channel)


def make_plan(wished: Mapping[str, Any], given: Sequence[Mapping[str, Any]], now: float, upgrading: bool) -> dict:
    """The plan of ``wished``, the cluster's settings, for the hosts ``given``: each ``name``, ``part``, ``survey`` and
    ``settings``. ``now`` is the controller's clock.

    Raises DroverError, naming everything that is in the way, before anything is changed.
    """
    cluster, hosts = read_cluster(wished), [read_host(host) for host in given]
    arranged = topology.arrange(cluster, hosts)
    backend = documents.flannel_backend(cluster, hosts)
    _refuse(cluster, arranged, hosts, backend, now)
    steps = None
    if upgrading:
        steps = upgrade.plan_upgrade(arranged, hosts, cluster.version)
    else:
        upgrade.refuse_newer_agents(hosts, cluster.version)
    return {
        "schema": SCHEMA,
        "version": cluster.version.tag,
        "datastore": arranged.datastore,
        "flannel_backend": backend,
        "begins": arranged.begins,
        "anchor": arranged.anchor,
        "joins": list(arranged.joins),
        "servers": list(arranged.servers),
        "agents": list(arranged.agents),
        "architectures": sorted({architecture_of(host.survey["machine"]) for host in hosts}),
        "server_url": arranged.server_url,
        "upgrade": {"servers": list(steps.servers), "agents": list(steps.agents)} if steps else None,
        "warnings": _warnings(arranged, hosts),
        "hosts": {host.name: _host(cluster, arranged, hosts, host, backend) for host in hosts},
    }


def _host(
    cluster: Cluster, arranged: topology.Topology, hosts: Sequence[Host], host: Host, backend: str
) -> dict[str, Any]:
    return {
        "part": host.part,
        "node": host.node,
        "address": host.address,
        "unit": UNITS[host.part],
        "boot_command": preflight.boot_command_fix(host),
        "config": configuration.render(documents.settings_of(cluster, arranged, host, backend)),
        "kubelet": documents.kubelet_of(host),
        "openings": openings_of(cluster, arranged, hosts, host, backend),
        "labels": dict(host.labels),
        "taints": list(host.taints),
        "runs": host.installed["runs"],
        "promoted": topology.is_promoted(arranged, host),
    }


def _refuse(cluster: Cluster, arranged: topology.Topology, hosts: Sequence[Host], backend: str, now: float) -> None:
    together = preflight.fleet_faults(hosts, backend)
    found = {host.name: [*preflight.faults(cluster, arranged, host, now), *together[host.name]] for host in hosts}
    told = [f"{name}: {fault}" for name, faults in found.items() for fault in faults]
    if told:
        raise DroverError(" ".join(told))


def _warnings(arranged: topology.Topology, hosts: Sequence[Host]) -> list[str]:
    own = [f"{host.name}: {warning}" for host in hosts for warning in preflight.warnings(arranged, host)]
    return [*topology.warnings(arranged), *own]
