# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who of a plan is alive in Kubernetes: by the pods, which must have been asked for just now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .names import LEADER, NODE_ANNOTATION, PART_LABEL, WORKER, Names
from .nodes import is_own
from .pod_faults import pod_fault


def part_states(
    plan: Mapping[str, Any],
    pods: Iterable[Mapping[str, Any]],
    namespace: str,
    nodes: Collection[str],
    events: Iterable[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """A dictionary for each host that takes part in ``plan`` and is one of the ``nodes`` (names), in their order:

    - ``host``, ``part`` (``leader`` or ``worker``), ``pod`` (its name, or null),
    - ``ready``: whether it serves now; ``since``: when its program was started last, or null (as the API writes times),
    - ``restarts``: how often it was started again in this pod, and ``last_end``: null, or ``reason``, ``exit_code`` and
      ``at`` of its last end,
    - ``problem``: what is wrong, in one sentence, or null.

    A host outside of the cluster has no pod, and is not told of here.
    """
    names = Names(plan["cluster"], namespace)
    by_host: dict[tuple[str, str], Mapping[str, Any]] = {}
    for pod in sorted(filter(lambda pod: is_own(pod, names), pods), key=_age):
        metadata = pod["metadata"]
        part = (metadata.get("labels") or {}).get(PART_LABEL, "")
        # That of a pod of many is told by whoever has put it there.
        node = (metadata.get("annotations") or {}).get(NODE_ANNOTATION) or pod["spec"].get("nodeName", "")
        by_host[node, part] = pod
    known = list(events)
    found = []
    for host in sorted(filter(nodes.__contains__, plan["addresses"])):
        part = LEADER if host == plan["leader"] else WORKER
        pod_of_host = by_host.get((host, part))
        found.append(_state(host, part, pod_of_host, known) if pod_of_host else _missing(host, part))
    return found


def _age(pod: Mapping[str, Any]) -> tuple[bool, str]:
    """The newest of those that stay comes last, and counts."""
    metadata = pod["metadata"]
    return not metadata.get("deletionTimestamp"), str(metadata.get("creationTimestamp") or "")


def _state(host: str, part: str, pod: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    own: Mapping[str, Any] = next((each for each in statuses if each["name"] == part), {})
    running = (own.get("state") or {}).get("running") or {}
    ended = (own.get("lastState") or {}).get("terminated") or (own.get("state") or {}).get("terminated")
    deleted = bool(pod["metadata"].get("deletionTimestamp"))
    problem = (
        f"The {part} on {host} is being taken off: run kubernetes.yml again." if deleted else pod_fault(pod, events)
    )
    return {
        "host": host,
        "part": part,
        "pod": pod["metadata"]["name"],
        "ready": bool(own.get("ready")) and not deleted,
        "since": running.get("startedAt"),
        "restarts": own.get("restartCount", 0),
        "last_end": {
            "reason": ended.get("reason"),
            "exit_code": ended.get("exitCode"),
            "at": ended.get("finishedAt"),
        }
        if ended
        else None,
        "problem": problem,
    }


def _missing(host: str, part: str) -> dict[str, Any]:
    return {
        "host": host,
        "part": part,
        "pod": None,
        "ready": False,
        "since": None,
        "restarts": 0,
        "last_end": None,
        "problem": f"There is no pod of the {part} on {host}: run kubernetes.yml again.",
    }
