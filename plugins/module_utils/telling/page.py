# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as one HTML page that needs nothing else: no scripts, no fonts, no images, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ..placement.document import read_plan
from ..text import size_text
from .table import Row, headline, plan_rows

WIDTH = 960
LAYER_HEIGHT = 44
BAR_HEIGHT = 22
# Told apart also by those who do not see all colours, on white and on dark; a seventh host starts again.
COLOURS = ("#3b78c9", "#d9822b", "#3a9d74", "#a45bb5", "#c4a71b", "#c2505c")
PARTS = (("weight_bytes", "weights", 1.0), ("kv_bytes", "KV cache", 0.7), ("compute_bytes", "compute", 0.45))

STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #5a646e; --paper: #fff; --line: #d5dbe1; --free: #eef1f4 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --soft: #9aa5b0; --paper: #15191d; --line: #333b43; --free: #262d34 }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
       margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; line-height: 1.3 } h2 { font-size: 1.05rem; margin-top: 2rem }
p, li { max-width: 46rem } .soft { color: var(--soft) } svg { width: 100%; height: auto; display: block }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right }
th { color: var(--soft); font-weight: 500 } .text { text-align: left } .scroll { overflow-x: auto }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .5em }
.figures { display: flex; flex-wrap: wrap; gap: 2.5rem } .figures b { display: block; font-size: 1.6rem }
.free { fill: var(--free); stroke: var(--line) }
"""


def plan_page(value: object) -> str:
    """The page for a plan: a drawing of the layers over the hosts, bytes held and free, predicted speed, the reasons,
    what to watch out for, the policy, and, when it does not fit, what is missing and what would help. Every text in it
    is escaped. Raises ``DroverError`` for what is no plan."""
    plan = read_plan(value)
    title = escape(headline(plan))
    body = [f"<h1>{title}</h1>"]
    if plan["feasible"]:
        rows = plan_rows(plan)
        colours: dict[str, str] = {}
        for host, *_rest in rows:
            colours.setdefault(host, COLOURS[len(colours) % len(COLOURS)])
        body += [
            _figures(plan),
            "<h2>Layers, in the order a token passes them</h2>",
            _layers(plan, colours),
            "<h2>Memory</h2>",
            _memory(rows, colours),
            _table(rows, colours),
        ]
    else:
        body += [f"<p>{escape(plan['shortfall']['text'])}</p>"]
    body += [
        _list("What would help, the cheapest first", [remedy["text"] for remedy in plan["remedies"]]),
        _list("Warnings", plan["warnings"]),
        _list("Why", plan["reasons"]),
        _list("Not in use", [f"{spare['host']}: {spare['reason']}" for spare in plan["spare"]]),
        "<h2>Planned for</h2>",
        _policy(plan["policy"]),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, body))
        + "\n</body>\n</html>\n"
    )


def _figures(plan: dict[str, Any]) -> str:
    predicted = plan["predicted"]
    figures = [
        (f"{predicted['tokens_per_second']:.1f}", "tokens/s generated (predicted)"),
        (f"{predicted['prompt_tokens_per_second']:.0f}", "tokens/s of prompt (predicted)"),
        (size_text(sum(row[3]["total_bytes"] for row in plan_rows(plan))), "held in all"),
        (size_text(predicted["load_bytes_over_network"]), "sent to workers at the first load"),
    ]
    cells = "".join(f'<div><b>{number}</b><span class="soft">{what}</span></div>' for number, what in figures)
    return f'<div class="figures">{cells}</div>'


def _layers(plan: dict[str, Any], colours: dict[str, str]) -> str:
    """Every layer as wide as its weights, in the colour of its host."""
    sizes = plan["layer_weight_bytes"]
    block_count = plan["model"]["block_count"]
    hosts = [plan["leader"]] * (plan["leader_blocks"] + plan["host"]["holds_output"])
    for device in plan["devices"]:
        hosts += [device["host"]] * (device["block_count"] + device["holds_output"])
    scale = WIDTH / max(1, sum(sizes))
    shapes, left = [], 0.0
    for layer, (host, size) in enumerate(zip(hosts, sizes)):
        name = "output" if layer == block_count else f"block {layer}"
        width = size * scale
        shapes.append(
            f'<rect x="{left:.2f}" width="{width:.2f}" height="{LAYER_HEIGHT}" fill="{colours[host]}" '
            f'stroke="var(--paper)"><title>{escape(f"{name}: {size_text(size)} on {host}")}</title></rect>'
        )
        left += width
    return f'<svg viewBox="0 0 {WIDTH} {LAYER_HEIGHT}" role="img" aria-label="Layers">{"".join(shapes)}</svg>'


def _memory(rows: Sequence[Row], colours: dict[str, str]) -> str:
    """A bar for each device, as long as what it lends against the largest."""
    longest = max(max(held["usable_bytes"], held["total_bytes"]) for *_names, held in rows)
    scale = WIDTH / max(1, longest)
    shapes = []
    for number, (host, device, _layers_there, held) in enumerate(rows):
        top = number * (2 * BAR_HEIGHT + 12)
        free = max(0, held["usable_bytes"] - held["total_bytes"])
        told = [f"{size_text(held[key])} {name}" for key, name, _opacity in PARTS]
        told.append(f"{size_text(free)} free of {size_text(held['usable_bytes'])}")
        line = escape(f"{host} {device}: {', '.join(told)}")
        shapes.append(f'<text x="0" y="{top + 15}" fill="currentColor" font-size="14">{line}</text>')
        top += BAR_HEIGHT
        shapes.append(
            f'<rect class="free" x="0" y="{top}" width="{held["usable_bytes"] * scale:.2f}" height="{BAR_HEIGHT}"/>'
        )
        left = 0.0
        for key, name, opacity in PARTS:
            width = held[key] * scale
            shapes.append(
                f'<rect x="{left:.2f}" y="{top}" width="{width:.2f}" height="{BAR_HEIGHT}" fill="{colours[host]}" '
                f'opacity="{opacity}"><title>{escape(f"{name} on {host}: {size_text(held[key])}")}</title></rect>'
            )
            left += width
    height = len(rows) * (2 * BAR_HEIGHT + 12)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Memory">{"".join(shapes)}</svg>'


def _table(rows: Sequence[Row], colours: dict[str, str]) -> str:
    head = "".join(f'<th class="text">{name}</th>' for name in ("Host", "Device", "Layers"))
    head += "".join(f"<th>{name}</th>" for name in ("Weights", "KV cache", "Compute", "Total", "Usable"))
    body = ""
    for host, device, layers, held in rows:
        key = f'<span class="key" style="background:{colours[host]}"></span>'
        body += f'<tr><td class="text">{key}{escape(host)}</td>'
        body += "".join(f'<td class="text">{escape(text)}</td>' for text in (device, layers))
        body += "".join(
            f"<td>{size_text(held[name])}</td>"
            for name in ("weight_bytes", "kv_bytes", "compute_bytes", "total_bytes", "usable_bytes")
        )
        body += "</tr>"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _list(title: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{title}</h2><ul>{items}</ul>" if lines else ""


def _policy(policy: dict[str, Any]) -> str:
    """What was wished for, but for what nobody wished."""
    rows = "".join(
        f'<tr><td class="text">{escape(name)}</td><td class="text">{escape(_value_text(value))}</td></tr>'
        for name, value in policy.items()
        if value is not None
    )
    return f'<div class="scroll"><table>{rows}</table></div>'


def _value_text(value: object) -> str:
    return ", ".join(f"{key}: {item}" for key, item in value.items()) if isinstance(value, dict) else str(value)
