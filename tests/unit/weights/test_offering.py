# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import http.client
import os
import random
import socket
import threading
from ipaddress import ip_network

import pytest
from module_utils.errors import DroverError
from module_utils.weights import offering, placing
from module_utils.weights.offering import Offer, serve
from module_utils.weights.sources import read_sources
from unit.weights.pieces import cached, content, weights_of

SECRET = "0123456789abcdef" * 4
DATA = random.Random(4).randbytes(300_000)


@contextlib.contextmanager
def offered(files, members=("127.0.0.1",), seconds=60):
    offer = Offer("127.0.0.1", 0, files.get, [ip_network(member) for member in members], SECRET)
    thread = threading.Thread(target=serve, args=(offer, seconds))
    thread.start()
    try:
        yield offer
    finally:
        offer.shutdown()
        thread.join()


@pytest.fixture
def model(tmp_path):
    (tmp_path / "m 1.gguf").write_bytes(DATA)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "other").write_bytes(b"not offered")
    with offered({name: str(tmp_path / name) for name in ("m 1.gguf", "empty", "gone")}) as offer:
        yield offer


def ask(offer, path="/m%201.gguf", method="GET", secret=SECRET, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", offer.port, timeout=10)
    if secret is not None:
        headers["Authorization"] = f"Bearer {secret}"
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


@pytest.mark.parametrize(
    ("wanted", "status", "first", "end"),
    [
        (None, 200, 0, 300_000),
        ("bytes=0-0", 206, 0, 1),
        ("bytes=5-104", 206, 5, 105),
        ("bytes=299999-", 206, 299_999, 300_000),
        ("bytes=100-999999999", 206, 100, 300_000),
        # What is no range that we give is the whole file, as the standard has it.
        ("bytes=-5", 200, 0, 300_000),
        ("bytes=0-1,5-6", 200, 0, 300_000),
        ("lines=0-1", 200, 0, 300_000),
    ],
)
def test_ranges(model, wanted, status, first, end):
    response, body = ask(model, **({"Range": wanted} if wanted else {}))
    assert (response.status, body) == (status, DATA[first:end])
    assert response.headers["Content-Length"] == str(end - first)
    assert response.headers["Content-Range"] == (f"bytes {first}-{end - 1}/300000" if status == 206 else None)


@pytest.mark.parametrize("wanted", ["bytes=300000-", "bytes=5-4"])
def test_ranges_that_there_are_not(model, wanted):
    response, body = ask(model, Range=wanted)
    assert (response.status, response.headers["Content-Range"], body) == (416, "bytes */300000", b"")


def test_another_version_comes_whole(model):
    response, _body = ask(model)
    tag = response.headers["ETag"]
    assert ask(model, Range="bytes=1-2", If_Range=tag)[1] == DATA[1:3]
    assert ask(model, Range="bytes=1-2", If_Range='"old"')[1] == DATA


def test_head_and_empty_files(model):
    response, body = ask(model, method="HEAD")
    assert (response.status, response.headers["Content-Length"], body) == (200, "300000", b"")
    assert ask(model, "/empty")[1] == b""


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/other",
        "/gone",
        "/../other",
        "/%2e%2e/other",
        "/m%201.gguf/",
        "/m%201.gguf?x=1",
        "//other",
        "/%c3%a9%00",
    ],
)
def test_nothing_else_is_offered(model, path):
    response, body = ask(model, path)
    assert (response.status, body) == (404, b"")


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "0", SECRET.upper()])
@pytest.mark.parametrize("path", ["/m%201.gguf", "/other"])
def test_without_the_secret(model, secret, path):
    response, body = ask(model, path, secret=secret)
    assert (response.status, body, model.refused, model.sent_bytes) == (401, b"", 1, 0)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "OPTIONS"])
def test_it_only_gives(model, method):
    assert ask(model, method=method)[0].status == 501


@pytest.mark.parametrize("members", [["127.0.0.2"], ["10.0.0.0/8", "::1"], []])
def test_strangers_get_no_answer(tmp_path, members):
    with offered({}, members) as offer:
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            ask(offer)
        assert (offer.refused, offer.sent_bytes) == (1, 0)


@pytest.mark.parametrize("members", [["127.0.0.0/8"], ["10.0.0.1", "127.0.0.1"]])
def test_members(tmp_path, members):
    (tmp_path / "a").write_bytes(b"a")
    with offered({"a": str(tmp_path / "a")}, members) as offer:
        assert ask(offer, "/a")[1] == b"a"
        assert offer.sent_bytes == 1


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01" * 50,
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200,
        b"GET /" + b"a" * 70_000,
    ],
)
def test_rubbish_does_no_harm(model, said):
    stranger = socket.create_connection(("127.0.0.1", model.port), timeout=10)
    with stranger, contextlib.suppress(ConnectionError):
        stranger.sendall(said)
        stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(65536):
            pass
    assert ask(model)[1] == DATA


