# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP sockets of this machine, or of this pod, as the kernel tells of them.

The fields are those of Linux Documentation/networking/proc_net_tcp.rst, which get_tcp4_sock() in net/ipv4/tcp_ipv4.c
fills in.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .tree import Tree

# TCP_ESTABLISHED and TCP_LISTEN in Linux include/net/tcp_states.h.
ESTABLISHED, LISTEN = "01", "0A"
# The timer (tr) that waits for an acknowledgement. Another one (04) asks a peer that has no room whether it has some by
# now: its program is busy, and its kernel has acknowledged all that was sent.
_RETRANSMIT = "01"
_MAPPED = "::ffff:"  # before an IPv4 address that an IPv6 socket serves


@dataclass(frozen=True)
class Socket:
    """One of them: its ``inode``, and how often in a row the kernel had to send again (``retransmits``) since its peer
    has acknowledged nothing: 0 as soon as it acknowledges one byte more, and while it only has no room."""

    local: str
    remote: str
    inode: str
    retransmits: int

    @property
    def address(self) -> str:
        """Of this machine."""
        return _address(self.local)

    @property
    def port(self) -> int:
        """Of this machine."""
        return _port(self.local)

    @property
    def peer(self) -> str:
        """The other's address."""
        return _address(self.remote)

    @property
    def peer_port(self) -> int:
        """The other's port."""
        return _port(self.remote)


def tcp_sockets(tree: Tree, state: str) -> Iterator[Socket]:
    """Those in that ``state``."""
    for table in ("tcp", "tcp6"):
        for line in (tree.text(f"/proc/net/{table}") or "").splitlines()[1:]:
            fields = line.split()
            if len(fields) >= 10 and fields[3] == state:
                waits = fields[5].partition(":")[0] == _RETRANSMIT
                yield Socket(fields[1], fields[2], fields[9], int(fields[6], 16) if waits else 0)


def _port(place: str) -> int:
    return int(place.partition(":")[2], 16)


def _address(place: str) -> str:
    """/proc/net prints addresses as 32-bit words in the machine's own byte order."""
    text = place.partition(":")[0]
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    address = socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)
    return address[len(_MAPPED) :] if address.startswith(_MAPPED) else address
