# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host that stands by is to have: the ``deployment`` by which it would lead, and the ``members`` with which it
then plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ..placement.planner import plan_again
from ..placement.policy import Policy
from ..placement.standby import standby_plan, without
from ..serving.deploy import deploy
from .members import make_members


def make_standbys(
    plan: dict[str, Any],
    gguf: dict[str, Any],
    tallies: list[dict[str, Any]],
    programs: dict[str, Any],
    models: Mapping[str, dict[str, Any]],
    settings: dict[str, dict[str, Any]],
    choice: dict[str, Any] | None = None,
    model_host: str | None = None,
    gateways: Iterable[dict[str, Any]] = (),
    pods: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Host -> ``deployment`` and ``members``, of those who stand by for ``plan``. ``models``: of each of them, as
    ``deploy`` takes the leader's; ``settings``: of each also those of a leader; ``pods``: as ``deploy`` takes them.
    Raises DroverError as ``deploy`` does, and where one could not lead."""
    gateways = list(gateways)
    policy, again = Policy.from_dict(plan["policy"]), partial(plan_again, gguf, plan["cluster"], choice)
    placed = [_where_it_is(tally, plan) for tally in tallies]
    found = {}
    for place, host in enumerate(plan.get("leaders", [])[1:], 1):
        gone = plan["leaders"][:place]
        here = without(placed, gone)
        own = standby_plan(host, here, policy, again, gone, model_host is not None)
        own = {
            **own,
            "policy": {**plan["policy"], "split": None},
            "network": plan["network"],
            "leaders": plan["leaders"],
        }
        able = {name: programs.get(name, {}) for name in own["addresses"]}
        wishes = {name: settings.get(name, {}) for name in own["addresses"]}
        within = {name: pod for name, pod in (pods or {}).items() if name in own["addresses"]}
        deployments = deploy(own, here, able, models[host], wishes, within, choice, gateways)
        members = make_members(
            own, gguf, here, able, models[host], wishes, deployments, choice, host if model_host else None, within
        )
        found[host] = {"deployment": deployments[host], "members": members}
    return found


def _where_it_is(tally: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """``tally`` by the address that its host was deployed with: without the leader another network might be better."""
    place = plan["addresses"].get(tally["host"])
    return {**tally, "network": {**tally["network"], "address": place["address"]}} if place else tally
