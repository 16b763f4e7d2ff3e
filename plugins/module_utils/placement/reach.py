# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far one comes under a leader when each device takes as many layers as it can: whether a model fits at all.

Among chains that feed the next device alike, to come further with one device is never worse for the next one, so over
all subsets of a few workers this is exact, and much quicker than to look for the best layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .fleet import Device, Host
from .lanes import Chain
from .layers import DEVICE, LEADER, PIPELINE, Layers

# Workers of which all orders are looked at.
EXACT_WORKERS = 8
Order = Callable[[Host], tuple[Any, ...]]


@dataclass(frozen=True)
class Reached:
    """How many layers are placed, how, and what feeds the next device."""

    end: int
    chain: Chain | None
    feed: str


def furthest(
    layers: Layers, leader: Host, workers: Sequence[Host], max_devices: int, orders: Iterable[Order]
) -> Reached:
    """How far one comes under ``leader`` with any of ``workers``; of many, with those of most memory, in ``orders``."""
    search = _Reach(layers, leader, workers, max_devices, orders)
    reached = Reached(0, None, PIPELINE)
    kept = layers.leader_limit(leader.cpu.capacity)
    if kept > 0:
        reached = search.furthest_from(Reached(kept, (None, kept, None), LEADER))
    if layers.leader_bytes(0) <= leader.cpu.capacity and reached.end < layers.count:
        reached = max(reached, search.furthest_from(Reached(0, (None, 0, None), PIPELINE)), key=_end_of)
    return reached


class _Reach:
    def __init__(
        self, layers: Layers, leader: Host, workers: Sequence[Host], max_devices: int, orders: Iterable[Order]
    ) -> None:
        self.layers = layers
        self.leader = leader
        self.workers = workers
        self.room = max_devices - len(leader.gpus)
        self.orders = orders

    def furthest_from(self, start: Reached) -> Reached:
        reached: Iterable[Reached | None]
        if len(self.workers) <= EXACT_WORKERS:
            reached = self._any_order(start)
        else:
            chosen = of_most_memory(self.workers, self.room)
            orders = [[device for host in sorted(chosen, key=key) for device in host.lent] for key in self.orders]
            reached = [self._along(order, start, None) for order in orders]
        ends = [self._along(self.leader.gpus, start, one) for one in reached]
        return max([start, *filter(None, ends)], key=_end_of)

    def _any_order(self, start: Reached) -> Iterable[Reached | None]:
        reached: dict[int, Reached | None] = {0: None}
        for subset in range(1, 1 << len(self.workers)):
            members = [index for index in range(len(self.workers)) if subset >> index & 1]
            if sum(len(self.workers[index].lent) for index in members) <= self.room:
                ends = [
                    self._along(self.workers[index].lent, start, reached[subset ^ (1 << index)]) for index in members
                ]
                reached[subset] = max(filter(None, ends), key=_end_of, default=None)
        return reached.values()

    def _along(self, devices: Iterable[Device], start: Reached, reached: Reached | None) -> Reached | None:
        """The furthest that one comes with at least one device, where one came as far as ``reached`` (None: no device
        was used yet) and begins with ``start``. That may be nearer than ``start`` and yet lead further, since the next
        device is fed otherwise."""
        for device in devices:
            ends = [reached, self._with(device, start), self._with(device, reached)]
            reached = max(filter(None, ends), key=_end_of, default=None)
        return reached

    def _with(self, device: Device, reached: Reached | None) -> Reached | None:
        if reached is None:
            return None
        first, chain, feed = reached.end, reached.chain, reached.feed
        if feed is LEADER:
            # What the leader has computed last decides what it sends, so it may be better to keep less there.
            first, end = self.layers.reach_after_leader(device.capacity, first)
            chain = (None, first, None)
        else:
            end = self.layers.reaches(device.capacity, feed)[first] if first < self.layers.count else first
        if end <= first:
            return None
        return Reached(end, (device, first, chain), PIPELINE if feed is PIPELINE else DEVICE)


def of_most_memory(workers: Iterable[Host], room: int) -> list[Host]:
    """The hosts of most memory that there is room for."""
    chosen: list[Host] = []
    devices = 0
    for host in sorted(workers, key=lambda host: (-host.lent_capacity, host.name)):
        if devices + len(host.lent) <= room:
            chosen.append(host)
            devices += len(host.lent)
    return chosen


def _end_of(reached: Reached) -> int:
    return reached.end
