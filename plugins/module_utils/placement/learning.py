# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What measured layouts teach of the devices in them: by which factor the planner is off for each.

The planner's model of a request is linear in the seconds that a device takes for a byte and for an operation: a layout
takes ``fixed + sum(factor[d] * work[d])`` seconds, where ``fixed`` are visits and the handover, ``work[d]`` is what
device ``d`` works by ``cost.py``, and all factors are 1 while nothing is known. So every measured layout is a linear
equation in the factors, one of generating and one of reading a prompt.

There are fewer layouts than devices, and they are measured with noise, so the factors are those of greatest posterior
probability: linear regression with a Gaussian prior (C. E. Rasmussen, C. K. I. Williams: Gaussian Processes for Machine
Learning, 2006, equations 2.11 and 2.12). The prior has two parts. What all devices of a kind have in common, such as
how well a quantisation suits CPUs, which ``cost.py`` does not know, may be far off; what one differs in from the others
is less. So a host that was never measured is taken to be off as the measured ones are, and does not look better than
they do for that alone. A factor is from ``LEAST`` to ``MOST``, whatever was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .cost import Work
from .fleet import Device, Host
from .layers import Layers
from .layout import Judge, Layout, Segment
from .measured import same_cluster
from .problem import Problem
from .request import ONE_TOKEN, Request

LEAST, MOST = 0.5, 2.0
# Standard deviations. Of a measurement of a few tokens, as a share of it, and of what ``cost.py`` says of visits and
# the handover, as a share of these: where they are most of the time, a layout tells little of its devices.
NOISE, FIXED_NOISE = 0.05, 0.3
# Of what the factors of all devices of a kind have in common, and of what is one device's own. They are so far apart
# that of two equal hosts, of which one was measured and found to be slow, the other does not look faster by as much as
# a running plan would be given up for (``given.KEPT_WITHIN``).
COMMON, OWN = 3.0, 0.75
# A factor that is nearer to 1 is not told of.
TOLD = 0.05

Key = tuple[str, str]  # host and id of a device


@dataclass(frozen=True)
class Equation:
    """``fixed + sum(factor * work)`` is what ``measured`` seconds say, over the devices of ``work``."""

    fixed: float
    work: Mapping[Key, float]
    measured: float


@dataclass(frozen=True)
class Learned:
    """By device the factors of ``reading`` (generation) and ``computing`` (prompts), and which devices were in what was
    ``measured``; ``starts``: how often each layout was started, by what a layout is told apart by (``identity``)."""

    reading: Mapping[Key, float]
    computing: Mapping[Key, float]
    measured: frozenset[Key]
    starts: Mapping[object, int]

    def host(self, host: Host) -> Host:
        """The host with the speeds that its devices have by what was measured."""
        return _changed(host, self._device)

    def layout(self, layout: Layout) -> Layout:
        """The layout on such hosts."""
        return _on(layout, self._device)

    def _device(self, device: Device) -> Device:
        key = (device.host, device.id)
        return replace(
            device,
            seconds_per_byte=device.seconds_per_byte * self.reading.get(key, 1.0),
            seconds_per_operation=device.seconds_per_operation * self.computing.get(key, 1.0),
            unmeasured="" if key in self.measured else device.unmeasured,
            unmeasured_prompts="" if key in self.measured else device.unmeasured_prompts,
        )

    def reasons(self, layout: Layout) -> list[str]:
        """A sentence for each device that holds layers of ``layout`` and is planned with at another speed than by its
        tally, since that was measured."""
        used = [layout.leader.cpu] if layout.leader_blocks else []
        keys = dict.fromkeys((one.host, one.id) for one in [*used, *(part.device for part in layout.segments)])
        return [self._reason(key) for key in keys if self._is_told(key)]

    def _is_told(self, key: Key) -> bool:
        return any(abs(factors.get(key, 1.0) - 1) >= TOLD for factors in (self.reading, self.computing))

    def _reason(self, key: Key) -> str:
        host, device = key
        reading, computing = (factors.get(key, 1.0) for factors in (self.reading, self.computing))
        source = "was measured" if key in self.measured else "was measured of the others"
        return (
            f"{device} of {host} is planned with {reading:.2f} times the seconds for an answer and {computing:.2f} "
            f"times those for a prompt that its tally says, since that {source}."
        )


NOTHING = Learned({}, {}, frozenset(), {})


def learn(
    speeds: EmptyContext, runs: Iterable[dict[str, Any]], build: str | None, machines: Mapping[str, Any]
) -> Learned:
    """What ``runs`` (of the document ``measured``) teach of the devices in ``speeds``, whose hosts are as tallies say.
    Only those of this model, ``build`` and hardware count (see ``measured.machines_of``), and of the starts of a layout
    the fastest: load by others only slows down."""
    found: dict[object, list[tuple[Layout, dict[str, Any]]]] = {}
    for run in runs:
        layout = speeds.layout(run["layout"]) if same_cluster(run, speeds.model, build, machines) else None
        if layout:
            found.setdefault(identity(layout), []).append((layout, run))
    generating, prompts = [], []
    for starts in found.values():
        layout = starts[0][0]
        seconds = min(1 / run["measured"]["tokens_per_second"] for _layout, run in starts)
        generating.append(speeds.equation(layout, ONE_TOKEN, seconds))
        run = max((run for _layout, run in starts), key=lambda one: float(one["measured"]["prompt_tokens_per_second"]))
        seconds = run["prompt_tokens"] / run["measured"]["prompt_tokens_per_second"]
        prompts.append(speeds.equation(layout, speeds.prompt(run["prompt_tokens"]), seconds))
    devices = {(one.host, one.id): one.is_gpu for host in speeds.hosts.values() for one in (host.cpu, *host.gpus)}
    worked = frozenset(key for equation in generating for key, work in equation.work.items() if work > 0)
    counts = {name: len(starts) for name, starts in found.items()}
    return Learned(fitted(generating, devices), fitted(prompts, devices), worked, counts) if found else NOTHING


