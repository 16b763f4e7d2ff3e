# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as plain text that a person reads in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..placement.document import read_plan
from ..text import columns, counted, size_text

# ``(host, device, layers, bytes)``: the bytes are the plan's ``host`` or one of its ``devices``.
Row = tuple[str, str, str, dict[str, Any]]


def plan_lines(plan: object) -> list[str]:
    """The lines of a plan: what goes where, how full that makes each host, how fast it will be, what to watch out for,
    who is not needed and why, and, when it does not fit, what is missing and what would help. Raises ``DroverError``
    for what is no plan."""
    told = read_plan(plan)
    lines = [headline(told)]
    if told["feasible"]:
        lines += ["", *_table(plan_rows(told)), "", *_speed(told)]
    lines += _named_list("Does not fit", [] if told["feasible"] else [told["shortfall"]["text"]])
    lines += _named_list("What would help, the cheapest first", [one["text"] for one in told["remedies"]])
    lines += _named_list("Warnings", told["warnings"])
    lines += _named_list("Not in use", [f"{one['host']}: {one['reason']}" for one in told["spare"]])
    lines += _named_list("Why", told["reasons"])
    return lines


def _short_size(size: int) -> str:
    """As ``free -h`` writes it."""
    return size_text(size).replace(" ", "").removesuffix("B")


def layers_text(first_block: int, block_count: int, holds_output: bool) -> str:
    """``blocks 0-4 + output``, ``block 7``, ``output``."""
    parts = []
    if block_count:
        last = first_block + block_count - 1
        parts.append(f"block {last}" if block_count == 1 else f"blocks {first_block}-{last}")
    if holds_output:
        parts.append("output")
    return " + ".join(parts)


def experts_texts(plan: dict[str, Any]) -> list[str]:
    """``experts of blocks 0-20``: of which blocks on its GPUs the leader's CPU keeps the experts."""
    return [
        f"experts of {layers_text(device['first_block'], device['experts_on_cpu'], False)}"
        for device in plan["devices"]
        if device.get("experts_on_cpu")
    ]


def headline(plan: dict[str, Any]) -> str:
    """The plan in one line: the model, the context, who leads and how many help."""
    model = plan["model"]
    name = " ".join(filter(None, (model["name"] or "The model", model["quantization"])))
    settings = plan["policy"]
    serving = f"{name}, {settings['context_size']} tokens of context in {counted(settings['parallel'], 'slot')}"
    if not plan["feasible"]:
        return f"{serving}: no plan"
    if plan["mode"] == "single":
        return f"{serving}: on {plan['leader']} alone"
    workers = len({device["host"] for device in plan["devices"]} - {plan["leader"]})
    return f"{serving}: led by {plan['leader']}, with {counted(workers, 'worker')}"


def plan_rows(plan: dict[str, Any]) -> list[Row]:
    """``(host, device, layers, bytes)`` for the leader's CPU and each device, in chain order."""
    host = plan["host"]
    kept = layers_text(0, plan["leader_blocks"], host["holds_output"])
    rows = [(plan["leader"], "CPU", " + ".join(filter(None, ("embedding", kept, *experts_texts(plan)))), host)]
    for device in plan["devices"]:
        layers = layers_text(device["first_block"], device["block_count"], device["holds_output"])
        # What the leader calls it, and a GPU's own name where that is another one.
        own = [device["id"]] if device["kind"] != "cpu" and device["endpoint"] else []
        rows.append((device["host"], " ".join([device["device"], *own]), layers, device))
    return rows


def _table(rows: Sequence[Row]) -> list[str]:
    """Two lines a device, so that they fit a terminal of 80 columns, with what Ansible's output puts around them."""
    names = ("weights", "KV", "compute")
    cells = [("HOST", "DEVICE", "LAYERS", "TOTAL", "USABLE", "")]
    parts = [""]
    for host, device, layers, held in rows:
        total, usable, *each = (
            _short_size(held[key])
            for key in ("total_bytes", "usable_bytes", "weight_bytes", "kv_bytes", "compute_bytes")
        )
        share = held["total_bytes"] / held["usable_bytes"] if held["usable_bytes"] else 1
        cells.append((host, device, layers, total, usable, f"{share:.0%}"))
        parts.append(", ".join(f"{name} {size}" for name, size in zip(names, each)))
    margin = " " * (max(len(host) for host, *_rest in cells) + 2)
    lines = []
    for line, part in zip(columns(cells, right=(3, 4, 5)), parts):
        lines += [line, margin + part] if part else [line]
    return lines


def _speed(plan: dict[str, Any]) -> list[str]:
    predicted, policy = plan["predicted"], plan["policy"]
    lines = [
        f"Predicted: {predicted['tokens_per_second']:.1f} tokens/s generated, "
        f"{predicted['prompt_tokens_per_second']:.0f} tokens/s of prompt",
        f"An answer of {policy['answer_tokens']} tokens to a prompt of {policy['prompt_tokens']}: "
        f"{_time_text(predicted['request_seconds'])}",
    ]
    if predicted["load_bytes_over_network"]:
        lines.append(f"Loading sends {size_text(predicted['load_bytes_over_network'])} of weights over the network")
        if "load_bytes_once_cached" in predicted:
            lines[-1] += f", {size_text(predicted['load_bytes_once_cached'])} once workers have cached the rest"
    return lines


def _time_text(seconds: float) -> str:
    """``40 s``, ``3 min``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"


def _named_list(name: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{name}:", *(f"  - {line}" for line in lines)] if lines else []
