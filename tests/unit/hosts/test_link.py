# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Round trips and speeds by echo. `tests/limits` holds them against cables of a known rate."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest
from module_utils.errors import DroverError
from module_utils.hosts import link as under_test

from .fleet import at, tally

IP_HEADER = b"\x45" + bytes(19)


class Line:
    """One end of a pair of sockets, where the code expects one for ICMP."""

    def __init__(self, end):
        self.end = end
        self.fileno, self.recv, self.send = end.fileno, end.recv, end.send

    def connect(self, _address):
        """Both ends are connected already."""

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        """The test closes it."""


@pytest.fixture
def other_machine(monkeypatch):
    """Answers every echo with what ``answers(request)`` yields."""

    @contextmanager
    def run(answers):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

        def serve():
            while request := theirs.recv(65_535):
                for answer in answers(request):
                    theirs.send(answer)

        server = threading.Thread(target=serve)
        server.start()
        monkeypatch.setattr(under_test, "_open", lambda: Line(ours))
        try:
            yield
        finally:
            ours.send(b"")
            server.join()
            ours.close()
            theirs.close()

    return run


def reply(request):
    return b"\0" + request[1:]


def test_the_checksum_of_rfc_1071():
    assert under_test.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert under_test.checksum(b"\x01") == 0xFEFF


@pytest.mark.parametrize("header", [b"", IP_HEADER], ids=["datagram socket", "raw socket"])
@pytest.mark.parametrize("size", [under_test.SMALL_BYTES, under_test.LARGE_BYTES])
def test_every_echo_is_timed(other_machine, header, size):
    with other_machine(lambda request: [header + reply(request)]):
        assert len(under_test.echo_seconds("192.0.2.1", size)) == under_test.COUNT


def test_what_is_no_answer_to_us_does_not_count(other_machine):
    def answers(request):
        yield b""
        yield request  # loopback shows a raw socket its own requests
        yield reply(request)[:6] + b"\xff\xff" + request[8:]
        yield reply(request)[:8] + b"\0" * len(request[8:])
        yield b"\x03" + reply(request)[1:]
        yield reply(request)

    with other_machine(answers):
        assert len(under_test.echo_seconds("192.0.2.1", 16)) == under_test.COUNT


def test_a_machine_that_does_not_answer_is_left_alone_soon(other_machine, monkeypatch):
    monkeypatch.setattr(under_test, "WAIT_SECONDS", 0.01)
    asked = []
    with other_machine(lambda request: asked.append(request) or []):
        assert under_test.measure_link("192.0.2.1") == {"round_trip_seconds": None, "speed_mbps": None}
    assert len(asked) == 2


@pytest.mark.parametrize("error", [OSError("Network is unreachable"), PermissionError("Operation not permitted")])
def test_without_a_way_there_nothing_is_known(monkeypatch, error):
    def refuse(*_arguments):
        raise error

    monkeypatch.setattr(under_test.socket, "socket", refuse)
    assert under_test.measure_link("192.0.2.1") == {"round_trip_seconds": None, "speed_mbps": None}


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [
        # 59,984 bytes in 0.499 ms, each way: a gigabit, with headers.
        ([0.0002] * 9, [0.0002 + 2 * 0.000499] * 9, {"round_trip_seconds": 0.0002, "speed_mbps": 999}),
        # Bursts pass a limit, and one echo was held up.
        ([0.0002, 0.5, 0.0002], [0.001] * 2 + [0.1] * 3, {"round_trip_seconds": 0.0002, "speed_mbps": 10}),
        ([0.0002], [], {"round_trip_seconds": 0.0002, "speed_mbps": None}),
        ([0.0002], [0.0001], {"round_trip_seconds": 0.0002, "speed_mbps": None}),
        ([], [], {"round_trip_seconds": None, "speed_mbps": None}),
    ],
)
def test_large_echoes_tell_the_speed(monkeypatch, small, large, expected):
    answers = {under_test.SMALL_BYTES: small, under_test.LARGE_BYTES: large}
    monkeypatch.setattr(under_test, "echo_seconds", lambda _peer, size: answers[size])
    assert under_test.measure_link("192.0.2.1") == expected


