# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether every planned worker takes part. A leader may go on without one, and its answers do not tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..text import size_text


def held_part(tally: dict[str, Any], connections: list[dict[str, Any]]) -> dict[str, Any]:
    """``held_bytes`` and ``peers`` of a worker, by a fresh ``tally`` of it and the ``connections`` to its ports.

    Memory of a card counts as well as the machine's; that of a GPU which shares the machine's is in there already.
    """
    cards = sum(gpu["held_bytes"] for gpu in tally["gpus"] if not gpu["unified"])
    peers = sorted({each["peer"] for each in connections if each["port"] == tally["port"]})
    return {"held_bytes": tally["memory"]["held_bytes"] + cards, "peers": peers}


# A part of what a worker holds may have been swapped out since; one that takes no part holds next to nothing.
LEAST_SHARE = 0.75


def missing_parts(
    plan: dict[str, Any], held: dict[str, dict[str, Any]], hosts: Collection[str] | None = None
) -> list[str]:
    """A sentence for each worker that does not hold what ``plan`` puts on it, or that the leader has not connected to;
    of ``hosts`` (names) only, unless they are None.

    ``held``: host -> ``held_bytes`` (of its RPC server's unit) and ``peers`` (addresses connected to its RPC port), see
    ``held_part``. Weights are held from the start on, while cache and buffers fill as they are used.
    """
    weights = planned_weights(plan)
    return [
        sentence
        for host in weights
        if hosts is None or host in hosts
        for sentence in _missing(plan, host, weights[host], held.get(host))
    ]


def planned_weights(plan: Mapping[str, Any]) -> dict[str, int]:
    """Worker -> bytes of weights that ``plan`` puts on it."""
    return _on_workers(plan, "weight_bytes")


def planned_bytes(plan: Mapping[str, Any]) -> dict[str, int]:
    """Worker -> all bytes that ``plan`` expects to be held there."""
    return _on_workers(plan, "total_bytes")


def _on_workers(plan: Mapping[str, Any], name: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for device in plan["devices"]:
        if device["host"] != plan["leader"]:
            sizes[device["host"]] = sizes.get(device["host"], 0) + device[name]
    return sizes


def peers_from_afar(peers: Iterable[str]) -> list[str]:
    """Those that may be the leader: whoever connects from the worker itself is not."""
    return [peer for peer in peers if not peer.startswith("127.")]


def _missing(plan: dict[str, Any], host: str, weight_bytes: int, found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return [
            f"{host} is planned to hold {size_text(weight_bytes)} of weights and told nothing: see whether it is up."
        ]
    if not peers_from_afar(found["peers"]):
        return [
            f"{host} takes no part, since the leader {plan['leader']} has no connection to its RPC server: look with "
            f'"journalctl -u drover-rpc@{plan["cluster"]}.service" on {host}, and for a firewall between them.'
        ]
    if found["held_bytes"] < weight_bytes * LEAST_SHARE:
        return [
            f"{host} holds {size_text(found['held_bytes'])} where the plan puts {size_text(weight_bytes)} of weights: "
            f"see in the log of drover-server@{plan['cluster']}.service on {plan['leader']} why {host} was left out."
        ]
    return []
