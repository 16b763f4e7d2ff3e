# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layout, the shape of a plan before its bytes are written out, and what a layout costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .cost import (
    HANDOVER_SECONDS,
    LOCAL_VISIT_SECONDS,
    RPC_EFFICIENCY,
    RPC_PROMPT_EFFICIENCY,
    STREAMED_BYTES_PER_SECOND,
    Visit,
)
from .fleet import Device, Host
from .layers import Layers
from .request import ONE_TOKEN, Request


@dataclass(frozen=True)
class Segment:
    """Layers ``first`` up to, not including, ``end`` on a device; of the first ``kept`` of them the leader's CPU keeps
    the experts, where these are all layers (see experts.py)."""

    device: Device
    first: int
    end: int
    kept: int = 0


@dataclass(frozen=True)
class Layout:
    """A leader, the layers its CPU keeps, and the segments after them, in chain order; ``streams``: for a prompt, its
    GPU may be sent weights that its CPU keeps (see ``Judge.streaming``)."""

    leader: Host
    leader_blocks: int
    segments: tuple[Segment, ...]
    streams: bool = False

    @property
    def worker_names(self) -> list[str]:
        """The hosts behind RPC, in order, each once."""
        names = [segment.device.host for segment in self.segments if segment.device.host != self.leader.name]
        return list(dict.fromkeys(names))