WAYS = {
    "10.0.0.2": {"round_trip_seconds": 0.0004, "speed_mbps": 90},
    "10.0.0.3": {"round_trip_seconds": 0.0002, "speed_mbps": None},
    "10.0.0.4": {"round_trip_seconds": None, "speed_mbps": None},
}


@pytest.fixture
def asked(monkeypatch):
    """Replaces the measurement: returns the list of peers asked for."""
    peers = []
    monkeypatch.setattr(under_test, "measure_link", lambda peer: peers.append(peer) or WAYS[peer])
    return peers


def test_the_best_way_is_the_hosts_own_link(tmp_path, asked):
    found = under_test.links("10.0.0.1", list(WAYS), str(tmp_path / "links.json"))
    assert (found["round_trip_seconds"], found["speed_mbps"]) == (0.0002, 90)
    assert found["peers"] == [{"address": peer, **way} for peer, way in WAYS.items()]


def test_the_same_ways_are_measured_once(tmp_path, asked):
    cache = str(tmp_path / "drover" / "links.json")
    first = under_test.links("10.0.0.1", ["10.0.0.2"], cache)
    assert under_test.links("10.0.0.1", ["10.0.0.2"], cache) == first
    assert asked == ["10.0.0.2"]
    under_test.links("10.0.0.1", ["10.0.0.2", "10.0.0.3"], cache)
    under_test.links("10.0.0.9", ["10.0.0.2", "10.0.0.3"], cache)
    assert len(asked) == 5


@pytest.mark.parametrize(("peer", "may_write"), [("10.0.0.4", True), ("10.0.0.2", False)])
def test_silence_is_not_kept_nor_is_anything_in_check_mode(tmp_path, asked, peer, may_write):
    under_test.links("10.0.0.1", [peer], str(tmp_path / "links.json"), may_write)
    assert list(tmp_path.iterdir()) == []


FIGURES = {"round_trip_seconds": 0.0003, "speed_mbps": 940}


@pytest.fixture
def ways(monkeypatch):
    """Replaces the measurement: returns the list of addresses and peers asked for."""
    asked = []

    def measured(address, peers, cache_file, may_write):
        asked.append((address, peers))
        return {**FIGURES, "peers": []}

    monkeypatch.setattr(under_test, "links", measured)
    return asked


FLEET = [
    tally(f"pi-{number}", at("wlan0", f"192.168.1.{number}/24", "wireless"), at("eth0", f"10.0.0.{number}/24"))
    for number in range(1, 8)
]


@pytest.mark.parametrize(
    ("host", "leader", "peers"),
    [
        ("pi-1", None, [2, 3, 4, 5]),
        ("pi-3", None, [1, 2, 4, 5]),
        ("pi-3", "pi-7", [7, 1, 2, 4]),
        ("pi-7", "pi-7", [1, 2, 3, 4]),
        ("pi-1", "no such host", [2, 3, 4, 5]),
    ],
)
def test_the_leader_and_some_others_are_asked_over_the_clusters_network(ways, host, leader, peers):
    found = under_test.own_link(host, FLEET, leader)
    assert ways == [(f"10.0.0.{host[-1]}", [f"10.0.0.{peer}" for peer in peers])]
    own = next(tally for tally in FLEET if tally["host"] == host)
    assert found == {**own, "network": {**own["network"], **FIGURES}}


@pytest.mark.parametrize(
    "tallies",
    [
        FLEET[:1],
        [{**FLEET[0], "exclude": "no"}, *FLEET[1:]],
        [{**FLEET[0], "obstacles": ["No systemd."]}, *FLEET[1:]],
        [FLEET[0], *({**other, "exclude": "no"} for other in FLEET[1:])],
        [FLEET[0], tally("odd", at("eth0", "172.20.0.1/24"))],
    ],
)
def test_there_may_be_nothing_to_measure(ways, tallies):
    found = under_test.own_link("pi-1", tallies)
    assert ways == []
    assert (found["network"]["round_trip_seconds"], found["network"]["speed_mbps"]) == (None, None)


def test_a_host_whose_tally_is_missing():
    with pytest.raises(DroverError, match=r"^There is no tally of pi-9 among those given \(pi-1, pi-2\)"):
        under_test.own_link("pi-9", FLEET[:2])
