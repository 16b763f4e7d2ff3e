# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy makes of the role's configuration: asked over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import threading

import pytest
from unit.gateway.running import (
    ALICE,
    BOB,
    LEADER_KEY,
    Gateway,
    Leader,
    certificate,
    configuration,
    error_of,
    wait_for,
)
from unit.ports import free_port

CHAT = "/v1/chat/completions"
KEYS = {"alice": ALICE, "bob": BOB}


@pytest.fixture
def running():
    """Makes leaders and gateways, and ends what was made."""
    made = []

    def run(kind, *given, **changes):
        made.append(kind(*given, **changes))
        return made[-1]

    yield run
    for each in reversed(made):
        each.stop()


@pytest.fixture
def gateway(running, tmp_path):
    """A gateway whose leader answers."""

    def run(**changes):
        leader_port = free_port()
        leader = running(Leader, leader_port)
        gateway = running(Gateway, tmp_path, configuration(free_port(), leader_port, **changes), KEYS)
        wait_for(gateway.healthy)
        gateway.leader = leader
        return gateway

    return run


def test_a_request_goes_to_the_leader_with_the_clusters_key(gateway):
    one = gateway()
    answer = one.ask("POST", CHAT, b"{}", {"Origin": "https://evil.example", "Cookie": "a=b"})
    assert (answer.status, answer.text) == (200, "answered")
    ((path, headers, body),) = one.leader.asked
    assert (path, body) == (CHAT, b"{}")
    assert headers["Authorization"] == f"Bearer {LEADER_KEY}"
    assert "Origin" not in headers
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {LEADER_KEY}"},
        {"Authorization": f"Bearer {ALICE}x"},
        {"Authorization": f"Basic {ALICE}"},
        {"Authorization": ALICE},
        {"X-Api-Key": "alice"},
        {"X-Api-Key": ALICE, "Authorization": "Bearer wrong"},
    ],
)
def test_who_has_no_key_gets_401_and_the_leader_hears_nothing(gateway, headers):
    one = gateway()
    answer = one.ask("POST", CHAT, b"{}", headers, key=None)
    assert answer.status == 401
    assert error_of(answer)["type"] == "authentication_error"
    assert answer.getheader("WWW-Authenticate") == "Bearer"
    assert one.leader.asked == []


@pytest.mark.parametrize("headers", [{"X-Api-Key": BOB}, {"authorization": f"bearer {BOB}"}])
def test_the_log_names_whose_key_it_was_and_no_key(gateway, headers):
    one = gateway()
    assert one.ask("POST", CHAT, b"{}", headers, key=None).status == 200
    wait_for(lambda: f"127.0.0.1 bob POST {CHAT} 200" in one.log)
    assert "X-Api-Key" not in one.leader.asked[0][1]
    for key in (ALICE, BOB, LEADER_KEY):
        assert key not in one.log


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/slots"),
        ("GET", "/metrics"),
        ("POST", "/props"),
        ("POST", "/slots/0?action=save"),
        ("POST", "/lora-adapters"),
        ("POST", "/models/load"),
        ("GET", "/tools"),
        ("GET", "/"),
        ("GET", CHAT),
        ("DELETE", "/v1/models"),
        ("POST", "/v1/../props"),
        ("POST", "/v1/%63hat/completions"),
    ],
)
def test_only_the_paths_of_the_api_are_passed_on(gateway, method, path):
    one = gateway()
    answer = one.ask(method, path, b"{}" if method == "POST" else None)
    assert answer.status == 404
    assert error_of(answer)["code"] == 404
    assert one.leader.asked == []


def test_what_streams_comes_piece_by_piece(gateway):
    one = gateway()
    one.leader.pieces.put(b"data: 1\n\n")
    answer = one.begin("POST", CHAT, b'{"stream": true}')
    assert answer.readline() == b"data: 1\n"
    one.leader.pieces.put(b"data: 2\n\n")
    assert [answer.readline() for _ in range(2)] == [b"\n", b"data: 2\n"]
    one.leader.pieces.put(None)
    assert answer.read() == b"\n"


