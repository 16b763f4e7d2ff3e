# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a plan a program wants that comes after: a workflow that asks somebody to approve, a chart, a ticket."""

from __future__ import annotations

from typing import Any

from ..errors import DroverError
from ..placement.document import read_plan
from .table import headline, plan_rows


def plan_summary(plan: object) -> dict[str, Any]:
    """``text`` (one line), ``cluster``, ``leader``, ``hosts`` (by name ``layers``, as text, and ``bytes`` that they
    take there), ``tokens_per_second``, ``prompt_tokens_per_second``, ``request_seconds``, ``bytes_over_network`` (at a
    start), all predicted, and ``warnings``. Raises ``DroverError`` for what is no plan, or one that does not fit."""
    told = read_plan(plan)
    if not told["feasible"]:
        raise DroverError(f"There is no plan to sum up: {told['shortfall']['text']}")
    hosts: dict[str, dict[str, Any]] = {}
    for host, _device, layers, held in plan_rows(told):
        mine = hosts.setdefault(host, {"layers": [], "bytes": 0})
        mine["layers"].append(layers)
        mine["bytes"] += held["total_bytes"]
    predicted = told["predicted"]
    return {
        "text": headline(told),
        "cluster": told["cluster"],
        "leader": told["leader"],
        "hosts": {host: {**mine, "layers": " + ".join(mine["layers"])} for host, mine in hosts.items()},
        "tokens_per_second": round(predicted["tokens_per_second"], 2),
        "prompt_tokens_per_second": round(predicted["prompt_tokens_per_second"], 2),
        "request_seconds": round(predicted["request_seconds"], 2),
        "bytes_over_network": predicted["load_bytes_over_network"],
        "warnings": told["warnings"],
    }
