# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel: which of a cluster's ports are reached encrypted, and by which addresses.

A worker with ``rpc_server_tls`` has its RPC server and its agent listen on a loopback address, which ``within`` makes
of its own. Its end of the tunnel listens on its own address and hands over to that one; the leader's end listens on the
same loopback address of the leader's and hands over to the worker. So whoever talks to a worker through the tunnel
talks to one and the same address, on either host, and the plan goes on telling where the worker is.

The ``tunnel`` of a deployment has ``accepts``, the places (``address`` and ``port``) at which this host is reached
through it, and ``connects``, those of others that this host reaches through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DroverError
from .settings import Settings

# Whoever comes through the tunnel comes from here.
CLIENT = "127.0.0.1"

Place = dict[str, Any]


def within(address: str) -> str:
    """The loopback address that stands for the worker at ``address``: with its last three numbers."""
    return "127." + address.partition(".")[2]


def worker_places(plan: Mapping[str, Any], wishes: Mapping[str, Settings]) -> dict[str, list[Place]]:
    """Host -> its places that are reached through the tunnel, of the workers in ``plan`` whose owners wish that. Raises
    DroverError for two that one loopback address would stand for."""
    found: dict[str, list[Place]] = {}
    taken: dict[tuple[str, int], str] = {}
    for host, place in plan["addresses"].items():
        if host == plan["leader"] or not wishes[host].rpc_server_tls:
            continue
        ports = (place["port"], wishes[host].rpc_server_agent_port)
        found[host] = [{"address": place["address"], "port": port} for port in ports]
        for port in ports:
            other = taken.setdefault((within(place["address"]), port), host)
            if other != host:
                raise DroverError(
                    f"{other} and {host} have rpc_server_tls, and their addresses end alike "
                    f"({plan['addresses'][other]['address']} and {place['address']}), with the port {port}: set "
                    f"another rpc_server_port for {host}."
                )
    return found


def tunnel_of(places: Mapping[str, list[Place]], host: str, leads: bool) -> dict[str, Any]:
    """The entry ``tunnel`` of the deployment of ``host``, which ``leads``, or may; empty for one that has none."""
    accepts = places.get(host, [])
    connects = [place for other in sorted(places) if other != host for place in places[other]] if leads else []
    return {"tunnel": {"accepts": accepts, "connects": connects}} if accepts or connects else {}


def through_tunnel(plan: dict[str, Any], places: Mapping[str, list[Place]]) -> dict[str, Any]:
    """``plan`` with the endpoints as a leader reaches them."""
    endpoints = [
        {**end, "address": within(end["address"])} if end["host"] in places else end for end in plan["endpoints"]
    ]
    return {**plan, "endpoints": endpoints}


def listened(tunnel: Mapping[str, list[Place]]) -> list[Place]:
    """The places at which a host's end of ``tunnel`` listens."""
    return [*tunnel["accepts"], *({**each, "address": within(each["address"])} for each in tunnel["connects"])]


def reached_at(deployment: Mapping[str, Any]) -> str | None:
    """The address at which the worker that ``deployment`` is of is reached through the tunnel; None for any other."""
    accepts = (deployment.get("tunnel") or {}).get("accepts")
    return str(accepts[0]["address"]) if accepts else None
