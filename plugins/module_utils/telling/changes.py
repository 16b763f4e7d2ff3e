# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would move if one plan took the place of another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ..errors import DroverError
from ..placement.document import read_plan
from ..text import size_text
from .table import layers_text

# Of the policy, what the leader and the moves tell.
SEEN_ELSEWHERE = ("leader", "split")


def plan_changes(before: object, after: object) -> dict[str, Any]:
    """What changes from the running plan ``before`` to ``after``; what is no feasible plan counts as nothing running.

    Returns ``leader`` (``from`` and ``to``, or null), ``model_changes``, ``moves`` (``layers`` as text, ``from`` (null
    for what was nowhere) and ``to`` as host names, ``bytes`` of weights), ``moved_bytes`` and ``settings`` (of the
    policy: ``name``, ``from``, ``to``). Raises ``DroverError`` when ``after`` is not feasible.
    """
    running, coming = _feasible(before), read_plan(after)
    if not coming["feasible"]:
        raise DroverError("There is nothing to compare: the new plan does not fit.")
    model_changes = running is not None and running["model"] != coming["model"]
    old = _places(running) if running and not model_changes else {}
    new = _places(coming)
    moves: list[dict[str, Any]] = []
    for (source, target), group in groupby(sorted(new), key=lambda layer: (old.get(layer), new[layer])):
        layers = list(group)
        if source != target:
            moves.append(
                {
                    "layers": _layers_text(layers, coming["model"]["block_count"]),
                    "from": source,
                    "to": target,
                    "bytes": sum(coming["layer_weight_bytes"][layer] for layer in layers),
                }
            )
    return {
        "leader": {"from": running["leader"], "to": coming["leader"]}
        if running and running["leader"] != coming["leader"]
        else None,
        "model_changes": model_changes,
        "moves": moves,
        "moved_bytes": sum(move["bytes"] for move in moves),
        "settings": [
            {"name": name, "from": running["policy"].get(name), "to": value}
            for name, value in coming["policy"].items()
            if name not in SEEN_ELSEWHERE and running["policy"].get(name) != value
        ]
        if running
        else [],
    }


def _feasible(value: object) -> dict[str, Any] | None:
    """The plan in ``value``, if it is one and fits; what another version of Drover wrote counts as none."""
    try:
        plan = read_plan(value)
    except DroverError:
        return None
    return plan if plan["feasible"] else None


def change_lines(before: object, after: object) -> list[str]:
    """The same for a person, a line each; one line if nothing changes."""
    changes, running, coming = plan_changes(before, after), _feasible(before), read_plan(after)
    if running is None:
        return ["Nothing runs yet: all of the plan is new."]
    lines = []
    if changes["model_changes"]:
        lines.append(f"Another model: {_model_text(running)} gives way to {_model_text(coming)}.")
    if changes["leader"]:
        lines.append(f"{changes['leader']['to']} takes the lead from {changes['leader']['from']}.")
    lines += [
        f"{move['layers']}: {move['from'] or 'new'} -> {move['to']}, {size_text(move['bytes'])}"
        for move in changes["moves"]
    ]
    lines += [f"{change['name']}: {change['from']} -> {change['to']}" for change in changes["settings"]]
    if changes["moves"]:
        all_bytes = sum(coming["layer_weight_bytes"])
        lines.append(f"Weights that move: {size_text(changes['moved_bytes'])} of {size_text(all_bytes)}.")
    return lines or ["Nothing would change."]


def _places(plan: dict[str, Any]) -> dict[int, str]:
    """``{layer: host}``."""
    kept = plan["leader_blocks"] + plan["host"]["holds_output"]
    places: dict[int, str] = dict.fromkeys(range(kept), plan["leader"])
    for device in plan["devices"]:
        places.update(dict.fromkeys(_layers_of(device), device["host"]))
    return places


def _layers_of(device: dict[str, Any]) -> range:
    first = device["first_block"]
    return range(first, first + device["block_count"] + device["holds_output"])


def _layers_text(layers: Sequence[int], block_count: int) -> str:
    blocks = [layer for layer in layers if layer < block_count]
    return layers_text(blocks[0] if blocks else block_count, len(blocks), layers[-1] == block_count)


def _model_text(plan: dict[str, Any]) -> str:
    model = plan["model"]
    return " ".join(filter(None, (model["name"] or "a model", model["quantization"])))
