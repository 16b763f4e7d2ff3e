# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same conversation with pods that are processes of this machine and run the runtime itself: a real model comes to
real caches, over the loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from assets import make_random_model
from module_utils.gguf.profile import model_profile
from module_utils.gguf.reader import read_header
from module_utils.weights.fnv import is_cache_name
from unit.documents import worker_deployment
from unit.plugins.actions import act, action_class
from unit.ports import free_port
from unit.weights.plans import planned

PLUGINS = Path(__file__).parents[3] / "plugins"
CLUSTERS = "/etc/drover"
# Runs one command of the runtime with a folder of its own for the clusters' documents.
LAUNCHER = """
import sys
sys.path.insert(0, sys.argv[1])
from module_utils.runtime import command
from module_utils.serving import cluster
cluster.CLUSTERS_FOLDER = sys.argv[2]
sys.exit(command.main("1", sys.argv[3:]))
"""


class Pods:
    """Each has a folder below ``folder``; ``left`` are the commands that were left running there."""

    def __init__(self, folder):
        self.folder, self.left = folder, []

    def get(self, _path):
        return {"status": {"phase": "Running", "podIP": "127.0.0.1"}}

    def events(self, _namespace):
        return []

    def execute(self, _namespace, pod, _container, command, timeout, send=None, line=None, enough=None):
        documents = self.folder / pod
        (documents / "main").mkdir(parents=True, exist_ok=True)
        if command[1].endswith(".pyz"):
            given = [each.replace(CLUSTERS, str(documents)) for each in command[2:]]
            command = [sys.executable, "-c", LAUNCHER, str(PLUGINS), str(documents), *given]
        else:
            command = [sys.executable, *command[1:]]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        running = subprocess.Popen(command, **pipes)
        output = {"stdout": b"", "stderr": b""}

        def read(name):
            for piece in iter(lambda: os.read(getattr(running, name).fileno(), 65536), b""):
                output[name] += piece

        readers = [threading.Thread(target=read, args=(name,), daemon=True) for name in output]
        for reader in readers:
            reader.start()
        if line is not None:
            running.stdin.write(f"{line}\n".encode())
            running.stdin.flush()
        # Its input stays open, as in a pod.
        while running.poll() is None:
            if enough and enough(output["stdout"].decode(), output["stderr"].decode()):
                self.left.append(running)
                break
            if send and output["stdout"].startswith(b"send\n"):
                file, size, _tell = send
                running.stdin.write(file.read(size))
                running.stdin.flush()
                send = None
            readers[0].join(0.01)
        else:
            for reader in readers:
                reader.join()
            running.stdin.close()
        return running.returncode or 0, output["stdout"].decode(), output["stderr"].decode()

    def end(self):
        """They are taken off, with all that runs there."""
        for running in self.left:
            running.terminate()
            running.communicate()
        self.left.clear()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Two blocks of 35 MB in tensors of more than 10 MiB."""
    path = tmp_path_factory.mktemp("model") / "m.gguf"
    shape = ["--blocks", "2", "--embedding", "1024", "--feed-forward", "5632"]
    make_random_model.write(path, make_random_model.parse([str(path), *shape]))
    return path


@pytest.fixture
def pods(tmp_path, monkeypatch):
    found = Pods(tmp_path)
    module = sys.modules[action_class("kubernetes_weights").__module__]
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "connect", lambda given: found)
    monkeypatch.setattr(module, "OFFER_PORT", free_port())
    yield found
    found.end()


def caches(pods):
    """Worker -> name and bytes of the tensors in its cache."""
    folders = {host: pods.folder / f"rpc-{host}" for host in ("w1", "w2")}
    return {
        host: {each.name: each.stat().st_size for each in folder.iterdir() if is_cache_name(each.name)}
        for host, folder in folders.items()
    }


def fill(pods, model, split, spread=1):
    plan = planned(model_profile(read_header(str(model))), split, hosts=("leader", "w1", "w2"))
    placing = {
        "plan": plan,
        "deployments": {
            host: worker_deployment(host=host, cache={"directory": str(pods.folder / f"rpc-{host}"), "days": 30})
            for host in ("w1", "w2")
        },
        "offerer": "offerer",
        "placers": {"w1": "placer-w1", "w2": "placer-w2"},
        "model": str(model),
        "manifests": str(pods.folder / "manifests"),
        "processes": 1,
        "namespace": "llama",
        "spread": spread,
        "mark": "abc",
    }
    done = act(action_class("kubernetes_weights"), {"kubeconfig": "/k", "placing": placing})
    pods.end()
    assert done["told"] == []
    predicted = plan["predicted"]
    return done["fetched_bytes"], predicted["load_bytes_over_network"] - predicted["load_bytes_once_cached"]


def test_a_model_comes_to_the_caches_and_then_what_changes(pods, model):
    fetched, needed = fill(pods, model, {"leader": 1, "w1": 1, "w2": 1})
    assert fetched == needed > 0
    first = caches(pods)
    assert sum(map(sum, (each.values() for each in first.values()))) == needed
    assert fill(pods, model, {"leader": 1, "w1": 1, "w2": 1})[0] == 0
    # The first block leaves the leader, and is all that travels.
    fetched, needed = fill(pods, model, {"w1": 2, "w2": 1, "leader": 0})
    assert 0 < fetched < needed
    second = caches(pods)
    assert first["w1"].items() < second["w1"].items()
    assert second["w2"] == first["w2"]
    fill(pods, model, {"w1": 2, "w2": 1, "leader": 0}, spread=2)
    third = caches(pods)
    assert third["w1"] == third["w2"]
    assert len(list((pods.folder / "manifests").iterdir())) == 1
