# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent by its own words on real connections: who is let in, what may be changed, and 10,000 hostile requests."""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import json
import os
import random
import socket
import threading
import time

import pytest
from module_utils.builds.prints import file_print
from module_utils.errors import DroverError
from module_utils.healing import seal
from module_utils.hosts.tree import Tree
from module_utils.runtime import agent as agent_module
from module_utils.runtime import decisions, http_service
from module_utils.runtime.agent import agent_handler
from module_utils.runtime.agents import Agent, Unreachable, ask_all
from module_utils.runtime.http_service import MOST_BODY_BYTES, MOST_CONNECTIONS, MOST_OF_ONE_CLIENT, Service
from module_utils.serving.cluster import Cluster
from unit.healing import worker

MAIN = Cluster("main")
MARK = f"{worker.BOOT}:4711:123456"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """The folder of a worker."""
    worker.make(tmp_path)
    monkeypatch.setattr(agent_module, "load_deployment", lambda cluster: json.loads(json.dumps(worker.DEPLOYMENT)))
    return tmp_path


@pytest.fixture
def killed(monkeypatch):
    """The processes that were ended."""
    pids = []
    monkeypatch.setattr(agent_module.os, "kill", lambda pid, number: pids.append(pid))
    return pids


@pytest.fixture
def handler(host):
    return agent_handler(MAIN, lambda: worker.SECRET, Tree(str(host)))


@pytest.fixture
def port(handler):
    with Service("127.0.0.1", 0, handler) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield service.server_port
        service.shutdown()
        thread.join()


@pytest.fixture
def agent(port):
    known = Agent("pi-1", "127.0.0.1", port, worker.SECRET)
    yield known
    known.close()


