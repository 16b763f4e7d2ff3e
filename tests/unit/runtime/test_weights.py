# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that place weights: a leader offers a model, and a worker fills its cache from it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys

import pytest
from module_utils.runtime import archive, command
from module_utils.runtime import weights as weights_module
from module_utils.serving import cluster
from module_utils.weights import manifest as manifest_module
from module_utils.weights.manifest import read_manifest
from unit.documents import worker_deployment
from unit.weights.models import write_model
from unit.weights.pieces import cached

SECRET = "fedcba9876543210" * 4


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A worker of the cluster main whose cache is at ``folder``; called, it changes its deployment's cache."""
    monkeypatch.setattr(cluster, "CLUSTERS_FOLDER", str(tmp_path / "etc"))
    (tmp_path / "etc" / "main").mkdir(parents=True)

    def write(cache):
        deployment = worker_deployment(listen={"address": "127.0.0.1", "port": 50052}, cache=cache)
        (tmp_path / "etc" / "main" / "deployment.json").write_text(json.dumps(deployment))

    write.folder = tmp_path / "rpc"
    write.weights = tmp_path / "etc" / "main" / "weights.json"
    write({"directory": str(write.folder), "days": 30, "bytes": 1 << 30})
    return write


def drover(capsys, monkeypatch, *arguments, given=""):
    """Run one command; return its exit code, what it printed as JSON, and what it complained of."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(given))
    handler = signal.getsignal(signal.SIGTERM)
    try:
        code = command.main("1", arguments)
    finally:
        signal.signal(signal.SIGTERM, handler)
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else None, told.err


@pytest.fixture
def program(tmp_path):
    """The runtime as hosts have it."""
    path = tmp_path / "drover.pyz"
    archive.write_archive(os.path.dirname(os.path.dirname(os.path.abspath(command.__file__))), str(path), "1")
    return str(path)


def test_from_a_model_to_a_filled_cache(tmp_path, capsys, monkeypatch, worker, program):
    path = write_model(tmp_path)
    code, manifest, _error = drover(capsys, monkeypatch, "manifest", "--model", path, "--processes", "1")
    assert code == 0 and read_manifest(manifest) == manifest
    weights = {
        "schema": 1,
        "cluster": "main",
        "host": "w1",
        "spread": 1,
        "files": [{key: file[key] for key in ("name", "file_bytes")} for file in manifest["files"]],
        "held": [
            {key: tensor[key] for key in ("hash", "sha256", "shard", "offset", "bytes")}
            for tensor in manifest["tensors"]
        ],
        "spare": [],
    }
    worker.weights.write_text(json.dumps(weights))
    total = sum(tensor["bytes"] for tensor in weights["held"])
    offer = [sys.executable, program, "offer", "--model", path, "--address", "127.0.0.1", "--allow", "127.0.0.1"]
    with subprocess.Popen(offer, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as leader:
        leader.stdin.write(f"{SECRET}\n")
        leader.stdin.flush()
        port = json.loads(leader.stdout.readline())["port"]
        sources = json.dumps([{"files": [f"http://127.0.0.1:{port}/m.gguf"], "token": SECRET}])
        code, done, _error = drover(capsys, monkeypatch, "place", "--cluster", "main", given=sources)
        assert (code, done["fetched_bytes"]) == (0, total)
        leader.terminate()
        assert json.loads(leader.stdout.readline()) == {"sent_bytes": total, "refused": 0}
    _code, found, _error = drover(capsys, monkeypatch, "cached", "--cluster", "main")
    assert found["tensors"] == {tensor["hash"]: tensor["bytes"] for tensor in weights["held"]}
    assert set(cached(worker.folder)) == set(found["tensors"])
    # The leader is gone, and nothing is asked of it.
    code, done, _error = drover(capsys, monkeypatch, "place", "--cluster", "main", "--verify", given=sources)
    assert (code, done["present_bytes"], done["fetched_bytes"]) == (0, total, 0)


def test_a_manifest_is_kept_elsewhere_and_made_quickly_or_not_at_all(tmp_path, capsys, monkeypatch):
    path, kept = write_model(tmp_path), tmp_path / "manifests"
    asked = ("manifest", "--model", path, "--directory", str(kept), "--quickly", "--processes", "1")
    monkeypatch.setattr(manifest_module, "SOON_BYTES", 0)
    monkeypatch.setattr(manifest_module, "is_slow", lambda: True)
    assert drover(capsys, monkeypatch, *asked)[:2] == (0, {})
    assert not kept.exists()
    monkeypatch.setattr(manifest_module, "is_slow", lambda: False)
    code, made, _error = drover(capsys, monkeypatch, *asked)
    assert (code, read_manifest(made)) == (0, made)
    assert len(list(kept.iterdir())) == 1
    assert not list(tmp_path.glob("*.tensors.json"))
    # One that is there costs nothing.
    monkeypatch.setattr(manifest_module, "is_slow", lambda: True)
    assert drover(capsys, monkeypatch, *asked)[:2] == (0, made)


def test_sources_are_a_line_of_an_input_that_stays_open(capsys, worker):
    """A command in a pod is never told that there is no more."""
    nothing = {"schema": 1, "cluster": "main", "host": "w1", "spread": 1, "held": [], "spare": []}
    worker.weights.write_text(json.dumps({**nothing, "files": [{"name": "m.gguf", "file_bytes": 1}]}))
    reader, writer = os.pipe()
    with os.fdopen(reader) as stream, os.fdopen(writer, "w") as others:
        print(json.dumps([{"cache": "http://127.0.0.1:9/", "token": SECRET}]), file=others, flush=True)
        weights_module.print_placed("main", 1, False, stream)
    assert json.loads(capsys.readouterr().out)["fetched_bytes"] == 0


@pytest.mark.parametrize(
    "arguments", [["cached"], ["place"], ["offer", "--address", "127.0.0.1", "--allow", "127.0.0.1"]]
)
def test_a_worker_without_a_cache(capsys, monkeypatch, worker, arguments):
    worker(None)
    code, _printed, error = drover(capsys, monkeypatch, *arguments, "--cluster", "main", given=f"{SECRET}\n")
    assert (code, "set rpc_server_cache to true" in error) == (78, True)


@pytest.mark.parametrize(
    ("content", "given", "words"),
    [
        (None, "[]", "weights.json cannot be read"),
        ("{", "[]", "weights.json is not JSON"),
        ('{"schema": 1}', "[]", "The weights has no cluster"),
        (
            '{"schema": 1, "cluster": "other", "host": "w1", "spread": 1, "files": [], "held": [], "spare": []}',
            "[]",
            "is for the cluster other",
        ),
        (
            '{"schema": 1, "cluster": "main", "host": "w1", "spread": 1, "files": [], "held": [], "spare": []}',
            '[{"token": "hunter2"',
            "The sources are not JSON (line 1)",
        ),
    ],
)
def test_what_cannot_be_placed(capsys, monkeypatch, worker, content, given, words):
    if content is not None:
        worker.weights.write_text(content)
    code, printed, error = drover(capsys, monkeypatch, "place", "--cluster", "main", given=given)
    assert (code, printed) == (78, None)
    assert words in error and "hunter2" not in error


@pytest.mark.parametrize(
    ("more", "given", "words"),
    [
        (["--allow", "127.0.0.1"], "short\n", "The secret has 5 characters"),
        (["--allow", "127.0.0.1"], "", "The secret has 0 characters"),
        (["--allow", "pi-1"], f"{SECRET}\n", "A member is 'pi-1'"),
    ],
)
def test_what_cannot_be_offered(capsys, monkeypatch, worker, more, given, words):
    arguments = ["offer", "--cluster", "main", "--address", "127.0.0.1", *more]
    code, _printed, error = drover(capsys, monkeypatch, *arguments, given=given)
    assert (code, words in error, SECRET in error) == (78, True, False)


def test_what_is_no_model(tmp_path, capsys, monkeypatch):
    (tmp_path / "m.gguf").write_text("no model")
    code, _printed, error = drover(capsys, monkeypatch, "manifest", "--model", str(tmp_path / "m.gguf"))
    assert (code, "is not a GGUF file" in error) == (78, True)
