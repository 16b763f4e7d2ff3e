# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HAProxy on loopback with the role's configuration, and in llama-server's place a small server that answers
what is asked of it here."""

from __future__ import annotations

import http.client
import json
import queue
import signal
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jinja2
import yaml
from module_utils.gateway.keys import key_lines

ROLE = Path(__file__).resolve().parents[3] / "roles/gateway"
LEADER_KEY = "the-key-of-the-cluster"
ALICE, BOB = "alices-own-long-key", "bobs-own-long-key-00"
SECONDS = 20.0


def configuration(port, *leader_ports, **changes):
    return {
        "cluster": "main",
        "host": "pi-1",
        "listen": {"address": "127.0.0.1", "port": port},
        "tls": False,
        "url": f"http://127.0.0.1:{port}",
        "names": ["pi-1"],
        "leaders": [
            {"host": f"pi-{index}", "address": "127.0.0.1", "port": each, "health_port": None}
            for index, each in enumerate(leader_ports, 1)
        ],
        "get_paths": ["/v1/models", "/props"],
        "post_paths": ["/v1/chat/completions"],
        "most_bytes": 4096,
        "hold_seconds": 0,
        "timeout_seconds": 60,
        "cors_origins": [],
        **changes,
    }


def write(folder, gateway, keys):
    """What the role writes, in ``folder``."""
    folder.joinpath("keys").write_text("\n".join([*key_lines(keys), ""]))
    folder.joinpath("leader_key").write_text(f"leader {LEADER_KEY}\n")
    folder.joinpath("leader.lua").write_bytes(ROLE.joinpath("files/leader.lua").read_bytes())
    variables = yaml.safe_load(ROLE.joinpath("vars/main.yml").read_text())
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(ROLE.joinpath("templates/haproxy.cfg.j2").read_text())
    text = template.render(
        gateway=gateway,
        folder=str(folder),
        errors=variables["__gateway_errors"],
        retry_after=variables["__gateway_retry_after"],
    )
    # So that a test need not wait for it.
    text = text.replace("timeout client 60s", f"timeout client {gateway.get('client_seconds', 60)}s")
    folder.joinpath("haproxy.cfg").write_text(text)


class Gateway:
    """HAProxy as its unit starts it, but in the foreground of a test. ``log`` is what it has said."""

    def __init__(self, folder, gateway, keys):
        self.folder, self.gateway, self.keys = folder, gateway, keys
        write(folder, gateway, keys)
        self.output = folder / "log"
        with self.output.open("wb") as output:
            command = ["/usr/sbin/haproxy", "-W", "-f", str(folder / "haproxy.cfg")]
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        wait_for(self.listens)

    def listens(self):
        assert self.process.poll() is None, self.log
        return listens(self.gateway["listen"]["port"])

    @property
    def log(self):
        return self.output.read_text()

    def ask(self, method, path, body=None, headers=None, key=ALICE, context=None):
        """The answer, read whole."""
        answer = self.begin(method, path, body, headers, key, context)
        answer.text = answer.read().decode()
        answer.connection.close()
        return answer

    def begin(self, method, path, body=None, headers=None, key=ALICE, context=None):
        """The answer, not read yet."""
        port = self.gateway["listen"]["port"]
        if context:
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        authorization = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request(method, path, body, {**authorization, **(headers or {})})
        answer = connection.getresponse()
        answer.connection = connection
        return answer

    def reload(self, keys=None, **changes):
        self.gateway = {**self.gateway, **changes}
        write(self.folder, self.gateway, keys or self.keys)
        before = self.log.count("Loading success")
        self.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: self.log.count("Loading success") > before)

    def healthy(self):
        return self.ask("GET", "/health", key=None).status == 200

    def stop(self):
        self.process.terminate()
        self.process.wait(SECONDS)


class Leader:
    """Answers as llama-server does, on ``port``. What streams is what is put into ``pieces``, until None."""

    def __init__(self, port, key=LEADER_KEY, status=200):
        self.asked, self.pieces, self.status = [], queue.Queue(), status
        self.thinks, self.thinks_seconds = threading.Event(), 0.0
        leader = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.headers.get("Authorization") != f"Bearer {key}":
                    self.answer(401, "no")
                else:
                    self.answer(leader.status, "{}")

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.title(): value for name, value in self.headers.items()}
                leader.asked.append((self.path, headers, body))
                if b"stream" not in body:
                    leader.thinks.wait(leader.thinks_seconds)
                    self.answer(leader.status, "answered")
                    return
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                while (piece := leader.pieces.get(timeout=SECONDS)) is not None:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            def answer(self, status, text):
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                # As llama.cpp does unless it is told otherwise.
                self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))
                self.send_header("Access-Control-Allow-Credentials", "true")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        # A check hangs up when it has read the status.
        self.server.handle_error = lambda *_arguments: None
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition):
    end = time.monotonic() + SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        pause.wait(0.05)


def error_of(answer):
    return json.loads(answer.text)["error"]


def certificate(folder):
    """Put a certificate for 127.0.0.1 where the role puts one, and return a context that trusts it."""
    pem, key = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    made = ["openssl", "req", "-x509", *kind, *names, "-keyout", str(key), "-out", str(pem)]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.create_default_context(cafile=str(pem))
    pem.write_text(pem.read_text() + key.read_text())
    return context
