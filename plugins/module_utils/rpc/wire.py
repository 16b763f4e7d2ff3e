# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to a ggml RPC server: which protocol it speaks and what its devices report.

The protocol (ggml/src/ggml-rpc/ggml-rpc.cpp and its transport): a request is a command byte, the payload's size as
64-bit little-endian and the payload; a reply is a size and a payload. The server takes one client at a time and answers
nobody else meanwhile, so never probe one that a leader is at work with: look at its host with ``hosts.listener``.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from typing import Any

HELLO = 14
DEVICE_COUNT = 15
GET_DEVICE_MEMORY = 11
PORT = 50052
SECONDS = 2.0

# Protocol 4 and later sends what the client's connection is capable of, older ones nothing.
CONNECTION_CAPABILITIES = bytes(24)
# Sizes of the reply to HELLO: major, minor and patch; with a byte of padding; with the server's capabilities.
HELLO_REPLY_SIZES = (3, 4, 28)
MOST_DEVICES = 256


class Foreign(Exception):
    """The server answered with something that is not the protocol."""


class Closed(Exception):
    """The server closed the connection instead of answering."""


def probe(address: str, port: int = PORT, timeout: float = SECONDS) -> dict[str, Any]:
    """Ask the server at ``address`` and ``port`` who it is, within ``timeout`` seconds in all. Never raises.

    Returns ``state``, ``problem`` (a sentence, None for an idle server), ``version`` (``major``, ``minor``, ``patch``,
    or None) and ``devices`` (``index``, ``total_bytes``, ``free_bytes``, as the server reports them: for a CPU it is
    the machine's memory, whatever is in use or out of bounds).

    - ``idle``: it answered.
    - ``busy``: it took the connection and said nothing, as a server does that works for another client.
    - ``dead``: the host refused the connection, so nothing listens there.
    - ``unreachable``: no such host, no route, or no answer to the connection.
    - ``foreign``: something else listens there.
    """
    deadline = time.monotonic() + timeout
    place = f"{address}:{port}"
    result: dict[str, Any] = {"state": "idle", "problem": None, "version": None, "devices": []}
    try:
        # A server of an older protocol closes the connection at a HELLO with a payload, and a newer one at one without.
        for hello in (CONNECTION_CAPABILITIES, b""):
            try:
                with _connect(address, port, deadline) as connection:
                    result["version"] = _hello(connection, hello, deadline)
                    result["devices"] = _devices(connection, deadline)
                return result
            except Closed:
                continue
        return _failed(
            result,
            "foreign",
            f"{place} closes the connection at the greeting, so it is no llama.cpp RPC server that "
            "Drover knows; see with port_info on that host what listens there.",
        )
    except Foreign as error:
        return _failed(
            result,
            "foreign",
            f"{place} answered {error}, which is not llama.cpp's RPC protocol; see with port_info on "
            "that host what listens there.",
        )
    except ConnectionRefusedError:
        return _failed(
            result,
            "dead",
            f"{place} refuses connections, so no RPC server runs there; start it, or look with "
            "\"journalctl -u 'drover-rpc@*'\" on that host why it ended.",
        )
    except _Silent:
        return _failed(
            result,
            "busy",
            f"{place} takes connections but answered nothing within {timeout:g} seconds; it is most "
            "likely at work for a leader, since it serves one client at a time.",
        )
    except OSError as error:
        reason = (
            "it did not answer"
            if isinstance(error, socket.timeout) or error.errno == errno.ETIMEDOUT
            else (error.strerror or str(error))
        )
        return _failed(
            result,
            "unreachable",
            f"{place} cannot be reached within {timeout:g} seconds ({reason}); check that the host "
            "is up, the address is right and its firewall lets this host in.",
        )


class _Silent(Exception):
    """The server took the connection and said nothing in time."""


def _failed(result: dict[str, Any], state: str, problem: str) -> dict[str, Any]:
    return {**result, "state": state, "problem": problem}


def _connect(address: str, port: int, deadline: float) -> socket.socket:
    """Connect so that closing resets the connection.

    A busy server finds our greeting when its leader has gone. Had we just closed, it would write its answer into a
    broken pipe and end by SIGPIPE (seen with llama.cpp 0.7.0). After a reset it goes on to the next client.
    """
    connection = socket.create_connection((address, port), timeout=_left(deadline))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return connection


def _left(deadline: float) -> float:
    """Seconds until ``deadline``, never 0 (which would mean a socket that does not block)."""
    return max(0.001, deadline - time.monotonic())


def _hello(connection: socket.socket, payload: bytes, deadline: float) -> dict[str, int]:
    reply = _ask(connection, HELLO, payload, HELLO_REPLY_SIZES, deadline)
    major, minor, patch = reply[:3]
    if not 1 <= major <= 99:
        raise Foreign(f"protocol version {major}.{minor}.{patch}")
    return {"major": major, "minor": minor, "patch": patch}


def _devices(connection: socket.socket, deadline: float) -> list[dict[str, int]]:
    """What the devices report; servers before DEVICE_COUNT close the connection at it and report none."""
    try:
        (count,) = struct.unpack("<I", _ask(connection, DEVICE_COUNT, b"", (4,), deadline))
    except Closed:
        return []
    if count > MOST_DEVICES:
        raise Foreign(f"{count} devices")
    devices = []
    for index in range(count):
        reply = _ask(connection, GET_DEVICE_MEMORY, struct.pack("<I", index), (16,), deadline)
        free, total = struct.unpack("<QQ", reply)
        devices.append({"index": index, "total_bytes": total, "free_bytes": free})
    return devices


def _ask(connection: socket.socket, command: int, payload: bytes, sizes: tuple[int, ...], deadline: float) -> bytes:
    """Send one request and return its reply, whose size must be one of ``sizes``."""
    try:
        connection.settimeout(_left(deadline))
        connection.sendall(struct.pack("<BQ", command, len(payload)) + payload)
        head = _receive(connection, 8, deadline)
        (size,) = struct.unpack("<Q", head)
        if size not in sizes:
            text = head.decode("latin-1")
            raise Foreign(repr(text) if text.isascii() and text.isprintable() else f"a reply of {size} bytes")
        return _receive(connection, size, deadline)
    except (ConnectionResetError, BrokenPipeError):
        raise Closed from None


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    received = b""
    while len(received) < size:
        connection.settimeout(_left(deadline))
        try:
            chunk = connection.recv(size - len(received))
        except socket.timeout:
            if received:
                raise Foreign(f"{received!r} and no more") from None
            raise _Silent from None
        if not chunk:
            if received:
                raise Foreign(f"{received!r} and closed the connection")
            raise Closed
        received += chunk
    return received
