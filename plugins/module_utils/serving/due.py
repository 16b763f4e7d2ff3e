# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which hosts something is left to do, by what was found there: a run that changes nothing goes past all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..healing.granted import VARIES_ON_LEADER
from ..placement.document import places_the_same
from .tunnel import reached_at


def hosts_due(
    deployments: dict[str, dict[str, Any]],
    plan: dict[str, Any] | None,
    found: Iterable[dict[str, Any]],
    installed: str | None,
    spread: int = 0,
    members: str | None = None,
    standbys: Mapping[str, dict[str, Any]] | None = None,
) -> list[str]:
    """The sorted hosts on which something is to be written, started or stopped before all run what ``deployments``
    (host -> deployment) say.

    ``plan`` is what the leader is to have, and ``installed`` the digest of what each host is to have of Drover (see
    runtime/installed.py). ``found``: ``host``, and of it ``installed``, ``deployment`` (what its service was started
    by), ``complete``, ``listeners``, ``members``, ``secret``, ``plan`` and ``weights``, as memory_info returns them, or
    empty.

    A host that nothing was found on is due; so is one that leads no longer, a leader whose members are others than
    ``members`` (see healing/members.py, ``lasting``), one of the ``standbys`` that is due (see ``standbys_due``), one
    that stands by no longer, or leads in the leader's place, one that heals and has another secret than its leader, or
    one whose tensor cache lacks what ``spread`` asks for (on how many workers each tensor is to be, 0 for none).
    """
    known = {each["host"]: each for each in found}
    placing = spread if plan and plan["feasible"] and saves(plan["predicted"]) else 0
    led = {host for host, each in known.items() if each["plan"] and deployments.get(host, {}).get("part") != "leader"}
    unlike = {
        host
        for host, deployment in deployments.items()
        if host not in known
        or not _stands(deployment, plan, known[host], installed, members)
        or not _has_its_weights(deployment, known[host], placing)
    }
    healing = [host for host, deployment in deployments.items() if deployment.get("healing") and host in known]
    shared = {known[host].get("secret") for host in healing if deployments[host]["part"] == "leader"} - {None, ""}
    unlike |= {host for host in healing if shared != {known[host].get("secret")}}
    standbys = standbys or {}
    standing = {host for host, each in standbys.items() if each["due"]}
    standing |= {
        host
        for host, each in known.items()
        if each.get("standby") and (host not in standbys or each["standby"].get("leads"))
    }
    return sorted(led | unlike | standing)


def standbys_due(standbys: Mapping[str, dict[str, Any]], found: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """``standbys`` (see healing/standby.py), each with whether it is ``due``: what was ``found`` of its ``standby``
    (see memory_info) differs by more than what is measured anew every time."""
    known = {each["host"]: each.get("standby") or {} for each in found}
    return {host: {**each, "due": not _stands_by(each, known.get(host, {}))} for host, each in standbys.items()}


def _stands_by(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    deployment, before = wanted["deployment"], found.get("deployment") or {}
    return (
        bool(found.get("complete"))
        and found.get("members") == wanted["members"]["lasting"]
        and all(before.get(name) == deployment[name] for name in deployment if name not in VARIES_ON_LEADER)
    )


def saves(predicted: Mapping[str, Any]) -> bool:
    """Whether there is anything to gain by weights that are in the workers' caches. (A plan of old does not say.)"""
    sent = predicted["load_bytes_over_network"]
    return bool(predicted.get("load_bytes_once_cached", sent) < sent)


def _has_its_weights(deployment: dict[str, Any], found: dict[str, Any], spread: int) -> bool:
    # Weights are placed in the clear: whom the leader reaches through the tunnel it sends them by that.
    if not spread or not deployment.get("cache") or reached_at(deployment):
        return True
    # What a leader has sent is there, too; but copies it sends none.
    weights = found.get("weights") or {"spread": 1, "lacking_bytes": 0}
    return bool(weights["spread"] == spread and not weights["lacking_bytes"])


def _stands(
    deployment: dict[str, Any],
    plan: dict[str, Any] | None,
    found: dict[str, Any],
    digest: str | None,
    members: str | None,
) -> bool:
    """Whether a host is as it is to be."""
    if (found["installed"], found["deployment"]) != (digest, deployment) or not found["complete"]:
        return False
    if deployment["part"] == "leader":
        return plan is not None and places_the_same(found["plan"], plan) and (found.get("members") or None) == members
    # A drop-in of the owner's may have it start another program than the deployment's.
    port, tunnel = deployment["listen"]["port"], reached_at(deployment)
    listeners = [each for each in found["listeners"] if each["port"] == port]
    programs = [each["command"] for each in listeners if tunnel is None or each["address"] != tunnel]
    return programs == [deployment["program"]]
