# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stunnel is told, and when a host's end of the tunnel counts as there; stunnel itself is tried in the lab."""

from __future__ import annotations

import configparser
import json
import os
import socket

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.listener import find_connections, find_listeners
from module_utils.hosts.received import parse_received
from module_utils.hosts.tree import Tree
from module_utils.runtime import running, tunnel
from module_utils.runtime.http_service import Handler, Service
from module_utils.runtime.tunnel import AES, CHACHA, configuration, has_aes, run_tunnel, shared_key
from module_utils.serving import cluster
from unit.documents import worker_deployment

ACCEPTS = [{"address": "10.0.0.11", "port": 50052}]
CONNECTS = [{"address": "10.0.0.12", "port": 51052}]
BOTH = {"accepts": ACCEPTS, "connects": CONNECTS}
SECRET = b"s" * 48


def told(wanted, aes=True):
    parser = configparser.ConfigParser(strict=False)
    parser.read_string("[all]\n" + configuration("main", wanted, "/run/x/key", aes))
    return {name: dict(parser[name]) for name in parser.sections()}


def test_each_end_is_told_where_it_listens_and_whom_it_hands_over_to():
    found = told(BOTH)
    assert found["at 50052"] == {"client": "no", "accept": "10.0.0.11:50052", "connect": "127.0.0.11:50052"}
    assert found["to 10.0.0.12:51052"] == {
        "client": "yes",
        "accept": "127.0.0.12:51052",
        "connect": "10.0.0.12:51052",
        "pskidentity": "main",
    }
    assert found["all"]["sslversionmin"] == "TLSv1.3"
    assert found["all"]["psksecrets"] == "/run/x/key"


def test_a_processor_without_aes_has_its_peer_use_another_cipher(tmp_path):
    assert told(BOTH, aes=False)["all"]["ciphersuites"] == CHACHA
    assert told(BOTH, aes=True)["all"]["ciphersuites"].split(":") == [AES, CHACHA]
    (tmp_path / "proc").mkdir()
    cpuinfo = tmp_path / "proc/cpuinfo"
    for line, expected in (
        ("Features : fp asimd crc32", False),
        ("Features : fp aes crc32", True),
        ("flags : sse aes", True),
    ):
        cpuinfo.write_text(line + "\n")
        assert has_aes(Tree(str(tmp_path))) is expected


def test_the_key_tells_nothing_of_the_secret_and_is_the_same_on_all_hosts():
    key = shared_key(SECRET)
    assert len(bytes.fromhex(key)) == 32
    assert key == shared_key(SECRET) != shared_key(SECRET + b"t")
    assert SECRET.decode() not in key


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host's own documents, and what was started in place of this process."""
    started = []

    def make(**changes):
        monkeypatch.setattr(cluster, "CLUSTERS_FOLDER", str(tmp_path))
        (tmp_path / "main").mkdir()
        document = worker_deployment(**changes)
        (tmp_path / "main/deployment.json").write_text(json.dumps(document))
        (tmp_path / "main/secret").write_bytes(SECRET)
        (tmp_path / "run").mkdir()
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
        monkeypatch.setattr(tunnel, "check_address", lambda address, port: None)
        monkeypatch.setattr(tunnel, "PROGRAMS", ("/nowhere/stunnel4", "/bin/true"))
        monkeypatch.setattr(os, "execv", lambda *arguments: started.append(arguments))
        return tmp_path / "run", started

    return make


def test_it_becomes_stunnel_and_nobody_else_may_read_the_key(host):
    folder, started = host(tunnel=BOTH)
    run_tunnel("main")
    assert started == [("/bin/true", ["/bin/true", f"{folder}/stunnel.conf"])]
    assert (folder / "key").read_text() == f"main:{shared_key(SECRET)}\n"
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "key": 0o600,
        "stunnel.conf": 0o600,
    }


def test_without_a_tunnel_there_is_nothing_to_become(host):
    folder, started = host()
    assert run_tunnel("main") == 0
    assert started == [] == list(folder.iterdir())


def test_without_stunnel_it_says_so(host, monkeypatch):
    host(tunnel=BOTH)
    monkeypatch.setattr(tunnel, "PROGRAMS", ("/nowhere/stunnel4",))
    with pytest.raises(DroverError, match=r"no /nowhere/stunnel4: install the package stunnel4"):
        run_tunnel("main")


def test_it_counts_as_there_only_when_it_listens_wherever_it_is_to(tmp_path, monkeypatch):
    main = cluster.Cluster("main")
    link = tmp_path / running.WANTED[1:] / main.tunnel_unit
    link.parent.mkdir(parents=True)
    link.symlink_to("/nowhere")
    here = [
        {"port": 50052, "address": "10.0.0.11", "unit": main.tunnel_unit},
        {"port": 50052, "address": "127.0.0.11", "unit": main.rpc_unit},
        {"port": 51052, "address": "127.0.0.12", "unit": main.tunnel_unit},
    ]
    there = Tree(str(tmp_path))
    monkeypatch.setattr(running, "find_listeners", lambda tree, ports: here)
    assert running._is_tunnelled(there, main, BOTH)
    del here[2]
    assert not running._is_tunnelled(there, main, BOTH)
    here.append({"port": 51052, "address": "127.0.0.12", "unit": None})
    assert not running._is_tunnelled(there, main, BOTH)
    link.unlink()
    assert not running._is_tunnelled(there, main, {"accepts": ACCEPTS, "connects": []})


def test_listeners_and_connections_are_told_apart_by_their_address(tmp_path):
    (tmp_path / "proc/net").mkdir(parents=True)
    line = "   {}: {}:C384 {} {} 00000000:00000000 00:00000000 00000000 998 0 {} 1\n"
    (tmp_path / "proc/net/tcp").write_text(
        "head\n"
        + line.format(0, "0B00007F", "00000000:0000", "0A", 1)
        + line.format(1, "0B00000A", "00000000:0000", "0A", 2)
        + line.format(2, "0B00007F", "0100007F:9000", "01", 3)
        + line.format(3, "0B00000A", "0100000A:9000", "01", 4)
    )
    there = Tree(str(tmp_path))
    assert [each["address"] for each in find_listeners(there, [50052])] == ["10.0.0.11", "127.0.0.11"]
    assert [each["address"] for each in find_listeners(there, [50052], on="127.0.0.11")] == ["127.0.0.11"]
    assert [each["peer"] for each in find_connections(there, [50052], "127.0.0.11")] == ["127.0.0.1"]
    assert [each["peer"] for each in find_connections(there, [50052])] == ["10.0.0.1", "127.0.0.1"]


def test_what_has_come_through_the_tunnel_is_counted_once():
    def reply(address, size):
        message = bytearray(72)
        message[4:6] = (50052).to_bytes(2, "big")
        message[8:12] = bytes(map(int, address.split(".")))
        info = bytes(128) + size.to_bytes(8, "little")
        return bytes(message) + (4 + len(info)).to_bytes(2, "little") + (2).to_bytes(2, "little") + info

    replies = [reply("10.0.0.11", 100), reply("127.0.0.11", 90)]
    assert sum(parse_received(iter(replies), [50052], "10.0.0.11")) == 100
    assert sum(parse_received(iter(replies), [50052])) == 190


def test_an_agent_has_its_port_at_once_after_the_tunnel_has_closed_connections_to_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        # Who closes first is left with the connection for a minute.
        server.accept()[0].close()
        client.recv(1)
        client.close()
    with Service("127.0.0.1", port, Handler) as service:
        assert service.server_port == port
