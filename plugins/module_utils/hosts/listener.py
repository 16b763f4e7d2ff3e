# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a TCP port of this machine, and who is connected to it, told without touching it."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Any

from .. import checks
from . import cgroups
from .tree import Tree

# TCP_ESTABLISHED and TCP_LISTEN in Linux include/net/tcp_states.h.
ESTABLISHED, LISTEN = "01", "0A"
MAPPED = "::ffff:"  # before an IPv4 address that an IPv6 socket serves


def find_listeners(
    tree: Tree, ports: Iterable[int], likely: int | None = None, on: str | None = None
) -> list[dict[str, Any]]:
    """List who listens on ``ports``: ``port``, ``address``, ``pid``, ``command`` and ``unit``. The process ``likely``
    is looked at first: one that listened before spares a look at every descriptor of the machine. With ``on`` only
    those of that address.

    ``pid`` and ``command`` are None when the listener's process cannot be seen (another user's, without root), ``unit``
    when it belongs to none. Sorted by port and address. Raises DroverError for what is no port.
    """
    sockets = [(port, address, inode) for port, address, _peer, inode in _sockets(tree, LISTEN, ports, on)]
    owners = _owners(tree, {inode for _port, _address, inode in sockets}, likely)
    listeners: list[dict[str, Any]] = []
    for port, address, inode in sorted(sockets):
        pid = owners.get(inode)
        listeners.append(
            {
                "port": port,
                "address": address,
                "pid": pid,
                "command": _command(tree, pid) if pid else None,
                "unit": cgroups.unit_of(tree, pid) if pid else None,
            }
        )
    return listeners


def find_connections(tree: Tree, ports: Iterable[int], on: str | None = None) -> list[dict[str, Any]]:
    """List who is connected to ``ports`` of this machine now, with ``on`` by that address of it: ``port`` and ``peer``,
    the other's address, sorted and each pair once. Raises DroverError for what is no port."""
    pairs = {
        (port, peer[len(MAPPED) :] if peer.startswith(MAPPED) else peer)
        for port, _address, peer, _inode in _sockets(tree, ESTABLISHED, ports, on)
    }
    return [{"port": port, "peer": peer} for port, peer in sorted(pairs)]


def _sockets(tree: Tree, state: str, ports: Iterable[int], on: str | None) -> list[tuple[int, str, str, str]]:
    """(port, address, peer's address, inode) of the TCP sockets in that state on ``ports``, and ``on`` an address."""
    wanted = {checks.whole(port, "The TCP port", 1, 65535) for port in ports}
    found = []
    for table in ("tcp", "tcp6"):
        for line in (tree.text(f"/proc/net/{table}") or "").splitlines()[1:]:
            fields = line.split()
            if len(fields) < 10 or fields[3] != state:
                continue
            (address, port), (peer, _port) = (field.split(":") for field in fields[1:3])
            if int(port, 16) in wanted and on in (None, _address(address)):
                found.append((int(port, 16), _address(address), _address(peer), fields[9]))
    return found


def _address(text: str) -> str:
    """/proc/net prints addresses as 32-bit words in the machine's own byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def _owners(tree: Tree, inodes: set[str], likely: int | None) -> dict[str, int]:
    """Socket inode -> ``likely``, or the lowest id of a process that has it open; systemd, which may hold it for it,
    comes last."""
    owners: dict[str, int] = {}
    for pid in _processes(tree, likely) if inodes else ():
        for descriptor in tree.names(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(tree.path(f"/proc/{pid}/fd/{descriptor}"))
            except OSError:
                continue
            if target.startswith("socket:["):
                inode = target[len("socket:[") : -1]
                if inode in inodes:
                    owners.setdefault(inode, pid)
        if len(owners) == len(inodes):
            break
    return owners


def _processes(tree: Tree, likely: int | None) -> Iterator[int]:
    if likely is not None:
        yield likely
    yield from sorted((int(name) for name in tree.names("/proc") if name.isdigit()), key=lambda pid: (pid == 1, pid))


def _command(tree: Tree, pid: int) -> str | None:
    """The program's name, as it was started."""
    words = (tree.text(f"/proc/{pid}/cmdline") or "").split("\0")
    return words[0].rstrip(":") if words[0] else tree.text(f"/proc/{pid}/comm")
