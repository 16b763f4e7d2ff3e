# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of this machine, the networks that they are in, and the cards behind them.

Which of them the cluster uses cannot be told by one machine alone: see ``addresses``.
"""

from __future__ import annotations

import array
import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import DroverError
from . import interfaces
from .address import is_private
from .tree import Tree

SIOCGIFCONF, SIOCGIFNETMASK = 0x8912, 0x891B  # Linux include/uapi/linux/sockios.h
IFREQ_BYTES = 40 if struct.calcsize("P") == 8 else 32  # sizeof(struct ifreq)
MOST_ADDRESSES = 1024
# RFC 6598. Tailscale gives every machine one address of it, with a prefix of 32 and its routes in a table of its own.
OVERLAY = ipaddress.IPv4Network("100.64.0.0/10")

# Interface, IPv4 address, length of the prefix.
Local = tuple[str, str, int]


def read_network(
    tree: Tree,
    wanted: str | None = None,
    addresses: Sequence[Local] | None = None,
    arrived_at: str | None = None,
) -> dict[str, Any]:
    """The part ``network`` of a tally.

    - ``address``: the user's own choice ``wanted``, or None.
    - ``addresses``: one dictionary for each IPv4 address (RPC has no IPv6) that can be used now: ``address``,
      ``prefix``, ``network`` (``10.0.0.0/24``), ``interface``, ``kind`` and ``speed_mbps`` (see ``interfaces``),
      ``mtu`` and ``private``. Those of interfaces without a cable are left out, unless one is ``wanted``.
    - ``arrived_at``: the local address of the SSH connection that we come by, or None.
    - ``default_interface``: that of the default route, or None.

    ``addresses`` and ``arrived_at`` are asked of the kernel when they are None. Raises DroverError when ``wanted`` is
    not one of the machine's addresses.
    """
    addresses = local_addresses() if addresses is None else addresses
    if wanted:
        _require_own(wanted, addresses)
    return {
        "address": wanted or None,
        "addresses": [
            _describe(tree, *local)
            for local in addresses
            if local[1] == wanted or not interfaces.is_down(tree, local[0])
        ],
        "arrived_at": (ssh_address(tree) if arrived_at is None else arrived_at) or None,
        "default_interface": default_interface(tree),
    }


def local_addresses() -> list[Local]:
    """All IPv4 addresses of this machine, loopback included; empty if it is not Linux."""
    space = array.array("B", bytes(MOST_ADDRESSES * IFREQ_BYTES))
    request = struct.pack("iL", len(space), space.buffer_info()[0])
    found = []
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            filled = struct.unpack("iL", fcntl.ioctl(probe, SIOCGIFCONF, request))[0]
            for start in range(0, filled, IFREQ_BYTES):
                entry = space[start : start + IFREQ_BYTES].tobytes()
                # With the address in the request, the kernel tells the mask of that one among the interface's.
                mask = fcntl.ioctl(probe, SIOCGIFNETMASK, entry)[20:24]
                name = entry[:16].split(b"\0", 1)[0].decode("utf-8", "replace")
                found.append((name.partition(":")[0], socket.inet_ntoa(entry[20:24]), _ones(mask)))
    except OSError:
        return []
    return found


def ssh_address(tree: Tree) -> str | None:
    """The local address of the SSH connection that this process descends from, or None.

    ``sudo`` drops SSH_CONNECTION from the environment, so the ancestors' environments are looked at as well.
    """
    pid = str(os.getpid())
    for _generation in range(16):
        for entry in (tree.text(f"/proc/{pid}/environ") or "").split("\0"):
            name, _separator, value = entry.partition("=")
            fields = value.split()
            if name == "SSH_CONNECTION" and len(fields) == 4:
                return fields[2]
        pid = str(tree.table(f"/proc/{pid}/status").get("PPid", 0))
        if pid in ("0", "1"):
            return None
    return None


def default_interface(tree: Tree) -> str | None:
    """The interface of the default route with the lowest metric, or None."""
    routes = [(metric, interface) for interface, network, metric in _routes(tree) if not network.prefixlen]
    return min(routes)[1] if routes else None


def _routes(tree: Tree) -> Iterator[tuple[str, ipaddress.IPv4Network, int]]:
    """The routes of the kernel's main table: interface, network, metric."""
    for line in (tree.text("/proc/net/route") or "").splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        # 32-bit words in the machine's own byte order.
        base, mask = (struct.pack("=I", int(fields[column], 16)) for column in (1, 7))
        yield fields[0], ipaddress.IPv4Network((base, _ones(mask)), strict=False), int(fields[6])


def _ones(mask: bytes) -> int:
    return bin(int.from_bytes(mask, "big")).count("1")


def _describe(tree: Tree, interface: str, address: str, prefix: int) -> dict[str, Any]:
    kind = interfaces.kind_of(tree, interface)
    return {
        "address": address,
        "prefix": prefix,
        "network": str(_network(tree, interface, kind, address, prefix)),
        "interface": interface,
        "kind": kind,
        "speed_mbps": interfaces.speed_of(tree, interface),
        "mtu": tree.integer(f"{interfaces.CARDS_FOLDER}/{interface}/mtu"),
        "private": is_private(address),
    }


def _network(tree: Tree, interface: str, kind: str, address: str, prefix: int) -> ipaddress.IPv4Network:
    """The network that is reached directly from ``address``.

    An address that stands alone (/32: WireGuard, some clouds' private networks) is in the widest network that the
    kernel has a route to by its interface.
    """
    own = ipaddress.IPv4Network((address, prefix), strict=False)
    if prefix < 32:
        return own
    if kind == "tunnel" and own.subnet_of(OVERLAY):
        return OVERLAY
    around = [
        network
        for name, network, _metric in _routes(tree)
        if name == interface and network.prefixlen and own.subnet_of(network)
    ]
    return min(around, key=lambda network: network.prefixlen, default=own)


def _require_own(wanted: str, addresses: Sequence[Local]) -> None:
    try:
        ipaddress.IPv4Address(wanted)
    except ValueError as error:
        raise DroverError(
            f"{wanted!r} is no IPv4 address such as 192.168.1.10; llama.cpp's RPC has no IPv6."
        ) from error
    # Where the addresses cannot be listed, the user is trusted.
    if addresses and wanted not in (address for _interface, address, _prefix in addresses):
        present = ", ".join(f"{address} ({interface})" for interface, address, _prefix in addresses)
        raise DroverError(
            f"{wanted} is not an address of this host, which has {present}; set rpc_server_address to one of them."
        )
