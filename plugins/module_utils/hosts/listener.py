# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a TCP port of this machine, told without connecting to it."""

from __future__ import annotations

import os
import socket
import struct

from ..errors import DroverError
from . import cgroups

LISTEN = "0A"  # TCP_LISTEN in Linux include/net/tcp_states.h


def find_listeners(tree, ports):
    """List who listens on ``ports``: ``port``, ``address``, ``pid``, ``command`` and ``unit``.

    ``pid`` and ``command`` are None when the listener's process cannot be seen (another user's, without root), ``unit``
    when it belongs to none. Sorted by port and address. Raises DroverError for what is no port.
    """
    for port in ports:
        if not 1 <= port <= 65535:
            raise DroverError(f"{port} is not a TCP port; give a number from 1 to 65535.")
    sockets = [entry for table in ("tcp", "tcp6") for entry in _listening(tree, table, set(ports))]
    owners = _owners(tree, {inode for _port, _address, inode in sockets})
    listeners = []
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


def _listening(tree, table, ports):
    """(port, address, inode) of the listening sockets of /proc/net/``table`` on ``ports``."""
    for line in (tree.text(f"/proc/net/{table}") or "").splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != LISTEN:
            continue
        address, _separator, port = fields[1].partition(":")
        if int(port, 16) in ports:
            yield int(port, 16), _address(address), fields[9]


def _address(text):
    """/proc/net prints addresses as 32-bit words in the machine's own byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def _owners(tree, inodes):
    """Socket inode -> the lowest id of a process that has it open; systemd, which may hold it for it, comes last."""
    owners = {}
    pids = sorted((int(name) for name in tree.names("/proc") if name.isdigit()), key=lambda pid: (pid == 1, pid))
    for pid in pids if inodes else ():
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


def _command(tree, pid):
    """The program's name, as it was started."""
    words = (tree.text(f"/proc/{pid}/cmdline") or "").split("\0")
    return words[0].rstrip(":") if words[0] else tree.text(f"/proc/{pid}/comm")
