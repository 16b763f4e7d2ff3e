# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the best chain: which blocks the leader keeps, which devices follow, in which order, with how much.

Layers form a chain: the leader's CPU holds the first ones, then come the RPC servers in the order of ``--rpc``, then
the leader's own GPUs. For one leader and one order the best split is found exactly, by a dynamic program over (device,
first layer not yet placed). What a device costs is linear in the layers it holds, and the segments that fit form a
window that only moves forward, so one device is a sliding-window minimum: linear in the number of layers.

Over orders it is exact where that is affordable, by running the same step over subsets of workers instead of prefixes
of an order: always up to five workers, and more for few layers or one leader. Beyond that, a few orders are tried, each
a sort by something of the host alone, and the best found is improved by swapping hosts. The order matters little there:
devices cost the same wherever they stand, but for which unequal layers fall together and for who is last and holds the
output layer.
"""

from __future__ import annotations

from collections import deque

from .layout import Layout, Segment

# Steps of the dynamic program, of about half a microsecond each, that may be spent on being exact over all orders
# (five workers and any leader: 62,000 for 128 blocks), and on improving one order.
EXACT_STEPS = 200_000
IMPROVING_STEPS = 30_000
# Workers for which fits() looks at all orders.
EXACT_REACH_WORKERS = 8
# Leaders that are looked at with more than one order, and whose order is improved.
MOST_ORDERED = 4
MOST_IMPROVED = 2

INFINITE = float("inf")


class Front:
    """The cheapest ways to place the first layers: ``costs[end]`` for layers 0 to ``end - 1`` and how, as a chain of
    ``(device, first, earlier chain)``."""

    def __init__(self, costs, chains):
        self.costs = costs
        self.chains = chains

    def merge(self, other):
        """The cheaper of both at every point; this front wins a tie."""
        pairs = [
            (cost, chain) if cost <= other_cost else (other_cost, other_chain)
            for cost, chain, other_cost, other_chain in zip(self.costs, self.chains, other.costs, other.chains)
        ]
        return Front([cost for cost, _chain in pairs], [chain for _cost, chain in pairs])


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
        """One order for every leader, more for the best of them, and an improved one for the very best."""
        first, *others = ORDERS
        tried = [(leader, _sorted(first, leader, workers)) for leader in leaders]
        layouts = {leader.name: self._in_order(leader, order) for leader, order in tried}
        for leader in self._best_of(leaders, layouts)[:MOST_ORDERED]:
            orders = [_sorted(key, leader, workers) for key in others]
            found = [layouts[leader.name], *(self._in_order(leader, order) for order in orders)]
            layouts[leader.name] = self._better(found)
        for leader in self._best_of(leaders, layouts)[:MOST_IMPROVED]:
            if layouts[leader.name]:
                layouts[leader.name] = self._improved(layouts[leader.name], workers)
        return layouts.values()

    def _best_of(self, leaders, layouts):
        """The leaders, those that found the best layouts first and those that found none last."""

        def rank(leader):
            layout = layouts[leader.name]
            return (layout is None, self.rank(layout) if layout else ())

        return sorted(leaders, key=rank)

    def _improved(self, layout, workers):
        """The layout, or a better one with two of its workers swapped, again and again while that helps."""
        by_name = {host.name: host for host in workers}
        order = [by_name[name] for name in layout.worker_names]
        tries = IMPROVING_STEPS // max(1, self._steps(len(order)))
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
        return [self._read_off(leader, chain) for leader, end, chain in furthest if end == self.layers.count]

    def rank(self, layout):
        return (self.judge.score(layout), len(layout.segments))

    def fits(self, leaders, workers) -> bool:
        """Whether a layout fits at all, with as few hosts as need be: found out much faster than the best one."""
        return any(self._furthest(leader, workers)[0] == self.layers.count for leader in leaders)

    def _furthest(self, leader, workers):
        """How far one comes, and on which chain, when each device takes as many layers as it can.

        To come further with one device is never worse for the next, so over all subsets of a few workers this is exact.
        """
        workers = _without(leader, workers)
        room = self.max_devices - len(leader.gpus)
        begin = self.layers.leader_limit(leader.cpu.capacity)
        if begin < 0:
            return 0, None
        start = (begin, (None, begin, None))
        if len(workers) <= EXACT_REACH_WORKERS:
            reached = self._reach_any_order(start, workers, room)
        else:
            reached = [self._reach_in_order(start, sorted(workers, key=key), room) for key in ORDERS]
        return max((self._reach(leader.gpus, one) for one in reached), key=_end_of)

    def _reach_any_order(self, start, workers, room):
        reached, devices = {0: start}, {0: 0}
        for subset in range(1, 1 << len(workers)):
            members = [index for index in range(len(workers)) if subset >> index & 1]
            devices[subset] = sum(len(workers[index].lent) for index in members)
            if devices[subset] <= room:
                reached[subset] = max(
                    (self._reach(workers[index].lent, reached[subset ^ (1 << index)]) for index in members),
                    key=_end_of,
                )
        return reached.values()

    def _reach_in_order(self, start, order, room):
        """With the hosts of most memory that there is room for."""
        chosen, devices = set(), 0
        for host in sorted(order, key=lambda host: (-host.lent_capacity, host.name)):
            if devices + len(host.lent) <= room:
                chosen.add(host.name)
                devices += len(host.lent)
        reached = start
        for host in order:
            if host.name in chosen:
                reached = self._reach(host.lent, reached)
        return reached

    def _reach(self, devices, reached):
        end, chain = reached
        for device in devices:
            further = self.layers.reach(device.capacity, end)
            if further > end:
                end, chain = further, (device, end, chain)
        return end, chain

    # --- One leader -----------------------------------------------------------------------------------------------

    def _better(self, layouts):
        return min(filter(None, layouts), key=self.rank, default=None)

    def _any_order(self, leader, workers):
        """Exact over all orders and subsets of ``workers``."""
        room = self.max_devices - len(leader.gpus)
        fronts = {0: self._start(leader)}
        for subset in range(1, 1 << len(workers)):
            members = [index for index in range(len(workers)) if subset >> index & 1]
            if sum(len(workers[index].lent) for index in members) > room:
                continue
            # Who comes last in the alphabet stands last where it makes no difference.
            ends = [
                self._with_host(fronts[subset ^ (1 << index)], leader, workers[index]) for index in reversed(members)
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
        fronts = {0: self._start(leader)}  # by the number of devices used
        must = self.judge.must_spread
        counts = not must and sum(len(host.lent) for host in order) > room
        for host in order:
            used = len(host.lent) if counts else 0
            following = {} if must else dict(fronts)
            for taken, front in fronts.items():
                if taken + used <= room:
                    ahead = self._with_host(front, leader, host)
                    known = following.get(taken + used)
                    following[taken + used] = known.merge(ahead) if known else ahead
            fronts = following
        return self._finish(leader, _merged(list(fronts.values())))

    # --- Steps of the dynamic program -----------------------------------------------------------------------------

    def _start(self, leader):
        """Only the leader's CPU: the first 0, 1, 2 … layers, as far as its memory goes."""
        read = self.layers.read
        costs = [
            self._weigh(read[blocks] * leader.cpu.seconds_per_byte)
            if self.layers.leader_bytes(blocks) <= leader.cpu.capacity
            else INFINITE
            for blocks in range(self.layers.count + 1)
        ]
        if self.judge.must_spread and len(self.judge.hosts) > 1:
            # With others to share with, the leader keeps a part but not all.
            costs[0] = costs[-1] = INFINITE
        return Front(costs, [(None, blocks, None) for blocks in range(self.layers.count + 1)])

    def _finish(self, leader, front):
        """Add the leader's own GPUs, which come last in the chain, and read off the best complete layout."""
        for device in leader.gpus[: self.max_devices]:
            front = front.merge(self._with_device(front, leader, device))
        return None if front.costs[-1] == INFINITE else self._read_off(leader, front.chains[-1])

    def _read_off(self, leader, chain):
        segments, end = [], self.layers.count
        while chain[0] is not None:
            device, first, earlier = chain
            segments.append(Segment(device, first, end))
            end, chain = first, earlier
        return Layout(leader, chain[1], tuple(reversed(segments)))

    def _with_host(self, front, leader, host):
        """``front`` followed by at least one of the devices of ``host``, in the order its RPC server lists them."""
        used = None
        for device in host.lent:
            before = front.merge(used) if used else front
            ahead = self._with_device(before, leader, device)
            used = used.merge(ahead) if used else ahead
        return used

    def _with_device(self, front, leader, device):
        """``front`` followed by a segment of at least one layer on ``device``."""
        step = self._even_step if self.judge.must_spread else self._linear_step
        per_byte, visit = self.judge.per_byte(leader, device), self.judge.visit(leader, device)
        costs, firsts = step(front.costs, self.layers.starts(device.capacity), per_byte, visit)
        chains = [None if first is None else (device, first, front.chains[first]) for first in firsts]
        return Front(costs, chains)

    def _linear_step(self, costs, starts, per_byte, visit):
        """Cost of a segment = bytes read x ``per_byte`` + visit: a sliding-window minimum over its first layer."""
        read = self.layers.read
        ahead, firsts = [INFINITE], [None]
        window = deque()  # (cost up to first - read[first] x per_byte, first), costs increasing
        for end in range(1, len(costs)):
            before = costs[end - 1]
            if before != INFINITE:
                key = before - read[end - 1] * per_byte
                while window and window[-1][0] > key:
                    window.pop()
                window.append((key, end - 1))
            while window and window[0][1] < starts[end]:
                window.popleft()
            if window:
                key, first = window[0]
                ahead.append(key + read[end] * per_byte + visit.seconds)
                firsts.append(first)
            else:
                ahead.append(INFINITE)
                firsts.append(None)
        ahead[-1] += visit.output_seconds - visit.seconds
        return ahead, firsts

    def _even_step(self, costs, starts, per_byte, _visit):
        """Cost of a segment = the seconds it reads, squared: every first layer is tried."""
        read = self.layers.read
        ahead, firsts = [INFINITE], [None]
        for end in range(1, len(costs)):
            cost, first = min(
                (
                    (costs[first] + ((read[end] - read[first]) * per_byte) ** 2, first)
                    for first in range(starts[end], end)
                ),
                default=(INFINITE, None),
            )
            ahead.append(cost)
            firsts.append(None if cost == INFINITE else first)
        return ahead, firsts

    def _weigh(self, seconds):
        return seconds**2 if self.judge.must_spread else seconds


def _end_of(reached):
    return reached[0]


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
