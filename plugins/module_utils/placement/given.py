# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layouts that are given rather than found: a user's own split, and the plan that is running."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import DroverError
from .document import model_of
from .fleet import Device, Host
from .layers import Layers
from .layout import Layout, Segment
from .problem import Problem, named

# A running plan is kept while the best one is not faster by more than this: moving weights costs, too.
KEPT_WITHIN = 0.05


def split_layouts(problem: Problem, split: dict[str, int]) -> list[Layout]:
    """The layouts that give every host of ``split`` its number of layers, one for each possible leader, whether or not
    they fit.

    The leader keeps the first layers, as many as possible of the last of its share on its GPUs, and the other hosts
    follow in the order of ``split``. A name may be of one device that a worker lends (``box/CUDA0``); else each of its
    devices takes what it can, in its order. Raises ``DroverError`` for unknown hosts and devices and numbers that do
    not add up.
    """
    for name in split:
        host, _slash, device = name.partition("/")
        found = named(problem.fleet, host, "The split's host")
        if found.excluded:
            raise DroverError(f"The split gives layers to {name}, which is left out ({found.excluded}): change either.")
        if device and device not in found.lends:
            raise DroverError(
                f"The split gives layers to {name}, and {host} lends {', '.join(found.lends)}: name one of these."
            )
    count = problem.layers.count
    if sum(split.values()) != count:
        raise DroverError(
            f"The split adds up to {sum(split.values())} layers but the model has {count} ({count - 1} blocks and the "
            "output layer): make the numbers add up."
        )
    hosts = {host.name: host for host in problem.fleet}
    workers = [
        (hosts[name.partition("/")[0]], name.partition("/")[2], layers) for name, layers in split.items() if layers
    ]
    return [
        layout
        for leader in problem.leaders
        # A device is one that a worker lends.
        if not any(device for host, device, _layers in workers if host.name == leader.name)
        for on_gpus in range(split.get(leader.name, 0) + 1 if leader.gpus else 1)
        for layout in [_split_layout(problem, leader, split.get(leader.name, 0) - on_gpus, workers, on_gpus)]
        if _device_count(problem, layout) <= problem.max_devices
    ]


def _split_layout(
    problem: Problem, leader: Host, on_cpu: int, workers: Iterable[tuple[Host, str, int]], on_gpus: int
) -> Layout:
    segments: list[Segment] = []
    end = on_cpu
    for host, device, layers in workers:
        if host.name != leader.name:
            lent = [one for one in host.lent if device in ("", one.id)]
            segments += _fill(problem.layers, lent, end, layers, on_cpu)
            end += layers
    segments += _fill(problem.layers, leader.gpus, end, on_gpus, on_cpu)
    return Layout(leader, on_cpu, tuple(segments))


def _fill(layers: Layers, devices: Sequence[Device], first: int, count: int, leader_blocks: int) -> list[Segment]:
    """``count`` layers over the devices of one host, each as far as it goes and the last one with the rest."""
    segments, end = [], first + count
    for device in devices if count else ():
        reached = end if device is devices[-1] else min(end, layers.reach(device.capacity, first, leader_blocks))
        if reached > first:
            segments.append(Segment(device, first, reached))
            first = reached
    return segments


def kept_layout(
    problem: Problem, running: Sequence[dict[str, Any]], best: Layout | None
) -> tuple[Layout | None, str | None]:
    """The layout of the running plan, if it is still possible and nearly as good as ``best``, else why not.

    ``running`` are the plans that were found on hosts, of leaders before, too; the one that is best now counts. Returns
    ``(layout, reason)``, either of which may be ``None``.
    """
    if not running:
        return None, None
    mine = [plan for plan in running if plan["model"] == model_of(problem.model)]
    if not mine:
        return None, "The running plan is not kept: it is for another model."
    layouts = [layout for plan in mine for layout in _read_layouts(problem, plan)]
    if not layouts:
        return None, "The running plan is not kept: it is for hosts or devices that are not there any more."
    layouts = sorted(filter(problem.judge.fits, layouts), key=problem.search.rank)
    if not layouts:
        return None, "The running plan is not kept: it does not fit any more."
    layout = layouts[0]
    if best is None or layout == best:
        return layout, None
    # The time of the request alone: how evenly hosts work when all must differs with every measurement of their speed.
    if problem.judge.score(layout)[-1] > problem.judge.score(best)[-1] * (1 + KEPT_WITHIN):
        return None, "The running plan is not kept: another one is better by more than 5 %."
    return layout, "The running plan is kept: it still fits and is within 5 % of the best."


def _read_layouts(problem: Problem, previous: dict[str, Any]) -> list[Layout]:
    """The layout of a plan, for each way in which its leader can lead."""
    leaders = [host for host in problem.leaders if host.name == previous["leader"]]
    return [layout for layout in (_read_layout(problem, previous, leader) for leader in leaders) if layout]


def _read_layout(problem: Problem, previous: dict[str, Any], leader: Host) -> Layout | None:
    takers = {host.name: host for host in problem.takers}
    try:
        blocks = end = previous["leader_blocks"] + (1 if previous["host"]["holds_output"] else 0)
        segments = []
        for device in previous["devices"]:
            host = takers[device["host"]]
            parts = leader.gpus if host.name == leader.name else host.lent
            part = {one.id: one for one in parts}[device["id"]]
            count = device["block_count"] + (1 if device["holds_output"] else 0)
            kept = device.get("experts_on_cpu", 0)
            if device["first_block"] != end or count < 1 or (kept and count < problem.layers.count):
                return None
            segments.append(Segment(part, end, end + count, kept))
            end += count
    except (KeyError, TypeError):
        return None
    told = [device.get("streams") for device in previous["devices"] if device["host"] == leader.name]
    layout = Layout(leader, blocks, tuple(segments), any(told))
    if end != problem.layers.count or not 0 <= blocks <= end or _device_count(problem, layout) > problem.max_devices:
        return None
    if problem.judge.must_spread and {leader.name, *layout.worker_names} != set(takers):
        return None
    # A plan that an earlier version wrote does not say it.
    return problem.judge.streaming(layout) if None in told else layout


def _device_count(problem: Problem, layout: Layout) -> int:
    hosts = {host.name: host for host in problem.fleet}
    return sum(len(hosts[name].lent) for name in layout.worker_names) + len(layout.leader.gpus)
