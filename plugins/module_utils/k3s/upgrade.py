# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are upgraded in which order, and whether one version may follow the other.

Sources: Kubernetes' version skew policy (servers first, one minor version at a time, never back), K3s's documentation,
"Manual upgrades", and etcd's notes on 3.6, for whose members that 3.5 has forgotten must be gone before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DroverError
from .settings import Host
from .topology import Topology
from .version import Version, parse_version

# From here on K3s has etcd 3.6, and what comes before must have etcd 3.5.26 or later: K3s has it since this release.
_WITH_ETCD_3_6 = (1, 34)
_SAFE_BEFORE = parse_version("v1.33.7+k3s3")


@dataclass(frozen=True)
class Upgrade:
    """``servers`` and ``agents``: names in the order in which they are upgraded, those that have the
    version left out."""

    servers: tuple[str, ...]
    agents: tuple[str, ...]


def plan_upgrade(topology: Topology, hosts: Sequence[Host], wanted: Version) -> Upgrade:
    """The upgrade of all hosts to a version. Raises DroverError where it may not be, with the version that may."""
    now = {host.name: _version_of(host) for host in hosts}
    for host in hosts:
        _refuse_step(host, now[host.name], wanted, topology.datastore)
    old = [host.name for host in hosts if now[host.name] != wanted]
    # The one that others join by comes last, so that there is always one to come back to.
    servers = sorted((name for name in topology.servers if name in old), key=lambda name: name == topology.anchor)
    return Upgrade(tuple(servers), tuple(name for name in topology.agents if name in old))


def refuse_newer_agents(hosts: Sequence[Host], wanted: Version) -> None:
    """Raise DroverError for a host that has another version than the wished one: that is an upgrade's to change."""
    for host in hosts:
        told = host.installed["version"]
        if host.installed["part"] and told and parse_version(told, f"K3s on {host.name}") != wanted:
            raise DroverError(
                f"{host.name} runs K3s {told} and {wanted.tag} is wished: upgrade with k3s_upgrade.yml, which keeps "
                "the cluster serving, or set k3s_version to what runs."
            )


def _version_of(host: Host) -> Version:
    told = host.installed["version"]
    if not told or not host.installed["part"]:
        raise DroverError(
            f"{host.name} has no K3s to upgrade: put it on with k3s.yml, or leave the host out with --limit."
        )
    return parse_version(told, f"K3s on {host.name}")


def _refuse_step(host: Host, now: Version, wanted: Version, datastore: str) -> None:
    if now > wanted:
        raise DroverError(
            f"{host.name} runs K3s {now.tag}, which is later than {wanted.tag}, and there is no way back: set "
            f"k3s_version to {now.tag} or later."
        )
    if now.major != wanted.major or wanted.minor - now.minor > 1:
        raise DroverError(
            f"{host.name} runs K3s {now.tag}, and {wanted.tag} is more than one minor version later: upgrade to the "
            f"latest v{now.major}.{now.minor + 1} first."
        )
    crosses = not now.at_least(*_WITH_ETCD_3_6) and wanted.at_least(*_WITH_ETCD_3_6)
    if datastore == "etcd" and crosses and now < _SAFE_BEFORE:
        raise DroverError(
            f"{host.name} runs K3s {now.tag}, whose etcd may bring members back from the dead in {wanted.tag}: "
            f"upgrade to {_SAFE_BEFORE.tag} or a later v1.33 first."
        )
