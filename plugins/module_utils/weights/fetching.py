# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch one tensor into a tensor cache: under its name it appears whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO

from ..errors import DroverError
from ..gguf.address import telling_text
from ..gguf.attempts import Attempts
from ..gguf.store import settle
from ..gguf.web import Again, Answer, WebFile
from .folder import UNFINISHED
from .pieces import Tensor
from .sources import Source

PIECE = 1 << 20
# Seconds to wait after failures in a row. A source that stays away is given up soon: there may be others, and what is
# missing the leader sends.
DELAYS = (0.5, 1.0, 2.0, 4.0)


class Stopped(Exception):
    """Another tensor failed for good, so that this one is not gone on with."""


class Fetch:
    """Fetches tensors into ``directory`` from the first of ``sources`` that has not failed.

    ``tell`` is called with the number of bytes that have just come, less than 0 of those that were of no use. After
    ``stop`` no more are asked for.
    """

    def __init__(self, directory: str, sources: Sequence[Source], tell: Callable[[int], None]) -> None:
        self._directory = directory
        self._sources = sources
        self._tell = tell
        self._stop = threading.Event()

    def stop(self) -> None:
        """Let all that is under way end."""
        self._stop.set()

    def __call__(self, tensor: Tensor) -> None:
        """Fetch ``tensor``; what has come of one that is not whole stays for the next time.

        Raises DroverError when no source gives it as it should be, OSError of the disk, and Stopped.
        """
        for source in self._sources:
            if source.failed:
                continue
            try:
                self._from(source, tensor)
                return
            except DroverError as error:
                source.failed = str(error)
        raise DroverError("; ".join(source.failed for source in self._sources))

    def _from(self, source: Source, tensor: Tensor) -> None:
        path = os.path.join(self._directory, tensor["hash"])
        file, offset = source.open(tensor)
        attempts = Attempts(file.name, "fetched", DELAYS)
        with open(path + UNFINISHED, "a+b") as part:
            total = _take_up(part, tensor["bytes"])
            others = part.tell()
            self._rest(file, offset, tensor["bytes"], part, total, attempts)
            if others and total.hexdigest() != tensor["sha256"]:
                # What was there need not have come from this source, which is asked for all of it.
                self._tell(others - tensor["bytes"])
                part.truncate(0)
                total = _take_up(part, tensor["bytes"])
                self._rest(file, offset, tensor["bytes"], part, total, attempts)
            if total.hexdigest() != tensor["sha256"]:
                os.unlink(part.name)
                raise DroverError(
                    f"{file.name} has other bytes than the model from byte {offset} on, and nothing was kept of them: "
                    "give the very file that the manifest was made of"
                )
            part.flush()
            os.fchmod(part.fileno(), 0o644)
            os.fsync(part.fileno())
        os.replace(part.name, path)
        settle(self._directory)

    def _rest(
        self, file: WebFile, offset: int, size: int, part: BinaryIO, total: hashlib._Hash, attempts: Attempts
    ) -> None:
        """Add to ``part`` what it lacks of the ``size`` bytes. Raises DroverError after too many ``attempts``."""
        while part.tell() < size:
            before = part.tell()
            reason, delay = self._more(file, offset, size, part, total)
            if reason:
                attempts.failed(reason, delay, progress=part.tell() > before)

    def _more(
        self, file: WebFile, offset: int, size: int, part: BinaryIO, total: hashlib._Hash
    ) -> tuple[str, float | None]:
        """Add to ``part`` what one request brings. Why it was less than was asked for, and for how long the server asks
        to wait; empty where it was not."""
        wanted = offset + part.tell()
        try:
            answer = file.ask(wanted, offset + size - 1)
        except Again as failure:
            return failure.reason, failure.delay
        if answer is None or answer.start != wanted:
            if answer is not None:
                answer.response.close()
            raise DroverError(f"{file.name} does not give its bytes from {wanted} on: give a server that gives ranges")
        end = min(answer.end or offset + size, offset + size)
        return self._receive(answer, end - wanted, part, total), None

    def _receive(self, answer: Answer, size: int, part: BinaryIO, total: hashlib._Hash) -> str:
        with answer.response as response:
            while size:
                if self._stop.is_set():
                    raise Stopped
                try:
                    piece = response.read1(min(PIECE, size))
                except (OSError, http.client.HTTPException) as error:
                    return f"the connection broke ({telling_text(str(error))})"
                if not piece:
                    return f"the connection ended {size} bytes too early"
                part.write(piece)
                total.update(piece)
                size -= len(piece)
                self._tell(len(piece))
        return ""


def _take_up(part: BinaryIO, size: int) -> hashlib._Hash:
    """The sum of what has come of a tensor before; what cannot belong to one of this ``size`` goes."""
    if os.fstat(part.fileno()).st_size > size:
        part.truncate(0)
    part.seek(0)
    total = hashlib.sha256()
    for piece in iter(lambda: part.read(PIECE), b""):
        total.update(piece)
    return total
