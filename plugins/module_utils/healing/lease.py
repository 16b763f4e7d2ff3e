# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may lead where a standby could, so that there are never two leaders. Nothing here knows a clock, a process or a
network: moments (seconds of a host's own clock since its boot) and answers go in, what is remembered and decided out.

- Every worker's agent is a voter. It grants the lease to one host at a time, for ``granted_seconds`` by its own clock,
  and to nobody else before these are over. Begun anew, it grants nobody else than before for as long, and nobody at all
  where it does not know any more whom.
- The plan's leader has one vote more, of its own host, which is for nobody else. So the members are the voters and one
  more, and a host leads while more than half of all of them, and not of those that answer, have granted it the lease.
- In Kubernetes the one voter and member is the API: see ``runtime.api_lease``.
- A grant counts for ``held_seconds`` from when it was asked for, by the clock of who asked. These are fewer, by more
  than clocks differ and llama-server takes to be killed: it has ended before anybody else is granted anything.
- A standby asks only when the lease is free for more than half, and was so for a while: longer the later in the list it
  is, and longest while it has not seen anybody lead, as after a power cut, when the leader may be about to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

# In Kubernetes a lease's holder is a pod: between the name of its node and its id.
BETWEEN = "_"


@dataclass(frozen=True)
class Terms:
    """In seconds."""

    granted_seconds: float = 15.0
    # A voter that is busy may take a while; this is several renewals.
    held_seconds: float = 12.0
    renew_seconds: float = 2.0
    # That the lease was free for, by a standby's place in the list: the one before has asked everybody by then.
    free_seconds: float = 5.0
    first_free_seconds: float = 45.0
    # Who was not granted it in so long lets others try, until its grants are over.
    try_seconds: float = 6.0


@dataclass(frozen=True)
class Grant:
    """To which ``host`` a voter has granted the lease, None for one that is not known, and ``until`` when."""

    host: str | None
    until: float


@dataclass(frozen=True)
class Vote:
    """What a voter said of the lease when it was asked at the moment ``asked``, by the clock of who asked: whether it
    ``granted`` it, and who the ``host`` is that it has granted it to, None where it is free and empty where it does not
    know."""

    asked: float
    granted: bool
    host: str | None


@dataclass(frozen=True)
class Memory:
    """What a candidate remembers: since when it looks, since when the lease is ``free``, whether it has seen somebody
    lead, and since when it ``tries`` to be granted the lease."""

    began: float
    free: float | None = None
    seen: bool = False
    tries: float | None = None


def begun_anew(terms: Terms, host: str | None, now: float) -> Grant:
    """What a voter starts with that has granted the lease to ``host`` on this boot of its machine, None where it does
    not know."""
    return Grant(host, now + terms.granted_seconds)


def vote(terms: Terms, grant: Grant, host: str, now: float) -> tuple[Grant, bool]:
    """What a voter has granted when ``host`` has asked for the lease, and whether it is granted."""
    if now < grant.until and grant.host != host:
        return grant, False
    return Grant(host, now + terms.granted_seconds), True


def holder(grant: Grant, now: float) -> str | None:
    """Who has the lease of a voter: None where it is free, empty where it does not know."""
    return (grant.host or "") if now < grant.until else None


def held_until(terms: Terms, votes: Mapping[str, Vote], members: int, own: bool) -> float:
    """Until when a host leads that was told ``votes`` (by voter), and whose ``own`` vote is for it alone, in a cluster
    of so many ``members``; minus infinity where it does not."""
    asked = sorted((each.asked for each in votes.values() if each.granted), reverse=True)
    needed = majority(members) - own
    return asked[needed - 1] + terms.held_seconds if len(asked) >= needed else float("-inf")


def majority(members: int) -> int:
    """How many votes of ``members`` are more than half."""
    return members // 2 + 1


def leads(votes: Iterable[Vote]) -> str | None:
    """Whom most of the voters that said so have granted the lease to."""
    told = [each.host for each in votes if each.host]
    return max(sorted(set(told)), key=told.count, default=None)


def follow(
    terms: Terms, memory: Memory, votes: Mapping[str, Vote], members: int, own: bool, host: str, place: int, now: float
) -> Memory:
    """What ``host``, which does not lead yet, remembers when voters have said ``votes``: it is to ask for the lease
    while it ``tries``. ``members`` and ``own``: see ``held_until``; ``place``: in the list of who may lead, 0 for the
    plan's leader."""
    fresh = [each for each in votes.values() if now - each.asked < terms.try_seconds]
    open_to = sum(each.host in (None, host) for each in fresh) + own
    is_free = open_to >= majority(members)
    seen = memory.seen or any(each.host for each in fresh)
    free = (now if memory.free is None else memory.free) if is_free else None
    memory = replace(memory, seen=seen, free=free)
    if memory.tries is not None:
        gave_up = now - memory.tries >= terms.try_seconds
        # Its own grants look free to it, and must be over before it tries again.
        return replace(memory, tries=None, free=now + terms.granted_seconds) if gave_up else memory
    if free is None:
        return memory
    if any(each.host == host for each in fresh):
        place = 0  # begun anew, it goes on
    patience = terms.free_seconds * max(0, place - 1)
    if not seen and place:
        patience += terms.first_free_seconds - (free - memory.began)
    return replace(memory, tries=now) if now - free >= patience else memory
