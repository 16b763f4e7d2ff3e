# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dynamic program knows at a point of the chain: the cheapest ways to have placed the first layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from .layers import FIRST_LAYER

INFINITE = float("inf")
# How layers were placed: ``(device, first layer on it, the chain before it)``, or ``(None, layers, None)`` for those on
# the leader's CPU, where every chain begins.
Chain = tuple[Any, int, Optional[tuple[Any, ...]]]


class Lane:
    """The cheapest ways to place the first layers so that the next device is fed in one way: ``costs[end]`` for layers
    0 to ``end - 1`` and how, in ``chains``. Infinite but from ``low`` to ``high``, inclusive."""

    def __init__(self, costs: list[float], chains: list[Chain | None], low: int, high: int) -> None:
        self.costs = costs
        self.chains = chains
        self.low = low
        self.high = high

    @classmethod
    def blank(cls, layer_count: int) -> Lane:
        """A lane that knows no way."""
        size = layer_count + 1
        return cls([INFINITE] * size, [None] * size, size, -1)

    def put(self, end: int, cost: float, chain: Chain) -> None:
        """Note what is the cheapest up to ``end``, which is beyond all that is known."""
        self.costs[end], self.chains[end] = cost, chain
        self.high = end
        if self.low > end:
            self.low = end

    def merge(self, other: Lane) -> Lane:
        """The cheaper of both at every point; this lane wins a tie."""
        if other is self:
            return self
        costs, chains = list(self.costs), list(self.chains)
        for end in range(other.low, other.high + 1):
            if other.costs[end] < costs[end]:
                costs[end], chains[end] = other.costs[end], other.chains[end]
        return Lane(costs, chains, min(self.low, other.low), max(self.high, other.high))


class Front:
    """The cheapest ways to place the first layers, a lane for each way of feeding the next device: what a device needs
    depends on that, so a way that is dearer may be the only one to go on."""

    def __init__(self, lanes: dict[str, Lane]) -> None:
        self.lanes = lanes

    def merge(self, other: Front) -> Front:
        """The cheaper of both at every point of every lane; this front wins a tie."""
        lanes = dict(self.lanes)
        for feed, lane in other.lanes.items():
            lanes[feed] = lanes[feed].merge(lane) if feed in lanes else lane
        return Front(lanes)

    def complete(self) -> Chain | None:
        """The cheapest way to place all layers, if there is one."""
        ends = [(lane.costs[-1], lane.chains[-1]) for lane in map(self.lanes.get, FIRST_LAYER) if lane]
        cost, chain = min(ends, key=lambda end: end[0], default=(INFINITE, None))
        return None if cost == INFINITE else chain


def merged(fronts: Iterable[Front]) -> Front:
    """The cheapest of all fronts; earlier ones win ties."""
    front, *others = fronts
    for other in others:
        front = front.merge(other)
    return front
