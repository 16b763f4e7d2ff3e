# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a model and the tallies of the hosts to a plan: who leads, who holds which layers, and why."""

from __future__ import annotations

from ..errors import DroverError
from ..footprint.settings import Settings
from ..text import size_text
from .fleet import read_fleet
from .given import kept_layout, split_layouts
from .plan import feasible_plan, infeasible_plan
from .problem import Problem, named
from .remedies import remedies, shortfall

MAX_DEVICES = 16  # upstream: llama_max_devices and GGML_RPC_MAX_SERVERS
SPREADS = ("auto", "all")
DEFAULT_MARGIN = 0.05
# Of the contract gguf, what the planner itself looks at.
MODEL_FIELDS = (
    "name",
    "quantization",
    "file_bytes",
    "weight_bytes",
    "parameter_count",
    "block_count",
    "context_length",
    "embedding_length",
    "vocab_size",
    "expert_count",
    "expert_used_count",
    "embedding_bytes",
    "output_bytes",
    "blocks",
)


def make_plan(
    model: dict,
    hosts: list,
    leader: str | None = None,
    context_size: int = 4096,
    parallel: int = 1,
    cache_type_k: str = "f16",
    cache_type_v: str = "f16",
    batch_size: int = 2048,
    ubatch_size: int = 512,
    flash_attention: str = "auto",
    max_devices: int = MAX_DEVICES,
    spread: str = "auto",
    split: dict | None = None,
    previous: dict | None = None,
    margin: float = DEFAULT_MARGIN,
    model_host: str | None = None,
) -> dict:
    """Plan ``model`` (contract ``gguf``) onto ``hosts`` (tallies, each with ``exclude`` and ``port`` if set).

    Returns the ``plan`` of the contracts; one that does not fit has ``feasible`` false and says what is missing.
    ``margin`` is the share of each device's usable bytes that stays free. ``model_host`` has the model's file already
    and needs no disk space for it. The same input gives the same plan, in whatever order the hosts come. Raises
    ``DroverError`` for input that cannot be planned with.
    """
    _check(max_devices, spread)
    problem = Problem(
        model=_checked_model(model),
        settings=Settings(context_size, parallel, cache_type_k, cache_type_v, batch_size, ubatch_size, flash_attention),
        fleet=checked_fleet(hosts, margin, leader, model_host),
        leader=leader or None,
        model_host=model_host or None,
        max_devices=max_devices,
        spread="auto" if split else spread,
    )
    if split:
        return _split_plan(problem, split)
    layouts = problem.layouts()
    layout, kept = kept_layout(problem, previous, layouts[0] if layouts else None)
    layout = layout or (layouts[0] if layouts else None)
    if layout is None:
        return _no_plan(problem)
    reasons = [*problem.reasons, *_choice(problem, layouts, layout), *filter(None, [kept])]
    return feasible_plan(problem, layout, _spare(problem, layout), reasons)


def _split_plan(problem, split):
    """The plan of a user's own split, or why it cannot be."""
    layouts = split_layouts(problem, split)
    possible = [layout for layout in layouts if problem.judge.fits(layout)]
    if possible:
        layout = min(possible, key=lambda layout: (problem.judge.score(layout), layout.leader.name))
        return feasible_plan(problem, layout, _spare(problem, layout), [*problem.reasons, "The split is yours."])
    over = [(_overflow(problem, layout), layout) for layout in layouts]
    if not over:
        reason = f"Your split cannot be: no host can lead it within {problem.max_devices} devices."
        return infeasible_plan(problem, problem.spare, [*problem.reasons, reason], 0, [])
    parts, layout = min(over, key=lambda one: (sum(one[0].values()), one[1].leader.name))
    reasons = [
        f"Your split puts {size_text(extra)} too much on {host}, if {layout.leader.name} leads."
        for host, extra in parts.items()
        if extra
    ]
    without = "Leave split away: Drover finds a plan." if problem.fits() else None
    helps = [{"kind": "split", "text": without}] if without else remedies(problem, *shortfall(problem))
    return infeasible_plan(problem, problem.spare, [*problem.reasons, *reasons], sum(parts.values()), helps)


def _overflow(problem, layout):
    """Bytes over its capacity on every host of a layout."""
    leader, layers = layout.leader, problem.layers
    held = layers.leader_bytes(layout.leader_blocks, len(layout.segments))
    over = {leader.name: max(0, held - leader.cpu.capacity)}
    for segment in layout.segments:
        held = layers.device_bytes(segment.first, segment.end, layout.leader_blocks)
        extra = held - segment.device.capacity
        over[segment.device.host] = over.get(segment.device.host, 0) + max(0, extra)
    return over


