# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes a compute graph takes at its peak, by the rules of ggml's graph allocator.

A tensor is freed after its last use, some operations may write over their input, and what is freed leaves holes that
later tensors fill or do not fill: only playing it through gives llama.cpp's numbers. The rules are those of
ggml/src/ggml-alloc.c: inputs first, then for every node its own memory before that of its sources is released;
best-fitting hole first, else the end.
"""

from __future__ import annotations

ALIGNMENT = 128

# A tensor is known by a number.
Tensor = int


class Graph:
    """Tensors in the order of their computation. A tensor is known by the number that adding it returned."""

    def __init__(self) -> None:
        self._bytes: list[int] = []
        self._sources: list[tuple[Tensor, ...]] = []
        self._in_place: list[bool] = []
        self._kept: list[bool] = []
        self._steps: list[Tensor] = []

    def input(self, size: int, kept: bool = False) -> Tensor:
        """A tensor of ``size`` bytes that is there from the start; a ``kept`` one stays to the end."""
        return self._add(size, (), False, kept)

    def node(self, size: int, *sources: Tensor, in_place: bool = False, kept: bool = False) -> Tensor:
        """The result of an operation on ``sources``; ``in_place`` when it may write over one of the same size."""
        tensor = self._add(size, sources, in_place, kept)
        self._steps.append(tensor)
        return tensor

    def use(self, *sources: Tensor) -> Tensor:
        """An operation whose result has its own memory elsewhere, such as a write into the KV cache."""
        return self.node(0, *sources)

    def _add(self, size: int, sources: tuple[Tensor, ...], in_place: bool, kept: bool) -> Tensor:
        self._bytes.append(-(-size // ALIGNMENT) * ALIGNMENT)
        self._sources.append(sources)
        self._in_place.append(in_place)
        self._kept.append(kept)
        return len(self._bytes) - 1

    def peak_bytes(self) -> int:
        """Bytes of the buffer that the whole graph needs."""
        uses = [0] * len(self._bytes)
        for sources in self._sources:
            for source in sources:
                uses[source] += 1
        space = _Space()
        steps = set(self._steps)
        where = {tensor: space.take(size) for tensor, size in enumerate(self._bytes) if tensor not in steps}
        for tensor in self._steps:
            heir = self._heir_of(tensor, uses, where)
            if heir is not None:
                where[tensor] = where.pop(heir)
            elif self._bytes[tensor]:
                where[tensor] = space.take(self._bytes[tensor])
            for source in self._sources[tensor]:
                uses[source] -= 1
                if not uses[source] and source in where and not self._kept[source]:
                    space.give(where.pop(source), self._bytes[source])
        return space.end

    def _heir_of(self, tensor: Tensor, uses: list[int], where: dict[Tensor, int]) -> Tensor | None:
        """The source whose memory ``tensor`` takes over, if any."""
        if not self._in_place[tensor]:
            return None
        for source in self._sources[tensor]:
            fits = self._bytes[source] == self._bytes[tensor]
            if fits and uses[source] == 1 and source in where and not self._kept[source]:
                return source
        return None


class _Space:
    """One buffer: ``end`` bytes so far, with holes of (offset, size) in order."""

    def __init__(self) -> None:
        self.end = 0
        self._top = 0
        self._holes: list[tuple[int, int]] = []

    def take(self, size: int) -> int:
        fitting = [hole for hole in self._holes if hole[1] >= size]
        if fitting:
            # Of equally good holes upstream takes the last.
            offset, room = min(reversed(fitting), key=lambda hole: hole[1])
            index = self._holes.index((offset, room))
            self._holes[index : index + 1] = [(offset + size, room - size)] if room > size else []
            return offset
        offset = self._top
        self._top += size
        self.end = max(self.end, self._top)
        return offset

    def give(self, offset: int, size: int) -> None:
        self._holes.append((offset, size))
        self._holes.sort()
        merged: list[tuple[int, int]] = []
        for hole in self._holes:
            if merged and merged[-1][0] + merged[-1][1] == hole[0]:
                merged[-1] = (merged[-1][0], merged[-1][1] + hole[1])
            else:
                merged.append(hole)
        # A hole at the end is not a hole.
        if merged[-1][0] + merged[-1][1] == self._top:
            self._top = merged.pop()[0]
        self._holes = merged
