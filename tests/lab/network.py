# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's private bridge, its way to the internet, and the cables of its hosts."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

from . import names, state
from .command import run
from .errors import LabError
from .spec import LabSpec

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_FORWARD_BEFORE = state.MACHINE / "ip_forward"


def create(lab: LabSpec) -> None:
    """Make the bridge and the table of firewall rules, or bring them up to date."""
    bridge = names.bridge(lab.name)
    _refuse_overlap(lab, bridge)
    if not exists(bridge):
        run("ip", "link", "add", bridge, "type", "bridge")
    address = f"{lab.gateway}/{lab.subnet.prefixlen}"
    if address not in run("ip", "-4", "-brief", "address", "show", "dev", bridge).split():
        run("ip", "address", "flush", "dev", bridge)
        run("ip", "address", "add", address, "dev", bridge)
    run("ip", "link", "set", bridge, "up")
    run("nft", "-f", "-", stdin=rules(lab))


def rules(lab: LabSpec) -> str:
    """The lab's own nftables table; replaces an earlier one in one step."""
    # For IPv4 and IPv6: what is kept in is kept in by both.
    table, bridge = f"inet {names.table(lab.name)}", names.bridge(lab.name)
    if lab.internet:
        hook = "nat hook postrouting priority 100"
        chain = [f"ip saddr {lab.subnet} ip daddr != {lab.subnet} masquerade"]
    else:
        hook = "filter hook forward priority 0"
        chain = [f'iifname "{bridge}" oifname != "{bridge}" drop', f'iifname != "{bridge}" oifname "{bridge}" drop']
    return (
        f"add table {table}\ndelete table {table}\nadd table {table}\n"
        f"add chain {table} out {{ type {hook}; }}\n" + "".join(f"add rule {table} out {rule}\n" for rule in chain)
    )


def remove(lab: str) -> None:
    """Take bridge and table away; nothing happens where there are none."""
    table = f"inet {names.table(lab)}"
    run("nft", "-f", "-", stdin=f"add table {table}\ndelete table {table}\n")
    remove_link(names.bridge(lab))


def forward_packets() -> None:
    """Let the machine route for its hosts. Call with the machine's lock held."""
    if _FORWARD.read_text().strip() == "1":
        return
    state.write(_FORWARD_BEFORE, _FORWARD.read_text())
    _FORWARD.write_text("1")


def restore_forwarding() -> None:
    """Undo what forward_packets changed."""
    if _FORWARD_BEFORE.exists():
        _FORWARD.write_text(_FORWARD_BEFORE.read_text())
        _FORWARD_BEFORE.unlink()


def set_rate(interface: str, namespace: int, rate: int | None) -> None:
    """Limit a cable to so many bits per second each way, or lift the limit.

    ``namespace`` is the id of a process of the host: its end of the cable shapes what the host sends.
    """
    inside = ("nsenter", f"--target={namespace}", "--net")
    for prefix, device in (((), interface), (inside, "host0")):
        # The default queue comes back when ours is deleted; there is none to delete on a fresh cable.
        run(*prefix, "tc", "qdisc", "del", "dev", device, "root", check=False)
        if rate is not None:
            shape = ("tbf", "rate", f"{rate}bit", "burst", "256kb", "latency", "50ms")
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


def transferred(interface: str) -> dict:
    """Bytes over a cable since the host started, as the host counts: ``received_bytes`` and ``sent_bytes``."""
    statistics = Path("/sys/class/net") / interface / "statistics"
    return {
        "received_bytes": int((statistics / "tx_bytes").read_text()),
        "sent_bytes": int((statistics / "rx_bytes").read_text()),
    }


def remove_link(name: str) -> None:
    if exists(name):
        # The kernel may take it away by itself between the look and the command: only what stays is a failure.
        run("ip", "link", "delete", name, check=False)
        if exists(name):
            raise LabError(f"The interface {name} cannot be removed: `ip link delete {name}` says why.")


def exists(interface: str) -> bool:
    """Whether the machine has an interface of that name now."""
    return (Path("/sys/class/net") / interface).exists()


def _refuse_overlap(lab: LabSpec, bridge: str) -> None:
    for route in json.loads(run("ip", "-json", "-4", "route", "show", "table", "main") or "[]"):
        if route["dst"] == "default" or route.get("dev") == bridge:
            continue
        if ipaddress.IPv4Network(route["dst"], strict=False).overlaps(lab.subnet):
            raise LabError(
                f"subnet {lab.subnet} of lab {lab.name} overlaps with {route['dst']} on {route.get('dev')}: "
                "choose another private subnet in the spec."
            )
