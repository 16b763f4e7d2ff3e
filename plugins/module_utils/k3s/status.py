# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster of K3s is like now: its nodes, and how long its certificates are good."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from .version import is_the_same, parse_version

# K3s makes certificates anew at a start when they have less than this to go. Source: K3s's documentation, "k3s certificate".
RENEWAL_DAYS = 120


def is_ready(node: Mapping[str, Any]) -> bool:
    """Tell whether the API's object of a node says that it is ready."""
    conditions = node.get("status", {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def missing(nodes: Sequence[Mapping[str, Any]], wanted: Sequence[str], version: str = "") -> list[str]:
    """A sentence for each of the ``wanted`` nodes that is not there, not ready, or not of that version; none is good."""
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


def days_left(printed: str, now: datetime) -> int:
    """Whole days until the end that ``openssl x509 -enddate`` printed, such as ``notAfter=Nov 27 04:45:16 2027 GMT``."""
    text = re.sub(r"\s+", " ", printed.strip().partition("=")[2])
    end = datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=timezone.utc)
    return (end - now).days
