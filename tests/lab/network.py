# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's private bridges, their way to the internet, and the cables of the hosts."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

from . import names
from .command import run
from .errors import LabError
from .spec import MAX_NETWORKS, LabSpec


def create(lab: LabSpec) -> None:
    """Make the bridges and the table of firewall rules, or bring them up to date."""
    for number in range(len(lab.networks), MAX_NETWORKS):
        remove_link(names.bridge(lab.name, number))
    _refuse_overlap(lab)
    for network in lab.networks:
        bridge = names.bridge(lab.name, network.number)
        if not exists(bridge):
            run("ip", "link", "add", bridge, "type", "bridge")
        address = f"{network.gateway}/{network.subnet.prefixlen}"
        if address not in run("ip", "-4", "-brief", "address", "show", "dev", bridge).split():
            run("ip", "address", "flush", "dev", bridge)
            run("ip", "address", "add", address, "dev", bridge)
        run("ip", "link", "set", bridge, "up")
    # To the pods of each node by the node. No other route of the bridge is of that kind.
    run("ip", "route", "flush", "dev", names.bridge(lab.name), "proto", "static")
    for node in lab.nodes:
        run("ip", "route", "add", str(node.pods), "via", node.address, "proto", "static")
    run("nft", "-f", "-", stdin=rules(lab))


def rules(lab: LabSpec) -> str:
    """The lab's own nftables table; replaces an earlier one in one step."""
    # For IPv4 and IPv6: what is kept in is kept in by both.
    table, bridges = f"inet {names.table(lab.name)}", [names.bridge(lab.name, one.number) for one in lab.networks]
    chains = {"between": "filter hook forward priority 0", "out": "nat hook postrouting priority 100"}
    pods = [lab.kubernetes.pods] if lab.kubernetes else []  # then there is one network, and they are in it
    rules = []
    for network, bridge in zip(lab.networks, bridges):
        if lab.internet:
            # Networks are apart: who is in two of them reaches both, and this machine's routes lead nobody across.
            rules += [f'between iifname "{bridge}" oifname "{one}" drop' for one in bridges if one != bridge]
            own = f"{{ {', '.join(map(str, [network.subnet, *pods]))} }}"
            rules.append(f"out ip saddr {own} ip daddr != {own} masquerade")
        else:
            rules.append(f'between iifname "{bridge}" oifname != "{bridge}" drop')
            rules.append(f'between iifname != "{bridge}" oifname "{bridge}" drop')
    lines = [f"add table {table}", f"delete table {table}", f"add table {table}"]
    lines += [f"add chain {table} {chain} {{ type {hook}; }}" for chain, hook in chains.items()]
    lines += [f"add rule {table} {rule}" for rule in rules]
    return "\n".join(lines) + "\n"


def remove(lab: str) -> None:
    """Take bridges and table away; nothing happens where there are none."""
    table = f"inet {names.table(lab)}"
    run("nft", "-f", "-", stdin=f"add table {table}\ndelete table {table}\n")
    for number in range(MAX_NETWORKS):
        remove_link(names.bridge(lab, number))


def _burst(rate: int) -> int:
    """Bytes that an idle cable saves up. A real one saves nothing; this is what the kernel needs to be in time."""
    return max(32_000, rate // 8 // 400)


def set_rate(interface: str, namespace: int, end: str, rate: int | None) -> None:
    """Limit a cable to so many bits per second each way, or lift the limit.

    ``namespace`` is the id of a process of the host: ``end``, its end of the cable, shapes what the host sends.
    """
    inside = ("nsenter", f"--target={namespace}", "--net")
    for prefix, device in (((), interface), (inside, end)):
        # The default queue comes back when ours is deleted; there is none to delete on a fresh cable.
        run(*prefix, "tc", "qdisc", "del", "dev", device, "root", check=False)
        if rate is not None:
            shape = ("tbf", "rate", f"{rate}bit", "burst", str(_burst(rate)), "latency", "50ms")
            run(*prefix, "tc", "qdisc", "add", "dev", device, "root", *shape)


def plug_into(bridge: str, interface: str) -> None:
    """Plug the machine's end of a cable into the lab's bridge."""
    run("ip", "link", "set", interface, "master", bridge, "up")


def set_plugged(interface: str, plugged: bool) -> None:
    """Plug the cable in or pull it."""
    run("ip", "link", "set", interface, "up" if plugged else "down")


def link_state(interface: str) -> dict:
    """``plugged`` and ``rate`` (bits per second or None) of a cable, as the kernel has them."""
    link = json.loads(run("ip", "-json", "link", "show", "dev", interface))[0]
    queues = json.loads(run("tc", "-json", "qdisc", "show", "dev", interface) or "[]")
    rates = [queue["options"]["rate"] * 8 for queue in queues if queue["kind"] == "tbf"]
    return {"plugged": "UP" in link["flags"], "rate": rates[0] if rates else None}


def transferred(interfaces: list) -> dict:
    """Bytes over cables since the host started, as the host counts: ``received_bytes`` and ``sent_bytes``."""

    def total(counter: str) -> int:
        folder = Path("/sys/class/net")
        return sum(int((folder / interface / "statistics" / counter).read_text()) for interface in interfaces)

    return {"received_bytes": total("tx_bytes"), "sent_bytes": total("rx_bytes")}


def remove_link(name: str) -> None:
    if exists(name):
        # The kernel may take it away by itself between the look and the command: only what stays is a failure.
        run("ip", "link", "delete", name, check=False)
        if exists(name):
            raise LabError(f"The interface {name} cannot be removed: `ip link delete {name}` says why.")


def exists(interface: str) -> bool:
    """Whether the machine has an interface of that name now."""
    return (Path("/sys/class/net") / interface).exists()


def _refuse_overlap(lab: LabSpec) -> None:
    own = {names.bridge(lab.name, number) for number in range(MAX_NETWORKS)}
    for route in json.loads(run("ip", "-json", "-4", "route", "show", "table", "main") or "[]"):
        if route["dst"] == "default" or route.get("dev") in own:
            continue
        cluster = [lab.kubernetes.pods, lab.kubernetes.services] if lab.kubernetes else []
        for subnet in (*(network.subnet for network in lab.networks), *cluster):
            if ipaddress.IPv4Network(route["dst"], strict=False).overlaps(subnet):
                raise LabError(
                    f"subnet {subnet} of lab {lab.name} overlaps with {route['dst']} on {route.get('dev')}: "
                    "choose another private subnet in the spec."
                )
