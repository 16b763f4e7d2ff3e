# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a running cluster is: a line for each host, and what is wrong.

Both are told from the running ``plan`` and ``states``, one dictionary for each host, in the order of the lines:

- ``host``: its name;
- ``tally``: what memory_info said, of which ``memory.held_bytes`` is told unless ``held_bytes`` is given;
- ``programs``: what llama_cpp_info said, of which ``build`` is told;
- ``deployed``: the part that its deployment gives it, if any: a cluster that heals itself goes on without a worker that
  is down, which then has no layers in the running plan;
- ``stands_by``: whether it stands by, or leads in the leader's place;
- ``listens``: whether its RPC server listens (of the leader, and of a host that has no part, it does not matter);
- ``held_bytes``: memory that the cluster's units hold there, or null;
- ``problem``: what is wrong with its part, in one sentence, or null;
- ``completion``: of the leader, what completion_info returned as completion, or null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import checks
from ..placement.document import read_plan
from ..serving.cluster import Cluster
from ..text import columns, counted
from .measured import measured_lines
from .table import experts_texts, layers_text

HEAD = ("host", "part", "state", "build", "memory", "layers")
REMEDY = "give a dictionary for each host, as playbooks/status.yml does"
# As Ansible's filter human_readable writes them, which the table was made with before.
UNITS = ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


def status_lines(plan: object, states: object, measured: Iterable[object] = ()) -> list[str]:
    """A head, a line for each host, how fast the leader answered, and what was measured of its start, by the documents
    ``measured`` that were found. Raises ``DroverError`` for bad input."""
    running, hosts = read_plan(plan), _read(states)
    rows = [HEAD]
    for state in hosts:
        part = _part(running, state["host"])
        up = "up" if _problem(running, state) is None else "DOWN"
        build = _build(state)
        told = (state["host"], part, up, "none" if build is None else str(build), _size(_held(state)))
        rows.append((*told, _layers(running, state["host"])))
    return [
        *columns(rows, right=(4,)),
        *standby_lines(running),
        _speed(running, hosts),
        *measured_lines(running, measured),
    ]


def standby_lines(plan: Mapping[str, Any]) -> list[str]:
    """Who leads and who stands by, where somebody does."""
    others = [host for host in plan.get("leaders", []) if host != plan["leader"]]
    return (
        [f"{plan['leader']} leads, {', '.join(others)} {'stands' if len(others) == 1 else 'stand'} by"]
        if others
        else []
    )


def problems(plan: object, states: object) -> list[str]:
    """What is wrong, a sentence each; empty when all is well. Raises ``DroverError`` for bad input."""
    running, hosts = read_plan(plan), _read(states)
    found = [_problem(running, state) for state in hosts]
    known = {state["host"] for state in hosts}
    missing = [name for name in _members(running) if name not in known]
    found += [
        f"{name} has a part in the running plan but was not asked: it is left out or not in the inventory any more; "
        "run site.yml again."
        for name in missing
    ]
    builds = {state["host"]: _build(state) for state in hosts if state["host"] in _members(running)}
    if len(set(builds.values())) > 1:
        told = ", ".join(f"{host}: {'none' if build is None else build}" for host, build in builds.items())
        found.append(
            f"The hosts run different builds of llama.cpp ({told}), which do not work together; bring them to one "
            "build and run site.yml again."
        )
    return [problem for problem in found if problem]


def _read(states: object) -> list[dict[str, Any]]:
    given = states if isinstance(states, list) else [states]
    found = [checks.dictionary(state, "A host's state", REMEDY) for state in given]
    for state in found:
        checks.text(state.get("host"), "The host of a state", REMEDY)
    return found


def _members(plan: dict[str, Any]) -> list[str]:
    return [plan["leader"], *(endpoint["host"] for endpoint in plan["endpoints"])] if plan["feasible"] else []


def _part(plan: dict[str, Any], host: str) -> str:
    if host == plan["leader"]:
        return "leader"
    return "worker" if host in _members(plan) else "spare"


def _problem(plan: dict[str, Any], state: dict[str, Any]) -> str | None:
    part, host = _part(plan, state["host"]), state["host"]
    if state.get("problem"):
        return str(state["problem"])
    if part == "leader" and not state.get("completion"):
        unit = Cluster(plan["cluster"]).server_unit
        return f'{host} leads but completed nothing; look with "journalctl -u {unit}" on it, and run site.yml again.'
    if host in plan.get("leaders", [])[1:] and state.get("deployed") == "worker" and state.get("stands_by") is False:
        unit = Cluster(plan["cluster"]).server_unit
        return (
            f'{host} should stand by for the leader, and does not; look with "journalctl -u {unit}" on it, and run '
            "site.yml again."
        )
    if "worker" in (part, state.get("deployed")) and not state.get("listens"):
        unit = Cluster(plan["cluster"]).rpc_unit
        return (
            f'{host} should lend its memory, but its RPC server does not listen; look with "journalctl -u {unit}" on '
            "it, and run site.yml again."
        )
    return None


def _build(state: dict[str, Any]) -> object:
    return (state.get("programs") or {}).get("build")


def _held(state: dict[str, Any]) -> int:
    held = state.get("held_bytes")
    if held is None:
        held = ((state.get("tally") or {}).get("memory") or {}).get("held_bytes") or 0
    return checks.whole(held, f"held_bytes of {state['host']}", 0, remedy=REMEDY)


def _layers(plan: dict[str, Any], host: str) -> str:
    devices = [device for device in plan["devices"] if device["host"] == host]
    # Where a host has nothing but its CPU, that goes without saying.
    names = any(device["kind"] != "cpu" for device in devices)
    parts = []
    if host == plan["leader"]:
        parts = [layers_text(0, plan["leader_blocks"], plan["host"]["holds_output"]), *experts_texts(plan)]
    parts += [
        layers_text(device["first_block"], device["block_count"], device["holds_output"])
        + (f" on {device['id']}" if names else "")
        for device in devices
    ]
    return (", " if names else " + ").join(filter(None, parts)) or "none"


def _size(size: int) -> str:
    unit, name = next(((unit, name) for unit, name in UNITS if size >= unit), (1, "Bytes"))
    return f"{size / unit:.2f} {name}"


def _speed(plan: dict[str, Any], hosts: Sequence[dict[str, Any]]) -> str:
    completion = next((state.get("completion") for state in hosts if state["host"] == plan["leader"]), None)
    if not completion:
        return "No completion"
    made = counted(completion["completion_tokens"], "token")
    # Of a single token there is no speed to tell.
    if completion["tokens_per_second"] is None:
        return f"A completion of {made}"
    return f"{completion['tokens_per_second']:.1f} tokens per second in a completion of {made}"
