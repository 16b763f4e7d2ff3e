# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes have come over the TCP connections that are open now, as the kernel counts them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator

# Linux: include/uapi/linux/{netlink,sock_diag,inet_diag,tcp}.h.
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301
ERROR, DONE = 2, 3
INET_DIAG_INFO = 2
ESTABLISHED = 1
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
REQUEST = struct.Struct("=BBBxI48x")  # family, protocol, extensions, states
ATTRIBUTE = struct.Struct("=HH")  # length, type
MESSAGE_BYTES = 72
RECEIVED = 128  # tcpi_bytes_received in struct tcp_info, since Linux 4.1
SECONDS = 5


def received_bytes(ports: Collection[int], on: str | None = None) -> int | None:
    """Bytes that have come in by IPv4 connections to ``ports`` of this machine, or ``on`` one of its addresses, that
    are open now; None where the kernel does not tell."""
    try:
        return sum(parse_received(_ask(), ports, on))
    except (OSError, struct.error):
        return None


def parse_received(replies: Iterator[bytes], ports: Collection[int], on: str | None = None) -> Iterator[int]:
    """The bytes that each socket on ``ports``, and ``on`` an IPv4 address, has received, of the kernel's ``replies``
    (payloads of messages)."""
    address = socket.inet_aton(on) if on else b""
    for reply in replies:
        if int.from_bytes(reply[4:6], "big") not in ports or not reply[8:].startswith(address):
            continue
        place = MESSAGE_BYTES
        while place + ATTRIBUTE.size <= len(reply):
            length, kind = ATTRIBUTE.unpack_from(reply, place)
            if kind == INET_DIAG_INFO and length >= ATTRIBUTE.size + RECEIVED + 8:
                yield struct.unpack_from("=Q", reply, place + ATTRIBUTE.size + RECEIVED)[0]
            place += max(ATTRIBUTE.size, (length + 3) & ~3)


def _ask() -> Iterator[bytes]:
    """The kernel's replies for all established IPv4 connections."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(SECONDS)
        request = REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 1 << ESTABLISHED)
        kernel.send(HEADER.pack(HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + request)
        while True:
            data = kernel.recv(1 << 18)
            while data:
                length, kind, *_rest = HEADER.unpack_from(data)
                if kind == ERROR:
                    raise OSError("the kernel does not tell")
                if kind == DONE:
                    return
                yield data[HEADER.size : length]
                data = data[(length + 3) & ~3 :]
