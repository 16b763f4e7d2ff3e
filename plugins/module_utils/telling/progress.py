# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long step is, in a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..text import counted, size_text


class Progress:
    """Tells, by ``tell``, how far what is called ``name`` is, at most every ``seconds``.

    What is counted are bytes, or what ``noun`` says. ``clock`` tells seconds.
    """

    def __init__(
        self,
        name: str,
        tell: Callable[[str], object],
        seconds: float,
        noun: str = "",
        clock: Callable[[], float] = time.monotonic,
    ):
        self._name = name
        self._tell = tell
        self._seconds = seconds
        self._noun = noun
        self._clock = clock
        self._told: tuple[float, int] | None = None

    def is_due(self) -> bool:
        """Whether a line would be told now, or the first count be taken that later ones are compared with."""
        return self._told is None or self._clock() - self._told[0] >= self._seconds

    def __call__(self, done: int, size: int | None) -> None:
        """``done`` of ``size``, None when that is not known, are there."""
        now = self._clock()
        if self._told is None:
            self._told = (now, done)
        before, had = self._told
        if now - before < self._seconds:
            return
        self._told = (now, done)
        rate = (done - had) / (now - before)
        told = [f"{done * 100 // size} % of {self._amount(size)}" if size else self._amount(done)]
        if not self._noun:
            told.append(f"{size_text(int(rate))} a second")
        if size is not None:
            told.append(f"{_duration((size - done) / rate)} left" if rate > 0 else "it stands still")
        self._tell(f"{self._name}: {', '.join(told)}")

    def _amount(self, number: int) -> str:
        return counted(number, self._noun) if self._noun else size_text(number)


def _duration(seconds: float) -> str:
    minutes = int(seconds) // 60
    if minutes < 1:
        return f"{int(seconds)} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
