# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would move if one plan took the place of another."""

from __future__ import annotations

from itertools import groupby

from ..errors import DroverError
from ..text import size_text
from .table import layers_text

PARTS = ("leader", "leader_blocks", "host", "devices", "model", "settings", "layer_weight_bytes")


def plan_changes(before: dict | None, after: dict) -> dict:
    """What changes from the running plan ``before`` to ``after``; what is no feasible plan counts as nothing running.

    Returns ``leader`` (``from`` and ``to``, or null), ``model_changes``, ``moves`` (``layers`` as text, ``from`` (null
    for what was nowhere) and ``to`` as host names, ``bytes`` of weights), ``moved_bytes`` and ``settings`` (``name``,
    ``from``, ``to``). Raises ``DroverError`` when ``after`` is not feasible.
    """
    if not is_running(after):
        raise DroverError("There is nothing to compare: the new plan does not fit.")
    running = is_running(before)
    model_changes = running and before["model"] != after["model"]
    old = _places(before) if running and not model_changes else {}
    new = _places(after)
    moves = []
    for (source, target), group in groupby(sorted(new), key=lambda layer: (old.get(layer), new[layer])):
        layers = list(group)
        if source != target:
            moves.append(
                {
                    "layers": _layers_text(layers, after["model"]["block_count"]),
                    "from": source,
                    "to": target,
                    "bytes": sum(after["layer_weight_bytes"][layer] for layer in layers),
                }
            )
    return {
        "leader": {"from": before["leader"], "to": after["leader"]}
        if running and before["leader"] != after["leader"]
        else None,
        "model_changes": model_changes,
        "moves": moves,
        "moved_bytes": sum(move["bytes"] for move in moves),
        "settings": [
            {"name": name, "from": before["settings"].get(name), "to": value}
            for name, value in after["settings"].items()
            if running and before["settings"].get(name) != value
        ],
    }


def is_running(plan) -> bool:
    """Whether this is a feasible plan with all its parts."""
    return isinstance(plan, dict) and bool(plan.get("feasible")) and all(key in plan for key in PARTS)


def change_lines(before: dict, after: dict) -> list:
    """The same for a person, a line each; one line if nothing changes."""
    changes = plan_changes(before, after)
    if not is_running(before):
        return ["Nothing runs yet: all of the plan is new."]
    lines = []
    if changes["model_changes"]:
        lines.append(f"Another model: {_model_text(before)} gives way to {_model_text(after)}.")
    if changes["leader"]:
        lines.append(f"{changes['leader']['to']} takes the lead from {changes['leader']['from']}.")
    lines += [
        f"{move['layers']}: {move['from'] or 'new'} -> {move['to']}, {size_text(move['bytes'])}"
        for move in changes["moves"]
    ]
    lines += [f"{change['name']}: {change['from']} -> {change['to']}" for change in changes["settings"]]
    if changes["moves"]:
        all_bytes = sum(after["layer_weight_bytes"])
        lines.append(f"Weights that move: {size_text(changes['moved_bytes'])} of {size_text(all_bytes)}.")
    return lines or ["Nothing would change."]


def _places(plan):
    """``{layer: host}``."""
    kept = plan["leader_blocks"] + plan["host"]["holds_output"]
    places = dict.fromkeys(range(kept), plan["leader"])
    for device in plan["devices"]:
        places.update(dict.fromkeys(_layers_of(device), device["host"]))
    return places


def _layers_of(device):
    first = device["first_block"]
    return range(first, first + device["block_count"] + device["holds_output"])


def _layers_text(layers, block_count):
    blocks = [layer for layer in layers if layer < block_count]
    return layers_text(blocks[0] if blocks else block_count, len(blocks), layers[-1] == block_count)


def _model_text(plan):
    model = plan["model"]
    return " ".join(filter(None, (model["name"] or "a model", model["quantization"])))
