# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a playbook at a time changes a cluster, wherever it was started: each host has a turn, which a run takes
before it changes anything there, and gives back. Nothing here knows a clock or a file.

What a host keeps of it (until its next boot, which ends every run there): ``schema`` (1), ``run`` and ``who``, of the
last run that had it, ``began``, and ``until`` when it has it, both in seconds since the host's boot.

- A run that was cut off gives nothing back: the turn is free after ``SECONDS``, or at once where the controller at hand
  is the one of that run, and sees that it has ended.
- A run that took stock before another one had the turn has planned with what is not so any more: it is refused, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..checks import document, number, text
from ..errors import DroverError

SCHEMA = 1
# Without a word of the run: it takes the turn again before each of its steps.
SECONDS = 3600.0
_WHAT = "The turn"


def read_turn(value: object) -> dict[str, Any] | None:
    """The turn in ``value``; None where nobody has had it, or that cannot be told."""
    try:
        found = document(value, _WHAT, SCHEMA, {"run": str, "who": str, "began": float, "until": float})
        text(found["run"], f"{_WHAT}: run")
        for name in ("began", "until"):
            number(found[name], f"{_WHAT}: {name}", 0)
    except DroverError:
        return None
    return found


def take(
    kept: dict[str, Any] | None, host: str, run: str, who: str, seen: str, ended: Iterable[str], now: float, path: str
) -> dict[str, Any]:
    """What ``host`` keeps at ``path`` when ``run``, of ``who``, has the turn from ``now`` on. ``kept``: what it keeps
    yet; ``seen``: the run that it kept when this one took stock, or empty; ``ended``: runs that are known to be over.
    Raises DroverError, one sentence, while it is another's, or was since."""
    if kept and kept["run"] != run:
        minutes = round((now - kept["began"]) / 60)
        if now < kept["until"] and kept["run"] not in ended:
            raise DroverError(
                f"{host} is being changed by a run of {kept['who']}, which began {minutes} minutes ago, so this one "
                "goes no further: run again when that has ended. If it was cut off, it counts as ended in "
                f"{round((kept['until'] - now) / 60)} minutes, or when {path} is deleted there."
            )
        if kept["run"] != seen:
            raise DroverError(
                f"{host} was changed by a run of {kept['who']}, which began {minutes} minutes ago, since this one took "
                "stock, so this one goes no further: run again."
            )
    began = kept["began"] if kept and kept["run"] == run else now
    return {"schema": SCHEMA, "run": run, "who": who, "began": began, "until": now + SECONDS}


def give_back(kept: dict[str, Any] | None, run: str) -> dict[str, Any] | None:
    """What a host keeps when ``run`` is over; None where that changes nothing."""
    return {**kept, "until": 0.0} if kept and kept["run"] == run and kept["until"] else None
