# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tally of a node, made of what was told in a pod on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def of_node(
    told: Mapping[str, Any], host: str, memory: Mapping[str, Any], threads: int | None, port: int, address: str | None
) -> dict[str, Any]:
    """What ``drover tally`` has ``told`` in a pod on the node ``host``, with the ``memory``, the ``threads`` and the
    ``port`` of the pod that is to work there, which is reached at the ``address`` (or name)."""
    return {
        **told,
        "host": host,
        # What is in an image is the same everywhere.
        "machine": None,
        "memory": {**told["memory"], "others_bytes": 0, **memory},
        "lend": [],
        "threads": threads,
        "port": port,
        # Those of a pod go with it; and the node's own is told by its name in the API.
        "network": {
            **told["network"],
            "address": address,
            "addresses": [],
            "arrived_at": None,
            "default_interface": None,
        },
    }
