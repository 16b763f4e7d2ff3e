# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the machine's addresses the cluster should use, and how fast the card behind it is."""

from __future__ import annotations

import array
import fcntl
import ipaddress
import os
import socket
import struct

from ..errors import DroverError
from .address import is_private

SIOCGIFCONF = 0x8912  # Linux include/uapi/linux/sockios.h
IFREQ_BYTES = 40 if struct.calcsize("P") == 8 else 32  # sizeof(struct ifreq)
MOST_ADDRESSES = 1024


def read_network(tree, wanted=None, addresses=None, arrived_at=None):
    """Choose the address that the other hosts should reach this one by, and describe its interface.

    ``wanted`` is the user's own choice. ``addresses`` (pairs of interface and IPv4 address) and ``arrived_at`` (the
    local address of the SSH connection that we come by) are asked of the kernel when they are None. Without a choice:
    the address that Ansible comes by, then that of the default route, then any other, private ones first.
    Raises DroverError when ``wanted`` is not one of the machine's addresses.
    """
    addresses = local_addresses() if addresses is None else addresses
    arrived_at = ssh_address(tree) if arrived_at is None else arrived_at
    if wanted:
        _require_address(wanted)
        interface = next((name for name, address in addresses if address == wanted), None)
        if interface is None and addresses:
            present = ", ".join(f"{address} ({name})" for name, address in addresses) or "none"
            raise DroverError(
                f"{wanted} is not an address of this host, which has {present}; set rpc_server_address to one of them."
            )
        return _describe(tree, interface, wanted)
    interface, address = _choose(tree, addresses, arrived_at)
    return _describe(tree, interface, address)


def local_addresses():
    """Pairs of interface and IPv4 address of this machine (RPC has no IPv6), loopback included; empty if not Linux."""
    space = array.array("B", bytes(MOST_ADDRESSES * IFREQ_BYTES))
    request = struct.pack("iL", len(space), space.buffer_info()[0])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            filled = struct.unpack("iL", fcntl.ioctl(probe, SIOCGIFCONF, request))[0]
    except OSError:
        return []
    pairs = []
    for start in range(0, filled, IFREQ_BYTES):
        entry = space[start : start + IFREQ_BYTES].tobytes()
        name = entry[:16].split(b"\0", 1)[0].decode("utf-8", "replace")
        pairs.append((name.partition(":")[0], socket.inet_ntoa(entry[20:24])))
    return pairs


def ssh_address(tree):
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


def default_interface(tree):
    """The interface of the default route with the lowest metric, or None."""
    routes = []
    for line in (tree.text("/proc/net/route") or "").splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 8 and fields[1] == "00000000" and fields[7] == "00000000":
            routes.append((int(fields[6]), fields[0]))
    return min(routes)[1] if routes else None


def _choose(tree, addresses, arrived_at):
    """(interface, address), by the order that read_network documents; loopback only when there is nothing else."""
    by_default = default_interface(tree)

    def rank(pair):
        interface, address = pair
        return (
            ipaddress.ip_address(address).is_loopback,
            not is_private(address),
            address != arrived_at,
            interface != by_default,
            # A bridge without the default route belongs to containers or virtual machines.
            bool(tree.names(f"/sys/class/net/{interface}/bridge")),
        )

    return min(addresses, key=rank, default=(None, None))


def _describe(tree, interface, address):
    folder = f"/sys/class/net/{interface}"
    speed = tree.integer(f"{folder}/speed") if interface else None
    return {
        "address": address,
        "interface": interface,
        "speed_mbps": speed if speed and speed > 0 else None,
        "mtu": tree.integer(f"{folder}/mtu") if interface else None,
        "private": bool(address) and is_private(address),
    }


def _require_address(text):
    try:
        ipaddress.IPv4Address(text)
    except ValueError as error:
        raise DroverError(f"{text!r} is no IPv4 address such as 192.168.1.10; llama.cpp's RPC has no IPv6.") from error
