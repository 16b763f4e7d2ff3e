# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A walk through the bytes of a header, from left to right, with only a window of them in memory."""

from __future__ import annotations

import struct
from typing import Any, Protocol

from ..errors import DroverError

# Headers of real models stay under 32 MiB, even with 260,000 tokens and their merges.
HEADER_LIMIT = 128 * 1024 * 1024


class Source(Protocol):
    """Bytes of a file by position, from a disk (source.py) or from the web (remote.py)."""

    name: str  # for messages

    @property
    def size(self) -> int | None:
        """Bytes of the file; None while they are not known."""

    def read(self, position: int, minimum: int) -> bytes:
        """Return at least `minimum` bytes from `position` on, or raise DroverError."""

    def __enter__(self) -> Source: ...

    def __exit__(self, *_exception: object) -> None: ...


class Cursor:
    """Position in a source; reads in the byte order `order` ('<' or '>').

    Every step checks the source's size first, so a length that lies ends in a DroverError before anything is read.
    """

    def __init__(self, source: Source):
        self.source = source
        self.order = "<"
        self._window = b""
        self._window_start = 0
        self._at = 0  # may lie beyond the window after a skip

    @property
    def position(self) -> int:
        return self._window_start + self._at

    def check(self, size: int) -> None:
        """Raise DroverError unless `size` more bytes are in the source and a sane header could hold them."""
        end = self.position + size
        if self.source.size is not None and end > self.source.size:
            raise DroverError(
                f"{self.source.name} is cut off or damaged: its header needs at least {end} bytes, "
                f"but the file has {self.source.size}; copy or download it again"
            )
        if end > HEADER_LIMIT:
            raise DroverError(
                f"{self.source.name} is damaged: its header claims at least {end} bytes, "
                f"expected at most {HEADER_LIMIT}"
            )

    def _need(self, size: int) -> None:
        """Bring `size` bytes from the position on into the window."""
        if len(self._window) - self._at >= size:
            return
        self.check(size)
        start = self.position
        rest = self._window[self._at :]
        self._window = rest + self.source.read(start + len(rest), size - len(rest))
        self._window_start, self._at = start, 0

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, or fewer where the source ends before, without stepping over them."""
        if self.source.size is not None:
            size = min(size, self.source.size - self.position)
        self._need(size)
        return self._window[self._at : self._at + size]

    def raw(self, size: int) -> bytes:
        self._need(size)
        start = self._at
        self._at += size
        return self._window[start : self._at]

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """Numbers by a struct layout without byte order, for example `4096f`."""
        layout = self.order + layout
        size = struct.calcsize(layout)
        self._need(size)
        values = struct.unpack_from(layout, self._window, self._at)
        self._at += size
        return values

    def name(self, limit: int, what: str) -> str:
        """A metadata key or tensor name: short, UTF-8 and of letters that are seen, since everything later goes by it,
        people too."""
        (length,) = self.unpack("Q")
        self.check(length)
        if not 1 <= length <= limit:
            raise DroverError(f"{self.source.name} is damaged: a {what} of {length} bytes, expected 1 to {limit}")
        data = self.raw(length)
        try:
            found = data.decode("utf-8")
        except UnicodeDecodeError:
            raise DroverError(f"{self.source.name} is damaged: the {what} {data[:80]!r} is not UTF-8") from None
        if not found.isprintable():
            raise DroverError(f"{self.source.name} is damaged: the {what} {found[:80]!r} cannot be printed")
        return found

    def skip(self, size: int) -> None:
        self.check(size)
        self._at += size

    def skip_strings(self, count: int) -> None:
        """Step over `count` strings, each a 64-bit length and its bytes, without building any.

        This is where the time goes: a model has some 150,000 tokens and as many merges. So the inner loop does not
        compare positions: a length that is not in the window ends it by an exception, before it was counted.
        """
        self.check(8 * count)
        length_at = struct.Struct(self.order + "Q").unpack_from
        left = count
        while left:
            self._need(8)
            window, at = self._window, self._at
            done = 0
            try:
                for done in range(left):  # noqa: B007 (it is read when the loop was cut short)
                    at += 8 + length_at(window, at)[0]
                left = 0
            except (struct.error, OverflowError):
                left -= done
            self._at = at
        self.check(0)
