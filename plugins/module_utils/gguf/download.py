# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch a file from a web server: it appears whole and checked or not at all, and what broke off goes on later."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Optional

from ..errors import DroverError
from .address import telling_text
from .attempts import Attempts, answer_of
from .store import NOTE, UNFINISHED, holds, settle, unfinished, write_note
from .web import Answer, WebFile

PIECE = 1024 * 1024
# Seconds to wait after failures in a row, between which nothing has arrived: a router starts anew in a minute.
DELAYS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
# Seconds that another process which fetches the same may be without progress: it may read what was there of a large
# file on a slow disk, to go on with it.
PATIENCE = 1800

# Told after each piece: bytes that are there, and bytes of the whole file, None when the server does not tell.
Tell = Callable[[int, Optional[int]], None]


def download(url: str, path: str, token: str | None = None, sha256: str = "", tell: Tell | None = None) -> str:
    """Fetch the file behind ``url`` to ``path``, with its note (see store), and return its sha256.

    Until it is whole, has the ``sha256`` if one is given (64 small hexadecimal digits), and is on the disk, it is
    beside ``path`` under another name. What is there of a fetch that was broken off is used, when the sha256 or the
    server's own word tells that it belongs to the same file. ``token`` is for the server of ``url`` only.
    Another process that fetches the same is waited for, and what it has fetched is not fetched again.

    Raises DroverError, one sentence: nothing is kept of a file with another sha256, nor when the disk is full.
    """
    file = WebFile(url, token)
    attempts = Attempts(file.name, "fetched", DELAYS)
    first = _answered(file, attempts)
    # The checksum tells in the end, so that mirrors which call one file's version differently do not matter.
    version = "" if sha256 else first.version
    may_go_on = bool(sha256 or version)
    with first.response, _Part(path, sha256 or version, first.size) as part:
        if part.waited and sha256 and holds(path, sha256):
            part.discard()
            return sha256
        answer: Answer | None = None if part.size else first
        while answer is not None or part.size != first.size:
            if answer is None:
                first.response.close()
                answer = _answered(file, attempts, part.size, version)
                if answer.size != first.size or (version and answer.version != version):
                    part.discard()
                    raise DroverError(f"{file.name} changed while it was fetched: fetch it again")
            if answer.start != part.size:
                part.restart()
            before = part.size
            reason = _receive(answer, part, tell)
            if reason:
                attempts.failed(reason, progress=may_go_on and part.size > before)
                if not may_go_on:
                    part.restart()
            elif first.size is None:
                break
            answer = None
        if sha256 and part.sum != sha256:
            part.discard()
            raise DroverError(
                f"{file.name} has the sha256 {part.sum} where {sha256} was expected, and nothing was kept of it: "
                "correct the sha256, or fetch the file again"
            )
        part.finish()
        return part.sum


def _receive(answer: Answer, part: _Part, tell: Tell | None) -> str | None:
    """Add what ``answer`` brings to ``part``; why it ended before its end, or None."""
    with answer.response as response:
        while answer.end is None or part.size < answer.end:
            try:
                piece = response.read1(PIECE if answer.end is None else min(PIECE, answer.end - part.size))
            except (OSError, http.client.HTTPException) as error:
                return f"the connection broke ({telling_text(str(error))})"
            if not piece:
                break
            part.add(piece)
            if tell:
                tell(part.size, answer.size)
    whole = answer.end in (None, part.size)  # without a length, a broken one is told by the exception
    return None if whole else f"the connection ended at byte {part.size}, expected {answer.end}"


def _answered(file: WebFile, attempts: Attempts, first: int = 0, version: str = "") -> Answer:
    """What the server answers when it is asked for the bytes from ``first`` on."""
    answer = answer_of(file, attempts, first, version)
    if answer is None:
        raise DroverError(f"{file.name} is empty or became shorter while it was fetched: check the address")
    return answer


class _Part:
    """What has arrived of the file that is to be at ``path``: its ``size`` and its ``sum`` (sha256).

    ``identity`` tells files apart that are to be there, so that pieces of two are never joined; when it is empty, what
    is there is of no use. One process at a time: ``waited`` tells whether there was another.
    """

    def __init__(self, path: str, identity: str, size: int | None):
        self._path = path
        digest = hashlib.sha256(f"{identity} {size}".encode()).hexdigest()
        self._name = f"{path}.{digest[:16]}{UNFINISHED}"
        self._total = hashlib.sha256()
        self.size = 0
        self.waited = False
        with self._sentence():
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            for other in unfinished(path):
                if other != self._name or not identity:
                    os.unlink(other)
        self._open()
        while not self._lock():
            self._file.close()
            self._open()
        try:
            self._take_up(size)
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> None:
        with self._sentence():
            self._file = open(self._name, "a+b")  # noqa: SIM115

    def _lock(self) -> bool:
        """Have the file for this process alone; False when it is not the one of its name any more."""
        silent, before, size = 0, -1, -1
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                before, size = size, os.fstat(self._file.fileno()).st_size
            except OSError:  # a file system without locks
                return True
            silent = silent + 1 if size == before else 0
            if silent >= PATIENCE:
                self._file.close()
                raise DroverError(
                    f"{self._path} is being fetched by another process, without progress for {PATIENCE} s: end that "
                    "one, and fetch it again"
                )
            self.waited = True
            time.sleep(1)
        # It may have been finished, and so renamed, since it was opened.
        named = os.stat(self._name) if os.path.exists(self._name) else None
        return named is not None and os.path.samestat(named, os.fstat(self._file.fileno()))

    def _take_up(self, size: int | None) -> None:
        with self._sentence():
            there = os.fstat(self._file.fileno()).st_size
            if size is None or there > size:
                self._file.truncate(0)
                there = 0
            self._file.seek(0)
            while self.size < there:
                piece = self._file.read(min(PIECE, there - self.size))
                self._total.update(piece)
                self.size += len(piece)

    @property
    def sum(self) -> str:
        return self._total.hexdigest()

    def add(self, piece: bytes) -> None:
        with self._sentence():
            self._file.write(piece)
        self._total.update(piece)
        self.size += len(piece)

    def restart(self) -> None:
        with self._sentence():
            self._file.truncate(0)
        self._total = hashlib.sha256()
        self.size = 0

    def finish(self) -> None:
        """Give the file its name, for good, and then its note: a file that has none was not fetched whole."""
        with self._sentence():
            self._file.flush()
            os.fchmod(self._file.fileno(), 0o644)
            os.fsync(self._file.fileno())
            with suppress(FileNotFoundError):
                os.unlink(self._path + NOTE)
            os.replace(self._name, self._path)
            settle(os.path.dirname(self._path) or ".")
            write_note(self._path, self.sum)

    def discard(self) -> None:
        with suppress(OSError):
            os.unlink(self._name)

    @contextmanager
    def _sentence(self) -> Iterator[None]:
        """Whatever the disk says, as one sentence."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self.discard()
                remedy = "free some space there, or keep models on a larger disk"
            else:
                remedy = "give a folder that this user may write to"
            raise DroverError(f"{self._path} cannot be written ({error.strerror}): {remedy}") from error

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_exception: object) -> None:
        with suppress(OSError):  # what is buffered does not fit either
            self._file.close()
