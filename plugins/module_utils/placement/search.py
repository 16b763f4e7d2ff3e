# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the best chain over leaders, and over orders and numbers of workers.

It is exact where that is affordable, by running the dynamic program (chain.py) over subsets of workers instead of
prefixes of an order: always up to five workers, and more for few layers or one leader. Beyond that, a few orders are
tried, each a sort by something of the host alone, and the best found is improved by swapping hosts, then by leaving
hosts out. The order matters little there: devices cost the same wherever they stand, but for which unequal layers fall
together and for who is last and holds the output layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .chain import ChainSearch
from .fleet import Host
from .layout import Judge, Layout, Segment
from .reach import Order, Reached, furthest

# Steps of the dynamic program, of about half a microsecond each, that may be spent on being exact over all orders
# (five workers and any leader: 62,000 for 128 blocks), and on improving the orders of one leader.
EXACT_STEPS = 200_000
IMPROVING_STEPS = 30_000
# Leaders that are looked at with more than one order, and whose order is improved.
MOST_ORDERED = 4
MOST_IMPROVED = 2

# Orders of more workers than can be tried exhaustively: each ends with what may suit the output layer best.
ORDERS: tuple[Order, ...] = (
    lambda host: (host.link_bytes_per_second, -host.lent[0].seconds_per_byte, host.name),
    lambda host: (host.lent_capacity, host.name),
    lambda host: (-host.lent_capacity, host.name),
)


