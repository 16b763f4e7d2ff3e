# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who stands by: the hosts that could lead best without the leader, by the same planner. A plan with standbys has
``leaders``, in the order in which they are to lead, the leader itself first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..errors import DroverError
from .policy import Policy

# (tallies, policy, model_host) -> plan, with whatever else there is to plan with.
Planner = Callable[[Sequence[dict[str, Any]], Policy, "str | None"], dict[str, Any]]
# Where a standby leads by the word of most members: with two, nobody could.
LEAST_MEMBERS = 3
GONE = "it leads, and this is the plan without it"


def choose_leaders(
    plan: dict[str, Any],
    tallies: Sequence[dict[str, Any]],
    policy: Policy,
    planner: Planner,
    before: Iterable[str] = (),
    model_host: str | None = None,
    members_vote: bool = True,
) -> list[str]:
    """The leader of ``plan`` and, after it, as many who stand by as the ``policy`` wishes. Who stood by ``before``
    stays if it can: the model is there. ``members_vote``: whether who leads does so by their word. Raises DroverError,
    one sentence, where there are too few."""
    members = sorted(plan["addresses"])
    wished = f"placement_standby is {policy.standby}"
    if members_vote and len(members) < LEAST_MEMBERS:
        raise DroverError(
            f"{wished}, and a standby takes over only by the word of most members, of which {LEAST_MEMBERS} or more "
            f"are needed and {len(members)} are there: add hosts, or set placement_standby to 0."
        )
    leaders = [plan["leader"]]
    known = list(before)
    while len(leaders) <= policy.standby:
        chosen = _best(leaders, members, tallies, policy, planner, known, model_host)
        if chosen is None:
            raise DroverError(
                f"{wished}, and no host could lead without {', '.join(leaders)}: give another one the memory, and the "
                "disk for the model's file, or set placement_standby to 0."
            )
        leaders.append(chosen)
    return leaders


def standby_plan(
    host: str,
    tallies: Sequence[dict[str, Any]],
    policy: Policy,
    planner: Planner,
    gone: Iterable[str],
    file_is_there: bool,
) -> dict[str, Any]:
    """The plan that ``host`` leads without those who are ``gone``."""
    policy = replace(policy, leader=host, standby=0, split=None)
    return planner(without(tallies, gone), policy, host if file_is_there else None)


def without(tallies: Iterable[dict[str, Any]], gone: Iterable[str]) -> list[dict[str, Any]]:
    """``tallies`` in which those who are ``gone`` take no part."""
    gone = set(gone)
    return [{**tally, "exclude": GONE} if tally["host"] in gone else tally for tally in tallies]


def _best(
    leaders: list[str],
    members: list[str],
    tallies: Sequence[dict[str, Any]],
    policy: Policy,
    planner: Planner,
    before: list[str],
    model_host: str | None,
) -> str | None:
    found = []
    places = {host: place for place, host in reversed(list(enumerate(before)))}
    for host in sorted(set(members) - set(leaders), key=lambda host: (places.get(host, len(before)), host)):
        try:
            plan = standby_plan(host, tallies, policy, planner, leaders, model_host is not None)
        except DroverError:
            continue
        if plan["feasible"] and host in before:
            return host
        if plan["feasible"]:
            found.append((plan["predicted"]["request_seconds"], host))
    return min(found)[1] if found else None
