# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel counts of connections, on this machine's own loopback."""

from __future__ import annotations

import socket
import struct

import pytest
from module_utils.hosts import received
from module_utils.hosts.received import parse_received, received_bytes

SIZE = 300_000


def test_what_came_over_open_connections_counts_once_it_came():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert received_bytes([port]) == 0
        with socket.create_connection(("127.0.0.1", port)) as client, server.accept()[0] as worker:
            client.sendall(b"x" * SIZE)
            left = SIZE
            while left:
                left -= len(worker.recv(left))
            assert (received_bytes([port]), received_bytes([])) == (SIZE, 0)


def reply(port, *attributes):
    message = struct.pack("=BBBBH", 2, 1, 0, 0, socket.htons(port)) + bytes(66)
    for kind, data in attributes:
        message += struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
    return message


INFO = bytes(128) + struct.pack("=Q", 7) + bytes(80)


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (reply(50052, (2, INFO)), [7]),
        (reply(50052, (8, b"x"), (2, INFO)), [7]),
        (reply(50053, (2, INFO)), []),
        (reply(50052), []),
        # A kernel of before Linux 4.1.
        (reply(50052, (2, bytes(120))), []),
        # What makes no sense ends.
        (reply(50052) + bytes(8), []),
    ],
)
def test_what_the_kernel_says_of_a_socket(message, found):
    assert list(parse_received(iter([message]), [50052])) == found


def test_a_kernel_that_does_not_tell(monkeypatch):
    monkeypatch.setattr(received, "NETLINK_SOCK_DIAG", 31)
    assert received_bytes([50052]) is None
