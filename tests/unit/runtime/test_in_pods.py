# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the runtime that only pods are asked to run."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from module_utils.errors import DroverError
from module_utils.runtime import evidence, tally
from module_utils.runtime.model_file import receive
from unit.healing import worker

NOTE = "size 5 modified 7"


def test_a_file_is_taken_in_once(tmp_path, capsys):
    path = tmp_path / "model.gguf"
    assert receive(str(path), 5, NOTE, io.BytesIO(b"12345")) is True
    assert path.read_bytes() == b"12345"
    assert capsys.readouterr().out == "send\ndone\n"
    assert receive(str(path), 5, NOTE, io.BytesIO(b"")) is False
    assert capsys.readouterr().out == "have\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["model.gguf", "model.gguf.source"]


@pytest.mark.parametrize(("size", "note"), [(5, "size 5 modified 8"), (6, NOTE)])
def test_another_file_of_that_name_is_replaced(tmp_path, size, note):
    path = tmp_path / "model.gguf"
    receive(str(path), 5, NOTE, io.BytesIO(b"12345"))
    assert receive(str(path), size, note, io.BytesIO(b"abcdef")) is True
    assert path.read_bytes() == b"abcdef"[:size]


def test_what_ends_too_early_leaves_nothing(tmp_path):
    with pytest.raises(DroverError, match="ended 2 bytes too early: send it again"):
        receive(str(tmp_path / "model.gguf"), 5, NOTE, io.BytesIO(b"123"))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_tells_what_its_rpc_server_holds_whichever_process_that_is(tmp_path, capsys, monkeypatch):
    worker.make(tmp_path, pid=17, clients=["10.0.0.1"])
    monkeypatch.setattr(evidence, "load_deployment", lambda _cluster: worker.DEPLOYMENT)
    evidence.print_held("main", evidence.Tree(str(tmp_path)))
    connections = [{"port": 50052, "peer": "10.0.0.1"}]
    assert json.loads(capsys.readouterr().out) == {"held_bytes": 1 << 20, "connections": connections}


def test_a_worker_completes_nothing(monkeypatch):
    monkeypatch.setattr(evidence, "load_deployment", lambda _cluster: {"part": "worker", "host": "kube-2"})
    with pytest.raises(DroverError, match="kube-2 is a worker of the cluster main: ask its leader"):
        evidence.print_completion("main", 4, 1.0)


TALLY = {"host": "gpu-1", "gpus": []}
PROGRAMS = {"server": "/usr/bin/llama-server", "devices": [], "backends": ["CPU"]}


@pytest.mark.parametrize(
    ("gpus", "programs", "devices"),
    [
        ([{"id": "GPU-1"}], PROGRAMS, [{"name": "CUDA0"}]),
        # Asking takes a while, and the answer is known.
        ([], PROGRAMS, []),
        ([{"id": "GPU-1"}], {**PROGRAMS, "server": None}, []),
    ],
)
def test_a_pod_tells_which_devices_its_programs_list(tmp_path, monkeypatch, capsys, gpus, programs, devices):
    (tmp_path / "programs.json").write_text(json.dumps(programs), encoding="utf-8")
    monkeypatch.setattr(tally, "PROGRAMS", str(tmp_path / "programs.json"))
    monkeypatch.setattr(tally, "ask_devices", lambda server: [{"name": "CUDA0"}])
    monkeypatch.setattr(tally, "take_tally", lambda _tree, **_given: {**TALLY, "gpus": gpus})
    words = ("host", "cluster", "reserve_bytes", "threads", "devices", "address", "port", "disk_path", "no_bandwidth")
    tally.print_tally(SimpleNamespace(**dict.fromkeys(words), pod=True, keep=False))
    assert json.loads(capsys.readouterr().out)["programs"] == {**programs, "devices": devices}