def identity(layout: Layout) -> object:
    """What a layout is told apart by: which device holds which layers."""
    parts = tuple((part.device.host, part.device.id, part.first, part.end, part.kept) for part in layout.segments)
    return (layout.leader.name, layout.leader_blocks, parts)


class EmptyContext:
    """How long requests take on the hosts of ``problem`` while next to nothing is in the context, as when a start is
    measured: plans are made for a context that is half full."""

    def __init__(self, problem: Problem) -> None:
        memory, self.model = problem.layers.memory, problem.model
        self.layers = Layers(memory, Work(problem.model, memory, problem.settings, filled=0.0))
        self.hosts = {host.name: host for host in problem.fleet}
        self.judge = Judge(self.layers, problem.fleet, problem.policy.request)

    def prompt(self, tokens: int) -> Request:
        """A prompt of that many tokens, without an answer."""
        return Request.of(tokens, 0, self.layers.work.batch_tokens)

    def layout(self, told: Mapping[str, Any]) -> Layout | None:
        """The layout of a run; None for one of devices that are not there, or that has other layers than the model."""
        leader = self.hosts.get(told["leader"])
        devices = {(one.host, one.id): one for host in self.hosts.values() for one in (host.cpu, *host.gpus)}
        end, segments = told["leader_layers"], []
        for part in told["devices"]:
            device = devices.get((part["host"], part["id"]))
            whole = part["first"] == 0 and part["end"] == self.layers.count
            if device is None or part["first"] != end or (part["kept"] and not whole) or part["kept"] > part["end"]:
                return None
            segments.append(Segment(device, end, part["end"], part["kept"]))
            end = part["end"]
        if leader is None or end != self.layers.count:
            return None
        return Layout(leader, told["leader_layers"], tuple(segments), told["streams"])

    def equation(self, layout: Layout, request: Request, measured: float) -> Equation:
        """The equation of what a request took."""
        used = [layout.leader.cpu, *(part.device for part in layout.segments)]

        def alone(key: Key | None) -> float:
            """Seconds when no other device takes any time to work."""
            return self.judge.seconds(
                _on(layout, lambda one: one if (one.host, one.id) == key else _idle(one)), request
            )

        fixed = alone(None)
        work = {key: max(0.0, alone(key) - fixed) for key in dict.fromkeys((one.host, one.id) for one in used)}
        return Equation(fixed, work, measured)


def fitted(equations: Sequence[Equation], kinds: Mapping[Key, bool]) -> dict[Key, float]:
    """The factor of each device of ``kinds`` (device -> whether it is a GPU).

    With the prior covariance ``K`` of two devices' factors, rows ``a`` of ``work / measured``, what is left of the
    ratio 1 when all factors are 1, ``r``, and its variance ``N``, they are ``1 + K a' (a K a' + N)^-1 r``.
    """
    rows, rests, variances = [], [], []
    for equation in equations:
        work = math.fsum(equation.work.values())
        if work <= 0:
            continue
        # What asks for a factor out of bounds is told to ask for the bound.
        seconds = min(max(equation.measured, equation.fixed + LEAST * work), equation.fixed + MOST * work)
        rows.append({key: part / seconds for key, part in equation.work.items()})
        rests.append(1 - (equation.fixed + work) / seconds)
        variances.append(NOISE**2 + (FIXED_NOISE * equation.fixed / seconds) ** 2)
    if not rows:
        return {}

    def shared(key: Key, row: Mapping[Key, float]) -> float:
        """The prior covariance of a device's factor with what ``row`` says."""
        return math.fsum(
            share * ((COMMON**2 if kinds[key] == kinds[other] else 0.0) + (OWN**2 if key == other else 0.0))
            for other, share in row.items()
        )

    matrix = [
        [
            math.fsum(share * shared(key, other) for key, share in row.items()) + (variance if row is other else 0.0)
            for other in rows
        ]
        for row, variance in zip(rows, variances)
    ]
    weights = _solved(matrix, rests)
    factors = {
        key: 1 + math.fsum(weight * shared(key, row) for weight, row in zip(weights, rows)) for key in sorted(kinds)
    }
    return {key: min(max(factor, LEAST), MOST) for key, factor in factors.items()}


def _solved(matrix: list[list[float]], right: Sequence[float]) -> list[float]:
    """The solution of a symmetric positive definite system, by elimination, which needs no pivots there."""
    rows = [[*row, value] for row, value in zip(matrix, right)]
    count = len(rows)
    for at in range(count):
        for below in range(at + 1, count):
            share = rows[below][at] / rows[at][at]
            rows[below] = [value - share * above for value, above in zip(rows[below], rows[at])]
    found = [0.0] * count
    for at in reversed(range(count)):
        found[at] = (rows[at][-1] - math.fsum(rows[at][n] * found[n] for n in range(at + 1, count))) / rows[at][at]
    return found


def _idle(device: Device) -> Device:
    return replace(device, seconds_per_byte=0.0, seconds_per_operation=0.0)


def _changed(host: Host, change: Callable[[Device], Device]) -> Host:
    return replace(host, cpu=change(host.cpu), gpus=tuple(map(change, host.gpus)))


def _on(layout: Layout, change: Callable[[Device], Device]) -> Layout:
    segments = tuple(replace(part, device=change(part.device)) for part in layout.segments)
    return replace(layout, leader=_changed(layout.leader, change), segments=segments)
