# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a port."""

from __future__ import annotations

import os
import socket

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.listener import find_connections, find_listeners
from module_utils.hosts.tree import Tree

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   {}: {} 00000000:0000 {} 00000000:00000000 00:00000000 00000000   999        0 {} 1 00000000 100 0 0 10 0\n"
TCP = (
    HEAD
    + LINE.format(0, "1501A8C0:C384", "0A", 5001)  # 192.168.1.21:50052
    + LINE.format(1, "00000000:0016", "0A", 5002)
    + LINE.format(2, "1501A8C0:C384", "01", 5003)  # a connection, not a listener
    + LINE.format(3, "0100007F:1F90", "0A", 5004)
)
TCP6 = HEAD + LINE.format(0, "00000000000000000000000000000000:0016", "0A", 5005).replace(
    "00000000:0000", "00000000000000000000000000000000:0000"
)
FILES = {
    "/proc/net/tcp": TCP,
    "/proc/net/tcp6": TCP6,
    "/proc/811/cmdline": "/usr/libexec/aarch64-linux-gnu/llama/bin/ggml-rpc-server\0--port\00050052\0",
    "/proc/811/cgroup": "0::/system.slice/system-drover\\x2drpc.slice/drover-rpc@main.service",
    "/proc/600/cmdline": "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0",
    "/proc/600/cgroup": "0::/system.slice/ssh.service",
    "/proc/1/cmdline": "/sbin/init\0",
    "/proc/1/cgroup": "0::/init.scope",
}


@pytest.fixture
def host(machine):
    tree = machine(files=FILES)
    for pid, descriptor, inode in [(811, 3, 5001), (600, 3, 5002), (600, 4, 5005), (1, 40, 5002), (811, 4, 5003)]:
        folder = tree.path(f"/proc/{pid}/fd")
        os.makedirs(folder, exist_ok=True)
        os.symlink(f"socket:[{inode}]", os.path.join(folder, str(descriptor)))
    return tree


def test_the_owner_of_a_port(host):
    assert find_listeners(host, [50052]) == [
        {
            "port": 50052,
            "address": "192.168.1.21",
            "pid": 811,
            "command": "/usr/libexec/aarch64-linux-gnu/llama/bin/ggml-rpc-server",
            "unit": "drover-rpc@main.service",
        }
    ]


def test_both_families_and_socket_activation(host):
    found = find_listeners(host, [22])
    assert [(entry["address"], entry["pid"], entry["unit"]) for entry in found] == [
        ("0.0.0.0", 600, "ssh.service"),
        ("::", 600, "ssh.service"),
    ]


def test_a_listener_whose_process_cannot_be_seen(host):
    assert find_listeners(host, [8080]) == [
        {"port": 8080, "address": "127.0.0.1", "pid": None, "command": None, "unit": None}
    ]


def test_nobody_listens(host):
    assert find_listeners(host, [9999]) == []


@pytest.mark.parametrize(("likely", "folders"), [(811, 1), (600, 4), (4711, 4), (None, 3)])
def test_who_listened_before_is_looked_at_first(host, likely, folders, monkeypatch):
    """/proc itself and the descriptors of processes 600 and 811, after those of who is likely; a likely one that does
    not listen any more is none."""
    looked_at = []
    names = Tree.names
    monkeypatch.setattr(Tree, "names", lambda tree, path: looked_at.append(path) or names(tree, path))
    assert [entry["pid"] for entry in find_listeners(host, [50052], likely)] == [811]
    assert len(looked_at) == folders


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_no_port(host, port):
    for look in (find_listeners, find_connections):
        with pytest.raises(DroverError, match=f"^The TCP port is {port} but must be a whole number from 1 to 65535"):
            look(host, [port])


LEADER = "1401A8C0"  # 192.168.1.20
CONNECTIONS = (
    HEAD
    + LINE.format(0, "1501A8C0:C384", "0A", 5001)
    + LINE.format(1, "1501A8C0:C384", "01", 5003).replace("00000000:0000", f"{LEADER}:9C40")
    + LINE.format(2, "1501A8C0:C384", "01", 5006).replace("00000000:0000", f"{LEADER}:9C42")
    + LINE.format(3, "1501A8C0:C384", "06", 0).replace("00000000:0000", "1601A8C0:9C40")  # it is going away
    + LINE.format(4, "1501A8C0:9C44", "01", 5007).replace("00000000:0000", "1601A8C0:C384")  # out, to another's port
    + LINE.format(5, "1501A8C0:0016", "01", 5008).replace("00000000:0000", "0201A8C0:C000")
)
MAPPED = HEAD + LINE.format(0, f"0000000000000000FFFF0000{LEADER}:0016", "01", 5009).replace(
    "00000000:0000", f"0000000000000000FFFF0000{LEADER}:D000"
)


@pytest.mark.parametrize(
    ("ports", "peers"),
    [
        ([50052], [(50052, "192.168.1.20")]),
        ([50052, 22], [(22, "192.168.1.2"), (22, "192.168.1.20"), (50052, "192.168.1.20")]),
        ([8080], []),
        ([], []),
    ],
)
def test_who_is_connected(machine, ports, peers):
    tree = machine(files={"/proc/net/tcp": CONNECTIONS, "/proc/net/tcp6": MAPPED})
    assert find_connections(tree, ports) == [{"port": port, "peer": peer} for port, peer in peers]


def test_our_own_connection_on_this_machine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert find_connections(Tree(), [port]) == []
        with socket.create_connection(("127.0.0.1", port)):
            assert find_connections(Tree(), [port]) == [{"port": port, "peer": "127.0.0.1"}]


def test_our_own_listener_on_this_machine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (found,) = find_listeners(Tree(), [port])
    assert (found["address"], found["pid"]) == ("127.0.0.1", os.getpid())