def test_a_long_answer_outlives_the_wait_for_clients_that_say_nothing(gateway):
    asked = gateway(client_seconds=1)
    asked.leader.thinks_seconds = 3.0
    answer = asked.ask("POST", CHAT, "{}")
    assert (answer.status, answer.text) == (200, "answered")
    streams = asked.begin("POST", CHAT, '{"stream":true}')
    asked.leader.pieces.put(b"one")
    assert streams.read(3) == b"one"
    asked.leader.thinks.wait(3.0)
    asked.leader.pieces.put(b"two")
    asked.leader.pieces.put(None)
    assert streams.read() == b"two"
    streams.connection.close()


def test_who_takes_no_tls_up_is_let_go(running, tmp_path):
    certificate(tmp_path)
    asked = running(Gateway, tmp_path, configuration(free_port(), free_port(), tls=True, client_seconds=1), KEYS)
    with socket.create_connection(("127.0.0.1", asked.gateway["listen"]["port"]), timeout=8) as silent:
        assert silent.recv(1) == b""


def test_one_client_does_not_take_all_connections(gateway):
    place = ("127.0.0.1", gateway().gateway["listen"]["port"])
    with contextlib.ExitStack() as opened:
        # Its threads take them as they come: which one is too many is not said.
        many = [opened.enter_context(socket.create_connection(place, timeout=5)) for _ in range(201)]
        closed, _writable, _exceptional = select.select(many, [], [], 8)
        assert len(closed) == 1
        other = opened.enter_context(socket.create_connection(place, timeout=5, source_address=("127.0.0.2", 0)))
        other.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert other.recv(12) == b"HTTP/1.1 200"


def test_keys_change_without_ending_what_streams(gateway):
    one = gateway()
    one.leader.pieces.put(b"data: 1\n\n")
    stream = one.begin("POST", CHAT, b'{"stream": true}', key=BOB)
    assert stream.readline() == b"data: 1\n"
    new = "alices-next-long-key"
    one.reload({"alice": new})
    # A connection that was made before goes to the old process, which ends with its streams.
    wait_for(lambda: one.ask("POST", CHAT, b"{}", key=BOB).status == 401)
    assert one.ask("POST", CHAT, b"{}", key=ALICE).status == 401
    wait_for(one.healthy)
    assert one.ask("POST", CHAT, b"{}", key=new).status == 200
    one.leader.pieces.put(b"data: 2\n\n")
    one.leader.pieces.put(None)
    assert stream.read() == b"\ndata: 2\n\n"


def test_while_nobody_leads_there_is_503_at_once_or_after_a_while(running, tmp_path):
    one = running(Gateway, tmp_path, configuration(free_port(), free_port(), hold_seconds=1), KEYS)
    wait_for(lambda: not one.healthy())
    for method, path in (("POST", CHAT), ("GET", "/health")):
        answer = one.ask(method, path, b"{}" if method == "POST" else None)
        assert answer.status == 503
        assert int(answer.getheader("Retry-After")) > 0
        assert answer.getheader("Content-Type") == "application/json"
        assert error_of(answer)["type"] == "unavailable_error"


def test_what_waits_is_answered_when_somebody_leads_again(running, tmp_path):
    port = free_port()
    one = running(Gateway, tmp_path, configuration(free_port(), port, hold_seconds=20), KEYS)
    wait_for(lambda: not one.healthy())
    got = []
    waiting = threading.Thread(target=lambda: got.append(one.ask("POST", CHAT, b"{}").status))
    waiting.start()
    running(Leader, port)
    waiting.join(20)
    assert got == [200]


