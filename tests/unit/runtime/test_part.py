# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker or a leader checks its deployment and becomes the program; what is wrong is one sentence."""

from __future__ import annotations

import json
import os
import socket
import time

import pytest
from module_utils.runtime import command
from module_utils.serving import cluster
from module_utils.weights.folder import prune_cache
from module_utils.weights.noted import NOTES
from unit.ports import free_port

DAY = 86400


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A folder of clusters with one deployment, which its ``write`` changes."""
    monkeypatch.setattr(cluster, "CLUSTERS_FOLDER", str(tmp_path))
    program = tmp_path / "ggml-rpc-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    port = free_port()
    deployment = {
        "schema": 1,
        "cluster": "main",
        "host": "pi-1",
        "part": "worker",
        "build": {"version": "0.7.0", "build": 11669, "rpc_protocol": "8.0.0"},
        "program": str(program),
        "arguments": ["--host", "127.0.0.1"],
        "environment": {"LLAMA_CACHE": "/var/cache/drover"},
        "nodes": [],
        "groups": [],
        "listen": {"address": "127.0.0.1", "port": port},
        "allow": ["10.0.0.1"],
        "files": [],
        "memory_bytes": 0,
        "cache": None,
    }

    def write(**changes):
        deployment.update(changes)
        folder = tmp_path / "main"
        folder.mkdir(exist_ok=True)
        (folder / "deployment.json").write_text(json.dumps(deployment))
        return deployment

    write.folder = tmp_path
    write()
    return write


@pytest.fixture
def become(monkeypatch):
    """What the runtime became: program, arguments and environment."""
    became = []
    monkeypatch.setattr(os, "execve", lambda *given: became.append(given))
    return became


def drover(capsys, *arguments):
    """The exit code and what stood on standard error."""
    code = command.main("1", arguments)
    return code, capsys.readouterr().err


def test_a_worker_becomes_the_rpc_server(host, become, capsys):
    deployment = host()
    assert drover(capsys, "worker", "--cluster", "main")[1] == ""
    ((program, arguments, environment),) = become
    assert (program, arguments) == (deployment["program"], [deployment["program"], "--host", "127.0.0.1"])
    assert environment == {**os.environ, "LLAMA_CACHE": "/var/cache/drover"}


def test_a_leader_becomes_llama_server_when_its_files_are_whole(host, become, capsys):
    model = host.folder / "model.gguf"
    model.write_bytes(b"GGUF....")
    key = host.folder / "api_key"
    key.write_text("secret\n")
    files = [{"path": str(model), "bytes": 8}, {"path": str(key), "bytes": None}]
    host(part="leader", files=files)
    assert drover(capsys, "leader", "--cluster", "main")[1] == ""
    assert len(become) == 1


WRONG = [
    ("worker", {"part": "leader"}, 78, "This host is a leader of the cluster main and no worker: stop this unit"),
    ("leader", {}, 78, "This host is a worker of the cluster main and no leader: stop this unit"),
    ("worker", {"cluster": "two"}, 78, "main/deployment.json is for the cluster two: run site.yml again"),
    ("worker", {"program": "ggml-rpc-server"}, 78, "ggml-rpc-server is no program that can be run here: install llama"),
    ("worker", {"program": "/nowhere/rpc"}, 78, "/nowhere/rpc is no program that can be run here"),
    ("worker", {"program": "/etc/passwd"}, 78, "/etc/passwd is no program that can be run here"),
    ("worker", {"program": "/usr/bin"}, 78, "/usr/bin is no program that can be run here"),
    # A disk and an address may come late when a machine starts.
    ("worker", {"files": [{"path": "/nowhere/m", "bytes": 1}]}, 75, "/nowhere/m is not there: mount its disk, or run"),
    (
        "worker",
        {"files": [{"path": "/etc/passwd/m", "bytes": 1}]},
        78,
        "/etc/passwd/m cannot be read (Not a directory)",
    ),
    ("worker", {"files": [{"path": "/dev/null", "bytes": 7}]}, 78, "/dev/null has 0 bytes where 7 were expected"),
    ("worker", {"listen": {"address": "192.0.2.1", "port": 1}}, 75, "192.0.2.1 is not an address of this machine"),
    ("worker", {"listen": {"address": "2001:db8::1", "port": 1}}, 75, "2001:db8::1 is not an address of this machine"),
    ("worker", {"listen": {"address": "pi-1", "port": 1}}, 78, "pi-1:1 cannot be listened on ("),
    ("worker", {"schema": 9}, 78, "The deployment has schema 9 where schema 1 was expected"),
]


@pytest.mark.parametrize(("name", "changes", "expected", "told"), WRONG)
def test_what_is_wrong_is_one_sentence_and_nothing_runs(host, become, capsys, name, changes, expected, told):
    host(**changes)
    code, error = drover(capsys, name, "--cluster", "main")
    assert (code, become) == (expected, [])
    assert error.startswith("drover: ") and told in error
    assert error.count("\n") == 1 and error.endswith(".\n")


def test_a_port_that_another_program_holds_is_worth_another_try(host, become, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        place = {"address": "127.0.0.1", "port": other.getsockname()[1]}
        host(listen=place)
        code, error = drover(capsys, "worker", "--cluster", "main")
    assert (code, become) == (75, [])
    assert f"Another program holds 127.0.0.1:{place['port']}: stop it" in error


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1}'])
def test_a_damaged_deployment_is_told(host, become, capsys, text):
    (host.folder / "main" / "deployment.json").write_text(text)
    code, error = drover(capsys, "worker", "--cluster", "main")
    assert (code, become, error.count("\n")) == (78, [], 1)


def test_a_host_without_a_part_says_so(host, capsys):
    code, error = drover(capsys, "leader", "--cluster", "other")
    assert code == 78
    assert "This host runs nothing for the cluster other, since there is no" in error


def test_a_program_that_the_kernel_refuses_is_told(host, capsys):
    (host.folder / "ggml-rpc-server").write_bytes(b"\x7fELF")
    code, error = drover(capsys, "worker", "--cluster", "main")
    assert code == 78
    assert "ggml-rpc-server cannot be started (Exec format error): install llama.cpp built for this machine" in error


@pytest.mark.parametrize("name", ["Main", "../main", ""])
def test_what_is_no_name_of_a_cluster_is_refused(host, capsys, name):
    code, error = drover(capsys, "worker", "--cluster", name)
    assert code == 78
    assert "change drover_cluster" in error


@pytest.mark.parametrize("arguments", [[], ["worker"], ["firewall", "--cluster", "main"], ["firewall", "shut"], ["x"]])
def test_wrong_usage_is_told_with_the_usage(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        command.main("1", arguments)
    assert ended.value.code == 2
    assert "usage: drover" in capsys.readouterr().err


def test_only_what_nobody_read_for_so_long_leaves_the_cache(tmp_path):
    now = time.time()
    ages = {"read": (1, 90), "written": (90, 1), "old": (31, 90), "just": (29.9, 90)}
    for name, (read, wrote) in ages.items():
        (tmp_path / name).write_text("tensor")
        os.utime(tmp_path / name, (now - read * DAY, now - wrote * DAY))
    (tmp_path / "link").symlink_to("/etc/passwd")
    prune_cache(str(tmp_path), 30, now=now)
    assert sorted(os.listdir(tmp_path)) == ["just", "link", "read", "written"]


@pytest.mark.parametrize(("most", "left"), [(None, "abc"), (30, "abc"), (29, "ab"), (20, "ab"), (9, ""), (0, "")])
def test_what_was_read_last_stays_within_the_bound(tmp_path, most, left):
    now = time.time()
    for age, name in enumerate("abc", 1):
        (tmp_path / name).write_text("ten bytes.")
        os.utime(tmp_path / name, (now - age * DAY, now - 20 * DAY))
    prune_cache(str(tmp_path), 30, most, now)
    assert "".join(sorted(os.listdir(tmp_path))) == left


def test_a_cache_that_is_not_there_is_no_trouble(tmp_path):
    prune_cache(str(tmp_path / "none"), 30)


def test_a_worker_prunes_its_cache_before_it_starts(host, become, capsys):
    cache = host.folder / "rpc"
    cache.mkdir()
    (cache / "tensor").write_text("old")
    os.utime(cache / "tensor", (0, 0))
    host(cache={"directory": str(cache), "days": 30})
    drover(capsys, "worker", "--cluster", "main")
    assert (os.listdir(cache), len(become)) == ([NOTES], 1)
