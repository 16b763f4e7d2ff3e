# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that join by themselves: pods of one template, of which nobody knows beforehand on which hosts they will be.

``joins`` of the document ``members`` is null, or says what one that has joined is given:

- ``address``: the name in the DNS that all such pods have together; ``agent_port`` and ``rpc_port``,
- ``most_bytes``: what any plan may put into its memory; ``threads``; ``millicores`` that its pod has for them,
- ``reserve_bytes``: what its node keeps (null: as a host does), and ``least_reserve_bytes``, at least,
- ``settings``: its owner's wishes, as ``deploy`` takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..checks import Fields, document, record, text, whole
from ..hosts.devices import drive
from ..hosts.document import MOST, read_tally
from ..hosts.memory import default_reserve
from ..hosts.pod_tally import of_node

BANDWIDTH = "bandwidth_bytes_per_second"
JOINED = "it has joined"
_PORTS = ("agent_port", "rpc_port")


def read_joins(value: Any, what: str, remedy: str) -> None:
    """Raise DroverError, one sentence, unless ``value``, which is ``what``, is null or ``joins``."""
    if value is None:
        return
    fields: Fields = {"reserve_bytes": (int, type(None)), "settings": dict}
    record(value, what, fields, remedy)
    text(value.get("address"), f"{what}: address", remedy)
    for name in _PORTS:
        whole(value.get(name), f"{what}: {name}", 1, 65535, remedy)
    for name, least in (("most_bytes", 0), ("threads", 1), ("millicores", 1), ("least_reserve_bytes", 0)):
        whole(value.get(name), f"{what}: {name}", least, MOST, remedy)


def with_joined(members: Mapping[str, Any], host: str, told: object) -> dict[str, Any]:
    """``members`` and the ``host`` that has joined, by the tally that was ``told`` in its pod. Raises DroverError for
    one that is none."""
    # The run may have seen the node, and left it out by its labels.
    members = without(members, host)
    joins, leader = members["joins"], members["leader"]
    tally = _lent(document(told, f"What {host} tells of itself", 1, _TOLD), host, members)
    place = {"address": tally["network"]["address"], "port": tally["port"]}
    addresses = {**members["plan"]["addresses"], host: place}
    return {
        **members,
        # By which it is deployed, as all others.
        "plan": {**members["plan"], "addresses": addresses},
        "tallies": [*members["tallies"], tally],
        # All have the same image.
        "programs": {**members["programs"], host: {**members["programs"].get(leader, {}), "devices": []}},
        "settings": {**members["settings"], host: joins["settings"]},
        "agents": {**members["agents"], host: {"address": place["address"], "port": joins["agent_port"]}},
        "pods": {**members["pods"], host: {"sources": [], "most_bytes": joins["most_bytes"]}},
    }


def without(members: Mapping[str, Any], host: str) -> dict[str, Any]:
    """``members`` without the worker on ``host``, as if it had never been there."""
    tallies = [tally for tally in members["tallies"] if tally["host"] != host]
    plan = {**members["plan"], "addresses": _without(members["plan"]["addresses"], host)}
    by_host = {name: _without(members[name], host) for name in ("programs", "settings", "agents", "pods")}
    return {**members, "plan": plan, "tallies": tallies, **by_host}


def newcomers(members: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, str]:
    """Of the workers that join by themselves, those that ``plan`` was made without: host -> why, in a few words."""
    return dict.fromkeys(members["agents"].keys() - plan["addresses"].keys(), JOINED) if members["joins"] else {}


_TOLD: dict[str, Any] = {"memory": dict, "network": dict, "cpu": dict}


def _lent(told: dict[str, Any], host: str, members: Mapping[str, Any]) -> dict[str, Any]:
    joins = members["joins"]
    for name in ("total_bytes", "available_bytes"):
        whole(told["memory"].get(name), f"What {host} tells of itself: {name}", 0, MOST)
    reserve = joins["reserve_bytes"]
    reserve = default_reserve(told["memory"]["total_bytes"]) if reserve is None else reserve
    reserve = max(reserve, joins["least_reserve_bytes"])
    usable = min(max(0, told["memory"]["available_bytes"] - reserve), joins["most_bytes"])
    memory = {"reserve_bytes": reserve, "usable_bytes": usable, "held_bytes": 0}
    found = of_node(told, host, memory, joins["threads"], joins["rpc_port"], f"{host}.{joins['address']}")
    # Where memory was too short to measure it is taken for the slowest of all.
    known = [tally[BANDWIDTH] for tally in members["tallies"] if tally[BANDWIDTH]]
    speed = found.get(BANDWIDTH) or min(known, default=None)
    return read_tally(
        drive({**found, "exclude": "", "obstacles": [], "gpus": [], "gpu_problem": None, BANDWIDTH: speed}, (), [])
    )


def _without(by_host: Mapping[str, Any], host: str) -> dict[str, Any]:
    return {name: each for name, each in by_host.items() if name != host}
