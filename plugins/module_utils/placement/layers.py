# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of a model as the search sees them: prefix sums of what they hold and read, and what fits where."""

from __future__ import annotations

from itertools import accumulate

from ..footprint.model import MemoryModel
from .cost import Work

# What feeds a device decides how large its compute buffer is (MemoryModel.device_compute_bytes): layers on the
# leader's CPU right before it; another device, with layers on the leader's CPU before that; or nothing but devices,
# which then keep several copies of what they are fed.
LEADER, DEVICE, PIPELINE = "leader", "device", "pipeline"
# The first layer that a device can hold that is fed so.
FIRST_LAYER = {LEADER: 1, DEVICE: 2, PIPELINE: 0}


class Layers:
    """``count`` layers: the blocks and, last, the output layer.

    ``read[n]`` is the bytes that one token reads in the first ``n`` layers, ``operations[n]`` its arithmetic;
    ``expert_read`` and ``expert_operations`` are the experts' part of these, ``experts[n]`` the bytes of all experts.
    """

    def __init__(self, memory: MemoryModel, work: Work) -> None:
        self.memory = memory
        self.work = work
        self.count = len(memory.layer_weight_bytes)
        self.kv = [0, *accumulate(memory.layer_kv_bytes)]
        self.read: list[float] = [0, *accumulate(work.read_bytes)]
        self.operations: list[float] = [0, *accumulate(work.operations)]
        self.experts = [0, *accumulate(memory.layer_expert_bytes)]
        self.expert_read: list[float] = [0, *accumulate(work.expert_read_bytes)]
        self.expert_operations: list[float] = [0, *accumulate(work.expert_operations)]
        self._parts: dict[tuple[int, int], tuple[int, int]] = {}
        self._device_bytes: dict[str, dict[tuple[int, int], int]] = {feed: {} for feed in FIRST_LAYER}
        self._reaches: dict[tuple[int, str], list[int]] = {}
        self._most: dict[int, int] = {}
        self._after_leader: dict[tuple[int, int], tuple[int, int]] = {}
        self._leader_bytes = [memory.host_bytes(blocks).total_bytes for blocks in range(self.count + 1)]
        self._idle_leader_bytes = memory.host_bytes(0, device_count=1).total_bytes

    def device_bytes(self, first: int, end: int, leader_blocks: int) -> int:
        """Bytes on a device that holds the layers from ``first`` up to, not including, ``end`` while the leader's CPU
        keeps the first ``leader_blocks``."""
        return self._bytes(first, end, _feed(first, leader_blocks))

    def _bytes(self, first: int, end: int, feed: str) -> int:
        known = self._device_bytes[feed]
        key = (first, end)
        if key not in known:
            if key not in self._parts:
                weights = self.memory.device_weight_bytes(first, end - first)
                loading = weights + self.memory.device_loading_bytes(first, end - first)
                self._parts[key] = (weights + self.kv[end] - self.kv[first], loading)
            held, loading = self._parts[key]
            leader_blocks = {LEADER: first, DEVICE: 1, PIPELINE: 0}[feed]
            # Loading comes before working: the most is held in one or in the other.
            known[key] = max(held + self.memory.device_compute_bytes(first, end - first, leader_blocks), loading)
        return known[key]

    def leader_bytes(self, blocks: int, device_count: int = 2) -> int:
        """Bytes on the leader's CPU when it keeps the first ``blocks`` layers and so many devices hold the others."""
        return self._leader_bytes[blocks] if blocks or device_count > 1 else self._idle_leader_bytes

    def shared_gpu_bytes(self, kept: int) -> int:
        """Bytes on a GPU of the leader that holds all layers but for the experts of the first ``kept`` blocks."""
        # What it computes less is room for what comes from the CPU instead.
        return self.device_bytes(0, self.count, 0) - self.experts[kept]

    def shared_leader_bytes(self, kept: int) -> int:
        """Bytes on the leader's CPU then, which keeps those experts."""
        return self.memory.host_bytes(0, device_count=1, expert_blocks=kept).total_bytes

    def leader_limit(self, capacity: int) -> int:
        """The most layers that the leader's CPU can keep; -1 if it cannot even hold the token embedding."""
        least = 0 if self._idle_leader_bytes <= capacity else -1
        return max((blocks for blocks, held in enumerate(self._leader_bytes) if held <= capacity), default=least)

    def reaches(self, capacity: int, feed: str) -> list[int]:
        """For every ``first``, the furthest ``end`` of a segment that begins there and fits into ``capacity`` bytes.

        ``first`` itself where not even one layer fits, or no device can be fed so. One sweep, because a segment needs
        more bytes the further it goes. A device that holds all layers is no pipeline and not among them: see
        ``fits_alone``.
        """
        key = (capacity, feed)
        if key not in self._reaches:
            least = FIRST_LAYER[feed]
            reaches, end = list(range(min(least, self.count))), 0
            for first in range(least, self.count):
                before = end = max(end, first)
                last = self.count if first else self.count - 1
                while end < last and self._bytes(first, end + 1, feed) <= capacity:
                    end += 1
                if end == before:
                    # It may begin later and not come as far: blocks that read the caches of others get copies of them.
                    while end > first and self._bytes(first, end, feed) > capacity:
                        end -= 1
                reaches.append(end)
            self._reaches[key] = reaches
        return self._reaches[key]

    def reach(self, capacity: int, first: int, leader_blocks: int) -> int:
        """The furthest ``end`` of a segment that begins with ``first`` and fits, under a leader that keeps so many."""
        if not first and self.fits_alone(capacity):
            return self.count
        return self.reaches(capacity, _feed(first, leader_blocks))[first]

    def reach_after_leader(self, capacity: int, kept: int) -> tuple[int, int]:
        """``(first, end)`` of the furthest segment right after the leader's CPU, which can keep up to ``kept`` layers;
        equal if none fits."""
        key = (capacity, kept)
        if key not in self._after_leader:
            reaches = self.reaches(capacity, LEADER)
            ends = [(reaches[first], first) for first in range(1, min(kept, self.count - 1) + 1)]
            end, first = max((one for one in ends if one[0] > one[1]), default=(kept, kept))
            self._after_leader[key] = (first, end)
        return self._after_leader[key]

    def fits_alone(self, capacity: int) -> bool:
        """Whether one device holds all layers."""
        return self.device_bytes(0, self.count, 0) <= capacity

    def most(self, capacity: int) -> int:
        """The most layers that a device can hold, wherever in the chain it is."""
        if capacity not in self._most:
            self._most[capacity] = (
                self.count
                if self.fits_alone(capacity)
                else max(end - first for feed in FIRST_LAYER for first, end in enumerate(self.reaches(capacity, feed)))
            )
        return self._most[capacity]


def _feed(first: int, leader_blocks: int) -> str:
    if not leader_blocks:
        return PIPELINE
    return LEADER if first == leader_blocks else DEVICE
