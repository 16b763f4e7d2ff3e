# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers whose RPC server ends again and again, as one does that the kernel ends for want of memory: each end costs a
start of the whole cluster, so they rest for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# So many ends, each within so long of the start before, are no accident.
STRIKES = 3
STRIKE_SECONDS = 3600.0
REST_SECONDS = 600.0
MOST_REST_SECONDS = 3600.0

# host -> ``count`` of ends in a row, and ``until`` when it rests (seconds on the leader's clock since its boot).
Strikes = dict[str, dict[str, Any]]


def counted(
    before: Strikes, started: float, marks: Mapping[str, str], found: Mapping[str, str | None], now: float
) -> Strikes:
    """``before``, with what became of a run that began at ``started`` with the RPC servers ``marks`` (host -> mark), of
    which ``found`` are there ``now``: None where none is, and none for a host that does not answer, of which nothing is
    known."""
    strikes = dict(before)
    for host, mark in marks.items():
        if host not in found or now - started >= STRIKE_SECONDS:
            strikes.pop(host, None)
        elif found[host] != mark:
            count = int(strikes.get(host, {}).get("count", 0)) + 1
            rest = min(MOST_REST_SECONDS, REST_SECONDS * 2.0 ** min(count - STRIKES, 10)) if count >= STRIKES else 0.0
            strikes[host] = {"count": count, "until": now + rest}
    return strikes


def resting(strikes: Strikes, now: float) -> dict[str, str]:
    """host -> why it takes no part now, in a few words."""
    return {
        host: f"its RPC server has ended {strike['count']} times in a row, and it rests for "
        f"{max(1, round((strike['until'] - now) / 60))} minutes"
        for host, strike in strikes.items()
        if now < strike["until"]
    }
