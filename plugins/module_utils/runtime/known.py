# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is known of a cluster that heals itself: its members, with those who join by themselves and without those who are
gone, and where their agents are.

Pods that join by themselves have one name in the DNS together, which stands for the addresses of all of them, also
before they are ready. Whose agent answers at an address it says itself, and proves with whatever it is asked next. So
nobody need be asked but the name servers, and no right in Kubernetes is needed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..errors import DroverError
from ..healing.joins import with_joined, without
from ..healing.replan import SILENT, Answer
from .agents import Agent, Slow, greet
from .at_once import all_at_once
from .places import Places
from .say import complain, say
from .workers import look_up

LOOK_UP_SECONDS = 1.0
ASK_SECONDS = 1.0
# Of a node that is gone for good nobody need hear for ever.
FORGET_SECONDS = 600.0


class Known:
    """The ``members`` of a cluster that knows ``secret``, as they are known now, and the places of their agents."""

    def __init__(self, members: dict[str, Any], secret: bytes) -> None:
        self.members, self.secret = members, secret
        joins = members["joins"]
        self.found = Found(joins["address"], joins["agent_port"]) if joins else None
        self.places = self.found or Places(members["agents"])
        self.silent_since: dict[str, float] = {}
        # Host -> why it was not taken in last.
        self.told: dict[str, str] = {}

    def now(self) -> dict[str, dict[str, Any]]:
        """Host -> ``address`` and ``port`` of the agent of each member, with those who have joined since."""
        places = self.places.now()
        if self.found:
            self._take_in({host: place for host, place in places.items() if self._is_new(host)})
        # Of one that was not found yet it is a name that stands for nothing.
        return {host: places.get(host, place) for host, place in self.members["agents"].items()}

    def heard(self, answers: Mapping[str, Answer]) -> None:
        """Remember whose ``answers`` are not what they should be: they may be elsewhere by now, and in the end gone."""
        self.places.heard(answers)
        now = time.monotonic()
        silent = {host for host, answer in answers.items() if answer.problem == SILENT and self.found}
        self.silent_since = {host: self.silent_since.get(host, now) for host in silent}
        for host, since in self.silent_since.items():
            if self.found and now - since >= FORGET_SECONDS:
                say(f"Forgets {host}, which was not there for {FORGET_SECONDS:.0f} s.")
                self.members = without(self.members, host)
                self.found.known.pop(host, None)

    def may_start(self, answer: Answer) -> bool:
        """Whether who gave this ``answer`` may be one of the pods that are there and have no agent yet."""
        return answer.problem == SILENT and self.found is not None and self.found.some_start

    def _is_new(self, host: str) -> bool:
        return host not in self.members["agents"] and host != self.members["leader"]

    def _take_in(self, places: Mapping[str, Mapping[str, Any]]) -> None:
        """Ask those at ``places`` what they lend, and count them in."""
        agents = {host: Agent(host, place["address"], place["port"], self.secret) for host, place in places.items()}
        for host, told in all_at_once({host: agent.tally for host, agent in agents.items()}, ASK_SECONDS).items():
            agents[host].close()
            if told is None:
                agents[host].give_up()
                continue
            try:
                if isinstance(told, DroverError):
                    raise told
                self.members = with_joined(self.members, host, told)
                say(f"{host} has joined.")
            except DroverError as error:
                if self.told.get(host) != str(error):
                    complain(f"{host} cannot join: {error}")
                self.told[host] = str(error)


class Found:
    """The places of agents that have one ``name`` together, and answer at the ``port``."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.port = name, port
        # Host -> the address at which its agent was last, and those of whom that is not sure any more.
        self.known: dict[str, str] = {}
        self.unsure: set[str] = set()
        # Whether there are pods whose agents do not answer yet.
        self.some_start = False

    def now(self) -> dict[str, dict[str, Any]]:
        """Host -> ``address`` and ``port``. While the name servers are down, nobody is lost who is there."""
        addresses = look_up([self.name], LOOK_UP_SECONDS).get(self.name) or []
        sure = {address for host, address in self.known.items() if host not in self.unsure}
        asked = [address for address in addresses if address not in sure]
        heard = all_at_once(
            {address: partial(greet, address, self.port, ASK_SECONDS) for address in asked}, ASK_SECONDS
        )
        self.some_start = any(isinstance(said, Slow) for said in heard.values())
        claims: dict[str, list[str]] = {}
        for address, host in heard.items():
            if isinstance(host, str):
                claims.setdefault(host, []).append(address)
        for host, claimed in claims.items():
            if self.known.get(host) in sure and self.known[host] in addresses:
                continue
            # Of a pod that is replaced the old address is told, too, for a while.
            others = [address for address in claimed if address != self.known.get(host)]
            self.known[host] = (others or claimed)[0]
        return {host: {"address": address, "port": self.port} for host, address in self.known.items()}

    def heard(self, answers: Mapping[str, Answer]) -> None:
        """Remember whose ``answers`` are not what they should be: they may be elsewhere by now."""
        self.unsure = {host for host, answer in answers.items() if answer.problem}
