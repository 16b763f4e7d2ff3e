# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dynamic program: under one leader, the best split of the layers over workers in one order, or in any.

Layers form a chain: the leader's CPU holds the first ones, then come the RPC servers in the order of ``--rpc``, then
the leader's own GPUs. For one leader and one order the best split is found exactly, by a dynamic program over (device,
first layer not yet placed, what feeds the next device). What layers cost on a device adds up, so the best first layer
for each last one comes from a heap of those that reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import accumulate

from .cost import Visit
from .fleet import Device, Host
from .lanes import INFINITE, Chain, Front, Lane, merged
from .layers import DEVICE, LEADER, PIPELINE
from .layout import Judge, Layout, Segment


class ChainSearch:
    """Finds the best layouts of ``leader`` as ``judge`` judges them, with at most ``max_devices`` devices."""

    def __init__(self, judge: Judge, leader: Host, max_devices: int) -> None:
        self.judge = judge
        self.layers = judge.layers
        self.leader = leader
        self.max_devices = max_devices
        self.room = max_devices - len(leader.gpus)

    def any_order(self, workers: Sequence[Host]) -> list[Layout]:
        """The best layout with each number of ``workers``, exact over all orders and subsets of them; with all of them
        only, if the judge must spread."""
        start = self._start(self._floors(workers)[self.room])
        fronts = {0: start}
        for subset in range(1, 1 << len(workers)):
            members = [index for index in range(len(workers)) if subset >> index & 1]
            left = self.room - sum(len(workers[index].lent) for index in members)
            if left < 0:
                continue
            others = [host for index, host in enumerate(workers) if not subset >> index & 1]
            floor = self._floors(others)[left]
            # Who comes last in the alphabet stands last where it makes no difference.
            fronts[subset] = merged(
                self._with_host(fronts[subset ^ (1 << index)], workers[index], floor) for index in reversed(members)
            )
        by_number: dict[int, list[Front]] = {}
        for subset, front in fronts.items():
            by_number.setdefault(bin(subset).count("1"), []).append(front)
        if self.judge.must_spread:
            by_number = {number: found for number, found in by_number.items() if number == len(workers)}
        layouts = [self._finish(merged(found)) for found in by_number.values()]
        return [layout for layout in layouts if layout]

    def in_order(self, order: Sequence[Host]) -> Layout | None:
        """Exact for one order of the workers, any of which may be skipped unless all must take part."""
        fronts = {0: self._start(self._floors(order)[self.room])}  # by the number of devices used
        must = self.judge.must_spread
        counts = not must and sum(len(host.lent) for host in order) > self.room
        for place, host in enumerate(order):
            used = len(host.lent) if counts else 0
            floors = self._floors(order[place + 1 :])
            following = {} if must else dict(fronts)
            for taken, front in fronts.items():
                if taken + used <= self.room:
                    ahead = self._with_host(front, host, floors[self.room - taken - used])
                    known = following.get(taken + used)
                    following[taken + used] = known.merge(ahead) if known else ahead
            fronts = following
        return self._finish(merged(fronts.values()))

    def layout_of(self, chain: Chain) -> Layout:
        """The layout of a chain that holds all layers."""
        segments, end = [], self.layers.count
        device, first, earlier = chain
        while earlier is not None:
            segments.append(Segment(device, first, end))
            end = first
            device, first, earlier = earlier
        return Layout(self.leader, first, tuple(reversed(segments)))

    def _floors(self, hosts: Sequence[Host]) -> list[int]:
        """``floors[room]``: how many layers must have been placed so that ``hosts``, with at most ``room`` devices, and
        the leader's GPUs can hold the others. What is behind that need not be looked at."""
        most = sorted((self.layers.most(device.capacity) for host in hosts for device in host.lent), reverse=True)
        left = self.layers.count - sum(self.layers.most(device.capacity) for device in self.leader.gpus)
        most = (most + [0] * self.max_devices)[: self.max_devices]
        return [left, *(left - held for held in accumulate(most))]

    # --- Steps ----------------------------------------------------------------------------------------------------

    def _start(self, floor: int) -> Front:
        """Only the leader's CPU: the first 0, 1, 2 … layers, as far as its memory goes, but at least ``floor``."""
        count, leader = self.layers.count, self.leader
        kept = [
            blocks
            for blocks in range(max(0, floor), count + 1)
            if self.layers.leader_bytes(blocks) <= leader.cpu.capacity
        ]
        if self.judge.must_spread and len(self.judge.hosts) > 1:
            # With others to share with, the leader keeps a part but not all.
            kept = [blocks for blocks in kept if 0 < blocks < count]
        working = self.judge.working(leader, leader.cpu)
        lanes: dict[str, Lane] = {}
        for blocks in kept:
            lane = lanes.setdefault(LEADER if blocks else PIPELINE, Lane.blank(count))
            seconds = working[blocks]
            cost = seconds**2 if self.judge.must_spread else seconds + self.judge.handover_seconds(blocks)
            lane.put(blocks, cost, (None, blocks, None))
        return Front(lanes)

    def _finish(self, front: Front) -> Layout | None:
        """Add the leader's own GPUs, which come last in the chain, and read off the best complete layout."""
        for device in self.leader.gpus[: self.max_devices]:
            front = front.merge(self._with_device(front, device, 0))
        chain = front.complete()
        return self.layout_of(chain) if chain else None

    def _with_host(self, front: Front, host: Host, floor: int) -> Front:
        """``front`` followed by at least one of the devices of ``host``, in the order its RPC server lists them, to
        ``floor`` or further."""
        used: Front | None = None
        devices = host.lent
        for device in devices:
            before = front.merge(used) if used else front
            # Between its devices a host may be anywhere.
            ahead = self._with_device(before, device, floor if len(devices) == 1 else 0)
            used = used.merge(ahead) if used else ahead
        return used or front

    def _with_device(self, front: Front, device: Device, floor: int) -> Front:
        """``front`` followed by a segment of at least one layer on ``device``, to ``floor`` or further."""
        step = _even_step if self.judge.must_spread else _linear_step
        working, visit = self.judge.working(self.leader, device), self.judge.visit(self.leader, device)
        lanes: dict[str, Lane] = {}
        for feed, lane in front.lanes.items():
            ahead = Lane.blank(self.layers.count)
            step(lane, ahead, device, self.layers.reaches(device.capacity, feed), working, visit, floor)
            if ahead.high >= 0:
                following = PIPELINE if feed is PIPELINE else DEVICE
                lanes[following] = lanes[following].merge(ahead) if following in lanes else ahead
        return Front(lanes)


