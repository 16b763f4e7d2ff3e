# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as plain text that a person reads in a terminal."""

from __future__ import annotations

from ..errors import DroverError
from ..text import counted, size_text

BAR_WIDTH = 10


def plan_lines(plan: dict) -> list:
    """The lines of a plan, at most about 100 columns: what goes where, how full that makes each host, how fast it will
    be, who is not needed and why, and, when it does not fit, what is missing and what would help."""
    if not isinstance(plan, dict) or "feasible" not in plan:
        raise DroverError("This is not a plan: give what the module placement returned as plan.")
    lines = [headline(plan)]
    if plan["feasible"]:
        lines += ["", *_table(plan_rows(plan)), "", *_speed(plan)]
    lines += _named_list("Does not fit", [shortfall_text(plan)] if not plan["feasible"] else [])
    lines += _named_list("What would help, the cheapest first", [one["text"] for one in plan["remedies"]])
    lines += _named_list("Not in use", [f"{one['host']}: {one['reason']}" for one in plan["spare"]])
    lines += _named_list("Why", plan["reasons"])
    return lines


def _short_size(size):
    """As ``free -h`` writes it. No space in it, and two between columns: YAML output would break a long line there."""
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


def headline(plan: dict) -> str:
    """The plan in one line: the model, the context, who leads and how many help."""
    model = plan["model"]
    name = " ".join(filter(None, (model["name"] or "The model", model["quantization"])))
    settings = plan["settings"]
    serving = f"{name}, {settings['context_size']} tokens of context in {counted(settings['parallel'], 'slot')}"
    if not plan["feasible"]:
        return f"{serving}: no plan"
    if plan["mode"] == "single":
        return f"{serving}: on {plan['leader']} alone"
    workers = len({device["host"] for device in plan["devices"]} - {plan["leader"]})
    return f"{serving}: led by {plan['leader']}, with {counted(workers, 'worker')}"


def plan_rows(plan: dict) -> list:
    """``(host, device, layers, bytes)`` for the leader's CPU and each device, in chain order."""
    host = plan["host"]
    kept = layers_text(0, plan["leader_blocks"], host["holds_output"])
    rows = [(plan["leader"], "CPU", " + ".join(filter(None, ("embedding", kept))), host)]
    for device in plan["devices"]:
        layers = layers_text(device["first_block"], device["block_count"], device["holds_output"])
        rows.append((device["host"], device["device"], layers, device))
    return rows


def _table(rows):
    head = ("HOST", "DEVICE", "LAYERS", "WEIGHTS", "KV", "COMPUTE", "TOTAL", "USABLE")
    body = [
        (
            host,
            device,
            layers,
            *(
                _short_size(held[key])
                for key in ("weight_bytes", "kv_bytes", "compute_bytes", "total_bytes", "usable_bytes")
            ),
        )
        for host, device, layers, held in rows
    ]
    bars = ["", *(_bar(held["total_bytes"], held["usable_bytes"]) for *_names, held in rows)]
    widths = [max(len(row[column]) for row in (head, *body)) for column in range(len(head))]
    lines = []
    for row, drawn in zip((head, *body), bars):
        cells = [
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join((*cells, drawn)).rstrip())
    return lines


def _bar(held, usable):
    share = held / usable if usable else 1
    full = min(BAR_WIDTH, round(share * BAR_WIDTH))
    return f"[{'#' * full}{'.' * (BAR_WIDTH - full)}]  {share:.0%}"


def _speed(plan):
    predicted = plan["predicted"]
    lines = [
        f"Predicted: {predicted['tokens_per_second']:.1f} tokens/s generated, "
        f"{predicted['prompt_tokens_per_second']:.0f} tokens/s of prompt"
    ]
    if predicted["load_bytes_over_network"]:
        lines.append(f"Loading sends {size_text(predicted['load_bytes_over_network'])} of weights over the network")
    return lines


def shortfall_text(plan: dict) -> str:
    """What keeps a plan from being one: missing memory, or else what its reasons name (a disk, a layer too large)."""
    if plan["missing_bytes"]:
        return f"{size_text(plan['missing_bytes'])} of memory are missing"
    return "Memory is not what is missing: see why below"


def _named_list(name, lines):
    return ["", f"{name}:", *(f"  - {line}" for line in lines)] if lines else []
