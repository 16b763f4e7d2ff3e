# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured of nodes, kept in a ConfigMap until their next boot, as hosts keep it in ``/run``: how fast they
read their memory, since measured anew beside workers that compute, a node seems slower at each run, and the model would
move for it; and their GPUs, which no other pod can see while the cluster's own have them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..checks import from_json
from ..hosts.document import GPU
from .gpus import can_be_seen
from .nodes import left_over

_DEVICE = ("name", "description", "unified", "total_bytes", "free_bytes")
BANDWIDTH = "bandwidth_bytes_per_second"


def recalled(stock: Iterable[Mapping[str, Any]], kept: Mapping[str, str]) -> list[dict[str, Any]]:
    """The ``stock`` (see ``nodes``) with what was measured before; ``kept`` is the data of the ConfigMap. What was
    measured before the node's last boot is not known any more, nor a speed with another share of its CPU."""
    made = []
    for entry in stock:
        found = _recall(entry, kept)
        gpus = entry["gpus"] and {**entry["gpus"], "known": _known_gpus(found.get("gpus"), entry["gpus"])}
        made.append({**entry, BANDWIDTH: _known_bandwidth(found, entry), "gpus": gpus})
    return made


def to_keep(
    stock: Iterable[Mapping[str, Any]],
    tallies: Iterable[Mapping[str, Any]],
    programs: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, str]:
    """The data of the ConfigMap: what the tallies say of the nodes in ``stock``, and the ``programs`` (node -> those of
    its image, with the devices that they list there)."""
    told = {tally["host"]: tally for tally in tallies}
    kept = {}
    for entry in stock:
        tally = told.get(entry["node"]) or {}
        gpus = _gpus_to_keep(entry, tally, (programs or {}).get(entry["node"]) or {})
        if entry["boot"] and (tally.get(BANDWIDTH) or gpus):
            seen = {BANDWIDTH: tally.get(BANDWIDTH), **({"gpus": gpus} if gpus else {})}
            kept[entry["node"]] = json.dumps({**_identity(entry), **seen})
    return kept


def _gpus_to_keep(
    entry: Mapping[str, Any], tally: Mapping[str, Any], programs: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    gpus = entry["gpus"]
    if can_be_seen(gpus) and tally.get("gpus") and programs.get("devices"):
        return {"resource": gpus["resource"], "gpus": tally["gpus"], "devices": programs["devices"]}
    return gpus and gpus["known"]


def _recall(entry: Mapping[str, Any], kept: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = from_json(kept[entry["node"]])
        is_of_this_boot = bool(entry["boot"]) and found["boot"] == entry["boot"]
    except (KeyError, TypeError, ValueError):
        return {}  # none there, or none that was written here: it is measured
    return dict(found) if is_of_this_boot else {}


def _known_bandwidth(found: Mapping[str, Any], entry: Mapping[str, Any]) -> int | None:
    bandwidth = found.get(BANDWIDTH)
    is_same = found.get("millicores") == left_over(entry).millicores
    return bandwidth if is_same and isinstance(bandwidth, int) else None


def _known_gpus(found: object, gpus: Mapping[str, Any]) -> dict[str, Any] | None:
    if not isinstance(found, dict) or found.get("resource") != gpus["resource"]:
        return None
    for key, fields in (("gpus", GPU), ("devices", _DEVICE)):
        if not all(isinstance(one, dict) and set(fields) <= set(one) for one in found.get(key) or [None]):
            return None
    return found


def _identity(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"boot": entry["boot"], "millicores": left_over(entry).millicores}
