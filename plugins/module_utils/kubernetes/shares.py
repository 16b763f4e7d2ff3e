# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each node lends where all lend the same, since their pods are of one template: what the least of them can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DroverError
from ..healing.owner import planned_bytes
from ..healing.replan import at_most
from .lend import least_reserve, most_bytes
from .names import Names
from .nodes import ASIDE, lasting_millicores, left_over
from .settings import PINNED, Settings


def equal(tallies: Sequence[dict[str, Any]], leader: str) -> list[dict[str, Any]]:
    """``tallies`` in which no node lends more memory and threads than the least of those that lend any. The ``leader``,
    where it is chosen already, has a pod of its own."""
    some = [tally for tally in tallies if tally["host"] != leader and not tally["exclude"] and not tally["obstacles"]]
    some = [tally for tally in some if tally["memory"]["usable_bytes"]]
    if not some:
        return list(tallies)
    size = min(tally["memory"]["usable_bytes"] for tally in some)
    threads = min(tally["threads"] for tally in some)
    return [
        tally if tally["host"] == leader else {**at_most(tally, size), "threads": min(threads, tally["threads"])}
        for tally in tallies
    ]


def share(
    plan: Mapping[str, Any],
    tallies: Mapping[str, Mapping[str, Any]],
    entries: Mapping[str, Mapping[str, Any]],
    settings: Settings,
    before: object,
) -> dict[str, Any]:
    """What every worker of ``plan`` is given, and whoever joins: see ``healing.joins``. ``tallies`` and ``entries`` of
    the stock are by node. ``before``: what leaders have been told, of which numbers stay while they are about right.

    Raises DroverError for hosts outside, and where there is no worker whose share could be told.
    """
    names = Names(plan["cluster"], settings.namespace)
    workers = sorted(plan["addresses"].keys() - {plan["leader"]})
    strangers = sorted(plan["addresses"].keys() - entries.keys())
    if strangers:
        raise DroverError(
            f"kubernetes_workers is {settings.workers}, where the leader plans from what the pods tell, and "
            f"{', '.join(strangers)} of kubernetes_outside has no pod: take it out, or set kubernetes_workers to "
            f"{PINNED}."
        )
    if not workers:
        raise DroverError(
            f"kubernetes_workers is {settings.workers}, and there is no node beside the leader {plan['leader']} whose "
            f"share others could be given: add one, or set kubernetes_workers to {PINNED}."
        )
    known = _joins_before(before)
    beside = settings.worker_overhead_bytes + settings.healer_bytes + ASIDE.memory_bytes
    room = min(left_over(entries[host]).memory_bytes for host in workers) - beside
    most_before = known.get("most_bytes", 0)
    least = min((tallies[host] for host in workers), key=lambda tally: int(tally["memory"]["usable_bytes"]))
    planned = planned_bytes(plan)
    threads = min(plan["threads"][host] for host in workers)
    millicores = min(lasting_millicores(threads, entries[host], settings) for host in workers)
    if known.get("threads") == threads and known.get("millicores", 0) in range(1, millicores + 1):
        millicores = known["millicores"]
    return {
        "address": names.shared_address(),
        "agent_port": settings.agent_port,
        "rpc_port": settings.rpc_port,
        "most_bytes": most_bytes(
            least, max(planned.get(host, 0) for host in workers), most_before if 0 < most_before <= room else None
        ),
        "threads": threads,
        "millicores": millicores,
        "reserve_bytes": settings.lend.reserve_bytes,
        "least_reserve_bytes": least_reserve(settings),
    }


def _joins_before(before: object) -> dict[str, int]:
    found = before.get("joins") if isinstance(before, dict) else None
    numbers = found.items() if isinstance(found, dict) else ()
    return {key: each for key, each in numbers if isinstance(each, int) and not isinstance(each, bool)}
