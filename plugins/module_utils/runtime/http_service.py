# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP server that anybody may talk to: few connections at a time, no long ones, no large requests, and an end
to every wait. Where there are as many as there may be, the oldest makes room: who is slow keeps nobody out."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from ..errors import DroverError
from .say import complain

MOST_CONNECTIONS = 32
MOST_OF_ONE_CLIENT = 8
MOST_BODY_BYTES = 256 << 10
SECONDS = 10.0
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Refused(Exception):
    """A request that is answered with the HTTP ``status`` and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Service(ThreadingHTTPServer):
    """Serves on one address, one thread a connection."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        # Of each connection whose it is, and since when; the oldest comes first.
        self.taken: dict[Any, tuple[str, float]] = {}
        self.lock = threading.Lock()
        super().__init__((address, port), handler)

    def server_bind(self) -> None:
        # HTTPServer would look up a name for the address, and wait for a name server. This one lets a service that is
        # started anew have its port at once: the kernel keeps it for a minute for connections that the last one ended.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """One more connection, and one less where there are as many as there may be."""
        client = str(client_address[0])
        with self.lock:
            of_client = [connection for connection, (whose, _since) in self.taken.items() if whose == client]
            if len(of_client) >= MOST_OF_ONE_CLIENT:
                self._end(of_client[0])
            elif len(self.taken) >= MOST_CONNECTIONS:
                self._end(next(iter(self.taken)))
            self.taken[request] = (client, time.monotonic())
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._forget(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def service_actions(self) -> None:
        """End what has taken too long, however busy it looks."""
        now = time.monotonic()
        with self.lock:
            for connection in [one for one, (_whose, since) in self.taken.items() if now - since >= SECONDS]:
                self._end(connection)

    def _end(self, connection: Any) -> None:
        """Have the thread that serves ``connection`` end, whatever it waits for."""
        del self.taken[connection]
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def _forget(self, connection: Any) -> None:
        with self.lock:
            self.taken.pop(connection, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up in the middle is nothing to tell anybody."""
        problem = sys.exc_info()[1]
        if not isinstance(problem, OSError):
            complain(f"a request of {client_address[0]} failed ({problem!r})")


class Handler(BaseHTTPRequestHandler):
    """One connection. What is asked is answered by ``answer``."""

    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    # What follows its headers would wait for the other side's word that they have come, 40 ms on a connection that is
    # kept.
    disable_nagle_algorithm = True
    server_version = "drover"
    sys_version = ""
    error_content_type = "text/plain"
    error_message_format = "%(code)d\n"

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """The status and the content (a text, or what is to be JSON) of the answer. Raises Refused."""
        raise NotImplementedError

    def seal(self, status: int, content: bytes) -> dict[str, str]:
        """Headers that go with an answer."""
        return {}

    def do_GET(self) -> None:
        """Answer a GET."""
        self._serve("GET")

    def do_PUT(self) -> None:
        """Answer a PUT."""
        self._serve("PUT")

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody asks who asked: a look every other second would fill the journal."""

    def _serve(self, method: str) -> None:
        try:
            status, content = self.answer(method, self.path, self._body())
        except Refused as refused:
            status, content = refused.status, f"{refused}\n"
        except DroverError as error:  # a document of this host's
            complain(str(error))
            status, content = 503, "This host's own documents are not right; its journal says more.\n"
        self._send(status, content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise Refused(411, "Tell the length of the request.")
        told = self.headers.get("Content-Length", "0")
        if len(self.headers.get_all("Content-Length", [])) > 1 or not (told.isascii() and told.isdigit()):
            self.close_connection = True
            raise Refused(400, "The length of the request is no number.")
        if len(told) > 9 or int(told) > MOST_BODY_BYTES:
            self.close_connection = True
            raise Refused(413, f"A request may have {MOST_BODY_BYTES} bytes.")
        body = self.rfile.read(int(told))
        if len(body) != int(told):
            self.close_connection = True
            raise Refused(400, "The request was cut off.")
        return body

    def _send(self, status: int, content: Any) -> None:
        is_text = isinstance(content, str)
        data = (content if is_text else json.dumps(content, sort_keys=True) + "\n").encode("utf-8", "replace")
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", TEXT if is_text else "application/json")
            self.send_header("Content-Length", str(len(data)))
            if status == 503:
                self.send_header("Retry-After", "5")
            for name, value in self.seal(status, data).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
