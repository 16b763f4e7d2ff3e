# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's name, and what is called by it on a host. Two clusters may share hosts, so nothing else names these."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ..errors import DroverError

CLUSTERS_FOLDER = "/etc/drover"
WEIGHTS = "weights.json"
# Where services, which may not write the former, keep what they decided themselves.
HEALING_FOLDER = "/var/lib/drover/healing"
# It stands in paths, unit names and nft's tables, and Kubernetes' labels take it, too.
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")


@dataclass(frozen=True)
class Cluster:
    """The cluster called ``name``. Raises DroverError when that is no name for one."""

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.match(self.name):
            raise DroverError(
                f"The cluster is called {self.name!r} but must have a name of at most 31 lower-case letters, digits "
                "and hyphens that begins with a letter, such as main: change drover_cluster."
            )

    @property
    def folder(self) -> str:
        """Where a host keeps the cluster's documents."""
        return f"{CLUSTERS_FOLDER}/{self.name}"

    @property
    def deployment_path(self) -> str:
        """What this host runs for the cluster."""
        return f"{self.folder}/deployment.json"

    @property
    def plan_path(self) -> str:
        """The plan that the cluster runs by."""
        return f"{self.folder}/plan.json"

    @property
    def weights_path(self) -> str:
        """What this host's tensor cache is to have for the cluster; on workers."""
        return f"{self.folder}/{WEIGHTS}"

    @property
    def api_key_path(self) -> str:
        """The keys that clients of the API may send, one a line; on the leader."""
        return f"{self.folder}/api_key"

    @property
    def members_path(self) -> str:
        """What the leader needs to plan anew; there where the cluster heals itself."""
        return f"{self.folder}/members.json"

    @property
    def measured_path(self) -> str:
        """What the starts of the leader have shown."""
        return f"{self.folder}/measured.json"

    @property
    def secret_path(self) -> str:
        """What the leader and the agents know each other by."""
        return f"{self.folder}/secret"

    @property
    def running_path(self) -> str:
        """What this host runs by a decision of the cluster's own; the service user writes it."""
        return f"{HEALING_FOLDER}/{self.name}/running.json"

    @property
    def watch_path(self) -> str:
        """What the watch on the leader has seen and done; the service user writes it."""
        return f"{HEALING_FOLDER}/{self.name}/watch.json"

    @property
    def tally_path(self) -> str:
        """What a pod that joins by itself has found that its node can lend; its first step writes it."""
        return f"{HEALING_FOLDER}/{self.name}/tally.json"

    @property
    def lease_path(self) -> str:
        """To whom this host's agent has granted the lease, see ``healing.lease``; the service user writes it."""
        return f"{HEALING_FOLDER}/{self.name}/lease.json"

    @property
    def leading_path(self) -> str:
        """Who leads, by what this host knows which may; the service user writes it."""
        return f"{HEALING_FOLDER}/{self.name}/leading.json"

    @property
    def turn_path(self) -> str:
        """Whose turn it is to change this host, see ``serving.turn``; gone after a boot."""
        return f"/run/drover-{self.name}.turn"

    @property
    def gateway_folder(self) -> str:
        """What the cluster's gateway on a host needs."""
        return f"{self.folder}/gateway"

    @property
    def rpc_unit(self) -> str:
        """The systemd unit of a worker."""
        return f"drover-rpc@{self.name}.service"

    @property
    def server_unit(self) -> str:
        """The systemd unit of the leader."""
        return f"drover-server@{self.name}.service"

    @property
    def agent_unit(self) -> str:
        """The systemd unit by which a worker answers its leader."""
        return f"drover-agent@{self.name}.service"

    @property
    def watch_unit(self) -> str:
        """The systemd unit by which the leader watches its workers."""
        return f"drover-watch@{self.name}.service"

    @property
    def tunnel_unit(self) -> str:
        """The systemd unit of this host's end of the tunnel."""
        return f"drover-tunnel@{self.name}.service"

    @property
    def table(self) -> str:
        """The nftables table (family inet) that guards the cluster's port."""
        return f"drover-{self.name}"


@dataclass(frozen=True)
class Standby(Cluster):
    """The same cluster on a worker that stands by: what it runs, plans and decides when it leads."""

    @property
    def deployment_path(self) -> str:
        """What this host runs while it leads."""
        return f"{self.folder}/standby/deployment.json"

    @property
    def members_path(self) -> str:
        """What it needs to plan without the leader."""
        return f"{self.folder}/standby/members.json"

    @property
    def running_path(self) -> str:
        """What it runs by a decision of its own; the service user writes it."""
        return f"{HEALING_FOLDER}/{self.name}/standby.json"


def led(name: str) -> Cluster:
    """The cluster called ``name`` as this host leads it, or may lead it when it stands by."""
    standby = Standby(name)
    return standby if os.path.exists(standby.deployment_path) else Cluster(name)
