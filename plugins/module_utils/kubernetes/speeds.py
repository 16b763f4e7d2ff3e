# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast nodes read their memory, kept in a ConfigMap until their next boot, as hosts keep it in ``/run``: measured
anew beside workers that compute, a node seems slower at each run, and the model would move for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .nodes import left_over

BANDWIDTH = "bandwidth_bytes_per_second"


def recalled(stock: Iterable[Mapping[str, Any]], kept: Mapping[str, str]) -> list[dict[str, Any]]:
    """The ``stock`` (see ``nodes``) with what was measured before; ``kept`` is the data of the ConfigMap. What was
    measured before the node's last boot, or with another share of its CPU, is not known any more."""
    return [{**entry, BANDWIDTH: _recall(entry, kept)} for entry in stock]


def to_keep(stock: Iterable[Mapping[str, Any]], tallies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The data of the ConfigMap: what the tallies say of the nodes in ``stock``."""
    told = {tally["host"]: tally[BANDWIDTH] for tally in tallies}
    return {
        entry["node"]: json.dumps({**_identity(entry), BANDWIDTH: told[entry["node"]]})
        for entry in stock
        if entry["boot"] and told.get(entry["node"])
    }


def _recall(entry: Mapping[str, Any], kept: Mapping[str, str]) -> int | None:
    try:
        found = json.loads(kept[entry["node"]])
        bandwidth = int(found.pop(BANDWIDTH))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None  # none there, or none that was written here: it is measured
    return bandwidth if entry["boot"] and found == _identity(entry) else None


def _identity(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"boot": entry["boot"], "millicores": left_over(entry).millicores}
