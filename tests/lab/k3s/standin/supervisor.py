# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts ask a server when they join: both sides of it.

The real one answers on the API's port; this one beside it, on ``paths.SUPERVISOR_PORT``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import certificates
import etcd
import paths
import server
from settings import Refused


def ask(url: str, token: str, path: str, asked: dict | None = None) -> dict:
    """What the server of that URL answers to who has the token. The token's CA is held against the server's first."""
    base = f"https://{urlsplit(url).hostname}:{paths.SUPERVISOR_PORT}"
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(f"{base}/cacerts", context=blind, timeout=10) as answer:
        authority = answer.read()
    pinned, separator, credentials = token.partition("::")
    if separator and pinned[3:] != hashlib.sha256(authority).hexdigest():
        raise Refused("token CA hash does not match the Cluster CA certificate hash")
    user, _colon, password = (credentials if separator else f"node:{token}").partition(":")
    request = urllib.request.Request(f"{base}/v1-k3s/{path}", data=json.dumps(asked or {}).encode())
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    known = ssl.create_default_context(cadata=authority.decode())
    try:
        with urllib.request.urlopen(request, context=known, timeout=60) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise Refused(f"{error.code} from {base}/v1-k3s/{path}: {error.read().decode().strip()}") from None


def serve(wished: dict, node: str, address: str) -> None:
    """Answer those who join, from now on."""
    handler = type("Handler", (_Handler,), {"wished": wished, "address": address})
    listening = ThreadingHTTPServer((address, paths.SUPERVISOR_PORT), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paths.TLS / "apiserver.crt", paths.TLS / "apiserver.key")
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    wished: dict
    address: str

    def do_GET(self) -> None:
        known = {"/cacerts": (paths.TLS / "server-ca.crt").read_bytes(), "/ping": b"pong"}
        self._answer(200 if self.path in known else 404, known.get(self.path, b"not found"))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        part = self.path.removeprefix("/v1-k3s/")
        try:
            if part not in _PARTS or not self._may(servers_only=part != "node"):
                self._answer(401, b"not authorized")
                return
            self._answer(200, json.dumps(_PARTS[part](self.wished, asked)).encode())
        except (Refused, subprocess.CalledProcessError) as error:
            self._answer(403, str(error).encode())

    def _may(self, servers_only: bool) -> bool:
        given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        password = given.partition(":")[2]
        files = ["token"] if servers_only else ["token", "agent-token"]
        known = [server.password_of((paths.SERVER / name).read_text().strip()) for name in files]
        return any(hmac.compare_digest(password, one) for one in known)

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments) -> None:
        """Say nothing: what is asked for stands in no log."""


def _node(wished: dict, asked: dict) -> dict:
    """The certificates of a node, for who knows the password that its name had from the first."""
    name, secret = asked["name"], f"{asked['name']}.node-password.k3s"
    digest = hashlib.sha256(asked["password"].encode()).hexdigest()
    found = server.kubectl("get", "secret", secret, "--namespace=kube-system", "--ignore-not-found", "--output=json")
    there = server.kubectl("get", "node", name, "--ignore-not-found", "--output=name")
    if found and base64.b64decode(json.loads(found)["data"]["hash"]).decode() != digest:
        if there:
            raise Refused(
                f"Node password rejected, duplicate hostname or contents of '{paths.NODE_PASSWORD}' may not match"
            )
        # K3s deletes it with the node.
        server.kubectl("delete", "secret", secret, "--namespace=kube-system")
        found = ""
    if not found:
        server.kubectl(
            *("create", "secret", "generic", secret, "--namespace=kube-system", f"--from-literal=hash={digest}")
        )
    for wanted, subject in (("kubelet", f"CN=system:node:{name},O=system:nodes"), ("proxy", "CN=system:kube-proxy")):
        if certificates.subject(asked[wanted]) != f"subject={subject}":
            raise Refused(f"not a request of {name}")
    return {
        "authority": (paths.TLS / "server-ca.crt").read_text(),
        "certificates": {key: certificates.sign(asked[key]) for key in ("kubelet", "proxy", "controller")},
        "settings": {key: wished.get(key, "") for key in (*server.CRITICAL, "cluster-dns")},
    }


def _bootstrap(wished: dict, _asked: dict) -> dict:
    files = {name: (paths.TLS / name).read_text() for name in certificates.SHARED}
    return {"files": files, "settings": {key: wished[key] for key in server.CRITICAL}}


def _member(_wished: dict, asked: dict) -> dict:
    return {"peers": etcd.add_member(asked["name"], asked["peer"])}


_PARTS = {"node": _node, "server-bootstrap": _bootstrap, "etcd-member": _member}
