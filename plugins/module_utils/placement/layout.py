# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layout, the shape of a plan before its bytes are written out, and what a layout costs."""

from __future__ import annotations

from dataclasses import dataclass

from .cost import HANDOVER_SECONDS, RPC_EFFICIENCY, RPC_PROMPT_EFFICIENCY

# Seconds that differ by less are equal: floating point, not speed.
DIGITS = 12


@dataclass(frozen=True)
class Segment:
    """Layers ``first`` up to, not including, ``end`` on a device."""

    device: object
    first: int
    end: int


@dataclass(frozen=True)
class Layout:
    """A leader, the layers its CPU keeps, and the segments after them, in chain order."""

    leader: object
    leader_blocks: int
    segments: tuple

    @property
    def worker_names(self) -> list:
        """The hosts behind RPC, in order, each once."""
        names = [segment.device.host for segment in self.segments if segment.device.host != self.leader.name]
        return list(dict.fromkeys(names))


class Judge:
    """Judges layouts of ``layers`` over ``hosts``; ``must_spread`` says that all take part, whatever it costs."""

    def __init__(self, layers, hosts, must_spread=False):
        self.layers = layers
        self.hosts = {host.name: host for host in hosts}
        self.must_spread = must_spread
        self._visits = {}

    def seconds(self, layout) -> float:
        """Predicted seconds of one token."""
        visits = [(self.visit(layout.leader, segment.device), segment.end) for segment in layout.segments]
        return (
            sum(self._reading_seconds(layout))
            + self.handover_seconds(layout.leader_blocks)
            + sum(visit.output_seconds if end == self.layers.count else visit.seconds for visit, end in visits)
        )

    def handover_seconds(self, leader_blocks) -> float:
        """What it costs that the leader's CPU holds a part of the layers and not all."""
        return HANDOVER_SECONDS if 0 < leader_blocks < self.layers.count else 0.0

    def score(self, layout) -> tuple:
        """What is minimised: the seconds of a token.

        When every host must take part, first the sum of the squared seconds that each reads: it is least when all work
        equally long.
        """
        seconds = round(self.seconds(layout), DIGITS)
        if not self.must_spread:
            return (seconds,)
        return (round(sum(part * part for part in self._reading_seconds(layout)), DIGITS), seconds)

    def _reading_seconds(self, layout):
        """Seconds of one token on the leader's CPU and then in each segment, without the visits."""
        read = self.layers.read
        yield read[layout.leader_blocks] * layout.leader.cpu.seconds_per_byte
        for segment in layout.segments:
            yield (read[segment.end] - read[segment.first]) * self.per_byte(layout.leader, segment.device)

    def prompt_seconds(self, layout) -> float:
        """Predicted seconds of one batch of a prompt. Devices work one after the other: RPC has no pipeline."""
        operations, tokens = self.layers.operations, self.layers.work.batch_tokens
        total = operations[layout.leader_blocks] * tokens * layout.leader.cpu.seconds_per_operation
        for segment in layout.segments:
            visit = self.visit(layout.leader, segment.device)
            held = operations[segment.end] - operations[segment.first]
            total += held * tokens * self._per_operation(layout.leader, segment.device)
            total += visit.prompt_output_seconds if segment.end == self.layers.count else visit.prompt_seconds
        return total

    def per_byte(self, leader, device) -> float:
        """Seconds for a byte read while generating, seen from a leader."""
        return device.seconds_per_byte / (RPC_EFFICIENCY if self._is_slowed(leader, device) else 1)

    def _per_operation(self, leader, device):
        return device.seconds_per_operation / (RPC_PROMPT_EFFICIENCY if self._is_slowed(leader, device) else 1)

    @staticmethod
    def _is_slowed(leader, device):
        return device.host != leader.name and not device.is_gpu

    def visit(self, leader, device):
        key = (leader.name, device.host)
        if key not in self._visits:
            worker = self.hosts[device.host]
            self._visits[key] = (
                self.layers.work.local_visit()
                if worker is leader
                else self.layers.work.remote_visit(
                    min(leader.link_bytes_per_second, worker.link_bytes_per_second),
                    max(leader.round_trip_seconds, worker.round_trip_seconds),
                )
            )
        return self._visits[key]

    def fits(self, layout) -> bool:
        """Whether every part is within its capacity."""
        held = self.layers.leader_bytes(layout.leader_blocks, len(layout.segments))
        return held <= layout.leader.cpu.capacity and all(
            self.layers.device_bytes(segment.first, segment.end, layout.leader_blocks) <= segment.device.capacity
            for segment in layout.segments
        )
