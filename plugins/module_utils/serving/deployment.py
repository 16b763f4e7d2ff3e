# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment: what one host runs for one cluster, as data that a unit or a pod reads and becomes.

A deployment is a dictionary of

- ``schema`` (1), ``cluster`` and ``host`` (names), ``part``: ``leader`` (runs llama-server) or ``worker`` (lends memory),
- ``build``: ``version`` (text), ``build`` (number) and ``rpc_protocol`` (text) of its llama.cpp, each null if unknown,
- ``program``: path of the program; ``arguments``: all of its arguments; ``environment``: name -> value, to add,
- ``listen``: ``address`` (IPv4) and ``port``; ``allow``: the addresses that may connect, or null for anyone,
- ``files``: ``path`` and ``bytes`` of each file that must be there (``bytes`` null: of any size),
- ``memory_bytes``: what the plan puts into the host's main memory (0 when no plan says),
- ``cache``: null, or ``directory`` of the tensor cache and the ``days`` after which unread files go.
"""

from __future__ import annotations

from typing import Any

from ..checks import choice, dictionary, document, text, whole
from ..errors import DroverError
from .cluster import Cluster

SCHEMA = 1
PARTS = ("leader", "worker")

_FIELDS: dict[str, Any] = {
    "cluster": str,
    "host": str,
    "part": str,
    "build": dict,
    "program": str,
    "arguments": list,
    "environment": dict,
    "listen": dict,
    "allow": (list, type(None)),
    "files": list,
    "memory_bytes": int,
    "cache": (dict, type(None)),
}


def read_deployment(value: object) -> dict[str, Any]:
    """``value`` as a deployment. Raises DroverError, one sentence, for what is none."""
    raise NotImplementedError


def deploy(
    plan: dict[str, Any],
    tallies: list[dict[str, Any]],
    programs: dict[str, dict[str, Any]],
    model: dict[str, Any],
    settings: dict[str, dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Host -> deployment, for every host that takes part in ``plan``."""
    raise NotImplementedError
