# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments as pods have them, and a small program that stands for llama.cpp's.

It takes the arguments of both, and listens on ``--host`` and ``--port``: as llama-server it answers ``/health`` with
the status in the file ``--health``; without that file it is an RPC server, which takes no connection.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

from module_utils.runtime.workers import with_addresses
from module_utils.serving.deployment import at_address
from unit.ports import free_port

PROGRAM = """
import http.server, pathlib, socket, sys, time
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
place = (given["--host"], int(given["--port"]))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = pathlib.Path(given["--health"]).read_text() if self.path == "/health" else "404"
        if status == "hang":
            time.sleep(60)
        self.send_response(int(status))
        self.end_headers()

    def log_message(self, *_arguments):
        pass

if "--health" in given:
    server = http.server.ThreadingHTTPServer(place, Handler)
else:
    server = socket.create_server(place, backlog=1)
print("up", flush=True)
server.serve_forever() if "--health" in given else time.sleep(60)
"""


class Pod:
    """A folder of documents with the deployment of one pod of the cluster ``main``."""

    def __init__(self, folder, part):
        self.folder = folder
        self.program = folder / "llama.py"
        self.program.write_text(PROGRAM)
        self.health = folder / "health"
        self.health.write_text("200")
        self.port = free_port()
        arguments = [str(self.program), "--host", "{address}", "--port", str(self.port)]
        if part == "leader":
            arguments += ["--health", str(self.health), "--rpc", "pi-1.pods:50052,10.0.0.9:50053", "--prompt", ""]
        self.deployment = {
            "schema": 1,
            "cluster": "main",
            "host": "pi-1",
            "part": part,
            "build": {"version": None, "build": None, "rpc_protocol": None},
            "program": sys.executable,
            "arguments": arguments,
            "environment": {},
            "nodes": [],
            "groups": [],
            "listen": {"address": None, "port": self.port},
            "allow": None,
            "files": [],
            "memory_bytes": 0,
            "cache": None,
        }
        self.write()

    def write(self, **changes):
        """Write the deployment, with these changes."""
        self.deployment.update(changes)
        (self.folder / "main").mkdir(exist_ok=True)
        (self.folder / "main" / "deployment.json").write_text(json.dumps(self.deployment))

    def arguments(self):
        """What a leader is started with while its workers have their addresses."""
        return with_addresses(at_address(self.deployment, "127.0.0.1")["arguments"])

    @contextlib.contextmanager
    def running(self, arguments):
        """Run the program with ``arguments`` until the end of the block."""
        process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout.readline() == "up\n"
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
