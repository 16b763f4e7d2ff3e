# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe of RPC servers, against servers that behave and others that do not."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

import pytest
from module_utils.rpc import wire

MIB = 1024 * 1024
LONG = 5.0  # for servers that answer
SHORT = 0.2  # for servers that never do


def reply(payload):
    return struct.pack("<Q", len(payload)) + payload


def hello(*version, size=28):
    return reply(bytes(version).ljust(size, b"\0"))


def receive(connection, size):
    received = b""
    while len(received) < size:
        chunk = connection.recv(size - len(received))
        if not chunk:
            return None
        received += chunk
    return received


def speak(answers, payload_sizes):
    """A server: answers each command by the table, and closes at a request of another size, as ggml's does."""

    def serve(connection):
        while True:
            head = receive(connection, 9)
            if head is None:
                return
            command, size = struct.unpack("<BQ", head)
            if command not in answers or size != payload_sizes[command]:
                return
            payload = receive(connection, size)
            answer = answers[command]
            connection.sendall(answer(payload) if callable(answer) else answer)

    return serve


def say(text):
    """A foreign server: sends ``text`` and closes."""

    def serve(connection):
        connection.sendall(text)

    return serve


def memory(payload):
    (index,) = struct.unpack("<I", payload)
    return reply(struct.pack("<QQ", (index + 1) * 100 * MIB, (index + 1) * 1000 * MIB))


MODERN = {wire.HELLO: 24, wire.DEVICE_COUNT: 0, wire.GET_DEVICE_MEMORY: 4}
OLDER = {**MODERN, wire.HELLO: 0}


@pytest.fixture
def listen():
    """Starts servers on the loopback address: takes what serves one connection, returns the port."""
    with contextlib.ExitStack() as stack:

        def start(serve):
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def accept():
                while True:
                    try:
                        connection, _peer = server.accept()
                    except OSError:
                        return
                    with connection, contextlib.suppress(OSError):
                        serve(connection)

            threading.Thread(target=accept, daemon=True).start()
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            return server.getsockname()[1]

        yield start


def test_an_idle_server(listen):
    answers = {
        wire.HELLO: hello(8, 0, 0),
        wire.DEVICE_COUNT: reply(struct.pack("<I", 2)),
        wire.GET_DEVICE_MEMORY: memory,
    }
    assert wire.probe("127.0.0.1", listen(speak(answers, MODERN)), LONG) == {
        "state": "idle",
        "problem": None,
        "version": {"major": 8, "minor": 0, "patch": 0},
        "devices": [
            {"index": 0, "total_bytes": 1000 * MIB, "free_bytes": 100 * MIB},
            {"index": 1, "total_bytes": 2000 * MIB, "free_bytes": 200 * MIB},
        ],
    }


@pytest.mark.parametrize("size", [3, 4, 28])
def test_an_older_server_that_takes_an_empty_greeting(listen, size):
    answers = {wire.HELLO: hello(3, 5, 1, size=size)}
    probed = wire.probe("127.0.0.1", listen(speak(answers, OLDER)), LONG)
    assert probed["state"] == "idle"
    assert probed["version"] == {"major": 3, "minor": 5, "patch": 1}
    assert probed["devices"] == []


def test_an_answer_in_small_pieces(listen):
    def serve(connection):
        receive(connection, 33)
        for byte in hello(8, 1, 2):
            connection.sendall(bytes([byte]))
        receive(connection, 9)
        connection.sendall(reply(struct.pack("<I", 0)))

    probed = wire.probe("127.0.0.1", listen(serve), LONG)
    assert (probed["state"], probed["version"]["minor"]) == ("idle", 1)


def test_a_busy_server(listen):
    port = listen(lambda connection: receive(connection, 1000))
    with socket.create_connection(("127.0.0.1", port)):
        probed = wire.probe("127.0.0.1", port, SHORT)
    assert probed["state"] == "busy"
    assert probed["problem"].startswith(f"127.0.0.1:{port} takes connections but answered nothing within 0.2 seconds")


def test_a_dead_server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    probed = wire.probe("127.0.0.1", port, LONG)
    assert probed["state"] == "dead"
    assert f"127.0.0.1:{port}" in probed["problem"]


def test_a_name_that_nobody_knows():
    probed = wire.probe("worker.invalid", 50052, LONG)
    assert probed["state"] == "unreachable"
    assert "worker.invalid:50052" in probed["problem"]


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (socket.timeout("timed out"), "unreachable"),
        (OSError(113, "No route to host"), "unreachable"),
        (ConnectionRefusedError(111, "Connection refused"), "dead"),
    ],
)
def test_a_host_that_cannot_be_reached(monkeypatch, failure, state):
    def connect(address, timeout):
        raise failure

    monkeypatch.setattr(socket, "create_connection", connect)
    assert wire.probe("10.0.0.9", 50052, SHORT)["state"] == state


@pytest.mark.parametrize(
    ("serve", "told"),
    [
        (say(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "'SSH-2.0-'"),
        (say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "'HTTP/1.1'"),
        (say(struct.pack("<Q", 2**63)), "a reply of 9223372036854775808 bytes"),
        (say(struct.pack("<Q", 0)), "a reply of 0 bytes"),
        (say(struct.pack("<Q", 29) + bytes(29)), "a reply of 29 bytes"),
        (say(struct.pack("<Q", 28) + bytes(27)), "closed the connection"),
        (say(hello(0, 0, 0)), "protocol version 0.0.0"),
        (say(hello(200, 0, 0)), "protocol version 200.0.0"),
        (say(hello(8, 0, 0) + reply(struct.pack("<I", 2**31))), "2147483648 devices"),
        (say(hello(8, 0, 0) + reply(struct.pack("<Q", 1))), "a reply of 8 bytes"),
        (say(hello(8, 0, 0) + reply(struct.pack("<I", 1)) + struct.pack("<Q", 2**63)), "9223372036854775808 bytes"),
        (say(b""), "closes the connection at the greeting"),
        (say(b"\x1c\0\0"), "closed the connection"),
    ],
)
def test_a_foreign_server(listen, serve, told):
    def polite(connection):
        connection.settimeout(LONG)
        receive(connection, 9)
        serve(connection)
        connection.shutdown(socket.SHUT_WR)
        receive(connection, 1000)

    port = listen(polite)
    probed = wire.probe("127.0.0.1", port, LONG)
    assert probed["state"] == "foreign"
    assert told in probed["problem"]
    assert f"127.0.0.1:{port}" in probed["problem"]
    assert probed["problem"].endswith(".")


def test_a_server_that_stops_in_the_middle(listen):
    def serve(connection):
        connection.sendall(struct.pack("<Q", 28) + bytes([8, 0]))
        receive(connection, 1000)

    probed = wire.probe("127.0.0.1", listen(serve), SHORT)
    assert probed["state"] == "foreign"
    assert "and no more" in probed["problem"]


def test_giving_up_resets_the_connection(listen):
    """A greeting left in a busy server's queue ends it by SIGPIPE when it answers, unless the connection was reset."""
    outcome = []
    gave_up = threading.Event()
    done = threading.Event()

    def serve(connection):
        gave_up.wait(LONG)
        receive(connection, 33)
        try:
            connection.recv(1)
            outcome.append("closed")
        except ConnectionResetError:
            outcome.append("reset")
        done.set()

    wire.probe("127.0.0.1", listen(serve), SHORT)
    gave_up.set()
    assert done.wait(LONG)
    assert outcome == ["reset"]
