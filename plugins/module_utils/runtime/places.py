# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the agents are: at an address, or in a pod, whose name stands for another address after every start.

A name is looked up when who answers at its last address is not the one that is meant, and not before: while the name
servers are down, nobody is lost who is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..healing.replan import Answer
from .workers import is_address, look_up

LOOK_UP_SECONDS = 1.0


class Places:
    """The places of ``agents``: host -> ``address`` (or a name) and ``port``."""

    def __init__(self, agents: Mapping[str, Mapping[str, Any]]) -> None:
        self.agents = agents
        # Host -> the address that its name stood for last.
        self.known: dict[str, str] = {}
        self.unsure = {host for host, place in agents.items() if not is_address(place["address"])}

    def now(self) -> dict[str, dict[str, Any]]:
        """Host -> ``address`` and ``port``. Of a name that stands for nothing yet it is the name."""
        names = {host: str(self.agents[host]["address"]) for host in self.unsure}
        found = look_up(names.values(), LOOK_UP_SECONDS)
        for host, name in names.items():
            addresses = found[name] or []
            # Of a pod that is replaced the old address is told, too, for a while.
            others = [address for address in addresses if address != self.known.get(host)]
            if others:
                self.known[host] = others[0]
        return {
            host: {**place, "address": self.known.get(host, place["address"])} for host, place in self.agents.items()
        }

    def heard(self, answers: Mapping[str, Answer]) -> None:
        """Remember whose ``answers`` are not what they should be: they may be elsewhere by now."""
        self.unsure = {
            host
            for host, answer in answers.items()
            if answer.problem and host in self.agents and not is_address(self.agents[host]["address"])
        }
