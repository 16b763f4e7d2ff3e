# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that a host's part needs: another program must not hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import DroverError
from ..hosts.held_ports import held_ports
from .cluster import Cluster


def require_ports(
    deployments: Iterable[Mapping[str, Any]], listeners: Mapping[str, Iterable[Mapping[str, Any]]]
) -> None:
    """Refuse ``deployments`` of which one needs a port that another program holds. ``listeners``: host -> who listens
    there, as ``listener.find_listeners`` has it; of a host that is not among them nothing is known. Raises DroverError,
    one sentence with the remedy for each port."""
    held = [
        sentence
        for each in deployments
        for sentence in held_ports(listeners.get(each["host"], ()), needed_ports(each), each["host"])
    ]
    if held:
        raise DroverError(" ".join(held))


def needed_ports(deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ports that ``deployment`` needs, as ``held_ports`` wants them: its service's, and that of its agent or watch
    where the cluster heals itself."""
    cluster, healing = Cluster(deployment["cluster"]), deployment["healing"]
    service: dict[str, Any] = {"port": deployment["listen"]["port"]}
    if deployment["part"] == "leader":
        service.update(unit=cluster.server_unit, variable="llama_server_port")
        helper = {"unit": cluster.watch_unit, "variable": "llama_server_health_port"}
    else:
        # Its end of the tunnel listens on the same ports, by another address.
        service.update(unit=cluster.rpc_unit, tunnel=cluster.tunnel_unit, variable="rpc_server_port")
        helper = {"unit": cluster.agent_unit, "tunnel": cluster.tunnel_unit, "variable": "rpc_server_agent_port"}
    return [service, {"port": healing["port"], **helper}] if healing else [service]
