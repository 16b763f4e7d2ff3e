# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a host's owner needs its memory, and when that is free again. Nothing here knows a clock, a process or a
network: what is known and what is seen go in, what is known and who needs what come out.

What was to be left to the owner, the reserve (``placement_reserve_bytes``, or Drover's default), is there to be used.
The owner needs more when, for ``need_seconds`` on end, what the plan has put there would leave it only half of that
(after ``urgent_seconds``, an eighth). Or when its programs wait for memory, as they do while the machine swaps or reads
their files over and over, and at most twice the reserve is available: with more than that, what they wait for is a
limit of their own, which no memory given back would lift.

The host is then planned with less: what it can lend at that moment; where its programs wait, three quarters of what is
there at most. So it stays until it could lend half of the reserve more, for ``free_seconds`` on end; these double with
every time that is not ``calm_seconds`` after the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

KEPT_OF_STALLED = 0.75
BELIEVED = 2
LEAST = 16 << 20


@dataclass(frozen=True)
class OwnerLimits:
    """In seconds, but for ``stalled_share`` (of the time) and ``swapped_in_rate`` (bytes a second)."""

    need_seconds: float = 10.0
    urgent_seconds: float = 2.0
    # What the kernel counts up is looked at over so long, and believed the second time in a row.
    window_seconds: float = 20.0
    stalled_share: float = 0.2
    # Where no stalls are counted. The card of a Raspberry Pi reads some MB a second in such pieces, and nothing else.
    swapped_in_rate: float = 1e6
    free_seconds: float = 600.0
    most_free_seconds: float = 6 * 3600.0
    # While nothing is served for want of memory, nobody is interrupted by taking it.
    waiting_free_seconds: float = 30.0
    most_waiting_seconds: float = 300.0
    calm_seconds: float = 24 * 3600.0


@dataclass(frozen=True)
class HostMemory:
    """What is seen of a host, in bytes: what it could lend with nothing left to its owner (``lendable``), the
    ``reserve``, what the running plan has ``planned`` into its main memory, and the ``lesser`` that it is planned with,
    None for all that it has. ``stalled_seconds`` and ``swapped_in_bytes``: see ``hosts.pressure``; None where they say
    nothing now, as while a model is loaded."""

    lendable: int
    reserve: int
    planned: int = 0
    lesser: int | None = None
    stalled_seconds: float | None = None
    swapped_in_bytes: int | None = None


@dataclass(frozen=True)
class Known:
    """What is known of a host: the ``window`` that the kernel's counts are looked at over (when it began, and both
    counts then) and in how many of these in a row its programs were ``stalled``; since when its owner is ``short`` of
    memory, ``very`` short, or memory is ``free``; when it ``gave`` some back last, and how many ``times`` in a row."""

    window: tuple[float, float | None, int | None] | None = None
    stalled: int = 0
    short: float | None = None
    very: float | None = None
    free: float | None = None
    gave: float | None = None
    times: int = 0


@dataclass(frozen=True)
class Need:
    """The owner needs memory: the host is to be planned with ``lesser`` bytes, and at once where it is ``urgent``."""

    lesser: int
    urgent: bool


def follow(
    limits: OwnerLimits, known: Mapping[str, Known], now: float, hosts: Mapping[str, HostMemory], serving: bool
) -> tuple[dict[str, Known], dict[str, Need], frozenset[str]]:
    """What is known at the moment ``now`` (seconds of a clock that never goes back) of all ``hosts`` that were heard,
    and of those that were not; whose owner needs what; and of those that are planned with less, whose memory is free
    again. Without ``serving`` the cluster waits for memory."""
    found = {host: Known(gave=each.gave, times=each.times) for host, each in known.items()}
    needs, free = {}, []
    for host, memory in hosts.items():
        one = found[host] = _looked_at(limits, known.get(host, Known()), now, memory)
        if _lasts(one.very, limits.urgent_seconds, now) or _lasts(one.short, limits.need_seconds, now):
            needs[host] = Need(_lesser(memory, one.stalled >= BELIEVED), _lasts(one.very, limits.urgent_seconds, now))
        wait = limits.free_seconds if serving else limits.waiting_free_seconds
        most = limits.most_free_seconds if serving else limits.most_waiting_seconds
        if _lasts(one.free, min(most, wait * 2.0 ** min(max(0, one.times - 1), 30)), now):
            free.append(host)
    return found, needs, frozenset(free)


def given_back(limits: OwnerLimits, known: Known, now: float) -> Known:
    """What is known of a host whose owner was given its memory at the moment ``now``."""
    in_a_row = known.gave is not None and now - known.gave < limits.calm_seconds
    return Known(gave=now, times=known.times + 1 if in_a_row else 1)


def worth_it(reserve: int) -> float:
    """How many bytes more or less than before are no accident on a host with that ``reserve``."""
    return reserve / 2 or LEAST


def planned_bytes(plan: Mapping[str, Any]) -> dict[str, int]:
    """Host -> bytes that ``plan`` has put into its main memory. Hosts on which it uses a GPU are left out: what drivers
    hold of the main memory for it is in no process's figures, and would look like their owner's."""
    with_gpu = {device["host"] for device in plan["devices"] if device["kind"] != "cpu"}
    total = {plan["leader"]: plan["host"]["total_bytes"]} if plan["leader"] else {}
    for device in plan["devices"]:
        total[device["host"]] = total.get(device["host"], 0) + device["total_bytes"]
    return {host: size for host, size in total.items() if host not in with_gpu}


def _looked_at(limits: OwnerLimits, known: Known, now: float, memory: HostMemory) -> Known:
    known = _with_stalls(limits, known, now, memory)
    # Of the reserve, and beyond it, what would be left with all that is planned in its place.
    left = memory.lendable - memory.planned
    has_some = memory.planned > 0
    short = has_some and left < memory.reserve * (2 if known.stalled >= BELIEVED else 0.5)
    very = has_some and left < memory.reserve / 8
    more = memory.lesser is not None and memory.lendable - memory.reserve >= memory.lesser + worth_it(memory.reserve)
    return replace(
        known,
        short=_since(known.short, now, short),
        very=_since(known.very, now, very),
        free=_since(known.free, now, more and not known.stalled),
    )


def _with_stalls(limits: OwnerLimits, known: Known, now: float, memory: HostMemory) -> Known:
    counts = (memory.stalled_seconds, memory.swapped_in_bytes)
    if counts == (None, None):
        return replace(known, window=None, stalled=0)
    if known.window is None:
        return replace(known, window=(now, *counts))
    began, stalled, swapped = known.window
    took = now - began
    if took < limits.window_seconds:
        return known
    if memory.stalled_seconds is not None:
        is_stalled = memory.stalled_seconds - (stalled or 0.0) >= limits.stalled_share * took
    else:
        is_stalled = (memory.swapped_in_bytes or 0) - (swapped or 0) >= limits.swapped_in_rate * took
    return replace(known, window=(now, *counts), stalled=known.stalled + 1 if is_stalled else 0)


def _lesser(memory: HostMemory, stalled: bool) -> int:
    can_lend = max(0, memory.lendable - memory.reserve)
    return min(can_lend, int(memory.planned * KEPT_OF_STALLED)) if stalled else can_lend


def _since(before: float | None, now: float, holds: bool) -> float | None:
    return (now if before is None else before) if holds else None


def _lasts(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since >= seconds
