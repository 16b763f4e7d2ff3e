# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a cluster that heals itself is, for people: by what its watch has written."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from ..text import size_text

LAST = 5


def moment(seconds: float) -> str:
    """A time in seconds since 1970 as people read it here."""
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def heal_lines(told: Mapping[str, Any], moment: Callable[[float], str]) -> list[str]:
    """Whether it is healthy, a line for each worker and each host whose owner needs its memory, and the last heals, the
    latest first. ``told`` is the watch's document, ``moment`` makes a text of a time in seconds since 1970."""
    lines = [f"Healthy since {moment(told['since'])}" if told["healthy"] else f"Not healthy: {told['sentence']}"]
    for host, worker in sorted(told["workers"].items()):
        state = "up" if worker["up"] else "DOWN"
        part = "takes part" if worker["takes_part"] else "takes no part"
        why = f" ({worker['problem']})" if worker["problem"] else ""
        lines.append(f"  {host:<16} {state:<5} since {moment(worker['since'])}, {part}{why}")
    for host, owner in sorted(told["owners"].items()):
        size = size_text(owner["usable_bytes"])
        lines.append(f"{host}'s owner needs its memory since {moment(owner['since'])}: {size} of it are planned with")
    lines.append(f"Heals: {told['heal_count']}")
    for heal in reversed(told["heals"][-LAST:]):
        took = "not over" if heal["seconds"] is None else f"healthy again after {heal['seconds']:g} s"
        lines.append(f"  {moment(heal['at'])}  {heal['reason']}; {took}")
    return lines
