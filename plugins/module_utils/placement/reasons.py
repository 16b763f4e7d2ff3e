# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a plan is as it is: why this leader, why this many hosts, and what for."""

from __future__ import annotations

from collections.abc import Iterator

from ..text import counted, size_text
from .fleet import Host
from .layout import Layout
from .problem import Problem

# Two hosts whose memory and speed differ by less are equals to a reader.
TWINS_WITHIN = 0.05


def choice_reasons(problem: Problem, layouts: list[Layout], layout: Layout) -> Iterator[str]:
    """Why ``layout``, of all ``layouts``, the fastest first."""
    slot, trained = problem.settings.slot_context, problem.model["context_length"]
    if 0 < trained < slot:
        yield (
            f"Each slot gets {slot} tokens of context but the model was trained for {trained}: llama-server will not "
            f"use more, so set context_size to {trained * problem.settings.parallel} and save the memory."
        )
    judge, leader = problem.judge, layout.leader.name
    yield from _why_leader(problem, layouts, layout)
    alone = [
        host.name for host in problem.leaders if problem.layers.leader_bytes(problem.layers.count) <= host.cpu.capacity
    ]
    fastest = layouts[0]
    if not layout.worker_names:
        yield f"The model fits on {leader} alone, and every hop over the network would make it slower."
    elif judge.must_spread:
        yield "Every host takes part because spread is all; all work about equally long."
        if alone:
            yield f"The model would fit on {alone[0]} alone, which is what spread: auto would choose from."
    elif alone:
        yield f"The model would fit on {alone[0]} alone, but is faster like this."
    yield from _why_experts_apart(problem, layout)
    fewer = len(fastest.worker_names) - len(layout.worker_names)
    if not judge.must_spread and fewer > 0:
        yield f"With {counted(fewer, 'machine')} more it would be {_speed(problem, fastest)}, which is not worth it."


def _why_experts_apart(problem: Problem, layout: Layout) -> Iterator[str]:
    for segment in layout.segments:
        if segment.kept:
            gpu, model = segment.device.id, problem.model
            used = model["expert_used_count"]
            used = max(used) if isinstance(used, list) else used
            size = size_text(problem.layers.experts[segment.kept])
            then = (
                f"for prompts they are sent to {gpu}, at a rate that is a guess"
                if layout.streams
                else f"it computes them for prompts, too, since {gpu} has no room left for one"
            )
            yield (
                f"{gpu} of {layout.leader.name} is too small for the model, so its CPU keeps the experts of "
                f"{counted(segment.kept, 'block')} ({size}), of which a token reads {used} of {model['expert_count']}; "
                f"{then}."
            )


def unmeasured_speeds(layout: Layout) -> list[str]:
    """Of which GPUs that hold layers the speed, and with it the prediction, rests on no measurement."""
    devices = [segment.device for segment in layout.segments]
    found = [f"The speed of {one.id} on {one.host} {one.unmeasured}." for one in devices if one.unmeasured]
    sources = [f"{one.id} on {one.host} ({one.unmeasured_prompts})" for one in devices if one.unmeasured_prompts]
    return [*found, *([f"How fast prompts are read was not measured: {', '.join(sources)}."] if sources else [])]


def why_spare(problem: Problem, layouts: list[Layout], layout: Layout) -> dict[str, str]:
    """The hosts that hold nothing, each with the reason."""
    used = {layout.leader.name, *layout.worker_names}
    useful = {layouts[0].leader.name, *layouts[0].worker_names} if layouts else set()
    idle = {host.name: host.name in useful for host in problem.takers if host.name not in used}
    gained = 1 - problem.judge.seconds(layouts[0]) / problem.judge.seconds(layout) if layouts else 0.0
    return {
        **problem.spare,
        **{
            name: f"not needed: with it the request would take {gained * 100:.1f} % less time, which is not worth it"
            if helps
            else "not needed: the plan is faster without it"
            for name, helps in idle.items()
        },
    }


def _why_leader(problem: Problem, layouts: list[Layout], layout: Layout) -> Iterator[str]:
    """Against whom a reader would have thought of: the fastest and the largest host, and no twin of the leader."""
    leader = layout.leader.name
    if problem.policy.leader:
        yield f"{leader} leads because it is pinned."
        return
    hosts = {host.name: host for host in problem.takers}
    able = {host.name for host in problem.leaders}
    others = [host for name, host in hosts.items() if name in able and not _twins(host, hosts[leader])]
    if not others:
        if len(able) > 1:
            yield f"{leader} leads: it is the first by name among its equals."
        return
    fastest = min(others, key=lambda host: (_seconds_per_byte(host), host.name))
    largest = min(others, key=lambda host: (-_memory(host), host.name))
    told: list[Host] = []
    texts = [f"{leader} leads: {_speed(problem, layout)}"]
    for host, what in ((fastest, "the fastest"), (largest, "the largest")):
        other = next((one for one in layouts if one.leader.name == host.name), None) or problem.best_under(host.name)
        if other and not any(_twins(host, before) for before in told):
            told.append(host)
            which = what if _leads_in(host, hosts[leader], what) else f"{what} of the others"
            texts.append(f"led by {host.name}, {which}, it would be {_speed(problem, other)}")
    yield "; ".join(texts) + "."


def _leads_in(host: Host, leader: Host, what: str) -> bool:
    if what == "the fastest":
        return _seconds_per_byte(host) < _seconds_per_byte(leader)
    return _memory(host) > _memory(leader)


def _twins(one: Host, other: Host) -> bool:
    def near(this: float, that: float) -> bool:
        return abs(this - that) <= TWINS_WITHIN * max(this, that)

    return near(_memory(one), _memory(other)) and near(_seconds_per_byte(one), _seconds_per_byte(other))


def _memory(host: Host) -> int:
    return host.cpu.usable_bytes + sum(gpu.usable_bytes for gpu in host.gpus if not gpu.unified)


def _seconds_per_byte(host: Host) -> float:
    return min(device.seconds_per_byte for device in (host.cpu, *host.gpus))


def _speed(problem: Problem, layout: Layout) -> str:
    judge = problem.judge
    return (
        f"{judge.tokens_per_second(layout):.2f} tokens/s generated and {judge.prompt_tokens_per_second(layout):.1f} "
        "of prompt"
    )
