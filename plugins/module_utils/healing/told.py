# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document that the watch on the leader writes down, and how it is read: by the next watch, by the next start of
the leader and for people. Whatever a disk has made of it, they go on.

``schema`` (1), ``cluster``, ``grant`` (see ``granted.grant_of``), ``boot`` (see ``hosts.process``), ``healthy`` and
``sentence``, why not, ``since`` when (as all times: seconds since 1970), ``workers`` (host -> ``up``, ``since``,
``problem``, ``takes_part``), ``owners`` (host -> ``usable_bytes`` that it is planned with, so that its owner has the
rest, ``since`` when), the last ``heals`` (``at``, ``reason``, ``seconds`` until it was healthy again, or null) and how
many there were, ``heal_count``.
"""

from __future__ import annotations

from typing import Any

from ..checks import Fields, dictionary, document, number, record, whole
from ..errors import DroverError
from ..hosts.document import MOST

SCHEMA = 1
_WHAT = "What the watch has written"
_FIELDS: Fields = {
    "cluster": str,
    "grant": str,
    "boot": str,
    "healthy": bool,
    "sentence": str,
    "since": float,
    "workers": dict,
    "owners": dict,
    "heals": list,
    "heal_count": int,
}
_OF_WORKER: Fields = {"up": bool, "since": float, "problem": str, "takes_part": bool}
_OF_HEAL: Fields = {"at": float, "reason": str, "seconds": (float, type(None))}
# What a person's clock can tell: until the year 9999.
_MOST_SECONDS = 253_402_300_000
# What those lack that an earlier release has written.
_LATER: dict[str, Any] = {"grant": "", "owners": {}}


def read_told(value: object) -> dict[str, Any]:
    """The watch's document in ``value``. Raises DroverError, one sentence, for what is none."""
    found = document({**_LATER, **value} if isinstance(value, dict) else value, _WHAT, SCHEMA, _FIELDS)
    _time(found["since"], f"{_WHAT}: since")
    whole(found["heal_count"], f"{_WHAT}: heal_count", 0, MOST)
    for host, worker in found["workers"].items():
        what = f"{_WHAT} of {host}"
        record(worker, what, _OF_WORKER)
        _time(worker["since"], f"{what}: since")
    for host, owner in found["owners"].items():
        whole(dictionary(owner, f"{_WHAT} of {host}").get("usable_bytes"), f"{_WHAT} of {host}: usable_bytes", 0, MOST)
        _time(owner.get("since"), f"{_WHAT} of {host}: since")
    for heal in found["heals"]:
        what = f"{_WHAT} of a heal"
        record(heal, what, _OF_HEAL)
        _time(heal["at"], f"{what}: at")
        if heal["seconds"] is not None:
            number(heal["seconds"], f"{what}: seconds", 0, MOST)
    return found


def told_before(value: object) -> dict[str, Any]:
    """What is kept of what an earlier watch has written, as far as that is sound: see ``read_told``; empty for none."""
    try:
        return read_told(value)
    except DroverError:
        return {}


def with_clock_set(told: dict[str, Any], seconds: float) -> dict[str, Any]:
    """``told`` after the clock was set forward by ``seconds`` (back, by negative ones): what has been so for a while is
    so for as long as before. When a heal was, stays what the clock said then."""

    def later(since: float) -> float:
        return min(max(0.0, since + seconds), float(_MOST_SECONDS))

    def each(entries: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {host: {**entry, "since": later(entry["since"])} for host, entry in entries.items()}

    return {**told, "since": later(told["since"]), "workers": each(told["workers"]), "owners": each(told["owners"])}


def owners_of(value: object, grant: str) -> dict[str, dict[str, Any]]:
    """The ``owners`` in the watch's document ``value``, while root's documents are those of ``grant``; none else: root
    has taken stock since, and planned with what hosts had then."""
    told = told_before(value)
    return dict(told["owners"]) if told and told["grant"] == grant else {}


def _time(value: object, name: str) -> None:
    number(value, name, 0, _MOST_SECONDS)
