# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why there is no plan, in one sentence with what to do, and in the reasons host by host."""

from __future__ import annotations

from typing import Any

from ..text import size_text
from .fleet import Host
from .given import split_layouts
from .layout import Layout
from .plan import infeasible_plan
from .problem import Problem
from .remedies import missing_memory, remedies

Plan = dict[str, Any]


def unservable_plan(problem: Problem, sentences: list[str]) -> tuple[Plan, list[str]]:
    """The plan and its reasons for a model that llama.cpp does not serve."""
    return infeasible_plan(problem, _shortfall("model", sentences[0])), list(sentences)


def bad_build_plan(problem: Problem, sentence: str) -> tuple[Plan, list[str]]:
    """The plan and its reasons for a build that is known not to work like this."""
    return infeasible_plan(problem, _shortfall("build", sentence)), [sentence]


def no_standby_plan(problem: Problem, sentence: str) -> tuple[Plan, list[str]]:
    """The plan and its reasons for hosts of which too few could stand by."""
    return infeasible_plan(problem, _shortfall("standby", sentence)), [sentence]


def no_plan(problem: Problem) -> tuple[Plan, list[str]]:
    """The plan that says what is missing, and its reasons, host by host."""
    if problem.fits():
        reason = "The model fits, but not with a part on every host: some layer is too large for some host."
        found = remedies(problem, 0, None)
        return infeasible_plan(problem, _shortfall("layer", _with_remedy(reason[:-1], found)), 0, found), [reason]
    layers = problem.layers
    missing, host = missing_memory(problem)
    alone = layers.leader_bytes(layers.count)
    have = _to_fill(problem)
    reasons = [f"One machine would need {size_text(alone)} for it; the hosts have {size_text(have)} to fill together."]
    reasons += [_could_hold(problem, one) for one in problem.takers]
    if host:
        reasons.append(f"With {size_text(missing)} more on {host} it would fit.")
    elif not problem.leaders:
        reasons.append("No host can lead.")
    found = remedies(problem, missing, host)
    return infeasible_plan(problem, _why(problem, missing, found), missing, found), reasons


def split_plan(problem: Problem, split: dict[str, int]) -> tuple[Layout | None, Plan, list[str]]:
    """The layout of a user's own split, or None and the plan that says why it cannot be; and the reasons."""
    layouts = split_layouts(problem, split)
    possible = [layout for layout in layouts if problem.judge.fits(layout)]
    if possible:
        best = min(possible, key=lambda layout: (problem.judge.score(layout), layout.leader.name))
        return problem.judge.streaming(best), {}, ["The split is yours."]
    over = [(_overflow(problem, layout), layout) for layout in layouts]
    if not over:
        if problem.hindered and not problem.leaders:
            return None, infeasible_plan(problem, _no_leader(problem)), ["No host can lead your split."]
        reason = f"Your split cannot be: no host can lead it within {problem.max_devices} devices."
        text = f"{reason[:-1]}; raise placement_max_devices or name fewer hosts."
        return None, infeasible_plan(problem, _shortfall("split", text)), [reason]
    parts, layout = min(over, key=lambda one: (sum(one[0].values()), one[1].leader.name))
    reasons = [
        f"Your split puts {size_text(extra)} too much on {host}, if {layout.leader.name} leads."
        for host, extra in parts.items()
        if extra
    ]
    missing = sum(parts.values())
    without = "Leave split away: Drover finds a plan." if problem.fits() else None
    helps = [{"kind": "split", "text": without}] if without else remedies(problem, *missing_memory(problem))
    text = _with_remedy(f"{size_text(missing)} of memory are missing for your split", helps)
    return None, infeasible_plan(problem, _shortfall("memory", text, missing), missing, helps), reasons


def _why(problem: Problem, missing: int, found: list[dict[str, Any]]) -> dict[str, Any]:
    if not problem.leaders and problem.hindered:
        return _no_leader(problem, found)
    if missing:
        return _shortfall("memory", _with_remedy(f"{size_text(missing)} of memory are missing", found), missing)
    return _shortfall("layer", _with_remedy("More memory on one host would not help", found))


def _no_leader(problem: Problem, found: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Nobody can lead: the sentence of the host that lacks least."""
    # Where some have the memory, their disks are what is in the way.
    name, hindrance = min(problem.hindered.items(), key=lambda item: (item[1].kind != "disk", item[1].bytes, item[0]))
    text = f"{name} cannot lead: {hindrance.text}"
    if hindrance.kind == "disk":
        text += "; free some space there, or set gguf_model_directory to a larger disk."
        return _shortfall("disk", text, hindrance.bytes)
    return _shortfall("leader", _with_remedy(text, found or []), hindrance.bytes)


def _shortfall(kind: str, text: str, size: int = 0) -> dict[str, Any]:
    return {"kind": kind, "text": text, "bytes": size}


def _with_remedy(what: str, found: list[dict[str, Any]]) -> str:
    return f"{what}; what would help: {found[0]['text']}" if found else f"{what}."


def _overflow(problem: Problem, layout: Layout) -> dict[str, int]:
    """Bytes over its capacity on every host of a layout."""
    leader, layers = layout.leader, problem.layers
    held = layers.leader_bytes(layout.leader_blocks, len(layout.segments))
    over = {leader.name: max(0, held - leader.cpu.capacity)}
    for segment in layout.segments:
        held = layers.device_bytes(segment.first, segment.end, layout.leader_blocks)
        extra = held - segment.device.capacity
        over[segment.device.host] = over.get(segment.device.host, 0) + max(0, extra)
    return over


def _to_fill(problem: Problem) -> int:
    """Memory of all hosts that a plan may fill; what a CPU and a GPU share counts once."""
    return sum(host.cpu.capacity + sum(gpu.capacity for gpu in host.gpus if not gpu.unified) for host in problem.takers)


def _could_hold(problem: Problem, host: Host) -> str:
    layers = problem.layers
    most = max(layers.most(device.capacity) for device in host.lent)
    usable = sum(device.usable_bytes for device in host.lent)
    return f"{host.name} lends {size_text(usable)}: at most {most} of the {layers.count} layers."
