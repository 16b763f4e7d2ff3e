# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tensor cache is kept in order at a worker's start and by ``drover prune``, and says so in a sentence."""

from __future__ import annotations

import errno
import json
import os
import socket

import pytest
from module_utils.runtime import cache, command
from module_utils.serving import cluster
from module_utils.weights import hashing
from unit.documents import worker_deployment
from unit.ports import free_port
from unit.weights.models import fnv
from unit.weights.pieces import cached, content, weights_of

SHARDS, TENSORS = content([3000, 700, 1500])
FILES = {fnv(data): data for _shard, _offset, data in TENSORS}
FIRST = next(iter(FILES))


@pytest.fixture(autouse=True)
def roomy(monkeypatch):
    monkeypatch.setattr(cache, "free_bytes", lambda _directory: 1 << 40)
    monkeypatch.setattr(hashing, "is_slow", lambda: True)


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A worker with a filled cache. Called, it starts: what it said, what it complained of, and the RPC server's
    arguments."""
    monkeypatch.setattr(cluster, "CLUSTERS_FOLDER", str(tmp_path / "etc"))
    (tmp_path / "etc" / "main").mkdir(parents=True)
    program = tmp_path / "ggml-rpc-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    port = free_port()
    deployment = worker_deployment(
        program=str(program),
        arguments=["--host", "127.0.0.1", "--cache"],
        listen={"address": "127.0.0.1", "port": port},
        cache={"directory": str(tmp_path / "rpc"), "days": 30},
    )
    (tmp_path / "etc" / "main" / "deployment.json").write_text(json.dumps(deployment))
    (tmp_path / "etc" / "main" / "weights.json").write_text(json.dumps(weights_of(SHARDS, TENSORS)))
    became = []
    monkeypatch.setattr(os, "execve", lambda *given: became.append(given[1][1:]))

    def start(capsys):
        assert command.main("1", ["worker", "--cluster", "main"]) in (0, None)
        told = capsys.readouterr()
        return told.out, told.err, became.pop()

    start.folder = tmp_path / "rpc"
    start.folder.mkdir()
    for name, data in FILES.items():
        (start.folder / name).write_bytes(data)
    return start


def test_a_start_reads_what_it_does_not_know_and_the_next_one_nothing(worker, capsys):
    said, complained, arguments = worker(capsys)
    assert said == (
        "5.1 KiB of the tensor cache may not be whole, and are read.\n"
        "Of the tensor cache 0 are as noted, 0 are new, and 3 were read.\n"
    )
    assert (complained, arguments) == ("", ["--host", "127.0.0.1", "--cache"])
    said, complained, arguments = worker(capsys)
    assert said == "Of the tensor cache 3 are as noted, 0 are new, and 0 were read.\n"
    assert (complained, arguments) == ("", ["--host", "127.0.0.1", "--cache"])


def test_what_goes_is_told_in_one_sentence(worker, capsys):
    (worker.folder / FIRST).write_bytes(bytes(3000))
    (worker.folder / ("0" * 16)).write_bytes(b"of nobody")
    _said, complained, arguments = worker(capsys)
    assert complained == (
        "drover: Of the tensor cache 1 file had other bytes than planned or named, 1 file may have, and nothing here "
        "can tell: deleted, for the right bytes to be sent or fetched anew.\n"
    )
    assert "--cache" in arguments
    assert set(cached(worker.folder)) == set(FILES) - {FIRST}


def test_what_cannot_be_deleted_is_not_used(worker, capsys, monkeypatch):
    (worker.folder / FIRST).write_bytes(bytes(3000))

    def read_only(path, **_more):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(os, "unlink", read_only)
    _said, complained, arguments = worker(capsys)
    assert f"1 file that may be damaged cannot be deleted from {worker.folder}, so the RPC server runs" in complained
    assert FIRST in complained
    assert arguments == ["--host", "127.0.0.1"]


def test_a_full_disk_stops_nobody(worker, capsys, monkeypatch):
    def full(**_given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("module_utils.weights.noted.tempfile.mkstemp", full)
    _said, complained, arguments = worker(capsys)
    assert complained.count("\n") == 1 and "cannot be noted (No space left on device)" in complained
    assert "--cache" in arguments


def test_a_folder_that_cannot_be_made_or_read(worker, capsys, monkeypatch):
    def denied(*_given, **_more):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(cache, "look_over", denied)
    _said, complained, arguments = worker(capsys)
    assert "cannot be looked at (Permission denied), so it is not used" in complained
    assert arguments == ["--host", "127.0.0.1"]
    monkeypatch.setattr(os, "makedirs", denied)
    _said, complained, arguments = worker(capsys)
    assert "cannot be made (Permission denied), so nothing is cached" in complained
    assert arguments == ["--host", "127.0.0.1"]


def test_hashing_leaves_no_trace_in_what_the_server_is_given(worker, capsys, monkeypatch):
    """Whoever computes with numpy asks for one thread, which is not meant for llama.cpp."""
    given = []
    monkeypatch.setattr(os, "execve", lambda *all_given: given.append(all_given[2]))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def asked():
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        return True

    monkeypatch.setattr(hashing, "is_slow", asked)
    (worker.folder / ("0" * 16)).write_bytes(b"of nobody")
    command.main("1", ["worker", "--cluster", "main"])
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in given[0]


def test_prune_notes_what_has_come(worker, capsys):
    for _name in range(2):
        assert command.main("1", ["prune", "--cluster", "main"]) == 0
    assert capsys.readouterr().out.endswith("Of the tensor cache 3 are as noted, 0 are new, and 0 were read.\n")


@pytest.mark.parametrize("runs", [False, True])
def test_prune_doubts_the_last_one_of_a_server_that_runs_no_more(worker, capsys, tmp_path, runs):
    """One that no cluster plans with."""
    (tmp_path / "etc" / "main" / "weights.json").unlink()
    for name in FILES:
        (worker.folder / name).unlink()
    worker(capsys)
    (worker.folder / FIRST).write_bytes(FILES[FIRST][:2000])
    port = json.loads((tmp_path / "etc" / "main" / "deployment.json").read_text())["listen"]["port"]
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        if runs:
            server.listen()
        assert command.main("1", ["prune", "--cluster", "main"]) == 0
    assert (set(cached(worker.folder)) == {FIRST}) == runs


@pytest.mark.parametrize("there", ["no cache", "no folder"])
def test_prune_has_nothing_to_do(worker, capsys, tmp_path, there):
    path = tmp_path / "etc" / "main" / "deployment.json"
    deployment = json.loads(path.read_text())
    directory = tmp_path / "none" / "rpc"
    deployment["cache"] = None if there == "no cache" else {"directory": str(directory), "days": 30}
    path.write_text(json.dumps(deployment))
    assert command.main("1", ["prune", "--cluster", "main"]) == 0
    assert capsys.readouterr() == ("", "")
    assert not directory.parent.exists()
