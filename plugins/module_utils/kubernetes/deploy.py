# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan over nodes to what their pods run: the same deployments that hosts have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..healing.members import make_members, read_members
from ..healing.owner import planned_bytes
from ..placement.document import places_the_same
from ..serving.deploy import deploy
from .lend import most_bytes, sources
from .settings import DAEMONSET, Settings
from .shares import share


def deploy_pods(
    plan: dict[str, Any],
    tallies: list[dict[str, Any]],
    programs: dict[str, dict[str, Any]],
    model: dict[str, Any],
    stock: Iterable[Mapping[str, Any]],
    settings: Settings,
    gguf: dict[str, Any],
    wishes: Mapping[str, Mapping[str, Any]] | None = None,
    before: object = None,
) -> tuple[dict[str, dict[str, Any]], dict[str, Any] | None]:
    """Host -> deployment, for every node and every host outside that takes part in ``plan``; and what the leader needs
    to plan anew (see ``healing.members``), None for a cluster that does not heal itself. Nor does one of which a host
    outside is a part: nobody gives that the secret.

    ``programs`` of a node are those of the image; ``model`` is told as its leader has it (in a pod
    ``settings.model.path``), and ``gguf`` is its header. ``wishes``: host -> what its owner wishes, by the names of the
    roles' variables (see ``serving.settings``). ``before``: what the leader has been told to plan anew with, which
    stays while all in it that lasts is the same, whatever was measured since. Where workers join by themselves its plan
    stays, too, and is the one that the deployments are by: they are the leader's to change. Raises DroverError as
    ``serving.deploy`` does.
    """
    by_host = {tally["host"]: tally for tally in tallies}
    entries = {entry["node"]: entry for entry in stock}
    planned = planned_bytes(plan)
    joins = share(plan, by_host, entries, settings, before) if settings.workers == DAEMONSET else None
    pods: dict[str, dict[str, Any]] = {
        node: {
            "sources": sources(entry, settings),
            "most_bytes": joins["most_bytes"]
            if joins and node != plan["leader"]
            else most_bytes(by_host[node], planned.get(node, 0), _most_before(before, node)),
        }
        for node, entry in entries.items()
        if node in plan["addresses"]
    }
    heals = settings.healing and pods.keys() == plan["addresses"].keys()
    given = {host: dict((wishes or {}).get(host, {})) for host in plan["addresses"]}
    for host in pods:
        given[host]["rpc_server_cache"] = settings.cache is not None
        given[host]["rpc_server_cache_max_bytes"] = (settings.cache and settings.cache.bytes) or 0
        given[host]["rpc_server_agent_port"] = settings.agent_port
    given[plan["leader"]]["llama_server_heals"] = heals
    if joins:
        wishes_of_worker = next(wishes for host, wishes in sorted(given.items()) if host != plan["leader"])
        joins = {**joins, "settings": wishes_of_worker}
    made = deploy(plan, tallies, programs, model, given, pods)
    found = {host: programs.get(host, {}) for host in made}
    members = make_members(
        plan, gguf, tallies, found, model, given, made, model_host=plan["leader"], pods=pods, joins=joins
    )
    if members is None:
        return made, None
    kept = _lasting(before, members)
    return (_deployed(kept) if joins else made), kept


def _most_before(before: object, node: str) -> int | None:
    pods = before.get("pods") if isinstance(before, dict) else None
    pod = pods.get(node) if isinstance(pods, dict) else None
    found = pod.get("most_bytes") if isinstance(pod, dict) else None
    return found if isinstance(found, int) else None


def _deployed(members: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What ran by the plan that is in ``members``."""
    wanted = ("plan", "tallies", "programs", "served", "settings", "pods")
    return deploy(*(members[name] for name in wanted))


def _lasting(before: object, members: dict[str, Any]) -> dict[str, Any]:
    """``members``, or those ``before`` where a leader has nothing to learn from what is new."""
    if not isinstance(before, dict) or before.get("lasting") != members["lasting"]:
        return members
    if members["joins"]:
        # It has planned with others since, whom it has found itself.
        return read_members(before)
    return before if places_the_same(before.get("plan"), members["plan"]) else members
