# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``members``: all that a leader needs to plan and to deploy anew, without whoever did so first.

- ``schema`` (1), ``cluster``, ``leader``,
- ``gguf``: the model, as gguf_info returned it; ``served``: its ``path``, ``alias`` and ``files`` on the leader,
- ``model_host``: who has the model already, or null; ``choice``: what llama_cpp_choice returned, or null,
- ``plan``: the one that was deployed, which has the policy,
- ``tallies``: of all hosts, as they were then; ``programs``, ``settings``: by host, as ``deploy`` takes them,
- ``agents``: host -> ``address`` (of a pod its name) and ``port`` of each worker's agent,
- ``pods``: of hosts whose part runs in a pod, as ``deploy`` takes them (empty: there are none),
- ``joins``: what workers are given that join by themselves (see ``joins``), or null,
- ``lasting``: a digest of all in it but what is measured anew every time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..checks import choice, dictionary, document, record, text, whole
from ..gguf.document import read_gguf
from ..hosts.document import read_tally
from ..placement.document import read_plan
from ..serving.cluster import Cluster
from .joins import read_joins

SCHEMA = 1
REMEDY = "run site.yml again (kubernetes.yml for pods), which writes it anew"
_WHAT = "The document of members"
_FIELDS: dict[str, Any] = {
    "cluster": str,
    "leader": str,
    "gguf": dict,
    "served": dict,
    "model_host": (str, type(None)),
    "choice": (dict, type(None)),
    "plan": dict,
    "tallies": list,
    "programs": dict,
    "settings": dict,
    "agents": dict,
    "pods": dict,
    "joins": (dict, type(None)),
    "lasting": str,
}
# Of a tally: what is its owner's word, or the machine's for good.
_LASTING_OF_TALLY = ("host", "machine", "exclude", "obstacles", "threads", "lend", "port")
_LASTING_OF_PROGRAM = (
    "server",
    "rpc_server",
    "version",
    "build",
    "rpc_protocol",
    "backends",
    "server_flags",
    "rpc_server_flags",
    "prints",
)
_LASTING_OF_DEVICE = ("name", "description", "unified", "total_bytes")


def make_members(
    plan: dict[str, Any],
    gguf: dict[str, Any],
    tallies: list[dict[str, Any]],
    programs: dict[str, Any],
    served: dict[str, Any],
    settings: dict[str, Any],
    deployments: dict[str, dict[str, Any]],
    choice: dict[str, Any] | None = None,
    model_host: str | None = None,
    pods: Mapping[str, Mapping[str, Any]] | None = None,
    joins: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """The members of a cluster that runs ``deployments`` by ``plan``; None for one that does not heal itself. With
    ``joins``, who they are just now does not last, nor what was planned with them."""
    leader = plan["leader"]
    if not deployments[leader]["healing"]:
        return None
    agents = {
        host: {
            "address": deployment["listen"]["address"] or plan["addresses"][host]["address"],
            "port": deployment["healing"]["port"],
        }
        for host, deployment in deployments.items()
        if host != leader and deployment["healing"]
    }
    known = {leader} if joins else {*programs, *settings, *(pods or {}), *(tally["host"] for tally in tallies)}
    lasting = {
        "leader": leader,
        "model": plan["model"],
        "policy": plan["policy"],
        "served": served,
        "programs": {host: _lasting_of_program(found) for host, found in programs.items() if host in known},
        "settings": {host: wishes for host, wishes in settings.items() if host in known},
        "agents": {} if joins else agents,
        "model_host": model_host,
        "tallies": [{name: tally[name] for name in _LASTING_OF_TALLY} for tally in tallies if tally["host"] in known],
        "memory": {
            tally["host"]: _lasting_of_memory(tally["memory"])
            for tally in tallies
            if tally["host"] in known and tally["host"] not in (pods or {})
        },
        **({"pods": {host: pod for host, pod in pods.items() if host in known}} if pods else {}),
        **({"joins": joins} if joins else {}),
    }
    return {
        "schema": SCHEMA,
        "cluster": plan["cluster"],
        "leader": leader,
        "gguf": gguf,
        "served": served,
        "model_host": model_host,
        "choice": choice,
        "plan": plan,
        "tallies": tallies,
        "programs": programs,
        "settings": settings,
        "agents": agents,
        "pods": dict(pods or {}),
        "joins": dict(joins) if joins else None,
        "lasting": hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest(),
    }


def read_members(value: object) -> dict[str, Any]:
    """The members in ``value``. Raises DroverError, one sentence, for what is none."""
    # An earlier release knew no pods, and none that join.
    found = document(
        {"pods": {}, "joins": None, **value} if isinstance(value, dict) else value, _WHAT, SCHEMA, _FIELDS, REMEDY
    )
    Cluster(found["cluster"])
    text(found["leader"], f"{_WHAT}: leader", REMEDY)
    read_gguf(found["gguf"])
    found = {**found, "plan": read_plan(found["plan"])}
    for tally in found["tallies"]:
        read_tally(tally)
    hosts = [tally["host"] for tally in found["tallies"]]
    for host in (found["leader"], *found["agents"]):
        choice(host, f"{_WHAT}: a host", hosts, REMEDY)
    for name in ("programs", "settings"):
        for host, each in found[name].items():
            dictionary(each, f"{_WHAT}: {name} of {host}", REMEDY)
    for host, pod in found["pods"].items():
        pod = dictionary(pod, f"{_WHAT}: the pod of {host}", REMEDY)
        whole(pod.get("most_bytes"), f"{_WHAT}: most_bytes of {host}", 0, remedy=REMEDY)
        record(pod, _WHAT, {"sources": list}, REMEDY)
    read_joins(found["joins"], f"{_WHAT}: joins", REMEDY)
    for name in ("path", "alias"):
        text(found["served"].get(name), f"{_WHAT}: {name} of what is served", REMEDY)
    record(found["served"], _WHAT, {"files": list}, REMEDY)
    for file in found["served"]["files"]:
        text(dictionary(file, f"{_WHAT}: a file", REMEDY).get("path"), f"{_WHAT}: the path of a file", REMEDY)
        whole(file.get("bytes"), f"{_WHAT}: the size of a file", 0, remedy=REMEDY)
    for host, agent in found["agents"].items():
        agent = dictionary(agent, f"{_WHAT}: the agent of {host}", REMEDY)
        text(agent.get("address"), f"{_WHAT}: the address of {host}'s agent", REMEDY)
        whole(agent.get("port"), f"{_WHAT}: the port of {host}'s agent", 1, 65535, REMEDY)
    return found


def _lasting_of_memory(memory: dict[str, Any]) -> list[int]:
    """By what any plan may put there is told, see ``hosts.ceiling``: so coarse that an upgrade of the kernel, which
    keeps a little more for itself, changes nothing."""
    return [-(-memory["total_bytes"] // (1 << 30)), -(-memory["reserve_bytes"] // (64 << 20))]


def _lasting_of_program(found: dict[str, Any]) -> dict[str, Any]:
    """Of what was found of a host's programs: what runs, and on what, whichever builds lie beside it and whatever was
    free of its GPUs just then."""
    devices = [{name: device.get(name) for name in _LASTING_OF_DEVICE} for device in found.get("devices") or []]
    return {**{name: found.get(name) for name in _LASTING_OF_PROGRAM}, "devices": devices}
