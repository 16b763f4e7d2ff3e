# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan over nodes to what their pods run: the same deployments that hosts have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..serving.deploy import deploy
from .lend import sources
from .settings import Settings


def deploy_pods(
    plan: dict[str, Any],
    tallies: list[dict[str, Any]],
    programs: dict[str, dict[str, Any]],
    model: dict[str, Any],
    stock: Iterable[Mapping[str, Any]],
    settings: Settings,
    wishes: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Host -> deployment, for every node and every host outside that takes part in ``plan``.

    ``programs`` of a node are those of the image; ``model`` is told as its leader has it (in a pod
    ``settings.model.path``). ``wishes``: host -> what its owner wishes, by the names of the roles' variables (see
    ``serving.settings``). Raises DroverError as ``serving.deploy`` does.
    """
    pods = {entry["node"]: sources(entry, settings) for entry in stock if entry["node"] in plan["addresses"]}
    given = {host: dict((wishes or {}).get(host, {})) for host in plan["addresses"]}
    for host in pods:
        given[host]["rpc_server_cache"] = settings.cache is not None
    made = deploy(plan, tallies, programs, model, given, pods)
    if settings.cache and settings.cache.bytes is not None:
        for host in pods:
            if made[host]["cache"]:
                made[host]["cache"]["bytes"] = settings.cache.bytes
    return made
