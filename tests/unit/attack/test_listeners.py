# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drover's own servers under hostile requests on real connections: they still answer, complain of nothing, tell nothing
to anybody, stay small, touch no file outside of their folders and start nothing."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import socket
import subprocess
import sys
import time
from collections import deque

import pytest
from fuzz import listeners
from fuzz.guided import SEED, chance_of
from fuzz.requests import METHODS, PATHS, hostile
from module_utils.healing import seal
from module_utils.runtime.http_service import MOST_CONNECTIONS, MOST_OF_ONE_CLIENT
from tier import LONG
from unit.healing import worker
from unit.healing.hostile import VALUES, as_json, mutated, places

REQUESTS = 10_000 if LONG else 300
MOST_GROWN_BYTES = 64 << 20
# What is said to those who do not know the secret has none of these.
SECRETS = (worker.SECRET, listeners.OFFER_SECRET.encode(), b"root:", b"somebody else's", b"Traceback", b" 500 ")
BODIES = {
    "/deployment": {"deployment": worker.DEPLOYMENT, "fresh": False},
    "/lease": {"host": "pi-2", "takes": True},
}
KNOWN = {path: list(places(body)) for path, body in BODIES.items()}


class Listeners:
    """The process that has them: ``ports`` by name."""

    def __init__(self, folder):
        program = [sys.executable, listeners.__file__, str(folder)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.ports = json.loads(self.process.stdout.readline())

    def begin(self):
        """Have it take note; each has answered before, so all that it needs itself is there."""
        self.process.stdin.write("begin\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "{}\n"

    def end(self):
        """What it noted, and what it complained of."""
        said, complaints = self.process.communicate(timeout=60)
        return json.loads(said), complaints


@pytest.fixture
def running(tmp_path):
    made = Listeners(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


@contextlib.contextmanager
def until_it_hangs_up():
    """Who is rude is hung up on; who waits for an answer for long is not answered at all."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError as error:
        assert error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN), error


def heard_of(connection, most=1 << 20):
    """All that is said until the other side hangs up."""
    heard = b""
    with until_it_hangs_up():
        while len(heard) < most and (part := connection.recv(1 << 16)):
            heard += part
    return heard


def say(port, said):
    """Say it, and then that this is all; tells what was heard."""
    with connect(port) as connection:
        with until_it_hangs_up():
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
        return heard_of(connection)


def answered(connection, said):
    """Say it and hear one answer: its status, its content and its nonce; status 0 for who hung up."""
    heard = b""
    with until_it_hangs_up():
        connection.sendall(said)
        while b"\r\n\r\n" not in heard and (part := connection.recv(1 << 16)):
            heard += part
        head, _blank, content = heard.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
        while len(content) < int(fields.get("Content-Length", 0)) and (part := connection.recv(1 << 16)):
            content += part
        return int(head[9:12] or 0), content, fields.get(seal.NONCE, "")
    return 0, b"", ""


def nonce_of(connection):
    return json.loads(answered(connection, b"GET /nonce HTTP/1.1\r\n\r\n")[1])["nonce"]


def sealed(nonce, method, path, body, asked="a", length=None, more=""):
    """A request of somebody who knows the secret."""
    head = [f"{method} {path} HTTP/1.1", f"Content-Length: {len(body) if length is None else length}"]
    head += [f"{seal.ASKED}: {asked}"]
    head += [f"{seal.SEAL}: {seal.request_seal(worker.SECRET, 'pi-1', nonce, asked, method, path, body)}"]
    return ("\r\n".join(head) + f"\r\n{more}\r\n").encode() + body


def is_well(name, port):
    """Whether it answers a right request rightly."""
    if name == "offer":
        asks = f"GET /0123456789abcdef HTTP/1.0\r\nAuthorization: Bearer {listeners.OFFER_SECRET}\r\n\r\n"
        return say(port, asks.encode()).endswith(b"\r\n\r\ntensor")
    if name == "watch":
        return say(port, b"GET /health HTTP/1.1\r\n\r\n").endswith(b'{"status": "ok"}\n')
    with connect(port) as connection:
        status, content, _nonce = answered(connection, sealed(nonce_of(connection), "GET", "/state", b""))
        return status == 200 and json.loads(content)["rpc"]["pid"] == 4711


def hold(running, name, attempt):
    """Have ``attempt(chance)`` say what it likes so often, and see that nothing came of it."""
    port = running.ports[name]
    for each, where in running.ports.items():
        assert is_well(each, where)
    say(port, b"PUT /x HTTP/9.9\r\n\r\n")
    running.begin()
    began = time.monotonic()
    for number in range(REQUESTS):
        try:
            attempt(chance_of(name, number))
            assert number % 500 or is_well(name, port), "it does not answer a right request"
        except (AssertionError, OSError, ValueError) as error:
            raise AssertionError(f"case {number} of {name}, seed {SEED}: {error}") from error
    assert is_well(name, port)
    seconds = time.monotonic() - began
    noted, complaints = running.end()
    print(f"{name}: {REQUESTS} cases in {seconds:.1f} s, {noted['grown_bytes'] >> 20} MiB more")
    assert complaints == ""
    assert (noted["outside"], noted["started"]) == ([], [])
    assert noted["grown_bytes"] < MOST_GROWN_BYTES
    assert noted["threads"] <= MOST_CONNECTIONS + len(running.ports) + 1
    return noted


@pytest.mark.parametrize("name", ["agent", "watch", "offer"])
def test_who_knows_no_secret_does_no_harm(running, name):
    port, slow = running.ports[name], deque()

    def attempt(chance):
        said = hostile(chance)
        if chance.random() < 0.05:
            # Half a request, and then nothing; others come meanwhile, and the oldest of them hangs up.
            slow.append(connect(port))
            with until_it_hangs_up():
                slow[-1].sendall(said[: len(said) // 2])
            if len(slow) == MOST_OF_ONE_CLIENT:
                slow.popleft().close()
            return
        heard = say(port, said)
        assert not [secret for secret in SECRETS if secret in heard], (said[:300], heard[:300])
        assert name == "watch" or b"mark" not in heard, said[:300]

    assert hold(running, name, attempt)["ended"] == []
    for each in slow:
        each.close()


def test_who_knows_the_secret_of_an_agent_gets_what_was_granted(running, tmp_path):
    port = running.ports["agent"]
    granted = {name: value for name, value in worker.DEPLOYMENT.items() if name not in ("arguments", "memory_bytes")}

    def attempt(chance):
        kind = chance.random()
        path = chance.choice(list(BODIES))
        body = as_json(mutated(chance, BODIES[path], KNOWN[path]))
        if kind < 0.1:
            body = chance.choice(
                [as_json(chance.choice(VALUES)), b"[" * 60_000, b'{"a":' * 20_000, b"\xff", b"", b"NaN"]
            )
        with connect(port) as connection:
            nonce = nonce_of(connection)
            if kind < 0.5:
                status, content, _next = answered(connection, sealed(nonce, "PUT", path, body))
                assert status in (200, 400, 403), (status, body[:300])
                assert content.count(b"\n") == 1 and len(content) < 4_000, body[:300]
            elif kind < 0.7:
                asks = sealed(nonce, "PUT", path, body)
                answered(connection, asks)
                # A request that was heard is of no use, here or elsewhere.
                assert answered(connection, asks)[0] in (0, 401), body[:300]
                with connect(port) as other:
                    nonce_of(other)
                    assert answered(other, asks)[0] == 401, body[:300]
            elif kind < 0.8:
                length = chance.choice([0, len(body) + 1, max(0, len(body) - 1), 1 << 18, (1 << 18) + 1, 10**12, -1])
                with until_it_hangs_up():
                    connection.sendall(sealed(nonce, "PUT", path, body, length=length))
                    connection.shutdown(socket.SHUT_WR)
                said = heard_of(connection)[9:12]
                assert said in (b"400", b"401", b"403", b"413") or length == len(body), (length, said)
            elif kind < 0.85:
                said = sealed(nonce, "PUT", path, body, more="Transfer-Encoding: chunked\r\n")
                assert answered(connection, said)[0] == 411
            else:
                method = chance.choice([each.decode() for each in METHODS if each.isalpha() and each.isupper()])
                where = chance.choice([each.decode() for each in PATHS if each.isascii() and b" " not in each])
                status, content, _next = answered(connection, sealed(nonce, method, where, b""))
                assert status in (0, 200, 400, 401, 403, 404, 501), (method, where)
                assert b"root:" not in content, (method, where)
                assert status != 200 or where.lstrip("/") in ("state", "lent", "nonce", "metrics"), (method, where)

    with connect(port) as connection:
        less = as_json({"deployment": {**worker.DEPLOYMENT, "memory_bytes": 1}})
        assert answered(connection, sealed(nonce_of(connection), "PUT", "/deployment", less))[0] == 200
    noted = hold(running, "agent", attempt)
    assert set(noted["ended"]) <= {4711}
    kept = json.loads((tmp_path / listeners.MAIN.running_path[1:]).read_text())["deployment"]
    assert {name: kept[name] for name in granted} == granted
    kept_files = {each.name for each in (tmp_path / "var/lib/drover/healing/main").iterdir()}
    assert {"running.json"} <= kept_files <= {"lease.json", "running.json"}


def test_who_knows_the_secret_of_an_offer_gets_what_is_offered(running, tmp_path):
    port = running.ports["offer"]
    files = {name: tmp_path / "var/lib/models" / name for name in ("demo.gguf", "other.gguf")}
    whole = {name: path.read_bytes() for name, path in files.items()}
    header = f"Authorization: Bearer {listeners.OFFER_SECRET}\r\n".encode()

    def attempt(chance):
        # To say that it was enough is anybody's right who knows the secret.
        method = chance.choice([each for each in METHODS if each != b"DELETE"])
        path = chance.choice(PATHS)
        first, last = chance.choice([0, 1, 4095, 1 << 40]), chance.choice([b"", b"0", b"4096", b"%d" % 10**17])
        wanted = chance.choice(
            [b"", b"Range: bytes=%d-%s\r\n" % (first, last), b"Range: bytes=-5\r\n", b"Range: lines=1-2\r\n"]
        )
        heard = say(port, method + b" " + path + b" HTTP/1.1\r\n" + header + wanted + b"\r\n")
        head, _blank, content = heard.partition(b"\r\n\r\n")
        assert b"root:" not in content and whole["other.gguf"] not in content, (method, path)
        if content and head.split()[1] in (b"200", b"206"):
            assert content in whole["demo.gguf"] or content in b"tensor", (path, wanted)

    hold(running, "offer", attempt)
    assert hashlib.sha256(files["demo.gguf"].read_bytes()).digest() == hashlib.sha256(whole["demo.gguf"]).digest()
