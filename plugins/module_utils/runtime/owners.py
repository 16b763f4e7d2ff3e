# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the watch leaves memory to, see ``healing.owner``; and how a start of the leader learns of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..healing.owner import HostMemory, Known, Need, OwnerLimits, follow, given_back, planned_bytes
from ..healing.told import owners_of
from ..serving.cluster import Cluster
from .decisions import read_document

LIMITS = OwnerLimits()


class Owners:
    """Whose owners need memory (``needs``), and of those who were ``given`` it (host -> the ``usable_bytes`` that it is
    planned with, and ``since`` when), whose is ``free`` again."""

    def __init__(self, members: dict[str, Any], given: dict[str, dict[str, Any]]) -> None:
        self.reserve: dict[str, int] = {}
        self.know(members)
        self.given = {host: each for host, each in given.items() if host in self.reserve}
        self.known: dict[str, Known] = {}
        self.needs: dict[str, Need] = {}
        self.free: frozenset[str] = frozenset()
        self.run: str | None = None

    def know(self, members: Mapping[str, Any]) -> None:
        """The ``members``, of whom there may be others by now."""
        self.reserve = {tally["host"]: tally["memory"]["reserve_bytes"] for tally in members["tallies"]}

    def look(
        self,
        decided: Mapping[str, Any] | None,
        run: str | None,
        memories: Mapping[str, Mapping[str, Any] | None],
        ready: bool,
    ) -> None:
        """``decided`` is what was started as the ``run``, if one serves, which is ``ready`` when it has loaded its
        model; ``memories``: host -> what it told, see ``hosts.pressure``."""
        now = time.monotonic()
        if decided and run and run != self.run:
            self._take_over(decided["lesser"], now)
            self.run = run
        planned = planned_bytes(decided["plan"]) if decided and run else {}
        hosts = {
            host: HostMemory(
                memory["lendable_bytes"],
                self.reserve[host],
                planned.get(host, 0),
                self.given[host]["usable_bytes"] if host in self.given else None,
                # To load a model is work, too.
                memory["stalled_seconds"] if ready else None,
                memory["swapped_in_bytes"] if ready else None,
            )
            for host, memory in memories.items()
            if memory and host in self.reserve
        }
        waits = bool(decided and decided["waiting"])
        self.known, self.needs, self.free = follow(LIMITS, self.known, now, hosts, serving=not waits)
        if waits:
            self.take_back()

    def ended(self) -> None:
        """The next start is to plan for who needs memory, and for whose is free."""
        now = time.monotonic()
        self.take_back()
        for host, need in self.needs.items():
            self.given[host] = {"usable_bytes": need.lesser, "since": time.time()}
            self.known[host] = given_back(LIMITS, self.known[host], now)
        self.needs = {}

    def at_most(self) -> dict[str, int]:
        """Host -> the bytes that it would be planned with, if it were now."""
        return {host: each["usable_bytes"] for host, each in self.given.items() if host not in self.free}

    def take_back(self) -> None:
        """Whose memory is free may be planned with in full, whenever the cluster plans anew."""
        self.given = {host: each for host, each in self.given.items() if host not in self.free}
        self.free = frozenset()

    def _take_over(self, lesser: Mapping[str, int], now: float) -> None:
        """What a start has found to be less than root's tally says, it remembers no longer than its own run."""
        before = self.given
        self.given = {
            host: {"usable_bytes": size, "since": before.get(host, {}).get("since", time.time())}
            for host, size in lesser.items()
            if host in self.reserve
        }
        for host in self.given.keys() - before.keys():
            self.known[host] = given_back(LIMITS, self.known.get(host, Known()), now)


def owners_at_most(cluster: Cluster, grant: str) -> dict[str, int]:
    """Host -> the bytes that it is to be planned with at most, by what the watch of ``cluster`` has written down while
    root's documents were those of ``grant``."""
    return {host: each["usable_bytes"] for host, each in owners_of(read_document(cluster.watch_path), grant).items()}
