# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel tells of sockets: recorded lines, and this machine's own kernel with a peer that hears nothing."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import time

import pytest
from module_utils.hosts.listener import retransmits_from, retransmits_to
from module_utils.hosts.sockets import ESTABLISHED, tcp_sockets
from module_utils.hosts.tree import Tree

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
# 10.0.0.1:36000 -> 10.0.0.11:50052, and what was queued, which timer runs, and how often it was sent again.
LINE = "   {}: 0100000A:8CA0 0B00000A:C384 {} {:08X}:00000000 {}:00000014 {:08X}   997        0 {} 2 0000000000000000\n"
# In Linux include/uapi/asm-generic/socket.h.
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27


@pytest.mark.parametrize(
    ("state", "queued", "timer", "again", "expected"),
    [
        ("01", 1448, "01", 5, 5),
        ("01", 1448, "01", 0, 0),  # it was just sent
        ("01", 0, "00", 0, 0),  # all was acknowledged, and the worker computes
        ("01", 65536, "04", 3, 0),  # the worker has no room for more, and says so
        ("01", 0, "02", 3, 0),  # a connection that is kept alive
        ("04", 1448, "01", 5, 0),  # one that was closed
    ],
)
def test_how_often_something_was_sent_again(machine, state, queued, timer, again, expected):
    tree = machine(files={"/proc/net/tcp": HEAD + LINE.format(0, state, queued, timer, again, 7)})
    assert retransmits_to(tree, "10.0.0.11", 50052) == expected
    assert retransmits_from(tree, 36000) == expected


def test_of_several_connections_the_worst_counts_and_those_to_others_do_not(machine):
    lines = [LINE.format(0, "01", 9, "01", 2, 7), LINE.format(1, "01", 9, "01", 4, 8)]
    lines.append(LINE.format(2, "01", 9, "01", 9, 9).replace("0B00000A", "0C00000A"))
    lines.append(LINE.format(3, "01", 9, "01", 9, 9).replace(":C384", ":C385"))
    tree = machine(files={"/proc/net/tcp": HEAD + "".join(lines)})
    assert retransmits_to(tree, "10.0.0.11", 50052) == 4
    assert retransmits_to(tree, "10.0.0.11", 50053) == 9
    assert retransmits_to(tree, "10.0.0.13", 50052) == 0


def test_an_ipv6_socket_that_serves_ipv4_is_known_by_that(machine):
    mapped = LINE.format(0, "01", 9, "01", 4, 7).replace("0B00000A:", "0000000000000000FFFF00000B00000A:")
    tree = machine(files={"/proc/net/tcp6": HEAD + mapped.replace("0100000A:", "0000000000000000FFFF00000100000A:")})
    assert retransmits_to(tree, "10.0.0.11", 50052) == 4
    (found,) = tcp_sockets(tree, ESTABLISHED)
    assert (found.address, found.port, found.peer, found.peer_port) == ("10.0.0.1", 36000, "10.0.0.11", 50052)


def test_where_the_kernel_tells_nothing_nothing_is_stuck(machine):
    tree = machine(files={"/proc/net/tcp": HEAD + "   0: short\n"})
    assert (retransmits_to(tree, "10.0.0.11", 50052), retransmits_from(tree, 50052)) == (0, 0)


@contextlib.contextmanager
def connection(room=None):
    """Both ends of one on this machine, and the port of the end that is connected to; with ``room`` for so many bytes
    there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        if room:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        with socket.create_connection(server.getsockname()) as client, server.accept()[0] as served:
            yield client, served, server.getsockname()[1]


def wait_until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def deaf(end):
    """Have the kernel throw away what comes for this socket, as a firewall does."""
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET: keep none of it
    program = struct.pack("HP", 1, ctypes.addressof(drop))
    end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def test_this_kernel_counts_what_nobody_acknowledges_and_forgets_it_when_somebody_does():
    tree = Tree()
    with connection() as (client, served, port):
        client.sendall(b"computes")
        wait_until(lambda: served.recv(64, socket.MSG_PEEK))
        assert retransmits_to(tree, "127.0.0.1", port) == 0
        deaf(served)
        client.sendall(b"hangs")
        wait_until(lambda: retransmits_to(tree, "127.0.0.1", port) >= 2)
        assert retransmits_from(tree, port) == 0
        served.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        wait_until(lambda: retransmits_to(tree, "127.0.0.1", port) == 0)
        # The other way: an answer that gets lost is known where it was sent.
        deaf(client)
        served.sendall(b"answer")
        wait_until(lambda: retransmits_from(tree, port) >= 2)
        assert retransmits_to(tree, "127.0.0.1", port) == 0


def test_this_kernel_tells_a_peer_without_room_from_one_that_is_gone():
    tree = Tree()
    with connection(room=4096) as (client, _served, port):
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                client.send(b"x" * 65536)
        own = f":{client.getsockname()[1]:04X} "

        def timer():
            (line,) = [each for each in tree.text("/proc/net/tcp").splitlines() if own in each[:20]]
            return line.split()[5][:2]

        wait_until(lambda: timer() == "04")
        assert retransmits_to(tree, "127.0.0.1", port) == 0