class Search:
    """The best layouts as a ``layout.Judge`` judges them, with at most ``max_devices`` devices."""

    def __init__(self, judge: Judge, max_devices: int) -> None:
        self.judge = judge
        self.layers = judge.layers
        self.max_devices = max_devices

    def ranked(self, leaders: Sequence[Host], workers: Sequence[Host]) -> list[Layout]:
        """The best feasible layouts with each of ``leaders`` and any of ``workers`` (all of them, if the judge must
        spread), the best first; empty if nothing fits. Of each leader there are several, which differ in how many
        workers they take: with every number of them where the search is exact. Equal scores go to fewer devices, then
        to the leader that comes first."""
        if self._affordable(leaders, workers):
            found = [self._chains(leader).any_order(without(leader, workers)) for leader in leaders]
        else:
            found = self._some_orders(leaders, workers)
        layouts = [
            layout
            for leader, those in zip(leaders, found)
            for layout in [*those, self._alone(leader, workers)]
            if layout is not None
        ]
        if not layouts and not self.judge.must_spread:
            layouts = self._tight(leaders, workers)
        return sorted(layouts, key=self.rank)

    def rank(self, layout: Layout) -> tuple[Any, ...]:
        """What layouts are sorted by, the best first."""
        return (self.judge.score(layout), len(layout.segments))

    def fits(self, leaders: Sequence[Host], workers: Sequence[Host]) -> bool:
        """Whether a layout fits at all, with as few hosts as need be: found out much faster than the best one."""
        for leader in leaders:
            if self._furthest(leader, workers).end == self.layers.count or self._alone(leader, workers):
                return True
        # Where blocks read the caches of others, it can be worse to have come further.
        return self.layers.memory.shares_caches and bool(self.ranked(leaders, workers))

    def _chains(self, leader: Host) -> ChainSearch:
        return ChainSearch(self.judge, leader, self.max_devices)

    def _affordable(self, leaders: Sequence[Host], workers: Sequence[Host]) -> bool:
        count = max((len(without(leader, workers)) for leader in leaders), default=0)
        return len(leaders) * self._steps(count * (1 << count) // 2) <= EXACT_STEPS

    def _steps(self, devices: int) -> int:
        """Steps that it takes to place layers on so many devices, one after the other."""
        return devices * self.layers.count * (self.layers.count // 2 if self.judge.must_spread else 1)

    def _some_orders(self, leaders: Sequence[Host], workers: Sequence[Host]) -> list[list[Layout]]:
        """One order for every leader, more for the best of them, and improved and thinned ones for the very best."""
        first, *others = ORDERS
        found: list[list[Layout]] = []
        for leader in leaders:
            layout = self._chains(leader).in_order(sorted(without(leader, workers), key=first))
            found.append([layout] if layout else [])
        for number in self._best_of(found)[:MOST_ORDERED]:
            orders = [sorted(without(leaders[number], workers), key=key) for key in others]
            found[number] += filter(None, map(self._chains(leaders[number]).in_order, orders))
        for number in self._best_of(found)[:MOST_IMPROVED]:
            # Where memory is tight, how far swapping comes depends on where it begins.
            tried = [*found[number], *self._tight([leaders[number]], workers)]
            begun = list({tuple(layout.worker_names): layout for layout in tried}.values())
            steps = IMPROVING_STEPS // max(1, len(begun))
            found[number] += [self._improved(layout, workers, steps) for layout in begun]
            if found[number] and not self.judge.must_spread:
                found[number] += self._thinned(min(found[number], key=self.rank), workers)
        return found

    def _best_of(self, found: Sequence[Sequence[Layout]]) -> list[int]:
        """The places in ``found``, those with the best layouts first and those with none last."""

        def rank(number: int) -> tuple[Any, ...]:
            return min(((False, self.rank(layout)) for layout in found[number]), default=(True, ()))

        return sorted(range(len(found)), key=rank)

    def _improved(self, layout: Layout, workers: Sequence[Host], steps: int) -> Layout:
        """The layout, or a better one with two of its workers swapped, again and again while that helps."""
        by_name = {host.name: host for host in workers}
        order = [by_name[name] for name in layout.worker_names]
        left_out = [host for host in without(layout.leader, workers) if host not in order]
        if len(order) + len(left_out) <= self.max_devices:
            # A host that was left out may be worth it in another place.
            order += left_out
        tries = steps // max(1, self._steps(len(order)))
        swaps = _swaps(len(order))
        chains = self._chains(layout.leader)
        while tries > 0 and (swap := next(swaps, None)):
            tries -= 1
            left, right = swap
            turned = list(order)
            turned[left], turned[right] = turned[right], turned[left]
            other = chains.in_order(turned)
            if other and self.rank(other) < self.rank(layout):
                layout, order, swaps = other, turned, _swaps(len(order))
        return layout

    def _thinned(self, layout: Layout, workers: Sequence[Host]) -> Iterator[Layout]:
        """The layout with one worker less, two less and so on, each time without the one that is missed least."""
        by_name = {host.name: host for host in workers}
        chains = self._chains(layout.leader)
        order = [by_name[name] for name in layout.worker_names]
        tries = IMPROVING_STEPS // max(1, self._steps(len(order)))
        while order and tries > 0:
            tries -= len(order)
            fewer = [chains.in_order([*order[:place], *order[place + 1 :]]) for place in range(len(order))]
            best = min(filter(None, fewer), key=self.rank, default=None)
            if best is None:
                return
            yield best
            order = [by_name[name] for name in best.worker_names]

    def _tight(self, leaders: Sequence[Host], workers: Sequence[Host]) -> list[Layout]:
        """What fits by a hair, which orders that were not tried can decide."""
        reached = [(leader, self._furthest(leader, workers)) for leader in leaders]
        return [
            self._chains(leader).layout_of(one.chain)
            for leader, one in reached
            if one.end == self.layers.count and one.chain
        ]

    def _furthest(self, leader: Host, workers: Sequence[Host]) -> Reached:
        return furthest(self.layers, leader, without(leader, workers), self.max_devices, ORDERS)

    def _alone(self, leader: Host, workers: Sequence[Host]) -> Layout | None:
        """The best layout with one device that holds all layers, or None: it needs less than in a pipeline, and so does
        the leader."""
        layers = self.layers
        if self.judge.must_spread or layers.leader_bytes(0, device_count=1) > leader.cpu.capacity:
            return None
        room = self.max_devices - len(leader.gpus)
        devices = [device for host in without(leader, workers) if len(host.lent) <= room for device in host.lent]
        devices += leader.gpus[: self.max_devices]
        layouts = [
            Layout(leader, 0, (Segment(device, 0, layers.count),))
            for device in devices
            if layers.fits_alone(device.capacity)
        ]
        return min(layouts, key=self.rank, default=None)


def without(leader: Host, workers: Iterable[Host]) -> list[Host]:
    """The workers under a leader, which may stand among them."""
    return [host for host in workers if host.name != leader.name]


def _swaps(count: int) -> Iterator[tuple[int, int]]:
    """All pairs of places, neighbours first, from the end on: there the output layer is."""
    return ((right - gap, right) for gap in range(1, count) for right in range(count - 1, gap - 1, -1))
