# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of a file on a web server, by position, fetched in HTTP ranges. The other kind is source.LocalSource."""

from __future__ import annotations

import http.client
import time

from ..errors import DroverError
from .address import telling_text
from .attempts import Attempts
from .web import Again, Answer, WebFile

# The headers of most models (130,000 to 150,000 tokens) fit in the first block, those of the largest in three.
BLOCK = 8 * 1024 * 1024
CHUNK = 256 * 1024
DEADLINE_SECONDS = 300
RETRY_DELAYS = (0.5, 1.0, 2.0, 4.0)


class RemoteSource:
    """A file behind an http(s) URL: `name` (for messages), `size` in bytes, `read`, `close`; a context manager.

    `size` is None while the server does not tell it. Each request asks for `block` bytes, and reading stops where the
    caller stops, so a header costs its own bytes and at most one block more. A server that ignores ranges is read as
    a stream in the same way.
    """

    def __init__(self, url: str, token: str | None = None, block: int = BLOCK):
        self._file = WebFile(url, token)
        self.name = self._file.name
        self.size: int | None = None
        self._block = block
        self._response: http.client.HTTPResponse | None = None
        self._at = 0  # position of the response's next byte
        self._end: int | None = None  # position where the response ends, if known
        self._attempts = Attempts(self.name, "read", RETRY_DELAYS)
        self._deadline = time.monotonic() + DEADLINE_SECONDS
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
            if (response := self._reach(position + received)) is not None:
                pieces.append(self._receive(response, wanted - received))
                received += len(pieces[-1])
            elif received < minimum:
                self._open(position + received)
            else:
                break
        return b"".join(pieces)

    def _reach(self, position: int) -> http.client.HTTPResponse | None:
        """Bring the open response to `position`, and return it; None when it does not go that far."""
        if position < self._at or (self._end is not None and position >= self._end):
            self.close()
        while self._response is not None and self._at < position:
            self._receive(self._response, position - self._at)
        return self._response

    def _receive(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        """What the open response has next, at most `limit` bytes; nothing when it broke off or ended."""
        if time.monotonic() > self._deadline:
            raise DroverError(f"{self.name} is too slow: its header had not arrived after {DEADLINE_SECONDS} s")
        if self._end is not None:
            limit = min(limit, self._end - self._at)
        try:
            piece = response.read1(min(limit, CHUNK))
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
        self._attempts.failed(reason, delay)

    def _open(self, position: int) -> None:
        """Request the block at `position`, as often as it takes."""
        if self.size is not None and position >= self.size:
            raise DroverError(f"{self.name} is cut off: it ends at byte {self.size}, in the middle of its header")
        while self._response is None:
            last = position + self._block - 1 if self.size is None else min(position + self._block, self.size) - 1
            try:
                answer = self._file.ask(position, last)
            except Again as failure:
                self._fail(failure.reason, failure.delay)
                continue
            if answer is not None:
                self._take(answer)
            elif position == 0:
                self.size = 0  # no first byte to give: the file is empty
                return
            else:
                raise DroverError(f"{self.name} is cut off: it ends in the middle of its header; check the original")

    def _take(self, answer: Answer) -> None:
        self._response, self._at, self._end = answer.response, answer.start, answer.end
        if answer.size is not None:
            if self.size not in (None, answer.size):
                raise DroverError(
                    f"{self.name} changed while it was read, from {self.size} to {answer.size} bytes: try again"
                )
            self.size = answer.size

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def __enter__(self) -> RemoteSource:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
