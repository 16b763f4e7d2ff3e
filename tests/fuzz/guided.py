# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fuzzer that is guided by coverage: an input that reaches a line of the brain which none before has reached is kept,
and changed further. With the standard library alone, so that it runs wherever the tests do.

Every case is made by a chance of its own, so the same seed makes the same cases; ``DROVER_FUZZ_SEED`` sets another one.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

BRAIN = str(Path(__file__).resolve().parents[2] / "plugins" / "module_utils")
SEED = os.environ.get("DROVER_FUZZ_SEED", "2026")
# Of those that were kept, the newest are changed so often: they have led where no other has.
NEWEST = 8


def chance_of(name: str, number: int) -> random.Random:
    """The chance that makes case ``number`` of the test called ``name``."""
    return random.Random(f"{SEED}/{name}/{number}")


class Lines:
    """The lines of the brain that were run: ``seen``, as (file, line)."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        # Lines of each function that are still to be seen, so that what is known costs nothing any more.
        self._unseen: dict[CodeType, set[int]] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch what this thread runs."""
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)

    def _call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        unseen = self._unseen.get(code)
        if unseen is None:
            ours = code.co_filename.startswith(BRAIN)
            unseen = {line for _start, _end, line in code.co_lines() if line} if ours else set()
            unseen.discard(code.co_firstlineno)
            self._unseen[code] = unseen
        return self._line if unseen else None

    def _line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        unseen = self._unseen[frame.f_code]
        if event == "line" and frame.f_lineno in unseen:
            unseen.remove(frame.f_lineno)
            self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line if unseen else None


def fuzz(
    name: str,
    sound: Sequence[Any],
    change: Callable[[random.Random, Any, Sequence[Any]], Any],
    attempt: Callable[[Any], None],
    times: int,
) -> tuple[list[Any], Lines]:
    """Have ``attempt`` take each of ``sound``, and ``times`` that were made of these and of what was kept, by
    ``change(chance, one, all)``. Whatever it raises ends this, and says which case it was. Returns all that was kept,
    and the lines that were reached."""
    assert threading.current_thread() is threading.main_thread()
    kept, lines = [], Lines()
    for number in range(-len(sound), times):
        chance = chance_of(name, number)
        if number < 0:
            made = sound[number]
        else:
            among = kept[-NEWEST:] if chance.random() < 0.3 else kept
            made = change(chance, chance.choice(among), kept)
        before = len(lines.seen)
        try:
            with lines.watched():
                attempt(made)
        except BaseException as error:
            raise AssertionError(f"case {number} of {name}, seed {SEED}: {error!r}; made of {made!r}"[:4000]) from error
        if number < 0 or len(lines.seen) > before:
            kept.append(made)
    return kept, lines
