# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which hosts something is left to do, by what was found there: a run that changes nothing goes past all others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..placement.document import places_the_same


def hosts_due(
    deployments: dict[str, dict[str, Any]],
    plan: dict[str, Any] | None,
    found: Iterable[dict[str, Any]],
    installed: str | None,
    members: str | None = None,
) -> list[str]:
    """The sorted hosts on which something is to be written, started or stopped before all run what ``deployments``
    (host -> deployment) say.

    ``plan`` is what the leader is to have, and ``installed`` the digest of what each host is to have of Drover (see
    runtime/installed.py). ``found``: ``host``, and of it ``installed``, ``deployment`` (what its service was started
    by), ``complete``, ``listeners``, ``members`` and ``plan``, as memory_info returns them, or empty. A host that
    nothing was found on is due; so is one that leads no longer, and a leader whose members are others than ``members``
    (see healing/members.py, ``lasting``).
    """
    known = {each["host"]: each for each in found}
    led = {host for host, each in known.items() if each["plan"] and deployments.get(host, {}).get("part") != "leader"}
    unlike = {
        host
        for host, deployment in deployments.items()
        if host not in known or not _stands(deployment, plan, known[host], installed, members)
    }
    return sorted(led | unlike)


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
    port = deployment["listen"]["port"]
    return [each["command"] for each in found["listeners"] if each["port"] == port] == [deployment["program"]]
