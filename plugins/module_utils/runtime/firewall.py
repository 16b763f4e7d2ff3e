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

import contextlib
import json
import os
from ipaddress import ip_address
from typing import Any

from ..checks import dictionary, text, whole
from ..errors import DroverError
from ..serving.cluster import Cluster
from ..serving.deployment import source_network
from .documents import load_document
from .foreign_firewalls import FOREIGN, Opening, Rule
from .part import load_deployment
from .tools import Run, run_tool

NOTES_FOLDER = "/var/lib/drover/firewall"


def open_firewall(name: str, run: Run = run_tool) -> None:
    """Let in whom this host's deployment in the cluster called ``name`` allows, and nobody else."""
    cluster = Cluster(name)
    deployment = load_deployment(cluster)
    allow = deployment["allow"]
    guard = guard_script(cluster.table, deployment["listen"]["port"], allow) if allow is not None else None
    _guard(cluster, guard, run)
    _keep_foreign(cluster.name, openings(deployment), run)


def close_firewall(name: str, run: Run = run_tool) -> None:
    """Take back what was done for the cluster called ``name``, whatever its deployment says by now."""
    cluster = Cluster(name)
    _guard(cluster, None, run)
    _keep_foreign(cluster.name, [], run)


def open_gateway(name: str, run: Run = run_tool) -> None:
    """Let everybody in to the gateway of the cluster called ``name`` on this host. It has keys: no table guards it."""
    cluster = Cluster(name)
    path = f"{cluster.gateway_folder}/gateway.json"
    listen = dictionary(load_document(path, "the gateway's configuration").get("listen"), f"listen in {path}")
    address = text(listen.get("address"), f"The address in {path}")
    port = whole(listen.get("port"), f"The port in {path}", 1, 65535)
    wanted = [Opening(None, address, port, f"drover {name} gateway")]
    # No firewall stands in this machine's way to itself.
    _keep_foreign(f"{name}.gateway", [] if ip_address(address).is_loopback else wanted, run)


def close_gateway(name: str, run: Run = run_tool) -> None:
    """Take back what was done for the gateway of the cluster called ``name``."""
    _keep_foreign(f"{Cluster(name).name}.gateway", [], run)


def openings(deployment: dict[str, Any]) -> list[Opening]:
    """Who must be able to reach this host where, as a firewall of the host's owner has to know it."""
    label = f"drover {deployment['cluster']} {deployment['part']}"
    listen = deployment["listen"]
    if listen["address"].startswith("127."):
        return []  # no firewall stands in this machine's way to itself
    sources = [None] if deployment["allow"] is None else deployment["allow"]
    # The RPC server listens on IPv4 alone, and a firewall takes no rule from one version of IP to the other.
    reach = [source for source in sources if source is None or source_network(source, "The deployment").version == 4]
    return [Opening(source, listen["address"], listen["port"], label) for source in reach]


def guard_script(table: str, port: int, allow: list[str]) -> str:
    """What to tell ``nft -f -`` so that ``port`` answers the addresses in ``allow`` and this host itself only.

    One transaction: there is no moment without a guard. Adding the table first makes deleting it right in any case.
    """
    networks = [source_network(address, "An address that may connect") for address in allow]
    rules = [f'tcp dport {port} iifname "lo" accept']
    for family, version in (("ip", 4), ("ip6", 6)):
        sources = [str(network) for network in networks if network.version == version]
        if sources:
            rules.append(f"tcp dport {port} {family} saddr {{ {', '.join(sorted(sources))} }} accept")
    rules.append(f"tcp dport {port} drop")
    body = "\n".join(f"    {rule}" for rule in rules)
    return (
        f"{_removal(table)}table inet {table} {{\n  chain input {{\n"
        f"    type filter hook input priority -10; policy accept;\n{body}\n  }}\n}}\n"
    )


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


def _keep_foreign(notes: str, wanted: list[Opening], run: Run) -> None:
    """Have exactly ``wanted`` open in the owner's firewalls, of what is ours by the ``notes`` of that name."""
    path = f"{NOTES_FOLDER}/{notes}.json"
    noted = _noted(path)
    needed: list[Rule] = []
    asleep: list[Rule] = []
    for foreign in FOREIGN:
        if foreign.active(run):
            needed += foreign.rules(wanted, run)
        else:
            # One that only rests (or starts later than we do) finds its rules again when it wakes.
            own = [rule for rule in noted if rule["firewall"] == foreign.name]
            asleep += [rule for rule in own if any(foreign.serves(rule, opening) for opening in wanted)]
    tools = {foreign.name: foreign for foreign in FOREIGN}
    missing = [rule for rule in needed if not tools[rule["firewall"]].present(rule, run)]
    ours = [rule for rule in needed if rule in missing or _is_among(rule, noted)] + asleep
    stale = [rule for rule in noted if not _is_among(rule, ours)]
    # Noted before it is done: what was begun is taken back even if this run is cut off.
    _note(path, ours + stale)
    for rule in missing:
        tools[rule["firewall"]].add(rule, run)
    for rule in stale:
        tools[rule["firewall"]].remove(rule, run)
    _note(path, ours)


def _is_among(rule: Rule, rules: list[Rule]) -> bool:
    """Whether one of ``rules`` is the same to the firewall, which looks at no comment."""

    def bare(rule: Rule) -> Rule:
        return {name: value for name, value in rule.items() if name != "comment"}

    return bare(rule) in map(bare, rules)


def _noted(path: str) -> list[Rule]:
    """The rules that are ours. A file that is none, or was cut off, knows of none."""
    known = {foreign.name for foreign in FOREIGN}
    try:
        with open(path, encoding="utf-8") as file:
            rules = json.load(file)["rules"]
        return [rule for rule in rules if rule["firewall"] in known]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _note(path: str, rules: list[Rule]) -> None:
    if not rules:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump({"schema": 1, "rules": rules}, file, sort_keys=True, indent=2)
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise DroverError(
            f"{path}, which remembers what to close again, cannot be written ({error.strerror}): run as root."
        ) from error
