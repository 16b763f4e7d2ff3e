# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small web server on the loopback interface that does what real ones do, right and wrong."""

from __future__ import annotations

import contextlib
import re
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """One address and how the server behaves there. Each of the `faults` spoils one request, in order."""

    content: bytes = b""
    redirect: str = ""
    token: str = ""  # refuse requests without this bearer token
    ranges: bool = True
    length: bool = True
    total: str = ""  # what to say instead of the size in Content-Range
    shift: int = 0  # how far the range in the answer is off
    range_limit: int = 2**62  # longest range to give at once
    hold: float = 0.0  # seconds before it answers
    extra_headers: dict[str, str] = field(default_factory=dict)
    faults: list = field(default_factory=list)  # a status, (status, headers), or ("drop", bytes to send before)


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    sent: int = 0


class Site:
    """`pages` by path, and the `requests` that came."""

    def __init__(self, port: int, scheme: str):
        self.port = port
        self.scheme = scheme
        self.pages: dict[str, Page] = {}
        self.requests: list[Request] = []

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def tokens(self) -> list[str | None]:
        return [request.headers.get("Authorization") for request in self.requests]

    @property
    def ranges(self) -> list[str | None]:
        return [request.headers.get("Range") for request in self.requests]


@contextlib.contextmanager
def serve(certificate=None, key=None):
    """Start a server on a port of its own and yield its site; over TLS with a ``certificate`` and ``key`` (paths)."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.site = Site(server.server_address[1], "https" if certificate else "http")
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_arguments: None  # who does not trust it hangs up
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server.site
        self.request_log = Request(self.path, dict(self.headers))
        site.requests.append(self.request_log)
        page = site.pages.get(self.path.partition("?")[0])
        time.sleep(page.hold if page else 0)
        fault = page.faults.pop(0) if page and page.faults else None
        if page is None:
            self.answer(404)
        elif isinstance(fault, int):
            self.answer(fault)
        elif fault and fault[0] != "drop":
            self.answer(*fault)
        elif page.token and self.headers.get("Authorization") != f"Bearer {page.token}":
            self.answer(401)
        elif page.redirect:
            self.answer(302, {**page.extra_headers, "Location": page.redirect})
        else:
            self.give(page, fault[1] if fault else None)

    do_HEAD = do_GET

    def give(self, page, drop_after):
        start, end = 0, len(page.content)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        headers = dict(page.extra_headers)
        if self.headers.get("If-Range") not in (None, headers.get("ETag"), headers.get("Last-Modified")):
            wanted = None
        if wanted and page.ranges:
            last = int(wanted[2] or end)
            start, end = int(wanted[1]), min(last + 1, end, int(wanted[1]) + page.range_limit)
            if start >= len(page.content):
                self.answer(416, {"Content-Range": f"bytes */{len(page.content)}"})
                return
            total = page.total or len(page.content)
            headers.setdefault("Content-Range", f"bytes {start + page.shift}-{end - 1 + page.shift}/{total}")
        if page.length:
            headers["Content-Length"] = str(end - start)
        status = 206 if wanted and page.ranges else 200
        self.answer(status, headers, page.content[start : end if drop_after is None else start + drop_after])

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        if self.command == "HEAD":
            return
        with contextlib.suppress(ConnectionError):  # the reader hangs up when it has seen the header
            for position in range(0, len(body), 65536):
                self.wfile.write(body[position : position + 65536])
                self.request_log.sent += len(body[position : position + 65536])

    def log_message(self, *_arguments):
        pass
