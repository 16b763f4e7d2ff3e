# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each host joins with, as the text of a file of settings. Nothing of it stands in a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DroverError
from . import configuration
from .tokens import parse_token


def render(cluster: Sequence[str], part: str, given: Mapping[str, Any]) -> str:
    """The file for one host. ``cluster`` has the tokens of servers and of agents as the running cluster has them, in
    full, or empty texts when nobody has begun.

    ``given`` has what the user gave, empty where nothing: ``token``, ``agent_token`` and ``datastore_endpoint``;
    ``anchor``, whether this is the server that others join by; and ``made``, a password for agents when there is none
    yet. Raises DroverError for a token that is none, or that is not the running cluster's.
    """
    of_servers, of_agents = (*cluster, "", "")[:2]
    for name, wished, running in (
        ("token", given["token"], of_servers),
        ("agent_token", given["agent_token"], of_agents),
    ):
        if wished and running and _password(wished, name) != _password(running, name):
            raise DroverError(
                f"k3s_{name} is not what the cluster has, and a cluster's is changed by K3s itself: take k3s_{name} "
                "away, or use "
                '"k3s token rotate".'
            )
    if part == "agent":
        return configuration.render({"token": of_agents})
    agents = of_agents or given["agent_token"] or given["made"]
    found = {
        "agent-token": _password(agents, "agent_token"),
        # Who begins makes one when none is given; who joins pins the cluster's authority with its whole.
        "token": given["token"] if given["anchor"] else of_servers,
        "datastore-endpoint": given["datastore_endpoint"],
    }
    return configuration.render({name: value for name, value in found.items() if value})


def _password(token: str, name: str) -> str:
    return parse_token(token, f"k3s_{name}").password
