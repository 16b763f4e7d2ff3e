# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the watch sees the workers that llama-server was started with: by what their agents say, and by whether anything
gets through between llama-server and their RPC servers, which the kernels at both ends know.

The RPC port itself is busy, and is never asked. A worker that computes for minutes acknowledges at once what it is
sent, and one that has no room for more says so; where neither comes back, nothing gets through. When it was the answer
that was lost, the leader has nothing to send, and the worker's kernel alone knows of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..healing.policy import ANOTHER, SAME, SILENT, SLOW, STUCK
from ..healing.replan import SILENT as NO_ANSWER
from ..healing.replan import SLOW as SLOW_ANSWER
from ..healing.replan import Answer
from ..hosts.listener import retransmits_to
from ..hosts.tree import Once, Tree
from .workers import is_address

# What was sent again so often has waited for 1.4 s at least: Linux does so after 0.2 s (TCP_RTO_MIN) and more on a link
# of longer ways, and waits twice as long each time.
STUCK_RETRANSMITS = 3
# Why who is seen so is no help to a request.
REASONS = {
    ANOTHER: "its RPC server has ended or was started anew",
    STUCK: "nothing gets through to its RPC port",
}


def sights_of(
    tree: Tree,
    decided: Mapping[str, Any],
    places: Mapping[str, Mapping[str, Any]],
    answers: Mapping[str, Answer],
) -> dict[str, str]:
    """Worker -> how it is seen on the leader in ``tree``, of those that llama-server was started with by what was
    ``decided``. ``places``: where the agents are; ``answers``: what these have said."""
    tree = Once(tree.root)
    ends = {end["host"]: end for end in decided["plan"]["endpoints"]}
    found = {}
    for host, mark in decided["workers"].items():
        found[host] = _said(answers.get(host), mark)
        if found[host] == SAME and host in ends:
            end, state = ends[host], answers[host].state or {}
            # A pod is where its agent is. Through a tunnel it is the tunnel that connects to the worker itself.
            address = end["address"] if is_address(end["address"]) else places[host]["address"]
            sent = (state["rpc"].get("retransmits", 0), retransmits_to(tree, address, end["port"]))
            found[host] = STUCK if max(sent) >= STUCK_RETRANSMITS else SAME
    return found


def _said(answer: Answer | None, mark: str) -> str:
    if answer is None or answer.problem == NO_ANSWER:
        return SILENT
    if answer.problem == SLOW_ANSWER:
        return SLOW
    rpc = answer.state["rpc"] if answer.state else None
    return SAME if rpc and rpc["mark"] == mark else ANOTHER
