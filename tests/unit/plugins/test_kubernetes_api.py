# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to Kubernetes' API, against a small server that stands for it."""

from __future__ import annotations

import http.server
import importlib
import json
import threading
from types import SimpleNamespace

import pytest
import yaml
from unit.kubernetes.objects import IMAGE, node
from unit.plugins.actions import act, action_class

WANTED = {"image": IMAGE, "model": {"file": "small.gguf"}}


class Server(http.server.BaseHTTPRequestHandler):
    allowed = True

    def do_GET(self):
        path = self.path.partition("?")[0]
        if self.headers["authorization"] != "Bearer secret":
            self._say(401, {"message": "Unauthorized"})
        elif path == "/api/v1/namespaces/drover":
            self._say(404, {"message": "not found"})
        else:
            self._say(200, {"items": [node("kube-1")] if path == "/api/v1/nodes" else []})

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


@pytest.fixture
def api():
    action_class("kubernetes_model")  # from here on, the collection can be imported
    return importlib.import_module("ansible_collections.drover.llama.plugins.plugin_utils.kubernetes_api")


def test_what_is_sent_is_told_of(api, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "STDIN_PIECE", 4)
    (tmp_path / "m.gguf").write_bytes(b"0123456789")
    pieces, told = [], []
    api._send(SimpleNamespace(write_stdin=pieces.append), tmp_path / "m.gguf", 10, lambda *much: told.append(much))
    assert (pieces, told) == ([b"0123", b"4567", b"89"], [(4, 10), (8, 10), (10, 10)])


def test_a_file_that_became_shorter_is_told_of(api, tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"0123")
    with pytest.raises(Exception, match="became shorter while it was sent"):
        api._send(SimpleNamespace(write_stdin=len), tmp_path / "m.gguf", 10, lambda *_much: None)
