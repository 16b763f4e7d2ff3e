# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A placement problem, digested: the model's layers, who may lead, who may take part, and who is left out and why."""

from __future__ import annotations

from ..errors import DroverError
from ..footprint.model import MemoryModel
from ..text import size_text
from .cost import Work
from .layers import Layers
from .layout import Judge
from .search import Search

# Hosts and leaders that are looked at closely in a large fleet; llama.cpp takes 16 devices and a leader.
MOST_HOSTS = 32
MOST_LEADERS = 17
# Prices of a layer, as multiples of what the fastest host asks, at which a large fleet is asked who is worth it.
PRICES = (1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100)


class Problem:
    """Where to put ``model`` (contract ``gguf``) under ``settings`` on ``fleet`` (``fleet.read_fleet``).

    ``leaders`` are the hosts that may lead, ``takers`` those that may hold layers, ``spare`` the others, each with the
    reason; ``reasons`` says why some cannot lead and where memory is an estimate.
    """

    def __init__(
        self, model, settings, fleet, leader=None, model_host=None, max_devices=16, spread="auto", layers=None
    ):
        self._given = {
            "model": model,
            "settings": settings,
            "fleet": fleet,
            "leader": leader,
            "model_host": model_host,
            "max_devices": max_devices,
            "spread": spread,
        }
        self.model, self.settings, self.spread, self.max_devices = model, settings, spread, max_devices
        self.fleet, self.pinned = fleet, leader
        self.layers = layers or _layers(model, settings)
        self.reasons = list(self.layers.memory.reasons)
        self.spare = {host.name: host.excluded for host in fleet if host.excluded}
        self.takers = [host for host in fleet if not host.excluded]
        self.leaders = self._able_to_lead(model_host)
        if spread == "all":
            self._spread_over()
        self.judge = Judge(self.layers, self.takers, must_spread=spread == "all" and len(self.takers) > 1)
        if len(self.takers) > MOST_HOSTS:
            self._shortlist()
        self.search = Search(self.judge, max_devices)

    def changed(self, **changes):
        """The same problem but for what is given here, by the names of the constructor."""
        same_layers = "model" not in changes and "settings" not in changes
        return Problem(**{**self._given, **changes}, layers=self.layers if same_layers else None)

    def fits(self) -> bool:
        """Whether there is a feasible layout."""
        return self.search.fits(self.leaders, self.takers)

    def layouts(self) -> list:
        """The best layout with each leader that is worth a try, the best first."""
        leaders = sorted(self.leaders, key=lambda host: (self._least_seconds(host), host.name))
        return self.search.ranked(leaders[:MOST_LEADERS], self.takers)

    # --- Who may do what ------------------------------------------------------------------------------------------

    def _able_to_lead(self, model_host):
        able = []
        for host in self.takers:
            if self.pinned and host.name != self.pinned:
                continue
            problem = self._why_not_lead(host, model_host)
            if problem:
                self.reasons.append(f"{host.name} cannot lead: {problem}.")
            else:
                able.append(host)
        return able

    def _why_not_lead(self, host, model_host):
        needed, free = self.model["file_bytes"], host.disk_free_bytes
        if host.name != model_host and free is not None and free < needed:
            return f"the model's file takes {size_text(needed)} and its disk has {size_text(free)} free"
        if self.layers.leader_limit(host.cpu.capacity) < 0:
            return (
                f"a leader without layers needs {size_text(self.layers.leader_bytes(0, device_count=1))}, and of its "
                f"{size_text(host.cpu.usable_bytes)} the plan may fill {size_text(host.cpu.capacity)}"
            )
        return None

    def _spread_over(self):
        """Leave out what cannot take part: hosts too small, or too many for llama.cpp or for the model."""
        # The leader keeps one, too.
        least = min(
            self.layers.device_bytes(first, first + 1, leader_blocks)
            for first in range(1, self.layers.count)
            for leader_blocks in (1, first)
        )
        taken, devices = [], 0
        for host in sorted(self.takers, key=lambda host: (host not in self.leaders, -host.lent_capacity, host.name)):
            used = len(host.lent) if taken else 0  # the first one stands for the leader
            if host.lent_capacity < least and host not in self.leaders:
                self.spare[host.name] = "its memory does not hold one layer"
            elif devices + used > self.max_devices:
                self.spare[host.name] = f"over the limit of {self.max_devices} devices"
            elif len(taken) == self.layers.count:
                self.spare[host.name] = f"the model has only {self.layers.count} layers to share out"
            else:
                taken.append(host)
                devices += used
        self.takers = [host for host in self.takers if host in taken]
        self.leaders = [host for host in self.leaders if host in taken]

    # --- Large fleets ---------------------------------------------------------------------------------------------

    def _shortlist(self):
        """Keep the hosts that are worth most at one of several prices of a layer.

        At a low price speed decides, at a high one memory does; at each, no more hosts are of use than llama.cpp takes.
        """
        offers = {host.name: self._offer(host) for host in self.takers}
        fastest = min((seconds for _layers, seconds, _visit in offers.values()), default=0)
        kept = {self.pinned}
        for price in PRICES:
            worth = {
                name: layers * (price * fastest - seconds) - visit for name, (layers, seconds, visit) in offers.items()
            }
            kept.update(sorted(worth, key=lambda name: (-worth[name], name))[: self.max_devices + 1])
        for host in self.takers:
            if host.name not in kept:
                self.spare[host.name] = "not needed: others are faster or larger"
        self.takers = [host for host in self.takers if host.name in kept]
        self.leaders = [host for host in self.leaders if host.name in kept]

    def _offer(self, host):
        """What a host offers as a worker: about how many average layers, at how many seconds each, for which visit."""
        count = self.layers.count
        held = self.layers.device_bytes(0, count, 0) / count
        seconds = self.layers.read[-1] / count * max(device.seconds_per_byte for device in host.lent)
        visit = self.layers.work.remote_visit(host.link_bytes_per_second, host.round_trip_seconds)
        return host.lent_capacity / held, seconds, visit.seconds * len(host.lent)

    def _least_seconds(self, leader):
        """A quick guess at the seconds of a token under a leader: layers may be cut in pieces, and fill the hosts from
        the fastest on."""
        count = self.layers.count
        kept = min(count, self.layers.leader_limit(leader.cpu.capacity))
        parts = [(self.layers.read[-1] / count * leader.cpu.seconds_per_byte, kept)]
        for host in self.takers:
            layers, seconds, visit = self._offer(host)
            if host is not leader and layers > 0:
                parts.append((seconds + visit / layers, layers))
        total, left = 0.0, count
        for seconds, layers in sorted(parts)[: self.max_devices + 1]:
            total += seconds * min(layers, left)
            left -= min(layers, left)
        return (left > 0, total)


def _layers(model, settings):
    memory = MemoryModel(model, settings)
    return Layers(memory, Work(model, memory, settings))


def named(fleet, name, what):
    """The host called ``name``; ``what`` says in the error what it was wanted for."""
    for host in fleet:
        if host.name == name:
            return host
    names = ", ".join(host.name for host in fleet)
    raise DroverError(f"{what} {name} is not among the hosts ({names}): give one of them.")
