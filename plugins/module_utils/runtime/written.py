# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the watch writes down of what it sees and does, for people and for the next start, see ``healing.told``."""

from __future__ import annotations

import time
from typing import Any

from ..errors import DroverError
from ..healing.told import SCHEMA, owners_of, told_before, with_clock_set
from ..hosts.process import boot
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from .decisions import read_document, write_document
from .say import complain

MOST_HEALS = 50
# By how much a clock that is set is off at least; one that is corrected bit by bit is left alone.
CLOCK_SECONDS = 5.0


class Written:
    """The document ``told`` of ``cluster``, while root's documents are those of ``grant``."""

    def __init__(self, cluster: Cluster, tree: Tree, grant: str) -> None:
        self.path = cluster.watch_path
        self.ahead = _ahead()
        self.healing_since: float | None = None
        # Why it could not be written down last.
        self.problem = ""
        known = told_before(read_document(self.path))
        self.told: dict[str, Any] = {
            "schema": SCHEMA,
            "cluster": cluster.name,
            "grant": grant,
            "boot": boot(tree),
            "healthy": False,
            "sentence": "The watch has just begun.",
            "since": time.time(),
            "workers": {},
            "owners": owners_of(known, grant),
            "heals": known.get("heals", []),
            "heal_count": known.get("heal_count", 0),
        }

    def see_the_clock(self) -> bool:
        """Whether it was set: a machine without a clock of its own begins in the past, and is told the time later."""
        before, self.ahead = self.ahead, _ahead()
        was_set = abs(self.ahead - before) > CLOCK_SECONDS
        if was_set:
            self.told = with_clock_set(self.told, self.ahead - before)
        return was_set

    def heals(self, reason: str, owners: dict[str, dict[str, Any]]) -> None:
        """A heal begins, and the next start is to know the ``owners``."""
        self.healing_since = time.monotonic()
        heals = [*self.told["heals"], {"at": time.time(), "reason": reason, "seconds": None}][-MOST_HEALS:]
        self._write({**self.told, "owners": owners, "heals": heals, "heal_count": self.told["heal_count"] + 1})

    def tell(
        self,
        sentence: str | None,
        workers: dict[str, dict[str, Any]],
        owners: dict[str, dict[str, Any]],
        over: bool,
    ) -> None:
        """Why it is not healthy, or None when it is; of each of the ``workers`` ``up``, ``problem`` and ``takes_part``;
        and whether a heal that began is ``over`` if it is healthy. Writes what is news."""
        healthy, heals = sentence is None, list(self.told["heals"])
        if healthy and over and heals and heals[-1]["seconds"] is None:
            # Of one that an earlier watch began, the clock for people alone knows, which may have been set since.
            took = _ago(heals[-1]["at"]) if self.healing_since is None else time.monotonic() - self.healing_since
            heals[-1] = {**heals[-1], "seconds": round(max(0.0, took), 1)}
        told = {
            **self.told,
            "healthy": healthy,
            "sentence": sentence or "",
            "since": self.told["since"] if self.told["healthy"] == healthy else time.time(),
            "workers": {host: {**worker, "since": self._since(host, worker["up"])} for host, worker in workers.items()},
            "owners": owners,
            "heals": heals,
        }
        if told != read_document(self.path):
            self._write(told)
        self.told = told

    def _since(self, host: str, up: bool) -> float:
        before = self.told["workers"].get(host, {})
        return float(before["since"]) if before.get("up") == up else time.time()

    def _write(self, told: dict[str, Any]) -> None:
        """Where it cannot be written down, it is watched and healed all the same."""
        self.told = told
        problem = ""
        try:
            write_document(self.path, told)
        except DroverError as error:
            problem = str(error)
            if problem != self.problem:
                complain(problem)
        self.problem = problem


def _ahead() -> float:
    return time.time() - time.monotonic()


def _ago(moment: float) -> float:
    return time.time() - moment
