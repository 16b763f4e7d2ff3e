# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of a file on a web server, by position, fetched in HTTP ranges. The other kind is source.LocalSource."""

from __future__ import annotations

import http.client
import re
import socket
import time
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.parse import urlsplit

from ..errors import DroverError
from .address import check_url, telling_text, telling_url

# The headers of most models (130,000 to 150,000 tokens) fit in the first block, those of the largest in three.
BLOCK = 8 * 1024 * 1024
CHUNK = 256 * 1024
TIMEOUT_SECONDS = 30
DEADLINE_SECONDS = 300
RETRY_DELAYS = (0.5, 1.0, 2.0, 4.0)
MAX_RETRY_AFTER_SECONDS = 30
RETRIED_STATUS = frozenset((408, 429, 500, 502, 503, 504))


class RemoteSource:
    """A file behind an http(s) URL: `name` (for messages), `size` in bytes, `read`, `close`; a context manager.

    `size` is None while the server does not tell it. Each request asks for `block` bytes, and reading stops where the
    caller stops, so a header costs its own bytes and at most one block more. A server that ignores ranges is read as
    a stream in the same way.
    """

    def __init__(self, url: str, token: str | None = None, block: int = BLOCK):
        check_url(url)
        self.name = telling_url(url)
        self.size: int | None = None
        self._url = url
        self._token = token
        self._block = block
        self._location = url  # where the server redirected us to; later blocks go straight there
        self._response: http.client.HTTPResponse | None = None
        self._at = 0  # position of the response's next byte
        self._end: int | None = None  # position where the response ends, if known
        self._failures = 0
        self._deadline = time.monotonic() + DEADLINE_SECONDS
        if token is not None and not re.fullmatch(r"[!-~]+", token):
            raise DroverError("the token is not valid: expected printable ASCII characters without spaces")
        self._opener = urllib.request.build_opener(_Redirects(self))
        try:
            self._open(0)
        except DroverError:
            self.close()
            raise

    def read(self, position: int, minimum: int) -> bytes:
        """Bytes from `position` on: at least `minimum` of them, usually a whole chunk."""
        wanted = max(minimum, CHUNK)
        pieces = []
        received = 0
        while received < wanted:
            if self._reach(position + received):
                pieces.append(self._receive(wanted - received))
                received += len(pieces[-1])
            elif received < minimum:
                self._open(position + received)
            else:
                break
        return b"".join(pieces)

    def allowed_token(self, url: str) -> str | None:
        """The token, if `url` is on the server it was given for: no other may see it."""
        return self._token if _origin(url) == _origin(self._url) else None

    def _reach(self, position: int) -> bool:
        """Bring the open response to `position`; False when it does not go that far."""
        if position < self._at or (self._end is not None and position >= self._end):
            self.close()
        while self._response is not None and self._at < position:
            self._receive(position - self._at)
        return self._response is not None

    def _receive(self, limit: int) -> bytes:
        """What the open response has next, at most `limit` bytes; nothing when it broke off or ended."""
        assert self._response is not None
        if time.monotonic() > self._deadline:
            raise DroverError(f"{self.name} is too slow: its header had not arrived after {DEADLINE_SECONDS} s")
        if self._end is not None:
            limit = min(limit, self._end - self._at)
        try:
            piece = self._response.read1(min(limit, CHUNK))
        except (OSError, http.client.HTTPException) as error:
            self._fail(f"the connection broke ({telling_text(str(error))})")
            return b""
        self._at += len(piece)
        if not piece and self._end is None:
            self.size = self._end = self._at
            self.close()
        elif not piece:
            self._fail(f"the connection ended at byte {self._at}, expected {self._end}")
        return piece

    def _fail(self, reason: str, delay: float | None = None) -> None:
        """Wait before the next attempt, or raise when there have been enough of them."""
        self.close()
        if self._failures == len(RETRY_DELAYS):
            raise DroverError(f"{self.name} could not be read after {self._failures + 1} attempts: {reason}")
        time.sleep(RETRY_DELAYS[self._failures] if delay is None else delay)
        self._failures += 1

    def _open(self, position: int) -> None:
        """Request the block at `position`, as often as it takes."""
        if self.size is not None and position >= self.size:
            raise DroverError(f"{self.name} is cut off: it ends at byte {self.size}, in the middle of its header")
        while self._response is None:
            last = position + self._block - 1 if self.size is None else min(position + self._block, self.size) - 1
            request = self._request(self._location, f"bytes={position}-{last}")
            try:
                response = self._opener.open(request, timeout=TIMEOUT_SECONDS)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 416 and position == 0:
                    self.size = 0  # no first byte to give: the file is empty
                    return
                self._judge_status(error)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._judge_error(error)
            else:
                self._location = response.geturl()
                self._accept(response, position)

    def _request(self, url: str, byte_range: str) -> urllib.request.Request:
        # Compressed answers have other positions, hence identity.
        headers = {"Range": byte_range, "Accept-Encoding": "identity", "User-Agent": "drover"}
        token = self.allowed_token(url)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return urllib.request.Request(url, headers=headers)

    def _accept(self, response: http.client.HTTPResponse, position: int) -> None:
        """Check that the answer is the block asked for, or the whole file, and take it as the open response."""
        self._response = response
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise DroverError(f"{self.name} comes encoded as {encoding}: expected the file as it is")
        if response.status == 206:
            content_range = response.headers.get("Content-Range", "")
            match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", content_range.strip())
            if not match or int(match[1]) != position or int(match[2]) < position:
                raise DroverError(
                    f"{self.name} answered with the range {content_range!r}, expected one that begins at {position}"
                )
            self._at, self._end = position, int(match[2]) + 1
            size = None if match[3] == "*" else int(match[3])
        elif response.status == 200:
            length = response.headers.get("Content-Length", "")
            size = int(length) if re.fullmatch(r"\d{1,18}", length) else None
            self._at, self._end = 0, size
        else:
            raise DroverError(f"{self.name} answered with HTTP {response.status}: expected 206 or 200")
        if size is not None:
            if self.size not in (None, size):
                raise DroverError(f"{self.name} changed while it was read, from {self.size} to {size} bytes: try again")
            self.size = size

    def _judge_status(self, error: urllib.error.HTTPError) -> None:
        """Return, after a pause, when the request is worth repeating; else say what the status means."""
        if error.code in RETRIED_STATUS:
            after = error.headers.get("Retry-After", "")
            if re.fullmatch(r"\d{1,9}", after) and int(after) > MAX_RETRY_AFTER_SECONDS:
                raise DroverError(f"{self.name} asks to wait {after} s (HTTP {error.code}): try again then")
            self._fail(f"HTTP {error.code} {error.reason}", float(after) if re.fullmatch(r"\d{1,2}", after) else None)
        elif error.code in (401, 403):
            remedy = (
                "give a token if the model is gated or private, or check the address"
                if self._token is None
                else "check the token, and that its owner was granted access to the model"
            )
            raise DroverError(f"{self.name} refused access (HTTP {error.code}): {remedy}")
        elif error.code in (404, 410):
            raise DroverError(f"{self.name} does not exist (HTTP {error.code}): check the address")
        elif error.code < 400:
            raise DroverError(f"{self.name} redirects without end or to nowhere (HTTP {error.code}): check the address")
        elif error.code == 416:
            raise DroverError(f"{self.name} is cut off: it ends in the middle of its header; check the original")
        else:
            raise DroverError(f"{self.name} cannot be read: HTTP {error.code} {error.reason}")

    def _judge_error(self, error: Exception) -> None:
        """Return, after a pause, when the connection is worth another attempt; else say what is wrong."""
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        broken = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, TimeoutError, socket.timeout)
        if isinstance(cause, (*broken, http.client.IncompleteRead)):
            self._fail(f"the connection broke ({telling_text(str(cause))})")
        elif isinstance(cause, ConnectionRefusedError):
            raise DroverError(f"{self.name} cannot be reached: connection refused; check the address and the port")
        elif isinstance(cause, socket.gaierror):
            raise DroverError(f"{self.name} cannot be reached: its host name is unknown; check the address")
        else:
            raise DroverError(f"{self.name} cannot be read: {telling_text(str(cause))}")

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def __enter__(self) -> RemoteSource:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http(s) only, and keeps the token from other servers (urllib would pass it on)."""

    def __init__(self, source: RemoteSource):
        self._source = source

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            check_url(newurl)
        except DroverError as error:
            fp.close()
            raise DroverError(f"{self._source.name} redirects to where we do not follow: {error}") from None
        redirected = super().redirect_request(req, fp, code, msg, headers, newurl)
        if redirected is not None and self._source.allowed_token(newurl) is None:
            redirected.remove_header("Authorization")
        return redirected


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