def test_no_more_connections_than_it_bears(model, monkeypatch):
    waiting = [socket.create_connection(("127.0.0.1", model.port)) for _number in range(offering.MOST_CONNECTIONS)]
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(model)
    for each in waiting:
        each.close()


@pytest.mark.parametrize("secret", ["", "short", "x" * 31, "x" * 40 + "\n", "é" * 40])
def test_secrets_that_are_none(secret):
    with pytest.raises(DroverError, match="The secret has ") as caught:
        Offer("127.0.0.1", 0, {}.get, [], secret)
    assert not secret or secret not in str(caught.value)


def test_an_address_of_another_host():
    with pytest.raises(DroverError, match=r"192\.0\.2\.1:0 cannot be listened on"):
        Offer("192.0.2.1", 0, {}.get, [], SECRET)


def test_it_ends_by_itself(tmp_path):
    offer = Offer("127.0.0.1", 0, {}.get, [], SECRET)
    serve(offer, 0.01)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", offer.port))


class Clock:
    """Time that goes on only when it is waited for: ``during`` is called each time with the seconds."""

    def __init__(self, monkeypatch, during=lambda _seconds: None):
        self.now, self.during = 0.0, during
        monkeypatch.setattr(offering, "time", self)

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.during(seconds)


@pytest.mark.parametrize(("secret", "asked"), [(SECRET, True), (SECRET[1:], False)])
def test_only_who_knows_the_secret_keeps_it(monkeypatch, secret, asked):
    clock = Clock(monkeypatch)
    with offered({}) as offer:
        clock.now = 50.0
        assert offer.idle_seconds() == 50
        with socket.create_connection(("127.0.0.1", offer.port)) as caller:
            caller.sendall(f"GET / HTTP/1.0\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
            # It hangs up when it is done with whoever asked, and not before.
            while caller.recv(4096):
                pass
        clock.now = 80.0
        assert offer.idle_seconds() == (30 if asked else 80)
        with offer.answering():
            clock.now = 900.0
            assert offer.idle_seconds() == 0
        assert offer.idle_seconds() == 0


def test_it_ends_when_nobody_asks():
    offer = Offer("127.0.0.1", 0, {}.get, [ip_network("127.0.0.1")], SECRET)
    thread = threading.Thread(target=serve, args=(offer, 600, 0.5))
    with offer.answering():
        thread.start()
        thread.join(1)
        assert thread.is_alive()
    thread.join(10)
    assert not thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", offer.port))


def test_a_port_that_comes_free_is_waited_for(monkeypatch):
    first = Offer("127.0.0.1", 0, {}.get, [], SECRET)
    clock = Clock(monkeypatch, lambda _seconds: clock.now < 65 or first.server_close())
    Offer("127.0.0.1", first.port, {}.get, [], SECRET).server_close()
    assert clock.now == 65


def test_a_port_that_does_not_come_free(monkeypatch):
    clock = Clock(monkeypatch)
    first = Offer("127.0.0.1", 0, {}.get, [], SECRET)
    with pytest.raises(DroverError, match=r"cannot be listened on \(Address already in use\): give"):
        Offer("127.0.0.1", first.port, {}.get, [], SECRET)
    first.server_close()
    assert clock.now == offering.PORT_SECONDS > offering.IDLE_SECONDS


@pytest.mark.parametrize(("secret", "ends"), [(SECRET, True), (SECRET[1:], False), (None, False)])
def test_it_ends_when_it_was_enough(secret, ends):
    offer = Offer("127.0.0.1", 0, {}.get, [ip_network("127.0.0.1")], SECRET)
    thread = threading.Thread(target=serve, args=(offer, 60))
    thread.start()
    response, _body = ask(offer, "/", "DELETE", secret)
    assert response.status == (204 if ends else 401)
    if not ends:
        assert ask(offer, "/")[0].status == 404
        offer.shutdown()
    thread.join(10)
    assert not thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", offer.port))


def test_a_cache_is_filled_from_it_and_offered_on(tmp_path):
    shards, tensors = content()
    weights = weights_of(shards, tensors, spare=1)
    for file, shard in zip(weights["files"], shards):
        (tmp_path / file["name"]).write_bytes(shard)
    first, second = tmp_path / "first", tmp_path / "second"
    names = [file["name"] for file in weights["files"]]
    with offered({name: str(tmp_path / name) for name in names}) as leader:
        url = f"http://127.0.0.1:{leader.port}/"
        placing.place(
            weights, str(first), read_sources([{"files": [url + name for name in names], "token": SECRET}], 2)
        )
        assert leader.sent_bytes == sum(tensor["bytes"] for tensor in (*weights["held"], *weights["spare"]))
    with offered({name: str(first / name) for name in os.listdir(first)}) as neighbour:
        source = {"cache": f"http://127.0.0.1:{neighbour.port}", "token": SECRET}
        placing.place(weights, str(second), read_sources([source], 2))
    assert cached(first) == cached(second) and len(cached(second)) == 6
