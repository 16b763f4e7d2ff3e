# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short-lived web server that gives ranges of a model's files, or of a tensor cache, to members of a cluster.

Who is no member by its address gets no answer at all, and who does not know the secret gets nothing. That is made anew
each time, and travels as openly as the weights do that llama.cpp sends itself.
"""

from __future__ import annotations

import errno
import hmac
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, BinaryIO, Union
from urllib.parse import unquote

from ..errors import DroverError

# A secret that cannot be guessed: 128 bits in hexadecimal digits.
LEAST_SECRET = 32
MOST_CONNECTIONS = 64
SILENT_SECONDS = 30
# An offer that nobody asks any more ends after so long, and the next one waits a little longer for its port.
IDLE_SECONDS = 60.0
PORT_SECONDS = 70
PIECE = 4 << 20
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")

# The path of the file that is offered under a name, or None.
Find = Callable[[str], "str | None"]
Network = Union[IPv4Network, IPv6Network]


class Offer(ThreadingHTTPServer):
    """Listens on ``address`` and ``port`` (0: any), and gives the files that ``find`` knows to ``members`` that send
    ``secret`` as bearer token. ``sent_bytes`` counts what was sent (of what broke off up to a piece more), ``refused``
    who was turned away.

    Raises DroverError for a secret that can be guessed, and for an address that cannot be listened on; a port that is
    in use is waited for.
    """

    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, address: str, port: int, find: Find, members: Sequence[Network], secret: str) -> None:
        if len(secret) < LEAST_SECRET or not re.fullmatch(r"[!-~]+", secret):
            raise DroverError(
                f"The secret has {len(secret)} characters where {LEAST_SECRET} or more of ASCII were expected: "
                'make one with "openssl rand -hex 32".'
            )
        self.find, self.members, self.secret = find, members, secret
        self.sent_bytes = self.refused = 0
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._answering, self._asked = 0, time.monotonic()
        for left in reversed(range(PORT_SECONDS + 1)):
            try:
                super().__init__((address, port), _Handler)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not left:
                    raise DroverError(
                        f"{address}:{port} cannot be listened on ({error.strerror or error}): give an address of this "
                        "host and a free port."
                    ) from error
            time.sleep(1)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether to talk at all."""
        caller = ip_address(client_address[0])
        if any(caller in network for network in self.members) and self._places.acquire(blocking=False):
            return True
        self.refuse()
        return False

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hangs up, or says nothing for long, is no trouble."""

    def refuse(self) -> None:
        with self._lock:
            self.refused += 1

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Somebody who knows the secret has asked, and is answered meanwhile."""
        with self._lock:
            self._answering += 1
        try:
            yield
        finally:
            with self._lock:
                self._answering -= 1
                self._asked = time.monotonic()

    def idle_seconds(self) -> float:
        """For how long nobody who knows the secret has been answered."""
        with self._lock:
            return 0.0 if self._answering else time.monotonic() - self._asked

    def count(self, size: int) -> None:
        with self._lock:
            self.sent_bytes += size


class _Handler(BaseHTTPRequestHandler):
    server: Offer
    timeout = SILENT_SECONDS
    server_version = sys_version = ""

    def do_DELETE(self) -> None:
        """Whoever knows the secret may say that it was enough."""
        if self._knows_secret():
            self._answer(204, {})
            threading.Thread(target=self.server.shutdown, daemon=True).start()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self._knows_secret():
            with self.server.answering():
                self._find()

    def _find(self) -> None:
        path = self.server.find(unquote(self.path[1:])) if self.path.startswith("/") else None
        try:
            if path is None:
                raise FileNotFoundError
            with open(path, "rb") as file:
                self._give(file)
        except OSError:
            if not self._answered:
                self._answer(404, {})

    _answered = False

    def _knows_secret(self) -> bool:
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if hmac.compare_digest(given, f"Bearer {self.server.secret}".encode()):
            return True
        self.server.refuse()
        self._answer(401, {"WWW-Authenticate": "Bearer"})
        return False

    def _give(self, file: BinaryIO) -> None:
        """The whole file, or the range that is asked for."""
        status = os.fstat(file.fileno())
        size, first, end = status.st_size, 0, status.st_size
        version = f'"{status.st_size:x}-{status.st_mtime_ns:x}"'
        headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", "ETag": version}
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match and self.headers.get("If-Range") in (None, version):
            first, end = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
            if first >= end:
                self._answer(416, {"Content-Range": f"bytes */{size}"})
                return
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
        self._answer(206 if "Content-Range" in headers else 200, {**headers, "Content-Length": str(end - first)})
        for start in range(first, end if self.command == "GET" else first, PIECE):
            # Counted first: who has got it all may ask at once how much it was.
            self.server.count(min(PIECE, end - start))
            self.connection.sendfile(file, start, min(PIECE, end - start))

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self._answered = True
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is asked for is no news, and journals are read by many."""


def serve(offer: Offer, seconds: float, idle: float = IDLE_SECONDS) -> None:
    """Give what is asked for, for so many ``seconds``, or until nobody has asked for ``idle`` seconds or somebody says
    that it was enough, and close."""
    thread = threading.Thread(target=offer.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    ends = time.monotonic() + seconds
    thread.start()
    try:
        while thread.is_alive() and (left := min(ends - time.monotonic(), idle - offer.idle_seconds())) > 0:
            thread.join(left)
    finally:
        offer.shutdown()
        offer.server_close()
