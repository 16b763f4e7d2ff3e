# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The RPC probe against the real server: idle, busy with another client, dead, and alive after a rude probe."""

from __future__ import annotations

import socket

import pytest
from module_utils.rpc import wire
from oracle.host import OracleError, configured


@pytest.fixture(scope="module")
def server():
    """Address and port of one real RPC server, and the oracle that keeps it."""
    try:
        oracle = configured()
    except OracleError as error:
        pytest.fail(str(error))
    with oracle:
        address, port = oracle.endpoints[0].rsplit(":", 1)
        yield address, int(port), oracle


def test_an_idle_server_tells_protocol_and_memory(server):
    address, port, oracle = server
    answer = wire.probe(address, port)
    assert answer["state"] == "idle"
    assert answer["problem"] is None
    assert answer["version"]["major"] >= 7
    # It reports the machine's physical memory, which is why Drover does not plan from it.
    machine = int(oracle.shell("getconf _PHYS_PAGES")) * int(oracle.shell("getconf PAGE_SIZE"))
    assert [device["total_bytes"] for device in answer["devices"]] == [machine]


def test_a_server_that_works_for_another_client_is_busy_and_stays_alive(server):
    address, port, _oracle = server
    with socket.create_connection((address, port), timeout=5) as leader:
        leader.sendall(bytes([14]) + (24).to_bytes(8, "little") + bytes(24))
        assert len(leader.makefile("rb").read(8 + 28)) == 8 + 28
        answer = wire.probe(address, port, timeout=1.0)
        assert answer["state"] == "busy"
        assert f"{address}:{port}" in answer["problem"]
    # The probe left a connection in its backlog; the server must survive taking it up.
    assert wire.probe(address, port, timeout=5.0)["state"] == "idle"


def test_a_port_where_nothing_listens_is_dead():
    with socket.create_server(("127.0.0.1", 0)) as free:
        unused = free.getsockname()[1]
    assert wire.probe("127.0.0.1", unused, timeout=2.0)["state"] == "dead"