def _linear_step(
    lane: Lane, ahead: Lane, device: Device, reaches: list[int], working: list[float], visit: Visit, floor: int
) -> None:
    """Cost of a segment = its work + visit: the least over all first layers from which it fits."""
    costs, chains = lane.costs, lane.chains
    heap: list[tuple[float, int]] = []  # (cost up to first - work up to first, first)
    for end in range(lane.low + 1, len(costs)):
        first = end - 1
        if costs[first] != INFINITE and reaches[first] > first and reaches[first] >= floor:
            heappush(heap, (costs[first] - working[first], first))
        # What does not reach this layer reaches none of the following.
        while heap and reaches[heap[0][1]] < end:
            heappop(heap)
        if heap:
            if end >= floor:
                key, first = heap[0]
                ahead.put(end, key + working[end] + visit.seconds, (device, first, chains[first]))
        elif end > lane.high:
            break
    ahead.costs[-1] += visit.output_seconds - visit.seconds


def _even_step(
    lane: Lane, ahead: Lane, device: Device, reaches: list[int], working: list[float], _visit: Visit, floor: int
) -> None:
    """Cost of a segment = the seconds it works, squared: every first layer is tried."""
    costs, chains = lane.costs, lane.chains
    start = lane.low
    for end in range(lane.low + 1, len(costs)):
        while start < end and reaches[start] < end:
            start += 1
        cost, first = min(
            (
                (costs[first] + (working[end] - working[first]) ** 2, first)
                for first in range(start, min(end, lane.high + 1))
                if reaches[first] >= end
            ),
            default=(INFINITE, 0),
        )
        if cost != INFINITE and end >= floor:
            ahead.put(end, cost, (device, first, chains[first]))