class Judge:
    """Judges layouts of ``layers`` over ``hosts`` by the time of ``request``; ``must_spread`` says that all take part,
    whatever it costs."""

    def __init__(self, layers: Layers, hosts: Iterable[Host], request: Request, must_spread: bool = False) -> None:
        self.layers = layers
        self.hosts = {host.name: host for host in hosts}
        self.request = request
        self.must_spread = must_spread
        self._visits: dict[tuple[str, str, Request], Visit] = {}
        self._working: dict[tuple[float, float], list[float]] = {}

    def seconds(self, layout: Layout, request: Request | None = None) -> float:
        """Predicted seconds of a request, by default of the one that is judged by. Devices work one after the other:
        RPC has no pipeline."""
        request = request or self.request
        visits = [(self.visit(layout.leader, segment.device, request), segment.end) for segment in layout.segments]
        # fsum and not sum, which rounds otherwise from Python 3.12 on: hosts and controller would plan differently.
        return (
            math.fsum(self._parts(layout, request))
            + self.handover_seconds(layout.leader_blocks, request)
            + math.fsum(visit.output_seconds if end == self.layers.count else visit.seconds for visit, end in visits)
        )

    def tokens_per_second(self, layout: Layout) -> float:
        """The predicted rate at which one slot generates."""
        return 1 / self.seconds(layout, ONE_TOKEN)

    def prompt_tokens_per_second(self, layout: Layout) -> float:
        """The predicted rate at which a long prompt is read."""
        batch = self.layers.work.batch_tokens
        return batch / self.seconds(layout, Request(batch, 1, 0))

    def handover_seconds(self, leader_blocks: int, request: Request | None = None) -> float:
        """What it costs that the leader's CPU holds a part of the layers and not all."""
        seconds = HANDOVER_SECONDS * (request or self.request).answer_tokens
        return seconds if 0 < leader_blocks < self.layers.count else 0.0

    def score(self, layout: Layout) -> tuple[float, ...]:
        """What is minimised: the seconds of the request.

        When every host must take part, first the sum of the squared seconds that each works: it is least when all work
        equally long.
        """
        seconds = _rounded(self.seconds(layout))
        if not self.must_spread:
            return (seconds,)
        return (_rounded(math.fsum(part * part for part in self._parts(layout, self.request))), seconds)

    def _parts(self, layout: Layout, request: Request) -> Iterator[float]:
        """Seconds that the leader's CPU and then each segment work, without the visits."""
        read, operations = self.layers.read, self.layers.operations
        yield from (seconds for one in layout.segments if one.kept for seconds in self._apart(layout, one, request))
        kept, leader = layout.leader_blocks, layout.leader
        for device, first, end in [
            (leader.cpu, 0, kept),
            *((one.device, one.first, one.end) for one in layout.segments),
        ]:
            per_byte, per_operation = self._rates(leader, device, request)
            yield (read[end] - read[first]) * per_byte + (operations[end] - operations[first]) * per_operation

    def _apart(self, layout: Layout, segment: Segment, request: Request) -> Iterator[float]:
        """Seconds more that a segment takes for what the leader's CPU keeps of it: that one reads those experts, and
        waits for its GPU at every block; for prompts it computes them, or sends them to the GPU."""
        layers, leader, kept = self.layers, layout.leader, segment.kept
        on_gpu = self._rates(leader, segment.device, request)
        on_cpu = self._rates(leader, leader.cpu, request)
        yield layers.expert_read[kept] * (on_cpu[0] - on_gpu[0])
        yield kept * LOCAL_VISIT_SECONDS * request.passes
        if layout.streams:
            yield layers.experts[kept] / STREAMED_BYTES_PER_SECOND * request.batches
        else:
            yield layers.expert_operations[kept] * (on_cpu[1] - on_gpu[1])

    def streaming(self, layout: Layout) -> Layout:
        """The layout, with the weights that its leader's CPU keeps sent to the leader's GPU for prompts where that one
        has the room: llama.cpp sends one tensor at a time, as soon as 32 tokens are computed together."""
        streams = replace(layout, streams=True)
        own = [segment for segment in layout.segments if segment.device.host == layout.leader.name]
        # One that holds the output layer alone has no buffer for a block.
        possible = own and self._kept(layout) and own[0].first < self.layers.count - 1
        return streams if possible and self.fits(streams) else layout

    @staticmethod
    def _kept(layout: Layout) -> int:
        """The first blocks of which the leader's CPU keeps something."""
        return layout.leader_blocks + sum(segment.kept for segment in layout.segments)

    def _held(self, layout: Layout, segment: Segment) -> int:
        """Bytes that a segment takes of its device."""
        held = (
            self.layers.shared_gpu_bytes(segment.kept)
            if segment.kept
            else self.layers.device_bytes(segment.first, segment.end, layout.leader_blocks)
        )
        if layout.streams and segment.device.host == layout.leader.name:
            held += self.layers.memory.streamed_bytes(self._kept(layout))
        return held

    def working(self, leader: Host, device: Device) -> list[float]:
        """For every number of layers, from none to all, the seconds that the first so many of them take on a device."""
        rates = self._rates(leader, device, self.request)
        if rates not in self._working:
            per_byte, per_operation = rates
            self._working[rates] = [
                read * per_byte + operations * per_operation
                for read, operations in zip(self.layers.read, self.layers.operations)
            ]
        return self._working[rates]

    @staticmethod
    def _rates(leader: Host, device: Device, request: Request) -> tuple[float, float]:
        """Seconds of a request for a byte that a token reads, and for an operation that a token takes.

        While generating, reading is what takes time; in a prompt, whose tokens share what is read, arithmetic is.
        """
        slowed = device.host != leader.name and not device.is_gpu
        reading = device.seconds_per_byte / (RPC_EFFICIENCY if slowed else 1)
        computing = device.seconds_per_operation / (RPC_PROMPT_EFFICIENCY if slowed else 1)
        return reading * request.answer_tokens, computing * request.prompt_tokens

    def visit(self, leader: Host, device: Device, request: Request | None = None) -> Visit:
        """The visits of a request to a device, seen from a leader."""
        request = request or self.request
        key = (leader.name, device.host, request)
        if key not in self._visits:
            worker = self.hosts[device.host]
            self._visits[key] = (
                self.layers.work.local_visit(request)
                if worker.name == leader.name
                else self.layers.work.remote_visit(
                    min(leader.link_bytes_per_second, worker.link_bytes_per_second),
                    max(leader.round_trip_seconds, worker.round_trip_seconds),
                    request,
                )
            )
        return self._visits[key]

    def sent_bytes(self, layout: Layout) -> int:
        """Weights that the leader sends to workers at a start, when they have kept nothing."""
        return sum(
            self.layers.memory.device_weight_bytes(segment.first, segment.end - segment.first)
            for segment in layout.segments
            if segment.device.host != layout.leader.name
        )

    def cacheable_bytes(self, layout: Layout) -> int:
        """Those of the weights that workers keep, so that another start does not send them."""
        return sum(
            self.layers.memory.device_cacheable_bytes(segment.first, segment.end - segment.first)
            for segment in layout.segments
            if segment.device.host != layout.leader.name
        )

    def fits(self, layout: Layout) -> bool:
        """Whether every part is within its capacity."""
        kept = sum(segment.kept for segment in layout.segments)
        held = (
            self.layers.shared_leader_bytes(kept)
            if kept
            else self.layers.leader_bytes(layout.leader_blocks, len(layout.segments))
        )
        return held <= layout.leader.cpu.capacity and all(
            self._held(layout, segment) <= segment.device.capacity for segment in layout.segments
        )


def _rounded(seconds: float) -> float:
    """Seconds that differ by less are equal: floating point, not speed."""
    return float(f"{seconds:.11g}")
