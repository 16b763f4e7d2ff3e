# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the starts of a cluster have shown, against what was predicted of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..placement.measured import known_runs, layout_of
from ..serving.proof import planned_bytes
from ..text import size_text


def measured_lines(plan: Mapping[str, Any], found: Iterable[object]) -> list[str]:
    """Speed, memory and wait of the last measured start of ``plan``, by the documents that were ``found`` on hosts, any
    of which may be None, and what is wrong with those that cannot be read."""
    runs, problems = known_runs(filter(None, found), plan["cluster"])
    if not plan["feasible"] or not runs:
        return problems
    mine = [run for run in runs if run["model"] == plan["model"] and run["layout"] == layout_of(plan)]
    if not mine:
        return [*problems, "Not measured in this layout: that is done when site.yml starts it anew"]
    run = mine[-1]
    measured, predicted = run["measured"], run["predicted"]
    lines = [
        f"Measured: {measured['tokens_per_second']:.1f} tokens/s generated (predicted: "
        f"{predicted['tokens_per_second']:.1f}), {measured['prompt_tokens_per_second']:.0f} tokens/s of a prompt of "
        f"{run['prompt_tokens']} (predicted: {predicted['prompt_tokens_per_second']:.0f})"
    ]
    lines += [
        f"Memory of {host}: {size_text(run['held_bytes'][host])} held (planned: {size_text(planned)})"
        for host, planned in planned_bytes(plan).items()
        if host in run["held_bytes"]
    ]
    return [*problems, *lines]