def test_whoever_leads_is_asked_and_no_stranger_in_its_place(running, tmp_path):
    ports = [free_port(), free_port(), free_port()]
    stranger = running(Leader, ports[0], key="another-clusters-key")
    loading = running(Leader, ports[1], status=503)
    leads = running(Leader, ports[2])
    one = running(Gateway, tmp_path, configuration(free_port(), *ports), KEYS)
    wait_for(one.healthy)
    assert one.ask("POST", CHAT, b"{}").status == 200
    assert [len(each.asked) for each in (stranger, loading, leads)] == [0, 0, 1]


def test_its_health_is_that_of_the_leaders_own_health_port(running, tmp_path):
    port, health_port = free_port(), free_port()
    running(Leader, port)
    gateway = configuration(free_port(), port)
    gateway["leaders"][0]["health_port"] = health_port
    one = running(Gateway, tmp_path, gateway, KEYS)
    wait_for(lambda: not one.healthy())
    # It asks without a key there.
    running(Leader, health_port, key="").server.RequestHandlerClass.do_GET = lambda self: self.answer(200, "{}")
    wait_for(one.healthy)


def test_the_leaders_own_503_says_when_to_come_again(gateway):
    one = gateway()
    one.leader.status = 503
    answer = one.ask("POST", CHAT, b"{}")
    assert (answer.status, answer.text) == (503, "answered")
    assert int(answer.getheader("Retry-After")) > 0


@pytest.mark.parametrize(
    "body, headers, status",
    [
        (b"x" * 4096, {}, 200),
        (b"x" * 4097, {}, 413),
        (b"", {"Content-Length": "99999999999"}, 413),
    ],
)
def test_a_request_may_not_be_too_large(gateway, body, headers, status):
    one = gateway()
    answer = one.ask("POST", CHAT, body, headers)
    assert answer.status == status
    assert len(one.leader.asked) == (status == 200)


@pytest.mark.parametrize("length", ["", "Content-Length: 2\r\n"])
def test_a_request_must_say_how_long_it_is(gateway, length):
    one = gateway()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nX-Api-Key: {ALICE}\r\nTransfer-Encoding: chunked\r\n{length}\r\n"
    with socket.create_connection(("127.0.0.1", one.gateway["listen"]["port"]), 10) as plain:
        plain.sendall(f"{head}2\r\n{{}}\r\n0\r\n\r\n".encode())
        # Two lengths at once are no HTTP to HAProxy, or it takes the length away.
        assert plain.recv(100).split()[1] in (b"411", b"400")
    assert one.leader.asked == []


def test_only_pages_that_were_named_may_ask(gateway):
    one = gateway(cors_origins=["https://chat.example"])
    headers = {"Origin": "https://chat.example"}
    for answer in (
        one.ask("POST", CHAT, b"{}", headers),
        one.ask("POST", CHAT, b"{}", headers, key="wrong-as-can-be-00"),
    ):
        assert answer.getheader("Access-Control-Allow-Origin") == "https://chat.example"
        assert answer.getheader("Access-Control-Allow-Credentials") is None
    preflight = one.ask("OPTIONS", CHAT, None, headers, key=None)
    assert preflight.status == 204
    assert "Authorization" in preflight.getheader("Access-Control-Allow-Headers")
    for origin in ("https://chat.example.evil", "http://chat.example", "null"):
        assert one.ask("OPTIONS", CHAT, None, {"Origin": origin}, key=None).status == 401
        answer = one.ask("POST", CHAT, b"{}", {"Origin": origin})
        assert answer.getheader("Access-Control-Allow-Origin") is None


# That these versions are old is what is tried.
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_is_of_today(running, tmp_path):
    port = free_port()
    running(Leader, port)
    context = certificate(tmp_path)
    one = running(Gateway, tmp_path, configuration(free_port(), port, tls=True), KEYS)
    wait_for(lambda: one.ask("GET", "/health", key=None, context=context).status == 200)
    assert one.ask("POST", CHAT, b"{}", context=context).status == 200
    with pytest.raises((http.client.HTTPException, OSError)):
        one.ask("GET", "/health")
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        one.ask("GET", "/health", context=context)
