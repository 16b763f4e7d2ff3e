# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation with the pods that fill caches, held with pods that answer as the runtime does."""

from __future__ import annotations

import json
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace

import pytest
from module_utils.weights.document import missing_tensors, read_weights
from unit.documents import worker_deployment
from unit.placement.fleets import GIB
from unit.plugins.actions import act, action_class
from unit.weights.plans import BLOCKS, gguf_of, manifest_of, planned, sizes

MANIFEST = manifest_of(sizes(), {"output.weight": BLOCKS, "output_norm.weight": BLOCKS})
PLAN = planned(gguf_of(sizes()), {"leader": 6, "w1": 1, "w2": 2}, hosts=("leader", "w1", "w2"))
ADDRESSES = {"offerer": "10.1.0.1", "placer-w1": "10.1.1.1", "placer-w2": "10.1.2.1"}
CONFIGURED = 78


class Pods:
    """All pods of a cluster: each knows what was put into it, and what is in its node's cache."""

    def __init__(self):
        self.manifest = MANIFEST
        self.cached = {"placer-w1": {}, "placer-w2": {}}
        self.files, self.commands, self.lines = {}, [], {}
        self.broken = {}
        self.offered = 0
        self._lock = threading.Lock()

    def get(self, path):
        name = path.rsplit("/", 1)[1]
        return {"status": {"phase": "Running", "podIP": ADDRESSES[name]}}

    def events(self, _namespace):
        return []

    def execute(self, namespace, pod, container, command, timeout, send=None, line=None, enough=None):
        assert (namespace, container) == ("llama", pod.partition("-")[0])
        what = command[2] if command[1].endswith(".pyz") else "reach"
        with self._lock:
            self.commands.append((pod, command))
            self.lines[pod, what] = line
        if (pod, what) in self.broken:
            return CONFIGURED, "", f"drover: {self.broken[pod, what]}\n"
        return 0, getattr(self, f"_{what}")(pod, command, send, line, enough), ""

    def _manifest(self, *_given):
        return json.dumps(self.manifest)

    def _receive(self, pod, command, send, _line, _enough):
        file, size, _tell = send
        content = file.read()
        assert len(content) == size == int(command[command.index("--bytes") + 1])
        self.files[pod, command[command.index("--to") + 1]] = json.loads(content)
        return "send\ndone\n"

    def _cached(self, pod, *_given):
        assert self.files[pod, "/etc/drover/main/deployment.json"]["host"] == pod.partition("-")[2]
        found = {"schema": 1, "directory": "/c", "tensors": self.cached[pod], "other_bytes": 0, "free_bytes": GIB}
        return json.dumps({**found, "most_bytes": None})

    def _offer(self, _pod, _command, _send, _line, enough):
        self.offered += 1
        said = ""
        while not enough(said, ""):
            said = '{"port": 50060}\n'
            time.sleep(0.001)
        self.offered -= 1
        return said

    def _reach(self, *_given):
        return ""

    def _place(self, pod, *_given):
        assert self.offered == 1
        weights = read_weights(self.files[pod, "/etc/drover/main/weights.json"])
        missing = missing_tensors(weights, self.cached[pod])
        self.cached[pod].update({tensor["hash"]: tensor["bytes"] for tensor in missing})
        fetched = sum(tensor["bytes"] for tensor in missing)
        return json.dumps({"fetched_bytes": fetched, "left_out_bytes": 0, "damaged": [], "told": []})


@pytest.fixture
def pods(monkeypatch):
    found = Pods()
    module = sys.modules[action_class("kubernetes_weights").__module__]
    monkeypatch.setattr(module, "connect", lambda given: found)
    # A second of patience lasts a hundredth.
    hasty = partial(
        module.wait_for, clock=lambda: 100 * time.monotonic(), sleep=lambda seconds: time.sleep(seconds / 100)
    )
    monkeypatch.setattr(module, "wait_for", hasty)
    return found


def fill(spread=1):
    placing = {
        "plan": PLAN,
        "deployments": {host: worker_deployment(host=host) for host in ("w1", "w2")},
        "offerer": "offerer",
        "placers": {"w1": "placer-w1", "w2": "placer-w2"},
        "model": "/var/lib/drover/models/m.gguf",
        "manifests": "/var/cache/drover/manifests",
        "processes": 3,
        "namespace": "llama",
        "spread": spread,
        "mark": "abc",
    }
    return act(action_class("kubernetes_weights"), {"kubeconfig": "/k", "placing": placing})


def needed(plan=PLAN):
    return plan["predicted"]["load_bytes_over_network"] - plan["predicted"]["load_bytes_once_cached"]


