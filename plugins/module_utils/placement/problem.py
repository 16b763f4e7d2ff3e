# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A placement problem, digested: the model's layers, who may lead, who may take part, and who is left out and why."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import DroverError
from ..footprint.model import MemoryModel
from ..footprint.settings import Settings
from ..text import size_text
from .cost import Work
from .experts import expert_layouts
from .fleet import Device, Host
from .layers import Layers
from .layout import Judge, Layout
from .policy import Policy
from .search import Search

# Hosts and leaders that are looked at closely in a large fleet; llama.cpp takes 16 devices and a leader.
MOST_HOSTS = 32
MOST_LEADERS = 17
# Prices of a layer, as multiples of what the fastest host asks, at which a large fleet is asked who is worth it.
PRICES = (1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100)
# Plans whose request takes longer by less are as good: the prediction is no more exact than that, while a machine less
# is one less that can fail, and bytes that need not be sent are a start that is over sooner.
AS_GOOD_WITHIN = 0.03


@dataclass(frozen=True)
class Hindrance:
    """Why a host cannot lead: ``kind`` (disk or memory), the ``bytes`` it lacks, and a clause."""

    kind: str
    bytes: int
    text: str


class Problem:
    """Where to put ``model`` (a ``gguf``) by ``policy`` on ``fleet`` (``fleet.Fleet.hosts``); ``model_host`` has the
    model's file already.

    ``leaders`` are the hosts that may lead, once for each way in which they can (``Host.leading``), ``takers`` those
    that may hold layers, ``spare`` the others, each with the reason, ``hindered`` those that cannot lead; ``reasons``
    says why some cannot lead and where memory is an estimate.
    """

    def __init__(
        self,
        model: dict[str, Any],
        policy: Policy,
        fleet: list[Host],
        model_host: str | None = None,
        layers: Layers | None = None,
    ) -> None:
        self.model, self.policy, self.fleet, self.model_host = model, policy, fleet, model_host
        self.settings = policy.settings
        self.max_devices = policy.max_devices
        self.layers = layers or _layers(model, self.settings)
        self.reasons = list(self.layers.memory.reasons)
        self.spare = {host.name: host.excluded for host in fleet if host.excluded}
        self.takers = [host for host in fleet if not host.excluded]
        self.hindered: dict[str, Hindrance] = {}
        self.leaders = self._able_to_lead()
        # A split of the user's own says who takes part.
        spread = policy.spread == "all" and not policy.split
        if spread:
            self._spread_over()
        self.judge = Judge(self.layers, self.takers, policy.request, must_spread=spread and len(self.takers) > 1)
        if len(self.takers) > MOST_HOSTS:
            self._shortlist()
        self.search = Search(self.judge, self.max_devices)

    def changed(
        self, model: dict[str, Any] | None = None, policy: Policy | None = None, fleet: list[Host] | None = None
    ) -> Problem:
        """The same problem but for what is given here."""
        same_layers = model is None and (policy is None or policy.settings == self.settings)
        return Problem(
            model or self.model,
            policy or self.policy,
            self.fleet if fleet is None else fleet,
            self.model_host,
            self.layers if same_layers else None,
        )

    def fits(self) -> bool:
        """Whether there is a feasible layout."""
        return self.search.fits(self.leaders, self.takers) or bool(self._with_experts_apart(self.leaders))

    def layouts(self) -> list[Layout]:
        """The best layouts with each leader that is worth a try (see ``Search.ranked``), the fastest first."""
        leaders = sorted(self.leaders, key=lambda host: (self._least_seconds(host), host.name))
        return self._ranked(leaders[:MOST_LEADERS])

    def _ranked(self, leaders: list[Host]) -> list[Layout]:
        found = [*self.search.ranked(leaders, self.takers), *self._with_experts_apart(leaders)]
        return sorted(found, key=self.search.rank)

    def _with_experts_apart(self, leaders: list[Host]) -> list[Layout]:
        return [] if self.judge.must_spread else expert_layouts(self.judge, leaders)

    def best_under(self, leader: str) -> Layout | None:
        """The best layout that this host leads, if it can."""
        found = self._ranked([host for host in self.leaders if host.name == leader])
        return self.preferred(found) if found else None

    def preferred(self, layouts: list[Layout]) -> Layout:
        """Of ``layouts``, the fastest first, the one to take: among those nearly as fast as the fastest the one of the
        fewest machines, and then the one that sends the fewest bytes at a start."""
        if self.judge.must_spread:
            return layouts[0]
        limit = self.judge.seconds(layouts[0]) * (1 + AS_GOOD_WITHIN)
        near = [layout for layout in layouts if self.judge.seconds(layout) <= limit]
        return min(near, key=lambda layout: (len(layout.worker_names), self.judge.sent_bytes(layout)))

    # --- Who may do what ------------------------------------------------------------------------------------------

    def _able_to_lead(self) -> list[Host]:
        able: list[Host] = []
        for host in self.takers:
            if self.policy.leader and host.name != self.policy.leader:
                continue
            hindrance = self._why_not_lead(host)
            if hindrance:
                self.hindered[host.name] = hindrance
                self.reasons.append(f"{host.name} cannot lead: {hindrance.text}.")
            else:
                able += host.leading(self.layers.leader_bytes(0))
        return able

    def _why_not_lead(self, host: Host) -> Hindrance | None:
        needed, free = self.model["file_bytes"], host.disk_free_bytes
        if host.name != self.model_host:
            # What is there already of this very model needs no room.
            names = [str(name).rpartition("/")[2] for name in self.model.get("shards") or []]
            needed = max(0, needed - sum(host.disk_models.get(name, 0) for name in names))
            if free < needed:
                text = f"the model's file takes {size_text(needed)} and its disk has {size_text(free)} free"
                return Hindrance("disk", needed - free, text)
        if self.layers.leader_limit(host.cpu.capacity) < 0:
            least = self.layers.leader_bytes(0, device_count=1)
            text = (
                f"a leader without layers needs {size_text(least)}, and of its {size_text(host.cpu.usable_bytes)} the "
                f"plan may fill {size_text(host.cpu.capacity)}"
            )
            return Hindrance("memory", least - host.cpu.capacity, text)
        return None

    def _spread_over(self) -> None:
        """Leave out what cannot take part: hosts too small, or too many for llama.cpp or for the model."""
        # The leader keeps one, too.
        least = min(
            self.layers.device_bytes(first, first + 1, leader_blocks)
            for first in range(1, self.layers.count)
            for leader_blocks in (1, first)
        )
        leaders = {host.name for host in self.leaders}
        taken: set[str] = set()
        devices = 0
        for host in sorted(self.takers, key=lambda host: (host.name not in leaders, -host.lent_capacity, host.name)):
            used = len(host.lent) if taken else 0  # the first one stands for the leader
            if host.lent_capacity < least and host.name not in leaders:
                self.spare[host.name] = "its memory does not hold one layer"
            elif devices + used > self.max_devices:
                self.spare[host.name] = f"over the limit of {self.max_devices} devices"
            elif len(taken) == self.layers.count:
                self.spare[host.name] = f"the model has only {self.layers.count} layers to share out"
            else:
                taken.add(host.name)
                devices += used
        self._keep(taken)

    def _keep(self, names: Iterable[str | None]) -> None:
        kept = set(names)
        self.takers = [host for host in self.takers if host.name in kept]
        self.leaders = [host for host in self.leaders if host.name in kept]

    # --- Large fleets ---------------------------------------------------------------------------------------------

    def _shortlist(self) -> None:
        """Keep the hosts that are worth most at one of several prices of a layer.

        At a low price speed decides, at a high one memory does; at each, no more hosts are of use than llama.cpp takes.
        """
        offers = {host.name: self._offer(host) for host in self.takers}
        fastest = min((seconds for _layers, seconds, _visit in offers.values()), default=0)
        kept = {self.policy.leader}
        for price in PRICES:
            worth = {
                name: layers * (price * fastest - seconds) - visit for name, (layers, seconds, visit) in offers.items()
            }
            kept.update(sorted(worth, key=lambda name: (-worth[name], name))[: self.max_devices + 1])
        for host in self.takers:
            if host.name not in kept:
                self.spare[host.name] = "not needed: others are faster or larger"
        self._keep(kept)

    def _offer(self, host: Host) -> tuple[float, float, float]:
        """What a host offers as a worker: about how many average layers, at how many seconds each, for which visit."""
        held = self.layers.device_bytes(0, self.layers.count, 0) / self.layers.count
        room = sum(device.capacity for device in host.lent) or 1
        seconds = math.fsum(self._layer_seconds(device) * device.capacity / room for device in host.lent)
        request = self.policy.request
        visit = self.layers.work.remote_visit(host.link_bytes_per_second, host.round_trip_seconds, request)
        return host.lent_capacity / held, seconds, visit.seconds * len(host.lent)

    def _layer_seconds(self, device: Device) -> float:
        """Seconds of the request for an average layer on a device."""
        request = self.policy.request
        reading = self.layers.read[-1] * device.seconds_per_byte * request.answer_tokens
        computing = self.layers.operations[-1] * device.seconds_per_operation * request.prompt_tokens
        return (reading + computing) / self.layers.count

    def _least_seconds(self, leader: Host) -> tuple[bool, float]:
        """A quick guess at the seconds of the request under a leader: layers may be cut in pieces, and fill the hosts
        from the fastest on."""
        count = self.layers.count
        kept: float = min(count, self.layers.leader_limit(leader.cpu.capacity))
        parts = [(self._layer_seconds(leader.cpu), kept)]
        for host in self.takers:
            layers, seconds, visit = self._offer(host)
            if host.name != leader.name and layers > 0:
                parts.append((seconds + visit / layers, layers))
        total, left = 0.0, float(count)
        for seconds, layers in sorted(parts)[: self.max_devices + 1]:
            total += seconds * min(layers, left)
            left -= min(layers, left)
        return (left > 0, total)


def _layers(model: dict[str, Any], settings: Settings) -> Layers:
    memory = MemoryModel(model, settings)
    return Layers(memory, Work(model, memory, settings))


def named(fleet: Iterable[Host], name: str, what: str) -> Host:
    """The host called ``name``; ``what`` says in the error what it was wanted for."""
    hosts = list(fleet)
    for host in hosts:
        if host.name == name:
            return host
    names = ", ".join(host.name for host in hosts)
    raise DroverError(f"{what} {name} is not among the hosts ({names}): give one of them.")
