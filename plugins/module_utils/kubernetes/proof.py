# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether every planned worker in Kubernetes takes part, by what ``drover held`` says in its pod."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..serving.proof import LEAST_SHARE, peers_from_afar, planned_weights
from ..text import size_text


def absent_faults(plan: Mapping[str, Any], absent: Mapping[str, str]) -> list[str]:
    """A sentence for each host that ``plan`` puts layers on and that takes no part, by the leader's word in
    ``absent``: it plans by itself, and may well put them elsewhere, but it has to know of all."""
    missing = sorted(absent.keys() & planned_weights(plan).keys())
    return [f"{host} takes no part, since {absent[host]}: look at its pod." for host in missing]


def held_faults(plan: Mapping[str, Any], held: Mapping[str, Mapping[str, Any]], nodes: Collection[str]) -> list[str]:
    """A sentence for each worker on one of the ``nodes`` (names) that does not hold what ``plan`` puts on it, or that
    the leader has not connected to. Hosts outside of the cluster are asked otherwise: ``serving.proof``.

    ``held``: host -> ``held_bytes`` of its RPC server and ``connections`` to its port (``peer``).
    """
    faults = []
    for host, weight_bytes in planned_weights(plan).items():
        if host not in nodes:
            continue
        found = held.get(host)
        if found is None:
            faults.append(
                f"{host} is planned to hold {size_text(weight_bytes)} of weights and told nothing: see whether its pod "
                "is up."
            )
        elif not peers_from_afar({each["peer"] for each in found["connections"]}):
            faults.append(
                f"{host} takes no part, since the leader {plan['leader']} has no connection to its RPC server: look at "
                "the logs of both pods, and for a NetworkPolicy of others between them."
            )
        elif found["held_bytes"] < weight_bytes * LEAST_SHARE:
            faults.append(
                f"{host} holds {size_text(found['held_bytes'])} where the plan puts {size_text(weight_bytes)} of "
                f"weights: see in the log of the leader's pod on {plan['leader']} why {host} was left out."
            )
    return faults
