# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the workers are those that are meant, and have the leader's llama.cpp: by what their agents say, and by what
their RPC servers do while nobody uses them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..builds.prints import is_at
from ..healing.replan import Answer
from ..rpc.wire import probe
from ..serving.deployment import build_of
from .at_once import all_at_once


def agents_of(members: dict[str, Any], answers: Mapping[str, Answer]) -> dict[str, Answer]:
    """``answers`` of the workers' agents, those with the problem that keeps their hosts from taking part."""
    return {host: _judged(members, host, answer) for host, answer in answers.items()}


def _judged(members: dict[str, Any], host: str, answer: Answer) -> Answer:
    if answer.problem or answer.state is None:
        return answer
    state, programs = answer.state, members["programs"].get(members["leader"], {})
    expected, build = build_of(programs), build_of(state["build"])
    if (state["host"], state["cluster"]) != (host, members["cluster"]):
        return Answer(problem=f"{state['host']} of the cluster {state['cluster']} answers in its place")
    if any(expected.values()) and build != expected:
        return Answer(problem=f"it has build {build['build']} of llama.cpp, and the leader has {expected['build']}")
    # Where the leader's own was replaced, too, as by an update of all hosts, their RPC servers show whether they fit.
    if state["rpc"] and state["rpc"].get("replaced") and is_at(programs.get("server"), programs.get("prints", {})):
        return Answer(problem="its llama.cpp is another one than when site.yml ran")
    return answer


def strangers(
    members: dict[str, Any],
    endpoints: list[dict[str, Any]],
    deployments: Mapping[str, dict[str, Any]],
    places: Mapping[str, Mapping[str, Any]],
    seconds: float,
) -> dict[str, str]:
    """Host -> why its RPC server cannot be spoken to, of those at ``endpoints`` that do not answer within ``seconds``,
    or speak another protocol than the leader's: their program may have been replaced since root wrote down which build
    it is, and llama-server ends when it meets another. Nobody may use them at the moment. ``places``: of the agents."""
    expected = members["programs"].get(members["leader"], {}).get("rpc_protocol")
    if not expected:
        return {}
    calls = {}
    for end in endpoints:
        # Through the tunnel it is where it listens; where a pod is, its agent has told.
        address = deployments[end["host"]]["listen"]["address"] or places[end["host"]]["address"]
        calls[end["host"]] = partial(probe, address, end["port"], seconds)
    found = {}
    for host, said in all_at_once(calls, seconds + 1).items():
        version = said["version"] if isinstance(said, dict) else None
        spoken = "{major}.{minor}.{patch}".format(**version) if version else None
        if spoken is None:
            found[host] = "its RPC server does not answer"
        elif spoken != expected:
            found[host] = f"its RPC server speaks protocol {spoken}, and the leader's {expected}"
    return found
