# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the best chain: which blocks the leader keeps, which devices follow, in which order, with how much.

Layers form a chain: the leader's CPU holds the first ones, then come the RPC servers in the order of ``--rpc``, then
the leader's own GPUs. For one leader and one order the best split is found exactly, by a dynamic program over (device,
first layer not yet placed, what feeds the next device). What a device costs is linear in the bytes it reads, so the
best first layer for each last one comes from a heap of those that reach it.

Over orders it is exact where that is affordable, by running the same step over subsets of workers instead of prefixes
of an order: always up to five workers, and more for few layers or one leader. Beyond that, a few orders are tried, each
a sort by something of the host alone, and the best found is improved by swapping hosts. The order matters little there:
devices cost the same wherever they stand, but for which unequal layers fall together and for who is last and holds the
output layer.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import accumulate

from .layers import DEVICE, FIRST_LAYER, LEADER, PIPELINE
from .layout import Layout, Segment

# Steps of the dynamic program, of about half a microsecond each, that may be spent on being exact over all orders
# (five workers and any leader: 62,000 for 128 blocks), and on improving the orders of one leader.
EXACT_STEPS = 200_000
IMPROVING_STEPS = 30_000
# Workers for which fits() looks at all orders.
EXACT_REACH_WORKERS = 8
# Leaders that are looked at with more than one order, and whose order is improved.
MOST_ORDERED = 4
MOST_IMPROVED = 2

INFINITE = float("inf")


class Lane:
    """The cheapest ways to place the first layers so that the next device is fed in one way: ``costs[end]`` for layers
    0 to ``end - 1`` and how, as a chain of ``(device, first, earlier chain)``. Infinite but from ``low`` to ``high``,
    inclusive."""

    def __init__(self, costs, chains, low, high):
        self.costs = costs
        self.chains = chains
        self.low = low
        self.high = high

    def put(self, end, cost, chain):
        """Note what is the cheapest up to ``end``, which is beyond all that is known."""
        self.costs[end], self.chains[end] = cost, chain
        self.high = end
        if self.low > end:
            self.low = end

    def merge(self, other):
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

    def __init__(self, lanes):
        self.lanes = lanes

    def merge(self, other):
        """The cheaper of both at every point of every lane; this front wins a tie."""
        lanes = dict(self.lanes)
        for feed, lane in other.lanes.items():
            lanes[feed] = lanes[feed].merge(lane) if feed in lanes else lane
        return Front(lanes)

    def complete(self):
        """Cost and chain of the cheapest way to place all layers."""
        ends = [(lane.costs[-1], lane.chains[-1]) for lane in map(self.lanes.get, FIRST_LAYER) if lane]
        return min(ends, key=lambda end: end[0], default=(INFINITE, None))