def _no_plan(problem):
    """The plan that says what is missing, host by host."""
    layers = problem.layers
    if problem.fits():
        reason = "The model fits, but not with a part on every host: some layer is too large for some host."
        return infeasible_plan(problem, problem.spare, [*problem.reasons, reason], 0, remedies(problem, 0, None))
    missing, host = shortfall(problem)
    alone = layers.leader_bytes(layers.count)
    have = sum(one.cpu.capacity + sum(gpu.capacity for gpu in one.gpus) for one in problem.takers)
    reasons = [f"One machine would need {size_text(alone)} for it; the hosts have {size_text(have)} to fill together."]
    reasons += [_could_hold(problem, one) for one in problem.takers]
    if host:
        reasons.append(f"With {size_text(missing)} more on {host} it would fit.")
    elif not problem.leaders:
        reasons.append("No host can lead.")
    return infeasible_plan(
        problem, problem.spare, [*problem.reasons, *reasons], missing, remedies(problem, missing, host)
    )


def _could_hold(problem, host):
    layers = problem.layers
    most = max(layers.most(device.capacity) for device in host.lent)
    usable = sum(device.usable_bytes for device in host.lent)
    return f"{host.name} lends {size_text(usable)}: at most {most} of the {layers.count} layers."


def _spare(problem, layout):
    idle = {host.name for host in problem.takers} - {layout.leader.name, *layout.worker_names}
    return {**problem.spare, **dict.fromkeys(idle, "not needed: the plan is faster without it")}


def _choice(problem, layouts, layout):
    """Why this leader, and why this many hosts."""
    slot, trained = problem.settings.slot_context, problem.model["context_length"]
    if 0 < trained < slot:
        yield (
            f"Each slot gets {slot} tokens of context but the model was trained for {trained}: llama-server will not "
            f"use more, so set context_size to {trained * problem.settings.parallel} and save the memory."
        )
    judge, leader = problem.judge, layout.leader.name
    others = [one for one in layouts if one.leader.name != leader]
    if problem.pinned:
        yield f"{leader} leads because it is pinned."
    elif others:
        yield (
            f"{leader} leads: {_rate(judge, layout)}; with {others[0].leader.name} in the lead it would be "
            f"{_rate(judge, others[0])}."
        )
    alone = [
        host.name for host in problem.leaders if problem.layers.leader_bytes(problem.layers.count) <= host.cpu.capacity
    ]
    if not layout.worker_names:
        yield f"The model fits on {leader} alone, and every hop over the network would make it slower."
    elif judge.must_spread:
        yield "Every host takes part because spread is all; all read about equally long."
        if alone:
            yield f"The model would fit on {alone[0]} alone, which is what spread: auto would choose from."
    elif alone:
        yield f"The model would fit on {alone[0]} alone, but is faster like this."


def _rate(judge, layout):
    return f"{1 / judge.seconds(layout):.2f} tokens/s"


def _checked_model(model):
    missing = [key for key in MODEL_FIELDS if not isinstance(model, dict) or key not in model]
    if missing:
        raise DroverError(f"The model has no {', '.join(missing)}: give what gguf_info returned as gguf.")
    return model


def checked_fleet(hosts, margin, leader=None, model_host=None) -> list:
    """The fleet of ``hosts`` (see ``fleet.read_fleet``), in which ``leader`` and ``model_host`` are, if given."""
    if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not 0 <= margin < 1:
        raise DroverError(f"margin is {margin!r} but must be a share from 0 up to, not including, 1: 0.05 is 5 %.")
    fleet = read_fleet(hosts, margin)
    if model_host:
        named(fleet, model_host, "The model_host")
    if leader and named(fleet, leader, "The leader").excluded:
        reason = named(fleet, leader, "The leader").excluded
        raise DroverError(f"The leader {leader} is left out ({reason}): take it back in or pin another one.")
    if all(host.excluded for host in fleet):
        names = "; ".join(f"{host.name}: {host.excluded}" for host in fleet)
        raise DroverError(f"All hosts are left out ({names}): take at least one back in.")
    return fleet


def _check(max_devices, spread):
    if isinstance(max_devices, bool) or not isinstance(max_devices, int) or not 1 <= max_devices <= MAX_DEVICES:
        raise DroverError(f"max_devices is {max_devices!r} but must be from 1 to {MAX_DEVICES}, llama.cpp's own limit.")
    if spread not in SPREADS:
        raise DroverError(f"spread is {spread!r} but must be one of {', '.join(SPREADS)}.")