def sealed(port, method, path, body=b"", secret=worker.SECRET, host="pi-1", nonce=None):
    """One request by hand: the connection, its headers and the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/nonce")
    given = json.loads(connection.getresponse().read())["nonce"]
    headers = {
        seal.ASKED: "a" * 32,
        seal.SEAL: seal.request_seal(secret, host, nonce or given, "a" * 32, method, path, body),
    }
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    answer.read()
    return connection, headers, answer.status


def test_it_tells_how_the_rpc_server_is(agent):
    state = agent.state()
    assert (state["host"], state["cluster"], state["build"]["build"]) == ("pi-1", "main", 11669)
    assert state["rpc"] == {
        "mark": MARK,
        "pid": 4711,
        "started_seconds": 1234.56,
        "clients": [],
        "retransmits": 0,
        "replaced": False,
    }


def test_it_tells_who_is_connected(agent, host):
    worker.make(host, clients=["10.0.0.1"])
    assert agent.state()["rpc"]["clients"] == ["10.0.0.1"]


def test_it_tells_that_an_answer_gets_lost(agent, host):
    worker.make(host, clients=["10.0.0.1"], again=5)
    assert agent.state()["rpc"]["retransmits"] == 5


def test_it_tells_that_the_program_is_another_one(agent, host, monkeypatch):
    """What is_replaced finds out of a process is tested with processes: tests/unit/builds/test_prints.py."""
    program = host / "usr/libexec/ggml-rpc-server"
    worker.write(host, "usr/libexec/ggml-rpc-server", "the one that root has found")
    (host / "proc/4711/exe").symlink_to(program)
    for prints, expected in ({str(program): file_print(str(program))}, False), ({str(program): "another"}, True):
        monkeypatch.setitem(worker.DEPLOYMENT, "build", {**worker.DEPLOYMENT["build"], "prints": prints})
        assert agent.state()["rpc"]["replaced"] is expected


def test_it_tells_that_none_listens(agent, host):
    worker.make(host, pid=None)
    assert agent.state()["rpc"] is None


def test_it_tells_what_the_host_lends(agent):
    lent = agent.lent()
    assert lent["memory"]["usable_bytes"] == 6 * worker.GIB + (1 << 20)
    assert lent["memory"]["held_bytes"] == 1 << 20
    assert lent["cache"] == {"files": 1, "bytes": len("tensor")}


def test_anybody_who_gets_through_may_have_the_numbers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert 'drover_rpc_up{cluster="main",host="pi-1"} 1\n' in text
    assert "# TYPE drover_memory_held_bytes gauge\n" in text
    assert f'drover_memory_held_bytes{{cluster="main",host="pi-1"}} {1 << 20}\n' in text


def metric(port, name):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    (value,) = [line.split()[-1] for line in lines if line.startswith(f"{name}{{")]
    return value


def test_restarts_of_the_rpc_server_are_counted_whoever_looks(port, agent, host):
    name = "drover_rpc_restarts_total"
    assert [metric(port, name), metric(port, name)] == ["0", "0"]
    worker.make(host, started=200000)
    agent.state()
    assert metric(port, name) == "1"
    # It ends, and the same one is never back.
    worker.make(host, pid=None)
    assert metric(port, name) == "1"
    worker.make(host, started=300000)
    assert metric(port, name) == "2"


@pytest.mark.parametrize("path", ["/state", "/lent", "/deployment", "/nothing", "/../etc/shadow"])
def test_nothing_else_is_told_to_those_without_the_secret(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert (answer.status, b"pi-1" in answer.read()) == (401, False)


@pytest.mark.parametrize(
    "changes", [{"secret": b"x" * 48}, {"host": "pi-2"}, {"nonce": "0" * 32}], ids=["secret", "host", "nonce"]
)
def test_a_seal_of_another_secret_host_or_moment_is_refused(port, changes):
    connection, _headers, status = sealed(port, "GET", "/state", **changes)
    connection.close()
    assert status == 401


def test_a_request_that_was_heard_is_of_no_use(port):
    connection, headers, status = sealed(port, "GET", "/state")
    assert status == 200
    connection.request("GET", "/state", headers=headers)
    again = connection.getresponse()
    again.read()
    connection.close()
    other = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    other.request("GET", "/nonce")
    other.getresponse().read()
    other.request("GET", "/state", headers=headers)
    elsewhere = other.getresponse()
    elsewhere.read()
    other.close()
    assert (again.status, elsewhere.status) == (401, 401)


def test_a_sealed_path_and_body_cannot_be_changed(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/nonce")
    nonce = json.loads(connection.getresponse().read())["nonce"]
    headers = {
        seal.ASKED: "a",
        seal.SEAL: seal.request_seal(worker.SECRET, "pi-1", nonce, "a", "PUT", "/deployment", b"{}"),
    }
    connection.request("PUT", "/deployment", b'{"fresh": true}', headers)
    assert connection.getresponse().status == 401
    connection.close()


def test_an_agent_that_does_not_know_the_secret_is_not_believed(monkeypatch, handler, agent):
    monkeypatch.setattr(handler, "seal", lambda *_arguments: {seal.NONCE: "n", seal.SEAL: "0" * 64})
    with pytest.raises(DroverError, match="answers for pi-1 does not know the cluster's secret"):
        agent.state()


def test_another_secret_is_told_by_name(port):
    other = Agent("pi-1", "127.0.0.1", port, b"x" * 48)
    with pytest.raises(DroverError, match="pi-1 has another secret than its leader"):
        other.state()
    other.close()


def test_a_host_whose_own_documents_are_damaged_says_so(agent, monkeypatch, capsys):
    def damaged(_cluster):
        raise DroverError("deployment.json is not JSON")

    monkeypatch.setattr(agent_module, "load_deployment", damaged)
    with pytest.raises(DroverError, match=r"^pi-1's own documents are damaged, .*: run site\.yml again\.$"):
        agent.state()
    assert "deployment.json is not JSON" in capsys.readouterr().err


def cannot_be_reached(_connection):
    raise OSError(errno.EHOSTUNREACH, "No route to host")


def test_nobody_there_is_told_apart(monkeypatch):
    monkeypatch.setattr(http.client.HTTPConnection, "connect", cannot_be_reached)
    with pytest.raises(Unreachable):
        Agent("pi-1", "127.0.0.1", 1, worker.SECRET, seconds=0.5).state()
    answers = ask_all({"pi-1": {"address": "127.0.0.1", "port": 1}}, worker.SECRET)
    assert answers["pi-1"].problem == "it does not answer"


def test_an_agent_that_is_started_anew_is_no_host_that_is_gone():
    answers = ask_all({"pi-1": {"address": "127.0.0.1", "port": 1}}, worker.SECRET)
    assert answers["pi-1"].problem == "it answers too slowly"


@pytest.mark.parametrize(("connects_after", "problem"), [(0.0, "it does not answer"), (1.0, "it answers too slowly")])
def test_a_leader_too_busy_to_ask_takes_nobody_for_gone(monkeypatch, connects_after, problem):
    def ask(agent):
        threading.Event().wait(connects_after)
        agent.began = time.monotonic()
        threading.Event().wait(2)

    monkeypatch.setattr(Agent, "state", ask)
    answers = ask_all({"pi-1": {"address": "127.0.0.1", "port": 1}}, worker.SECRET, seconds=1.1)
    assert answers["pi-1"].problem == problem


def test_one_that_takes_connections_and_says_nothing_is_slow():
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = {"address": "127.0.0.1", "port": server.getsockname()[1]}
        assert ask_all({"pi-1": place}, worker.SECRET, seconds=0.2)["pi-1"].problem == "it answers too slowly"


@pytest.mark.parametrize("begins", ["HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
def test_no_thread_stays_with_an_agent_that_says_a_byte_now_and_then(begins):
    ended = threading.Event()

    def drip(server):
        connection, _address = server.accept()
        with contextlib.suppress(OSError), connection:
            connection.sendall(begins.encode())
            while not ended.wait(0.02):
                connection.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=(server,))
        dripping.start()
        before = set(threading.enumerate())
        place = {"address": "127.0.0.1", "port": server.getsockname()[1]}
        answers = ask_all({"pi-1": place}, worker.SECRET, seconds=1)
        left = set(threading.enumerate()) - before
        for thread in left:
            thread.join(2)
        stays = [thread for thread in left if thread.is_alive()]
        ended.set()
        dripping.join()
    assert answers["pi-1"].problem == "it answers too slowly"
    assert stays == []


def changed(**fields):
    return {**worker.DEPLOYMENT, **fields}


def with_arguments(before, after):
    return changed(arguments=[after if word == before else word for word in worker.DEPLOYMENT["arguments"]])


def test_a_deployment_within_the_grant_is_taken_over(agent, host, killed):
    wanted = with_arguments("4", "2")
    assert agent.deploy(wanted, fresh=False) == {"schema": 1, "changed": True, "ended": MARK}
    assert killed == [4711]
    assert decisions.in_force(MAIN, worker.DEPLOYMENT, Tree(str(host))) == wanted
    # It runs by it now, to the agent, and is left alone.
    assert agent.deploy(wanted, fresh=False) == {"schema": 1, "changed": False, "ended": None}
    assert killed == [4711]


def test_what_changes_memory_alone_ends_nothing(agent, killed):
    assert agent.deploy(changed(memory_bytes=5), fresh=False) == {"schema": 1, "changed": True, "ended": None}
    assert killed == []


def test_a_fresh_one_is_started_anew_without_a_change(agent, killed):
    assert agent.deploy(worker.DEPLOYMENT, fresh=True) == {"schema": 1, "changed": False, "ended": MARK}
    assert killed == [4711]


def test_when_root_writes_another_deployment_what_was_decided_is_over(agent, host, killed):
    agent.deploy(with_arguments("4", "2"), fresh=False)
    worker.write(host, "etc/drover/main/deployment.json", json.dumps(changed(memory_bytes=7)))
    assert decisions.in_force(MAIN, worker.DEPLOYMENT, Tree(str(host))) == worker.DEPLOYMENT


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (changed(program="/bin/sh"), "program '/bin/sh'"),
        (changed(listen={"address": "0.0.0.0", "port": 50052}), "listen"),
        (changed(allow=["0.0.0.0/0"]), "allow"),
        (changed(environment={"LD_PRELOAD": "/tmp/evil.so"}), "environment"),
        (changed(cache={"directory": "/etc", "days": 1}), "cache"),
        (changed(cluster="other"), "cluster"),
        (changed(part="leader"), "part"),
        (changed(nodes=["/dev/mem"]), "nodes"),
        (changed(arguments=[*worker.DEPLOYMENT["arguments"], "--host", "0.0.0.0"]), "arguments"),
        (with_arguments("50052", "22"), "arguments"),
        (with_arguments("4", "0"), "'0' threads"),
        (with_arguments("4", "9999"), "'9999' threads"),
        (with_arguments("4", "--help"), "threads"),
        (with_arguments("CUDA0,CPU", "CUDA1"), "device 'CUDA1'"),
        (with_arguments("CUDA0,CPU", ""), "device ''"),
        (changed(memory_bytes=-1), "memory_bytes"),
        (changed(schema=2), "schema"),
        ([], "dictionary"),
        (None, "dictionary"),
    ],
)
def test_what_root_did_not_grant_is_refused(agent, host, killed, wanted, says):
    with pytest.raises(DroverError) as refused:
        agent.deploy(wanted, fresh=True)
    assert says in str(refused.value)
    assert killed == []
    assert decisions.in_force(MAIN, worker.DEPLOYMENT, Tree(str(host))) == worker.DEPLOYMENT


@pytest.mark.parametrize("devices", ["CUDA0", "CPU", "CPU,CUDA0"])
def test_a_part_of_the_devices_may_be_lent(agent, killed, devices):
    assert agent.deploy(with_arguments("CUDA0,CPU", devices), fresh=False)["changed"]


class Wire:
    """A connection on which a client has said all that it will say."""

    def __init__(self, said):
        self.said, self.heard = said, io.BytesIO()

    def makefile(self, mode, size=-1):
        return io.BytesIO(self.said) if "r" in mode else self.heard

    def sendall(self, data):
        self.heard.write(data)

    def settimeout(self, seconds):
        pass

    def setsockopt(self, *option):
        pass


def converse(handler, said):
    wire = Wire(said)
    handler(wire, ("10.0.0.9", 40000), None)
    return wire.heard.getvalue()


PATHS = [
    b"/state",
    b"/nonce",
    b"/metrics",
    b"/deployment",
    b"/../../etc/shadow",
    b"//etc/shadow",
    b"/%2e%2e/x",
    b"*",
    b"http://x/state",
]
HEADERS = [
    b"Content-Length: 10", b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: \xb2",
    b"Transfer-Encoding: chunked", b"Drover-Seal: " + b"0" * 64, b"Drover-Seal: \xff\xfe", b"Drover-Asked: a",
    b"Expect: 100-continue", b"Connection: keep-alive", b"Connection: Upgrade", b"X" * 70000, b": ", b"a\0b: c",
    b"Content-Length: 3\r\nContent-Length: 4",
]  # fmt: skip


def hostile(chance):
    """A request that is almost one, or none at all."""
    kind = chance.random()
    if kind < 0.2:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(400)))
    method = chance.choice([b"GET", b"PUT", b"POST", b"HEAD", b"DELETE", b"TRACE", b"\xff", b""])
    version = chance.choice([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9.9", b"HTTP/0.9", b"", b"HTTP/1.1 x"])
    lines = [b" ".join([method, chance.choice(PATHS), version])]
    lines += [chance.choice(HEADERS) for _ in range(chance.randrange(6))]
    body = bytes(chance.randrange(256) for _ in range(chance.randrange(60)))
    whole = chance.choice([b"\r\n", b"\n"]).join(lines) + b"\r\n\r\n" + body
    whole = whole * chance.choice([1, 1, 2])
    if kind < 0.5:
        place = chance.randrange(len(whole))
        whole = whole[:place] + bytes([chance.randrange(256)]) + whole[place + 1 :]
    return whole[: chance.randrange(1, len(whole) + 1)] if kind > 0.8 else whole


def test_ten_thousand_hostile_requests_neither_end_it_nor_learn_anything(handler, host, killed, capsys):
    (host / "etc" / "shadow").write_text("root:hash")
    chance = random.Random(20261127)
    for _ in range(10_000):
        said = hostile(chance)
        heard = converse(handler, said)
        assert b"hash" not in heard and worker.SECRET not in heard, said
        assert b"Traceback" not in heard and b" 500 " not in heard, said
        assert b"mark" not in heard and b"usable_bytes" not in heard, said
    assert killed == []
    assert "Traceback" not in capsys.readouterr().err
    assert not (host / MAIN.running_path[1:]).exists()
    # And it still answers.
    assert b'"nonce"' in converse(handler, b"GET /nonce HTTP/1.1\r\n\r\n")


def test_two_thousand_hostile_bodies_with_the_right_seal_change_nothing(handler, host, killed, monkeypatch):
    monkeypatch.setattr(seal, "new_nonce", lambda: "n")
    chance = random.Random(7)
    good = json.dumps({"deployment": worker.DEPLOYMENT}).encode()
    for _ in range(2_000):
        body = bytearray(good)
        for _change in range(chance.randrange(1, 6)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        body = bytes(body) if chance.random() < 0.8 else b"[" * chance.randrange(1, 50_000)
        request = seal.request_seal(worker.SECRET, "pi-1", "n", "a", "PUT", "/deployment", body)
        lines = [
            "PUT /deployment HTTP/1.1",
            f"Content-Length: {len(body)}",
            "Drover-Asked: a",
            f"Drover-Seal: {request}",
        ]
        head = "\r\n".join(lines) + "\r\n\r\n"
        heard = converse(handler, b"GET /nonce HTTP/1.1\r\n\r\n" + head.encode() + body)
        status = heard.rpartition(b"HTTP/1.1 ")[2][:3]
        assert status in (b"200", b"400", b"403"), body
        decided = decisions.in_force(MAIN, worker.DEPLOYMENT, Tree(str(host)))
        assert {**decided, "arguments": 0, "memory_bytes": 0} == {
            **worker.DEPLOYMENT,
            "arguments": 0,
            "memory_bytes": 0,
        }


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"Content-Length: {MOST_BODY_BYTES + 1}", b"413"),
        ("Content-Length: x", b"400"),
        ("Content-Length: 1\r\nContent-Length: 2", b"400"),
        ("Transfer-Encoding: chunked", b"411"),
        ("Content-Length: 10", b"400"),
    ],
)
def test_bodies_that_are_too_long_or_cut_off_are_refused(handler, head, status):
    heard = converse(handler, f"PUT /deployment HTTP/1.1\r\n{head}\r\n\r\nabc".encode())
    assert heard.split()[1] == status


@contextlib.contextmanager
def connected(port, source="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5, source_address=(source, 0))
    connection.connect()
    yield connection
    connection.close()


def is_answered(connection):
    connection.request("GET", "/nonce")
    return b"nonce" in connection.getresponse().read()


@pytest.mark.parametrize(
    "sources",
    [["127.0.0.1"] * MOST_OF_ONE_CLIENT, [f"127.0.1.{number}" for number in range(1, MOST_CONNECTIONS + 1)]],
    ids=["of one client", "of many"],
)
def test_the_oldest_of_too_many_connections_makes_room(port, sources):
    with contextlib.ExitStack() as opened:
        oldest, *others = [opened.enter_context(connected(port, source)) for source in sources]
        assert is_answered(others[-1])
        assert is_answered(opened.enter_context(connected(port)))
        assert oldest.sock.recv(1) == b""
        assert all(map(is_answered, others))


def test_one_that_is_started_anew_has_its_port_at_once(handler):
    """Although the kernel keeps it for those connections that the last one has ended, rather than their clients."""
    number = 0
    for _start in range(2):
        with Service("127.0.0.1", number, handler) as service:
            number = service.server_port
            thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            with socket.create_connection(("127.0.0.1", number), timeout=5) as connection:
                connection.sendall(b"GET /nonce HTTP/1.1\r\nConnection: close\r\n\r\n")
                while connection.recv(4096):
                    pass
            service.shutdown()
            thread.join()


class Told(http_service.Handler):
    def answer(self, method, path, body):
        return 200, str(self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def test_an_answer_waits_for_nobodys_word_that_its_headers_have_come():
    with Service("127.0.0.1", 0, Told) as service:
        threading.Thread(target=service.handle_request).start()
        with connected(service.server_port) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"1"


def test_a_request_that_comes_byte_by_byte_has_an_end(port, monkeypatch):
    monkeypatch.setattr(http_service, "SECONDS", 0.2)
    paced = threading.Event()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection, pytest.raises(ConnectionError):
        connection.sendall(b"GET /nonce HTTP/1.1\r\nX: ")
        for _ in range(250):
            paced.wait(0.02)
            connection.sendall(b"a")


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "large", "deep", "text"])
def test_root_reads_no_decision_that_is_no_plain_file(host, tmp_path, monkeypatch, kind):
    path = host / MAIN.running_path[1:]
    monkeypatch.setattr(decisions, "MOST_BYTES", 100_000)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        (host / "elsewhere").write_text("{}")
        path.symlink_to(host / "elsewhere")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text({"large": "[" + "0," * 60_000 + "0]", "deep": "[" * 90_000, "text": "no"}[kind])
    assert decisions.read_document(str(path)) is None
    assert decisions.in_force(MAIN, worker.DEPLOYMENT, Tree(str(host))) == worker.DEPLOYMENT
