# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of network interface one is, and how fast its hardware is.

Source: Linux Documentation/ABI/testing/sysfs-class-net and sysfs-class-net-*.
"""

from __future__ import annotations

from .tree import Tree

CARDS_FOLDER = "/sys/class/net"
KINDS = ("ethernet", "wireless", "virtual", "tunnel", "bridge", "loopback")
# ARPHRD_* of Linux include/uapi/linux/if_arp.h: PPP, IP in IP, IPv6 in IPv4, GRE, and "none" (WireGuard, TUN).
TUNNEL_TYPES = (512, 768, 776, 778, 65534)
LOOPBACK_TYPE = 772
# What drivers call themselves in uevent (SET_NETDEV_DEVTYPE).
TUNNEL_DRIVERS = ("wireguard", "vxlan", "geneve", "ppp", "gtp")
WIRELESS_DRIVERS = ("wlan", "wwan")
DOWN = ("down", "lowerlayerdown", "notpresent")


def has_card(tree: Tree, name: str) -> bool:
    """Tell whether the interface is a card of its own, of real or of a virtual machine's hardware."""
    return tree.has(f"{CARDS_FOLDER}/{name}/device")


def is_down(tree: Tree, name: str) -> bool:
    """Tell whether nothing can be sent by the interface: it is off, or no cable is in it."""
    return tree.text(f"{CARDS_FOLDER}/{name}/operstate") in DOWN


def kind_of(tree: Tree, name: str) -> str:
    """One of KINDS. A bond, a VLAN or a bridge is what the cards below it are; a bridge without a card, which is that
    of containers or virtual machines, is a ``bridge``, and any other interface without a card ``virtual``."""
    folder = f"{CARDS_FOLDER}/{name}"
    driver = _driver(tree, folder)
    number = tree.integer(f"{folder}/type")
    if number == LOOPBACK_TYPE or name == "lo":
        return "loopback"
    if tree.has(f"{folder}/wireless") or tree.has(f"{folder}/phy80211") or driver in WIRELESS_DRIVERS:
        return "wireless"
    if tree.has(f"{folder}/tun_flags") or driver in TUNNEL_DRIVERS or number in TUNNEL_TYPES:
        return "tunnel"
    if has_card(tree, name):
        return "ethernet"
    below = [kind_of(tree, lower) for lower in _lower(tree, folder)]
    cards = [kind for kind in below if kind in ("ethernet", "wireless")]
    if cards:
        return min(cards, key=KINDS.index)
    return "bridge" if tree.has(f"{folder}/bridge") else "virtual"


def speed_of(tree: Tree, name: str) -> int | None:
    """Mbit/s as the hardware says, or None. What has no card says something, too (a veth 10000, a TUN 10), which is
    made up; a bond, a VLAN or a bridge is as fast as the slowest of the cards below it."""
    folder = f"{CARDS_FOLDER}/{name}"
    if has_card(tree, name):
        # Wi-Fi has none, and -1 stands for "unknown".
        speed = tree.integer(f"{folder}/speed")
        return speed if speed and speed > 0 and kind_of(tree, name) == "ethernet" else None
    if kind_of(tree, name) != "ethernet":
        return None
    return min((speed for lower in _lower(tree, folder) for speed in [speed_of(tree, lower)] if speed), default=None)


def _lower(tree: Tree, folder: str) -> list[str]:
    """The interfaces that this one lies on: links ``lower_NAME``, which cannot lead in a circle."""
    return [name[len("lower_") :] for name in tree.names(folder) if name.startswith("lower_")]


def _driver(tree: Tree, folder: str) -> str:
    lines = (tree.text(f"{folder}/uevent") or "").splitlines()
    return next((line.partition("=")[2] for line in lines if line.startswith("DEVTYPE=")), "")
