# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a TCP port of this machine, and who is connected to it, told without touching it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from .. import checks
from . import cgroups
from .sockets import ESTABLISHED, LISTEN, Socket, tcp_sockets
from .tree import Tree


def find_listeners(
    tree: Tree, ports: Iterable[int], likely: int | None = None, on: str | None = None
) -> list[dict[str, Any]]:
    """List who listens on ``ports``: ``port``, ``address``, ``pid``, ``command`` and ``unit``. The process ``likely``
    is looked at first: one that listened before spares a look at every descriptor of the machine. With ``on`` only
    those of that address.

    ``pid`` and ``command`` are None when the listener's process cannot be seen (another user's, without root), ``unit``
    when it belongs to none. Sorted by port and address. Raises DroverError for what is no port.
    """
    sockets = [(each.port, each.address, each.inode) for each in _sockets(tree, LISTEN, ports, on)]
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
    pairs = {(each.port, each.peer) for each in _sockets(tree, ESTABLISHED, ports, on)}
    return [{"port": port, "peer": peer} for port, peer in sorted(pairs)]


def retransmits_from(tree: Tree, port: int) -> int:
    """How often in a row the kernel had to send again what was sent from ``port`` of this machine: the most of its
    connections, and 0 while all peers acknowledge."""
    return max((each.retransmits for each in _sockets(tree, ESTABLISHED, [port], None)), default=0)


def retransmits_to(tree: Tree, address: str, port: int) -> int:
    """The same of what is sent to ``port`` of ``address``, whoever on this machine is connected to it."""
    sent = (each for each in tcp_sockets(tree, ESTABLISHED) if each.peer_port == port and each.peer == address)
    return max((each.retransmits for each in sent), default=0)


def _sockets(tree: Tree, state: str, ports: Iterable[int], on: str | None) -> list[Socket]:
    """The TCP sockets in that state on ``ports``, and ``on`` an address."""
    wanted = {checks.whole(port, "The TCP port", 1, 65535) for port in ports}
    found = (each for each in tcp_sockets(tree, state) if each.port in wanted)
    return [each for each in found if on in (None, each.address)]


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