class Search:
    """The best layouts that a ``layout.Judge`` knows how to judge, with at most ``max_devices`` devices."""

    def __init__(self, judge, max_devices):
        self.judge = judge
        self.layers = judge.layers
        self.max_devices = max_devices

    def ranked(self, leaders, workers):
        """The best feasible layout with each of ``leaders`` and any of ``workers`` (all of them, if the judge must
        spread), the best first; empty if nothing fits. Equal scores go to fewer devices, then to the leader that comes
        first."""
        if self._affordable(leaders, workers):
            layouts = [self._any_order(leader, _without(leader, workers)) for leader in leaders]
        else:
            layouts = self._some_orders(leaders, workers)
        layouts = [self._better([layout, self._alone(leader, workers)]) for leader, layout in zip(leaders, layouts)]
        layouts = [layout for layout in layouts if layout]
        if not layouts and not self.judge.must_spread:
            layouts = self._tight(leaders, workers)
        return sorted(layouts, key=self.rank)

    def _affordable(self, leaders, workers):
        count = max((len(_without(leader, workers)) for leader in leaders), default=0)
        return len(leaders) * self._steps(count * (1 << count) // 2) <= EXACT_STEPS

    def _steps(self, devices):
        """Steps that it takes to place layers on so many devices, one after the other."""
        return devices * self.layers.count * (self.layers.count // 2 if self.judge.must_spread else 1)

    def _some_orders(self, leaders, workers):
        """One order for every leader, more for the best of them, and improved ones for the very best."""
        first, *others = ORDERS
        tried = [(leader, _sorted(first, leader, workers)) for leader in leaders]
        layouts = {leader.name: self._in_order(leader, order) for leader, order in tried}
        found = {}
        for leader in self._best_of(leaders, layouts)[:MOST_ORDERED]:
            orders = [_sorted(key, leader, workers) for key in others]
            found[leader.name] = [layouts[leader.name], *(self._in_order(leader, order) for order in orders)]
            layouts[leader.name] = self._better(found[leader.name])
        for leader in self._best_of(leaders, layouts)[:MOST_IMPROVED]:
            # Where memory is tight, how far swapping comes depends on where it begins.
            begun = [*filter(None, found[leader.name]), *self._tight([leader], workers)]
            begun = {tuple(layout.worker_names): layout for layout in begun}.values()
            improved = [self._improved(layout, workers, IMPROVING_STEPS // len(begun)) for layout in begun]
            layouts[leader.name] = self._better([layouts[leader.name], *improved])
        return layouts.values()

    def _best_of(self, leaders, layouts):
        """The leaders, those that found the best layouts first and those that found none last."""

        def rank(leader):
            layout = layouts[leader.name]
            return (layout is None, self.rank(layout) if layout else ())

        return sorted(leaders, key=rank)

    def _improved(self, layout, workers, steps):
        """The layout, or a better one with two of its workers swapped, again and again while that helps."""
        by_name = {host.name: host for host in workers}
        order = [by_name[name] for name in layout.worker_names]
        left_out = [host for host in _without(layout.leader, workers) if host not in order]
        if len(order) + len(left_out) <= self.max_devices:
            # A host that was left out may be worth it in another place.
            order += left_out
        tries = steps // max(1, self._steps(len(order)))
        swaps = _swaps(len(order))
        while tries > 0 and (swap := next(swaps, None)):
            tries -= 1
            left, right = swap
            turned = list(order)
            turned[left], turned[right] = turned[right], turned[left]
            better = self._better([layout, self._in_order(layout.leader, turned)])
            if better is not layout:
                layout, order, swaps = better, turned, _swaps(len(order))
        return layout

    def _tight(self, leaders, workers):
        """What fits by a hair, which orders that were not tried can decide."""
        furthest = [(leader, *self._furthest(leader, workers)) for leader in leaders]
        return [self._read_off(leader, chain) for leader, end, chain, _feed in furthest if end == self.layers.count]

    def rank(self, layout):
        return (self.judge.score(layout), len(layout.segments))

    def fits(self, leaders, workers) -> bool:
        """Whether a layout fits at all, with as few hosts as need be: found out much faster than the best one."""
        for leader in leaders:
            if self._furthest(leader, workers)[0] == self.layers.count or self._alone(leader, workers):
                return True
        # Where blocks read the caches of others, it can be worse to have come further.
        return self.layers.memory.shares_caches and bool(self.ranked(leaders, workers))

    def _furthest(self, leader, workers):
        """How far one comes, and on which chain, when each device takes as many layers as it can.

        To come further with one device is never worse for the next, so over all subsets of a few workers this is exact.
        As ``(end, chain, feed of the next device)``.
        """
        reached = (0, None, None)
        kept = self.layers.leader_limit(leader.cpu.capacity)
        if kept > 0:
            reached = self._furthest_from((kept, (None, kept, None), LEADER), leader, workers)
        if self.layers.leader_bytes(0) <= leader.cpu.capacity and reached[0] < self.layers.count:
            reached = max(reached, self._furthest_from((0, (None, 0, None), PIPELINE), leader, workers), key=_end_of)
        return reached

    def _furthest_from(self, start, leader, workers):
        workers = _without(leader, workers)
        room = self.max_devices - len(leader.gpus)
        if len(workers) <= EXACT_REACH_WORKERS:
            reached = self._reach_any_order(start, workers, room)
        else:
            chosen = _of_most_memory(workers, room)
            orders = [[device for host in sorted(chosen, key=key) for device in host.lent] for key in ORDERS]
            reached = [self._reach(order, start, None) for order in orders]
        ends = [self._reach(leader.gpus, start, one) for one in reached]
        return max([start, *filter(None, ends)], key=_end_of)

    def _reach_any_order(self, start, workers, room):
        reached, devices = {0: None}, {0: 0}
        for subset in range(1, 1 << len(workers)):
            members = [index for index in range(len(workers)) if subset >> index & 1]
            devices[subset] = sum(len(workers[index].lent) for index in members)
            if devices[subset] <= room:
                ends = [self._reach(workers[index].lent, start, reached[subset ^ (1 << index)]) for index in members]
                reached[subset] = max(filter(None, ends), key=_end_of, default=None)
        return reached.values()

    def _reach(self, devices, start, reached):
        """The furthest that one comes with at least one device, where one came as far as ``reached`` (None: no device
        was used yet) and begins with ``start``. That may be nearer than ``start`` and yet lead further, since the next
        device is fed otherwise."""
        for device in devices:
            ends = [reached, self._reach_from(start, device), self._reach_from(reached, device)]
            reached = max(filter(None, ends), key=_end_of, default=None)
        return reached

    def _reach_from(self, reached, device):
        if reached is None:
            return None
        first, chain, feed = reached
        if feed is LEADER:
            # What the leader has computed last decides what it sends, so it may be better to keep less there.
            first, end = self.layers.reach_after_leader(device.capacity, first)
            chain = (None, first, None)
        else:
            end = self.layers.reaches(device.capacity, feed)[first] if first < self.layers.count else first
        return (end, (device, first, chain), PIPELINE if feed is PIPELINE else DEVICE) if end > first else None

    # --- One leader -----------------------------------------------------------------------------------------------

    def _alone(self, leader, workers):
        """The best layout with one device that holds all layers, or None: it needs less than in a pipeline, and so does
        the leader."""
        layers = self.layers
        if self.judge.must_spread or layers.leader_bytes(0, device_count=1) > leader.cpu.capacity:
            return None
        room = self.max_devices - len(leader.gpus)
        devices = [device for host in _without(leader, workers) if len(host.lent) <= room for device in host.lent]
        devices += leader.gpus[: self.max_devices]
        return self._better(
            Layout(leader, 0, (Segment(device, 0, layers.count),))
            for device in devices
            if layers.fits_alone(device.capacity)
        )

    def _better(self, layouts):
        return min(filter(None, layouts), key=self.rank, default=None)

    def _any_order(self, leader, workers):
        """Exact over all orders and subsets of ``workers``."""
        room = self.max_devices - len(leader.gpus)
        fronts = {0: self._start(leader, self._floors(leader, workers)[room])}
        for subset in range(1, 1 << len(workers)):
            members = [index for index in range(len(workers)) if subset >> index & 1]
            left = room - sum(len(workers[index].lent) for index in members)
            if left < 0:
                continue
            others = [host for index, host in enumerate(workers) if not subset >> index & 1]
            floor = self._floors(leader, others)[left]
            # Who comes last in the alphabet stands last where it makes no difference.
            ends = [
                self._with_host(fronts[subset ^ (1 << index)], leader, workers[index], floor)
                for index in reversed(members)
            ]
            fronts[subset] = _merged(ends)
        everyone = (1 << len(workers)) - 1
        if self.judge.must_spread:
            complete = [fronts[everyone]] if everyone in fronts else []
        else:
            complete = list(fronts.values())
        return self._finish(leader, _merged(complete)) if complete else None

    def _in_order(self, leader, order):
        """Exact for one order of the workers, any of which may be skipped unless all must take part."""
        room = self.max_devices - len(leader.gpus)
        fronts = {0: self._start(leader, self._floors(leader, order)[room])}  # by the number of devices used
        must = self.judge.must_spread
        counts = not must and sum(len(host.lent) for host in order) > room
        for place, host in enumerate(order):
            used = len(host.lent) if counts else 0
            floors = self._floors(leader, order[place + 1 :])
            following = {} if must else dict(fronts)
            for taken, front in fronts.items():
                if taken + used <= room:
                    ahead = self._with_host(front, leader, host, floors[room - taken - used])
                    known = following.get(taken + used)
                    following[taken + used] = known.merge(ahead) if known else ahead
            fronts = following
        return self._finish(leader, _merged(list(fronts.values())))

    def _floors(self, leader, hosts):
        """``floors[room]``: how many layers must have been placed so that ``hosts``, with at most ``room`` devices, and
        the leader's GPUs can hold the others. What is behind that need not be looked at."""
        most = sorted((self.layers.most(device.capacity) for host in hosts for device in host.lent), reverse=True)
        left = self.layers.count - sum(self.layers.most(device.capacity) for device in leader.gpus)
        most = (most + [0] * self.max_devices)[: self.max_devices]
        return [left, *(left - held for held in accumulate(most))]

    # --- Steps of the dynamic program -----------------------------------------------------------------------------

    def _start(self, leader, floor):
        """Only the leader's CPU: the first 0, 1, 2 … layers, as far as its memory goes, but at least ``floor``."""
        count, read = self.layers.count, self.layers.read
        kept = [
            blocks
            for blocks in range(max(0, floor), count + 1)
            if self.layers.leader_bytes(blocks) <= leader.cpu.capacity
        ]
        if self.judge.must_spread and len(self.judge.hosts) > 1:
            # With others to share with, the leader keeps a part but not all.
            kept = [blocks for blocks in kept if 0 < blocks < count]
        lanes = {}
        for blocks in kept:
            feed = LEADER if blocks else PIPELINE
            lane = lanes.setdefault(feed, self._blank())
            seconds = read[blocks] * leader.cpu.seconds_per_byte
            cost = seconds**2 if self.judge.must_spread else seconds + self.judge.handover_seconds(blocks)
            lane.put(blocks, cost, (None, blocks, None))
        return Front(lanes)

    def _blank(self):
        size = self.layers.count + 1
        return Lane([INFINITE] * size, [None] * size, size, -1)

    def _finish(self, leader, front):
        """Add the leader's own GPUs, which come last in the chain, and read off the best complete layout."""
        for device in leader.gpus[: self.max_devices]:
            front = front.merge(self._with_device(front, leader, device, 0))
        cost, chain = front.complete()
        return None if cost == INFINITE else self._read_off(leader, chain)

    def _read_off(self, leader, chain):
        segments, end = [], self.layers.count
        while chain[0] is not None:
            device, first, earlier = chain
            segments.append(Segment(device, first, end))
            end, chain = first, earlier
        return Layout(leader, chain[1], tuple(reversed(segments)))

    def _with_host(self, front, leader, host, floor):
        """``front`` followed by at least one of the devices of ``host``, in the order its RPC server lists them, to
        ``floor`` or further."""
        used = None
        for device in host.lent:
            before = front.merge(used) if used else front
            # Between its devices a host may be anywhere.
            ahead = self._with_device(before, leader, device, floor if len(host.lent) == 1 else 0)
            used = used.merge(ahead) if used else ahead
        return used

    def _with_device(self, front, leader, device, floor):
        """``front`` followed by a segment of at least one layer on ``device``, to ``floor`` or further."""
        step = self._even_step if self.judge.must_spread else self._linear_step
        per_byte, visit = self.judge.per_byte(leader, device), self.judge.visit(leader, device)
        lanes = {}
        for feed, lane in front.lanes.items():
            ahead = self._blank()
            step(lane, ahead, device, self.layers.reaches(device.capacity, feed), per_byte, visit, floor)
            if ahead.high >= 0:
                following = PIPELINE if feed is PIPELINE else DEVICE
                lanes[following] = lanes[following].merge(ahead) if following in lanes else ahead
        return Front(lanes)

    def _linear_step(self, lane, ahead, device, reaches, per_byte, visit, floor):
        """Cost of a segment = bytes read x ``per_byte`` + visit: the least over all first layers from which it fits."""
        read, costs, chains = self.layers.read, lane.costs, lane.chains
        heap = []  # (cost up to first - read[first] x per_byte, first)
        for end in range(lane.low + 1, len(costs)):
            first = end - 1
            if costs[first] != INFINITE and reaches[first] > first and reaches[first] >= floor:
                heappush(heap, (costs[first] - read[first] * per_byte, first))
            # What does not reach this layer reaches none of the following.
            while heap and reaches[heap[0][1]] < end:
                heappop(heap)
            if heap:
                if end >= floor:
                    key, first = heap[0]
                    ahead.put(end, key + read[end] * per_byte + visit.seconds, (device, first, chains[first]))
            elif end > lane.high:
                break
        ahead.costs[-1] += visit.output_seconds - visit.seconds

    def _even_step(self, lane, ahead, device, reaches, per_byte, _visit, floor):
        """Cost of a segment = the seconds it reads, squared: every first layer is tried."""
        read, costs, chains = self.layers.read, lane.costs, lane.chains
        start = lane.low
        for end in range(lane.low + 1, len(costs)):
            while start < end and reaches[start] < end:
                start += 1
            cost, first = min(
                (
                    (costs[first] + ((read[end] - read[first]) * per_byte) ** 2, first)
                    for first in range(start, min(end, lane.high + 1))
                    if reaches[first] >= end
                ),
                default=(INFINITE, None),
            )
            if cost != INFINITE and end >= floor:
                ahead.put(end, cost, (device, first, chains[first]))


def _end_of(reached):
    return reached[0]


def _of_most_memory(workers, room):
    """The hosts of most memory that there is room for."""
    chosen, devices = [], 0
    for host in sorted(workers, key=lambda host: (-host.lent_capacity, host.name)):
        if devices + len(host.lent) <= room:
            chosen.append(host)
            devices += len(host.lent)
    return chosen


def _merged(fronts):
    front = fronts[0]
    for other in fronts[1:]:
        front = front.merge(other)
    return front


def _without(leader, workers):
    return [host for host in workers if host is not leader]


def _sorted(key, leader, workers):
    return sorted(_without(leader, workers), key=key)


def _swaps(count):
    """All pairs of places, neighbours first, from the end on: there the output layer is."""
    return ((right - gap, right) for gap in range(1, count) for right in range(count - 1, gap - 1, -1))


# Orders of more workers than can be tried exhaustively: each ends with what may suit the output layer best.
ORDERS = (
    lambda host: (host.link_bytes_per_second, -host.lent[0].seconds_per_byte, host.name),
    lambda host: (host.lent_capacity, host.name),
    lambda host: (-host.lent_capacity, host.name),
)
