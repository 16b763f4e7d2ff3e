# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of a model as the search sees them: prefix sums of what they hold and read, and what fits where."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate


class Layers:
    """``count`` layers: the blocks and, last, the output layer.

    ``read[n]`` is the bytes that one token reads in the first ``n`` layers, ``operations[n]`` its arithmetic.
    """

    def __init__(self, memory, work):
        self.memory = memory
        self.work = work
        self.count = len(memory.layer_weight_bytes)
        self.kv = [0, *accumulate(memory.layer_kv_bytes)]
        self.read = [0, *accumulate(work.read_bytes)]
        self.operations = [0, *accumulate(work.operations)]
        self._device_bytes = {}
        self._starts = {}
        self._leader_bytes = [memory.host_bytes(blocks).total_bytes for blocks in range(self.count + 1)]

    def device_bytes(self, first: int, end: int) -> int:
        """Bytes on a device that holds the layers from ``first`` up to, not including, ``end``: never too few."""
        key = (first, end)
        if key not in self._device_bytes:
            count = end - first
            working = self.kv[end] - self.kv[first] + self.memory.device_compute_bytes(first, count)
            loading = self.memory.device_loading_bytes(first, count)
            # Loading comes before working: the most is held in one or in the other.
            self._device_bytes[key] = self.memory.device_weight_bytes(first, count) + max(working, loading)
        return self._device_bytes[key]

    def leader_bytes(self, blocks: int) -> int:
        """Bytes on the leader's CPU when it keeps the first ``blocks`` layers."""
        return self._leader_bytes[blocks]

    def leader_limit(self, capacity: int) -> int:
        """The most layers that the leader's CPU can keep; -1 if it cannot even hold the token embedding."""
        return max((blocks for blocks, held in enumerate(self._leader_bytes) if held <= capacity), default=-1)

    def starts(self, capacity: int) -> list:
        """For every ``end``, the first layer from which a segment up to ``end`` fits into ``capacity`` bytes.

        ``end`` itself where not even one layer fits. One sweep, because a segment needs more bytes the longer it is.
        """
        if capacity not in self._starts:
            starts, first = [0], 0
            for end in range(1, self.count + 1):
                while first < end and self.device_bytes(first, end) > capacity:
                    first += 1
                starts.append(first)
            self._starts[capacity] = starts
        return self._starts[capacity]

    def reach(self, capacity: int, first: int) -> int:
        """The furthest ``end`` of a segment that begins with ``first`` and fits."""
        return max(first, bisect_right(self.starts(capacity), first) - 1)
