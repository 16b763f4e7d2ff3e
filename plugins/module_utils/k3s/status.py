# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster of K3s is like now: its nodes, and how long its certificates are good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..text import counted
from .certificate import ends_at
from .version import is_the_same, parse_version

# A start makes certificates anew that have less than this to go; later versions begin at 120 days. Source: K3s's
# documentation, "k3s certificate".
_RENEWAL_DAYS = 90


def is_ready(node: Mapping[str, Any]) -> bool:
    """Tell whether the API's object of a node says that it is ready."""
    conditions = node.get("status", {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def missing(nodes: Sequence[Mapping[str, Any]], wanted: Sequence[str], version: str = "") -> list[str]:
    """A sentence for each of the ``wanted`` nodes that is not there, not ready, or not of that version;
    none is good."""
    known = {node["metadata"]["name"]: node for node in nodes}
    found = []
    for name in wanted:
        node = known.get(name)
        if node is None:
            found.append(f"Node {name} has not joined.")
        elif not is_ready(node):
            found.append(f"Node {name} is not ready.")
        elif version:
            told = node["status"]["nodeInfo"]["kubeletVersion"]
            if not is_the_same(told, parse_version(version)):
                found.append(f"Node {name} runs {told} and not {version}.")
    return found


def told(nodes: Sequence[Mapping[str, Any]], certificates: Mapping[str, Mapping[str, str]], now: datetime) -> list[str]:
    """The status for people, a line each: the nodes, and for each host in ``certificates`` (host -> file -> its text)
    the one that ends first."""
    lines = []
    for node in sorted(nodes, key=lambda one: str(one["metadata"]["name"])):
        state = "ready" if is_ready(node) else "NOT READY"
        if node.get("spec", {}).get("unschedulable"):
            state += ", takes no new pods"
        lines.append(f"{node['metadata']['name']}  {state}  {node['status']['nodeInfo']['kubeletVersion']}")
    for host, files in sorted(certificates.items()):
        ends = {name: ends_at(text, name) for name, text in files.items()}
        if ends:
            first = min(ends, key=lambda name: (ends[name], name))
            left = (ends[first] - now).days
            remedy = "; a restart of K3s makes it anew" if left < _RENEWAL_DAYS else ""
            lines.append(f"{host}: {first} is the first certificate to end, in {counted(left, 'day')}{remedy}.")
    return lines
