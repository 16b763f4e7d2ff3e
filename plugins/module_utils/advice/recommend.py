# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models of the catalogue a fleet can run, how fast, and what the next bigger one lacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .. import checks
from ..placement.fleet import Host
from ..placement.planner import checked_fleet, make_plan
from ..placement.policy import DEFAULT_MARGIN, Policy
from ..placement.problem import Problem
from ..text import columns, size_text
from .catalogue import catalogue

BEST = 3
# Slower than slow reading; below it nobody waits for an answer.
DEFAULT_TOKENS_PER_SECOND = 3.0

Entry = dict[str, Any]


def recommend(
    hosts: object,
    context_size: int = 8192,
    minimum_tokens_per_second: float = DEFAULT_TOKENS_PER_SECOND,
    leader: str | None = None,
    margin: float = DEFAULT_MARGIN,
    models: Sequence[Entry] | None = None,
) -> dict[str, Any]:
    """Plan every file of the catalogue (or of ``models``, entries of the same form) onto ``hosts`` (tallies).

    Returns ``best`` (at most three models, the strongest first, each in its best quantisation that is at least
    ``minimum_tokens_per_second`` fast), ``fits`` (all files that fit, the strongest first) and ``next`` (the next
    stronger model that does not fit: its smallest file, ``missing_bytes`` and ``remedies``; or ``None``). An entry has
    ``model``, ``quantization``, ``repository``, ``file``, ``bytes``, ``context_size``, ``hosts`` (the leader first),
    ``tokens_per_second``, ``prompt_tokens_per_second`` and ``strength``.

    A model is stronger the larger the geometric mean of its parameters and of those that a token uses: a common rule of
    thumb for mixtures of experts, and plain size for the others. Raises ``DroverError`` for bad input.
    """
    speed = checks.number(minimum_tokens_per_second, "minimum_tokens_per_second", 0)
    policy = Policy(context_size=context_size, leader=leader or None, margin=margin)
    fleet = checked_fleet(hosts, policy).hosts
    fitting: list[Entry] = []
    too_big: list[Entry] = []
    for entry in sorted(catalogue() if models is None else models, key=_strength, reverse=True):
        found = _tried(entry, _policy(entry, policy), fleet)
        if found:
            fitting.append(found)
        else:
            too_big.append(entry)
    best: dict[str, Entry] = {}
    for found in fitting:
        if found["tokens_per_second"] >= speed:
            best.setdefault(found["model"], found)
    fitting_models = {found["model"] for found in fitting}
    bigger = [entry for entry in too_big if entry["model"] not in fitting_models and _is_stronger(entry, fitting)]
    return {
        "best": list(best.values())[:BEST],
        "fits": fitting,
        "next": _lacking(bigger[-1], policy, hosts) if bigger else None,
    }


def recommendation_lines(recommendation: dict[str, Any]) -> list[str]:
    """The recommendation for a person: the best three, all that fits as a table, and what the next one lacks."""
    lines = []
    for number, one in enumerate(recommendation["best"], 1):
        lines += [
            f"{number}. {one['model']} {one['quantization']} ({size_text(one['bytes'])}): about "
            f"{one['tokens_per_second']:.1f} tokens/s on {', '.join(one['hosts'])}",
            f"   {one['repository']}: {one['file']}",
        ]
    if not lines:
        lines.append("No model of the catalogue both fits and is fast enough.")
    if recommendation["fits"]:
        lines += ["", "All that fits:", *_table(recommendation["fits"])]
    following = recommendation["next"]
    if following:
        lines += [
            "",
            f"Next bigger: {following['model']} {following['quantization']} ({size_text(following['bytes'])}) lacks "
            f"{size_text(following['missing_bytes'])}.",
            *(f"  - {remedy['text']}" for remedy in following["remedies"]),
        ]
    return lines


def _table(found: Sequence[Entry]) -> list[str]:
    rows = [("MODEL", "QUANTISATION", "FILE", "CONTEXT", "TOKENS/S", "HOSTS")]
    rows += [
        (
            one["model"],
            one["quantization"],
            size_text(one["bytes"]),
            str(one["context_size"]),
            f"{one['tokens_per_second']:.1f}",
            str(len(one["hosts"])),
        )
        for one in found
    ]
    return columns(rows)


def _tried(entry: Entry, policy: Policy, fleet: list[Host]) -> Entry | None:
    """The entry with where it would run and how fast, or ``None`` if it does not fit."""
    problem = Problem(entry["gguf"], policy, fleet)
    layouts = problem.layouts()
    if not layouts:
        return None
    layout = problem.preferred(layouts)
    return {
        **{key: entry[key] for key in ("model", "quantization", "repository", "file", "bytes")},
        "context_size": policy.context_size,
        "hosts": [layout.leader.name, *layout.worker_names],
        "tokens_per_second": problem.judge.tokens_per_second(layout),
        "prompt_tokens_per_second": problem.judge.prompt_tokens_per_second(layout),
        "strength": _strength(entry)[0],
    }


def _lacking(entry: Entry, policy: Policy, hosts: object) -> Entry:
    plan = make_plan(entry["gguf"], hosts, _policy(entry, policy))
    return {
        **{key: entry[key] for key in ("model", "quantization", "repository", "file", "bytes")},
        "missing_bytes": plan["missing_bytes"],
        "remedies": plan["remedies"],
    }


def _policy(entry: Entry, policy: Policy) -> Policy:
    """The policy, with no more context than the model was trained for."""
    return replace(policy, context_size=min(policy.context_size, entry["gguf"]["context_length"]))


def _is_stronger(entry: Entry, fitting: Sequence[Entry]) -> bool:
    return not fitting or _strength(entry)[0] > fitting[0]["strength"]


def _strength(entry: Entry) -> tuple[float, int]:
    """How a model ranks, and then how its files do: the larger, the better."""
    gguf = entry["gguf"]
    idle = 0
    if gguf["expert_count"]:
        experts = sum(block["expert_bytes"] for block in gguf["blocks"])
        idle = experts * (1 - gguf["expert_used_count"] / gguf["expert_count"]) / gguf["weight_bytes"]
    parameters = gguf["parameter_count"]
    return (math.sqrt(parameters * parameters * (1 - idle)), entry["bytes"])
