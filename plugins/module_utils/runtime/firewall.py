# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let in whom the deployment allows, before a part starts, and take that back when it has ended. Runs as root.

Two things are needed. An RPC port is guarded by a table of our own, which drops everyone else; it never opens what
another table drops, since a packet must pass them all. So where the owner's ufw or firewalld drops what it does not
know, exactly what is needed is opened there, and noted down to be closed again: rules that were there before are not
ours and stay.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from ..checks import dictionary, text, whole
from ..errors import DroverError
from ..hosts.listener import find_listeners
from ..hosts.tree import Tree
from ..serving.cluster import Cluster, led
from ..serving.deployment import REMEDY, source_network
from .documents import load_document
from .foreign_firewalls import Opening
from .opened import keep_open
from .part import load_deployment
from .tools import Run, run_tool

NOTES_FOLDER = "/var/lib/drover/firewall"
# What an offer of weights is noted under, with its port: no cluster is called so.
OFFER = "offer:"


def open_firewall(name: str, run: Run = run_tool) -> None:
    """Let in whom this host's deployment in the cluster called ``name`` allows, and nobody else."""
    cluster, led_as = Cluster(name), led(name)
    # A worker that stands by has two.
    deployments = [load_deployment(each) for each in dict.fromkeys([cluster, led_as])]
    guarded = [(_ports(each), each["allow"]) for each in deployments if each["allow"] is not None]
    _guard(cluster, guard_script(cluster.table, guarded) if guarded else None, run)
    keep_open(_notes(cluster.name), [opening for each in deployments for opening in openings(each)], run)
    _close_ended_offers(run)


def close_firewall(name: str, run: Run = run_tool) -> None:
    """Take back what was done for the cluster called ``name``, whatever its deployment says by now."""
    cluster = Cluster(name)
    _guard(cluster, None, run)
    keep_open(_notes(cluster.name), [], run)
    _close_ended_offers(run)


def open_offer(address: str, port: int, members: Iterable[str], run: Run = run_tool) -> None:
    """Let ``members`` (addresses and networks) reach what is offered on ``address`` and ``port``, where the owner's
    firewall would drop them. Who offers turns away everybody else itself."""
    keep_open(_notes(f"{OFFER}{port}"), _reach(members, address, [port], "drover offer"), run)


def close_offer(port: int, run: Run = run_tool) -> None:
    """Take back what was opened for the offer on ``port``."""
    keep_open(_notes(f"{OFFER}{port}"), [], run)


def _notes(name: str) -> str:
    return f"{NOTES_FOLDER}/{name}.json"


def _close_ended_offers(run: Run) -> None:
    """Close what an offer that was cut off has left open: its port is noted, and nobody listens there."""
    for path in glob.glob(f"{glob.escape(NOTES_FOLDER)}/{OFFER}*.json"):
        port = os.path.basename(path)[len(OFFER) : -len(".json")]
        if port.isdigit() and not find_listeners(Tree(), [int(port)]):
            close_offer(int(port), run)


def open_gateway(name: str, run: Run = run_tool) -> None:
    """Let everybody in to the gateway of the cluster called ``name`` on this host. It has keys: no table guards it."""
    cluster = Cluster(name)
    path = f"{cluster.gateway_folder}/gateway.json"
    listen = dictionary(load_document(path, REMEDY).get("listen"), f"listen in {path}")
    address = text(listen.get("address"), f"The address in {path}")
    port = whole(listen.get("port"), f"The port in {path}", 1, 65535)
    wanted = [Opening(None, address, port, f"drover {name} gateway")]
    # No firewall stands in this machine's way to itself.
    keep_open(_notes(f"{name}.gateway"), [] if ip_address(address).is_loopback else wanted, run)


def close_gateway(name: str, run: Run = run_tool) -> None:
    """Take back what was done for the gateway of the cluster called ``name``."""
    keep_open(_notes(f"{Cluster(name).name}.gateway"), [], run)


def openings(deployment: dict[str, Any]) -> list[Opening]:
    """Who must be able to reach this host where, as a firewall of the host's owner has to know it."""
    label = f"drover {deployment['cluster']} {deployment['part']}"
    sources = [None] if deployment["allow"] is None else deployment["allow"]
    accepts = (deployment.get("tunnel") or {}).get("accepts")
    places = accepts or [{"address": deployment["listen"]["address"], "port": port} for port in _ports(deployment)]
    return [opening for place in places for opening in _reach(sources, place["address"], [place["port"]], label)]


def _reach(sources: Iterable[str | None], address: str, ports: list[int], label: str) -> list[Opening]:
    if address.startswith("127."):
        return []  # no firewall stands in this machine's way to itself
    # What is listened on is IPv4 alone, and a firewall takes no rule from one version of IP to the other.
    return [
        Opening(source, address, port, label)
        for source in sources
        if source is None or source_network(source, "An address that may connect").version == 4
        for port in ports
    ]


def _ports(deployment: dict[str, Any]) -> list[int]:
    """Where the part of this host listens: its program, and what heals it."""
    return [deployment["listen"]["port"], *([deployment["healing"]["port"]] if deployment["healing"] else [])]


def guard_script(table: str, guarded: Iterable[tuple[list[int], list[str]]]) -> str:
    """What to tell ``nft -f -`` so that of each of the ``guarded`` its ports answer its addresses and this host itself
    only.

    One transaction: there is no moment without a guard. Adding the table first makes deleting it right in any case.
    """
    body = "\n".join(f"    {rule}" for ports, allow in guarded for rule in _rules(ports, allow))
    return (
        f"{_removal(table)}table inet {table} {{\n  chain input {{\n"
        f"    type filter hook input priority -10; policy accept;\n{body}\n  }}\n}}\n"
    )


def _rules(ports: list[int], allow: list[str]) -> list[str]:
    networks = [source_network(address, "An address that may connect") for address in allow]
    guarded = f"tcp dport {ports[0]}" if len(ports) == 1 else f"tcp dport {{ {', '.join(map(str, sorted(ports)))} }}"
    rules = [f'{guarded} iifname "lo" accept']
    for family, version in (("ip", 4), ("ip6", 6)):
        sources = [str(network) for network in networks if network.version == version]
        if sources:
            rules.append(f"{guarded} {family} saddr {{ {', '.join(sorted(sources))} }} accept")
    return [*rules, f"{guarded} drop"]


def _removal(table: str) -> str:
    return f"table inet {table}\ndelete table inet {table}\n"


def _guard(cluster: Cluster, script: str | None, run: Run) -> None:
    """Put ``script`` in force, or without one no guard at all."""
    code, output = run(["nft", "-f", "-"], script or _removal(cluster.table))
    if script is None:
        return  # where there is no nft, or it is not allowed, there is no table either
    if code is None:
        raise DroverError("The port cannot be guarded, since there is no nft: install the package nftables.")
    if code != 0:
        raise DroverError(f"nft refused the table {cluster.table} ({output}): run as root, on a kernel with nftables.")
