# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts that were measured: runs of the document ``measured``."""

from __future__ import annotations

from module_utils.placement.measured import layout_of, machines_of

BUILD = "b11669"
CHOICE = {"label": BUILD, "hosts": {}, "left_out": {}}


def machine(one):
    """The tally of a machine that is known again."""
    return {**one, "machine": f"{one['host']:0>64}"}


def run_of(plan, tallies, at=0, tokens=2.0, prompt=20.0, **changes):
    """One start of ``plan``: so many tokens/s, generated and of a prompt of 64."""
    layout = layout_of(plan)
    hosts = {layout["leader"], *(device["host"] for device in layout["devices"])}
    machines = machines_of(tallies)
    return {
        "at": at,
        "model": plan["model"],
        "build": BUILD,
        "machines": {host: machines[host] for host in sorted(hosts)},
        "layout": layout,
        "prompt_tokens": 64,
        "measured": {"tokens_per_second": tokens, "prompt_tokens_per_second": prompt},
        "predicted": {"tokens_per_second": 2.5, "prompt_tokens_per_second": 25.0},
        "held_bytes": {device["host"]: device["total_bytes"] for device in layout_devices(plan)},
        **changes,
    }


def layout_devices(plan):
    """The devices of ``plan`` on workers."""
    return [device for device in plan["devices"] if device["host"] != plan["leader"]]


def measured_of(*runs, cluster="main"):
    """The document."""
    return {"schema": 1, "cluster": cluster, "runs": list(runs)}
