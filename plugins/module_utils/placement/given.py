# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layouts that are given rather than found: a user's own split, and the plan that is running."""

from __future__ import annotations

from ..errors import DroverError
from .layout import Layout, Segment
from .problem import named

# A running plan is kept while the best one is not faster by more than this: moving weights costs, too.
KEPT_WITHIN = 0.05


def split_layouts(problem, split: dict) -> list:
    """The layouts that give every host of ``split`` its number of layers, one for each possible leader, whether or not
    they fit.

    The leader keeps the first layers, as many as possible of the last of its share on its GPUs, and the other hosts
    follow in the order of ``split``. Raises ``DroverError`` for unknown hosts and numbers that do not add up.
    """
    if not isinstance(split, dict):
        raise DroverError(f"split is {split!r} but must be a dictionary of layers for each host, such as pi-1: 10.")
    for name, count in split.items():
        if named(problem.fleet, name, "The split's host").excluded:
            raise DroverError(f"The split gives layers to {name}, which is left out: change either.")
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise DroverError(f"The split gives {name} {count!r} layers but needs a whole number from 0 up.")
    count = problem.layers.count
    if sum(split.values()) != count:
        raise DroverError(
            f"The split adds up to {sum(split.values())} layers but the model has {count} ({count - 1} blocks and the "
            "output layer): make the numbers add up."
        )
    hosts = {host.name: host for host in problem.fleet}
    workers = [(hosts[name], layers) for name, layers in split.items() if layers]
    return [
        layout
        for leader in problem.leaders
        for on_gpus in range(split.get(leader.name, 0) + 1 if leader.gpus else 1)
        for layout in [_split_layout(problem, leader, split.get(leader.name, 0) - on_gpus, workers, on_gpus)]
        if _device_count(problem, layout) <= problem.max_devices
    ]


def _split_layout(problem, leader, on_cpu, workers, on_gpus):
    segments, end = [], on_cpu
    for host, layers in workers:
        if host is not leader:
            segments += _fill(problem.layers, host.lent, end, layers, on_cpu)
            end += layers
    segments += _fill(problem.layers, leader.gpus, end, on_gpus, on_cpu)
    return Layout(leader, on_cpu, tuple(segments))


def _fill(layers, devices, first, count, leader_blocks):
    """``count`` layers over the devices of one host, each as far as it goes and the last one with the rest."""
    segments, end = [], first + count
    for device in devices:
        reached = end if device is devices[-1] else min(end, layers.reach(device.capacity, first, leader_blocks))
        if reached > first:
            segments.append(Segment(device, first, reached))
            first = reached
    return segments


def kept_layout(problem, previous, best):
    """The layout of the running plan, if it is still possible and nearly as good as ``best``, else why not.

    ``previous`` is what a plan's file on a host says, so nothing in it is taken for granted. Returns ``(layout,
    reason)``, either of which may be ``None``.
    """
    if not previous or not isinstance(previous, dict) or not previous.get("feasible"):
        return None, None
    layout = _read_layout(problem, previous)
    if layout is None:
        return None, "The running plan is not kept: it is for another model or for hosts that are not there any more."
    if not problem.judge.fits(layout):
        return None, "The running plan is not kept: it does not fit any more."
    if best is None or layout == best:
        return layout, None
    if any(old > new * (1 + KEPT_WITHIN) for old, new in zip(problem.judge.score(layout), problem.judge.score(best))):
        return None, "The running plan is not kept: another one is better by more than 5 %."
    return layout, "The running plan is kept: it still fits and is within 5 % of the best."


def _read_layout(problem, previous):
    try:
        if previous["model"]["block_count"] != problem.layers.count - 1:
            return None
        leader = next(host for host in problem.leaders if host.name == previous["leader"])
        takers = {host.name: host for host in problem.takers}
        end = previous["leader_blocks"]
        if previous["host"]["holds_output"]:
            end += 1
        blocks, segments = end, []
        for device in previous["devices"]:
            host = takers[device["host"]]
            part = (leader.gpus if host is leader else host.lent)[device["device_index"]]
            count = device["block_count"] + (1 if device["holds_output"] else 0)
            if device["first_block"] != end or count < 1:
                return None
            segments.append(Segment(part, end, end + count))
            end += count
    except (KeyError, TypeError, IndexError, StopIteration):
        return None
    layout = Layout(leader, blocks, tuple(segments))
    if end != problem.layers.count or not 0 <= blocks <= end or _device_count(problem, layout) > problem.max_devices:
        return None
    if problem.judge.must_spread and {leader.name, *layout.worker_names} != set(takers):
        return None
    return layout


def _device_count(problem, layout):
    hosts = {host.name: host for host in problem.fleet}
    return sum(len(hosts[name].lent) for name in layout.worker_names) + len(layout.leader.gpus)
