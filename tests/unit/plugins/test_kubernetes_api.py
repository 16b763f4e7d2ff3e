# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to Kubernetes' API, against a small server that stands for it."""

from __future__ import annotations

import http.server
import importlib
import json
import threading
from types import MappingProxyType, SimpleNamespace

import pytest
import yaml
from module_utils.kubernetes.names import Names
from module_utils.kubernetes.weights_map import weights_map
from unit.kubernetes.objects import IMAGE, PROGRAMS, Cluster, node
from unit.kubernetes.test_gpus import CUDA, H100_LABELS, gpu_node
from unit.plugins.actions import act, action_class

WANTED = {"image": IMAGE, "model": {"file": "small.gguf"}}


class Server(http.server.BaseHTTPRequestHandler):
    allowed = True
    absent = ("/api/v1/namespaces/drover",)
    hidden = ()
    answers = MappingProxyType({})
    nodes = (node("kube-1"),)

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path in self.hidden:
            self._say(403, {"message": "forbidden"})
        elif self.headers["authorization"] != "Bearer secret":
            self._say(401, {"message": "Unauthorized"})
        elif path in self.absent:
            self._say(404, {"message": "not found"})
        elif path in self.answers:
            self._say(200, self.answers[path])
        else:
            self._say(200, {"items": self.nodes if path == "/api/v1/nodes" else []})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._say(201, {**asked, "status": {"allowed": self.allowed}})

    def _say(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def kubeconfig(tmp_path):
    """Writes a kubeconfig for a server that runs, with this token."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def write(token="secret", port=server.server_address[1]):
        path = tmp_path / "kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(yaml.safe_dump(content))
        return str(path)

    yield write
    server.shutdown()


def stock(**given):
    return act(action_class("kubernetes_stock_info"), {"settings": WANTED, **given})


def test_the_stock_of_a_cluster_without_drover(kubeconfig):
    found = stock(kubeconfig=kubeconfig())
    assert [entry["node"] for entry in found["stock"]] == ["kube-1"]
    assert found["plan"] is None
    assert found["installed"] == []
    assert [each["kind"] for each in found["new"]] == ["Namespace", "ServiceAccount", "NetworkPolicy"]
    assert [pod["metadata"]["name"] for pod in found["tally_pods"]] == ["drover-main-tally-kube-1"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"token": "wrong"}, "refuses GET"),
        ({"port": 9}, "does not answer"),
    ],
)
def test_an_api_that_does_not_answer_is_told_of(kubeconfig, given, words):
    assert words in stock(kubeconfig=kubeconfig(**given))["msg"]


def test_what_is_not_allowed_is_told_by_verb_and_resource(kubeconfig, monkeypatch):
    monkeypatch.setattr(Server, "allowed", False)
    said = stock(kubeconfig=kubeconfig())["msg"]
    assert "may not get nor list nor create nor patch nor delete configmaps in the namespace drover" in said


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kubeconfig": "/nowhere"}, "There is no kubeconfig /nowhere: set kubernetes_kubeconfig"),
        ({"context": "nobody"}, "cannot be used"),
        ({"settings": {"model": {"file": "small.gguf"}}}, "Neither kubernetes_image is set nor are there images"),
    ],
)
def test_what_cannot_be_asked_with_is_refused(kubeconfig, given, words):
    assert words in stock(**{"kubeconfig": kubeconfig(), **given})["msg"]


ACCOUNT = "/api/v1/namespaces/drover/serviceaccounts/llm"
NAMED = {**WANTED, "service_account": "llm", "nodes": {"kube-1": {"threads": 1}}}


def test_what_the_settings_name_must_be_there(kubeconfig, monkeypatch):
    assert "msg" not in stock(kubeconfig=kubeconfig(), settings=NAMED)
    monkeypatch.setattr(Server, "absent", (*Server.absent, ACCOUNT))
    said = stock(kubeconfig=kubeconfig(), settings={**NAMED, "nodes": {"pi": {}}})["msg"]
    assert "kubernetes_nodes names pi, and the cluster's nodes are kube-1: use these." in said
    assert "There is no ServiceAccount llm in the namespace drover" in said


def test_it_need_not_be_where_nothing_runs_or_nobody_may_see_it(kubeconfig, monkeypatch):
    monkeypatch.setattr(Server, "absent", (*Server.absent, ACCOUNT))
    assert "msg" not in stock(kubeconfig=kubeconfig(), settings=NAMED, required=False)
    monkeypatch.setattr(Server, "hidden", (ACCOUNT, "/apis/storage.k8s.io/v1/storageclasses"))
    assert "msg" not in stock(kubeconfig=kubeconfig(), settings=NAMED)


def test_a_node_with_a_card_is_planned_with_it_by_its_labels(kubeconfig, monkeypatch):
    monkeypatch.setattr(Server, "nodes", [gpu_node(labels=H100_LABELS, nvidia_com__gpu="1")])
    made = stock(kubeconfig=kubeconfig())["stock"]
    told = act(
        action_class("kubernetes_tally_info"),
        {
            "kubeconfig": kubeconfig(),
            "settings": WANTED,
            "stock": made,
            "programs": {"x86_64": CUDA},
            "measured": False,
        },
    )
    assert [device["id"] for device in told["tallies"][0]["devices"]] == ["CPU", "CUDA0"]
    # Nobody has listed them yet.
    assert told["programs"]["gpu-1"]["devices"] is None
    assert "CUDA" in told["programs"]["gpu-1"]["backends"]


CLAIM = {"file": "small.gguf", "claim": "models"}
VOLUME = "/api/v1/persistentvolumes/pvc-1"


def made(kubeconfig, cluster, **given):
    model = {"path": cluster.settings.model.path, "alias": "Small", "files": []}
    return act(
        action_class("kubernetes_manifests"),
        {
            "kubeconfig": kubeconfig,
            "settings": {**WANTED, "model": CLAIM},
            "plan": cluster.plan,
            "tallies": cluster.tallies,
            "programs": {each["host"]: PROGRAMS for each in cluster.tallies},
            "stock": cluster.stock,
            "model": model,
            "gguf": cluster.gguf,
            **given,
        },
    )


def test_a_leader_that_cannot_have_the_volume_is_refused_before_anything_is_applied(kubeconfig, monkeypatch):
    cluster = Cluster(model=CLAIM)
    on_disk_of = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["kube-1"]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_disk_of]}]}}
    claim = "/api/v1/namespaces/drover/persistentvolumeclaims/models"
    answers = {claim: {"spec": {"volumeName": "pvc-1"}}, VOLUME: {"spec": {"nodeAffinity": affinity}}}
    monkeypatch.setattr(Server, "answers", answers)
    assert made(kubeconfig(), cluster)["msg"].startswith(
        "The volume of the PersistentVolumeClaim models lies on kube-1, and kube-2 is planned to lead"
    )
    # Who may not see volumes is not told of them.
    monkeypatch.setattr(Server, "hidden", (VOLUME,))
    assert {"Deployment", "Service"} <= {each["kind"] for each in made(kubeconfig(), cluster)["manifests"]}


def test_a_port_outside_that_another_program_holds_is_refused_before_anything_is_applied(kubeconfig):
    cluster = Cluster()
    held = {"port": 50052, "address": "0.0.0.0", "pid": 844, "command": "/usr/bin/python3", "unit": "test.service"}
    worker = min(set(cluster.plan["addresses"]) - {cluster.plan["leader"]})
    assert made(kubeconfig(), cluster, settings=WANTED, listeners={worker: [held]})["msg"].startswith(
        f"Port 50052 on {worker} is held by /usr/bin/python3"
    )


def test_what_the_leader_heals_with_stays_as_it_is_while_it_is_right(kubeconfig, monkeypatch):
    def members(tallies):
        wanted = made(kubeconfig(), cluster, settings=WANTED, tallies=tallies)["manifests"]
        (found,) = [each for each in wanted if each["metadata"]["name"] == "drover-main-members"]
        return found

    cluster = Cluster()
    first = members(cluster.tallies)
    later = [{**each, "bandwidth_bytes_per_second": 7_000_000_000} for each in cluster.tallies]
    assert members(later) != first
    maps = "/api/v1/namespaces/drover/configmaps"
    monkeypatch.setattr(Server, "answers", {maps: {"items": [first]}})
    assert members(later) == first


def test_what_caches_were_filled_for_is_found_again_and_kept(kubeconfig, monkeypatch):
    cluster, wished = Cluster(cache={}), {**WANTED, "cache": {}}
    placing = made(kubeconfig(), cluster, settings=wished)["placing"]
    assert placing["due"] is True
    noted = weights_map(Names("main", "drover"), {}, placing["mark"])
    maps = "/api/v1/namespaces/drover/configmaps"
    monkeypatch.setattr(Server, "answers", {maps: {"items": [noted]}})
    again = made(kubeconfig(), cluster, settings=wished)
    assert (again["placing"], again["superfluous"]) == ({"due": False, "told": []}, [])
    without = made(kubeconfig(), cluster, settings=WANTED)
    assert without["superfluous"] == [{"kind": "ConfigMap", "name": "drover-main-weights"}]


@pytest.fixture
def api():
    action_class("kubernetes_model")  # from here on, the collection can be imported
    return importlib.import_module("ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_api")


def test_what_is_sent_is_told_of(api, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "STDIN_PIECE", 4)
    (tmp_path / "m.gguf").write_bytes(b"0123456789")
    pieces, told = [], []
    with open(tmp_path / "m.gguf", "rb") as file:
        api._send(SimpleNamespace(write_stdin=pieces.append), file, 10, lambda *much: told.append(much))
    assert (pieces, told) == ([b"0123", b"4567", b"89"], [(4, 10), (8, 10), (10, 10)])


def test_a_file_that_became_shorter_is_told_of(api, tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"0123")
    with open(tmp_path / "m.gguf", "rb") as file, pytest.raises(Exception, match="became shorter while it was sent"):
        api._send(SimpleNamespace(write_stdin=len), file, 10, lambda *_much: None)


class Running:
    """A command in a pod, by a connection that is open until it has said ``last``."""

    def __init__(self, *said):
        self.said, self.given, self.closed, self._channels, self.returncode = list(said), [], False, {}, 0

    def is_open(self):
        return bool(self.said) and not self.closed

    def update(self, timeout):
        self._channels[1] = self.said.pop(0)

    def read_channel(self, channel):
        return self._channels.pop(channel, "")

    def write_stdin(self, data):
        self.given.append(data)

    def close(self):
        self.closed = True


@pytest.fixture
def execute(api, kubeconfig, monkeypatch):
    def run(running, **given):
        monkeypatch.setattr(api, "stream", lambda *_arguments, **options: running)
        return api.Api(kubeconfig()).execute("drover", "pod", "main", ["drover"], **given)

    return run


def test_a_line_is_given_at_once(execute):
    running = Running("done\n")
    assert execute(running, line="secret") == (0, "done\n", "")
    assert running.given == [b"secret\n"]


def test_a_command_is_left_alone_once_that_is_enough(execute):
    running, heard = Running("one\n", "two\n", "three\n"), []
    done = execute(running, enough=lambda said, _complained: heard.append(said) or said.endswith("two\n"))
    assert done == (0, "one\ntwo\n", "")
    assert heard == ["", "one\n", "one\ntwo\n"]
    assert running.closed
