# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often, and how long after each other, a server is asked again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..errors import DroverError
from .web import Again, Answer, WebFile


class Attempts:
    """Attempts at what is called ``name``, which is to be ``done`` (such as read): waits after each failure for the
    next of ``delays`` (seconds), and gives up when there is none left."""

    def __init__(self, name: str, done: str, delays: Sequence[float]):
        self._name, self._done, self._delays = name, done, delays
        self._failures = 0

    def failed(self, reason: str, delay: float | None = None, progress: bool = False) -> None:
        """Wait for the next attempt, ``delay`` seconds if the server asked for it. After ``progress`` failures count
        anew. Raises DroverError, with the ``reason``, when there were enough of them."""
        self._failures = 0 if progress else self._failures
        if self._failures == len(self._delays):
            raise DroverError(f"{self._name} could not be {self._done} after {self._failures + 1} attempts: {reason}")
        time.sleep(self._delays[self._failures] if delay is None else delay)
        self._failures += 1


def answer_of(file: WebFile, attempts: Attempts, first: int = 0, version: str = "") -> Answer | None:
    """What the server answers when it is asked for the bytes of ``file`` from ``first`` on, as often as it takes; None
    when it has no such bytes. ``version``: see ``WebFile.ask``. Raises DroverError."""
    while True:
        try:
            return file.ask(first, version=version)
        except Again as failure:
            attempts.failed(failure.reason, failure.delay)