def test_each_worker_fetches_what_it_lacks_from_the_one_that_has_the_model(pods):
    done = fill()
    assert (done["changed"], done["told"], done["fetched_bytes"]) == (True, [], needed())
    assert sum(map(sum, (each.values() for each in pods.cached.values()))) == needed()
    (manifest,) = [command for _pod, command in pods.commands if "manifest" in command]
    assert manifest[2:] == [
        *("manifest", "--quickly", "--model", "/var/lib/drover/models/m.gguf"),
        *("--directory", "/var/cache/drover/manifests", "--processes", "3"),
    ]
    (offer,) = [command for _pod, command in pods.commands if "offer" in command]
    assert offer[offer.index("--address") + 1] == "10.1.0.1"
    assert sorted(offer[offer.index("--allow") + 1 :]) == ["10.1.1.1", "10.1.2.1"]
    for pod in pods.cached:
        (source,) = json.loads(pods.lines[pod, "place"])
        assert source == {"files": ["http://10.1.0.1:50060/m.gguf"], "token": pods.lines["offerer", "offer"]}
    assert pods.offered == 0


def test_the_secret_is_told_to_nobody_else(pods):
    done = fill()
    secret = pods.lines["offerer", "offer"]
    assert len(secret) == 64
    assert secret not in json.dumps([done, pods.commands, list(pods.files.values())])
    fill()  # nothing is missing any more, so nothing is offered
    assert pods.lines["offerer", "offer"] == secret


def test_it_is_noted_what_the_caches_are_to_have(pods):
    made = fill()["config_map"]
    assert (made["kind"], made["metadata"]["name"]) == ("ConfigMap", "drover-main-weights")
    assert made["metadata"]["annotations"] == {"drover.llama/placed": "abc"}
    for host in ("w1", "w2"):
        weights = read_weights(json.loads(made["data"][f"{host}.json"]))
        assert weights == pods.files[f"placer-{host}", "/etc/drover/main/weights.json"]
        assert {tensor["hash"] for tensor in weights["held"]} == set(pods.cached[f"placer-{host}"])


def test_a_second_time_nothing_is_sent(pods):
    first = fill()
    before = len(pods.commands)
    second = fill()
    assert (second["changed"], second["fetched_bytes"]) == (False, 0)
    assert second["config_map"] == first["config_map"]
    assert not [command for _pod, command in pods.commands[before:] if {"offer", "place"} & set(command)]


def test_only_what_a_new_spread_asks_for_is_sent(pods):
    fill()
    done = fill(spread=2)
    # Of two workers each has what the other one holds.
    assert done["fetched_bytes"] == needed()
    assert pods.cached["placer-w1"] == pods.cached["placer-w2"]


def test_a_model_that_would_take_long_to_read_is_told_of_and_not_tried_again(pods):
    pods.manifest = {}
    done = fill()
    assert (done["changed"], done["fetched_bytes"]) == (False, 0)
    assert done["told"] == [
        "No weights are placed, since the image has nothing to read the model with but Python alone, which would take "
        "long: make it anew with images.yml, which puts numpy into it. The leader sends the weights."
    ]
    weights = json.loads(done["config_map"]["data"]["w1.json"])
    assert (weights["held"], weights["spare"]) == ([], [])
    assert done["config_map"]["metadata"]["annotations"] == {"drover.llama/placed": "abc"}


@pytest.mark.parametrize("what", ["receive", "cached", "place", "reach"])
def test_a_worker_that_fails_holds_up_nobody_else(pods, what):
    pods.broken["placer-w1", what] = "It cannot be."
    done = fill()
    (told,) = done["told"]
    assert told.startswith("The tensor cache of w1 is not filled, so the leader sends it its weights: ")
    assert "It cannot be" in told
    assert not pods.cached["placer-w1"]
    assert pods.cached["placer-w2"]
    assert (done["changed"], done["config_map"]) == (True, None)  # so the next run tries again


@pytest.mark.parametrize("what", ["manifest", "offer"])
def test_without_a_model_to_fetch_from_the_leader_sends_all(pods, what):
    pods.broken["offerer", what] = "10.1.0.1:50060 cannot be listened on."
    done = fill()
    assert done["told"] == [
        "No weights are placed: 10.1.0.1:50060 cannot be listened on. The leader sends the weights."
    ]
    assert (done["changed"], done["config_map"], "failed" in done) == (False, None, False)


def test_how_far_a_pod_is_is_told_now_and_then(monkeypatch):
    told_lines = sys.modules[action_class("kubernetes_weights").__module__].told_lines
    moment, shown = [0.0], []
    display = SimpleNamespace(display=lambda line, stderr: shown.append((line, stderr)))
    monkeypatch.setitem(told_lines.__globals__, "Display", lambda: display)
    tell = told_lines("placer-w1", clock=lambda: moment[0])
    for moment[0], complained in ((1, "drover: 10 %\n"), (31, "drover: 10 %\ndrover: 20 %\n"), (40, "drover: 30 %\n")):
        assert tell("", complained) is False
    assert shown == [("placer-w1: 20 %", True)]
