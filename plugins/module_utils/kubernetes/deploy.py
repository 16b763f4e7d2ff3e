# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan over nodes to what their pods run: the same deployments that hosts have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import DroverError
from ..healing.members import make_members, read_members
from ..healing.owner import planned_bytes
from ..healing.standby import make_standbys
from ..placement.document import places_the_same
from ..serving.deploy import deploy
from .gpus import given as gpus_of
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
    standbys_before: Mapping[str, object] | None = None,
) -> tuple[dict[str, dict[str, Any]], dict[str, Any] | None, dict[str, dict[str, Any]]]:
    """Host -> deployment, for every node and every host outside that takes part in ``plan``; what the leader needs to
    plan anew (see ``healing.members``), None for a cluster that does not heal itself; and what nodes that stand by have
    of both (see ``healing.standby``). Nor does a cluster heal itself of which a host outside is a part: nobody gives
    that the secret.

    ``programs`` of a node are those of the image; ``model`` is told as its leader has it (in a pod
    ``settings.model.path``), and ``gguf`` is its header. ``wishes``: host -> what its owner wishes, by the names of the
    roles' variables (see ``serving.settings``). ``before``: what the leader has been told to plan anew with, which
    stays while all in it that lasts is the same, whatever was measured since. Where workers join by themselves its plan
    stays, too, and is the one that the deployments are by: they are the leader's to change. ``standbys_before``: the
    same by node, of those who stand by. Raises DroverError as ``serving.deploy`` does, and for a standby that cannot be
    had.
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
    leaders = plan.get("leaders", [])
    if leaders:
        _require_pods(plan, entries)
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
        return made, None, {}
    standbys = make_standbys(
        plan,
        gguf,
        tallies,
        found,
        dict.fromkeys(leaders[1:], model),
        {host: {**given[plan["leader"]], **wishes} if host in leaders else wishes for host, wishes in given.items()},
        model_host=plan["leader"],
        pods=pods,
    )
    for host, each in standbys.items():
        standbys[host] = _standing(each, (standbys_before or {}).get(host))
    kept = _lasting(before, members)
    return (_deployed(kept) if joins else made), kept, standbys


def _require_pods(plan: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise DroverError where a host outside takes part, which does not heal, or whoever is to stand by could not have
    the GPUs of its node."""
    leaders = plan["leaders"]
    wish = f"placement_standby is {len(leaders) - 1}"
    outside = sorted(plan["addresses"].keys() - entries.keys())
    if outside:
        raise DroverError(
            f"{wish}, and a standby takes over only in a cluster that heals itself, of which {', '.join(outside)} of "
            "kubernetes_outside is no part: take it out, or set placement_standby to 0."
        )
    taken = [host for host in leaders[1:] if gpus_of(entries[host])]
    if taken:
        raise DroverError(
            f"{wish}, and the GPUs of {', '.join(taken)}, which would stand by, are its worker's, so that no other pod "
            "can have them: take them out of the plan (gpus of kubernetes_nodes), or set placement_standby to 0."
        )


def _standing(made: dict[str, Any], before: object) -> dict[str, Any]:
    """``made``, or what was there ``before`` where one that stands by has nothing to learn from what is new: it plans
    when it leads, and by what it finds then."""
    if not isinstance(before, dict) or before.get("lasting") != made["members"]["lasting"]:
        return made
    members = read_members(before)
    if members["plan"].get("leaders") != made["members"]["plan"]["leaders"]:
        return made
    return {"members": members, "deployment": _deployed(members)[members["leader"]]}


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
