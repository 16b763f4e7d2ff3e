# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who of a plan is alive in Kubernetes: by the pods, which must have been asked for just now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..healing.lease import BETWEEN
from .names import LEADER, NODE_ANNOTATION, PART_LABEL, STANDBY, WORKER, Names
from .nodes import is_own
from .pod_faults import pod_fault


def part_states(
    plan: Mapping[str, Any],
    pods: Iterable[Mapping[str, Any]],
    namespace: str,
    nodes: Collection[str],
    events: Iterable[Mapping[str, Any]] = (),
    lease: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """A dictionary for each host that takes part in ``plan`` and is one of the ``nodes`` (names), in their order, and
    one more for each that stands by; ``lease`` is the API's object that tells who leads then.

    - ``host``, ``part`` (``leader``, ``worker`` or ``standby``), ``pod`` (its name, or null),
    - ``ready``: whether it serves now, or stands by; ``since``: when its program was started last, or null (as the
      API writes times),
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
    leads = who_leads(plan, lease)
    # The node of the first who may lead has no worker, and of that of another one nothing is asked while it leads.
    first = plan.get("leaders", [plan["leader"]])[0]
    parts = [(host, LEADER if host == leads else WORKER) for host in sorted({*plan["addresses"], leads})]
    parts = [(host, part) for host, part in parts if part == LEADER or host != first]
    parts += [(host, STANDBY) for host in plan.get("leaders", []) if host != leads]
    for host, part in parts:
        if host in nodes:
            pod_of_host = by_host.get((host, LEADER if part == STANDBY else part))
            found.append(_state(host, part, pod_of_host, known) if pod_of_host else _missing(host, part))
    return found


def who_leads(plan: Mapping[str, Any], lease: Mapping[str, Any] | None) -> str:
    """The host that leads: the leader of ``plan``, or whoever has the ``lease`` of those who may."""
    holder = str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")
    host = holder.partition(BETWEEN)[0]
    return host if host in plan.get("leaders", []) else str(plan["leader"])


def _age(pod: Mapping[str, Any]) -> tuple[bool, str]:
    """The newest of those that stay comes last, and counts."""
    metadata = pod["metadata"]
    return not metadata.get("deletionTimestamp"), str(metadata.get("creationTimestamp") or "")


def _state(host: str, part: str, pod: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    program = LEADER if part == STANDBY else part
    own: Mapping[str, Any] = next((each for each in statuses if each["name"] == program), {})
    running = (own.get("state") or {}).get("running") or {}
    ended = (own.get("lastState") or {}).get("terminated") or (own.get("state") or {}).get("terminated")
    deleted = bool(pod["metadata"].get("deletionTimestamp"))
    if part == STANDBY and running:
        # That it is not ready is no fault of its last end's, which a node that was off has left.
        others = [each for each in statuses if each is not own]
        pod = {**pod, "status": {**pod["status"], "containerStatuses": [{**own, "ready": True}, *others]}}
    problem = (
        f"The {part} on {host} is being taken off: run kubernetes.yml again." if deleted else pod_fault(pod, events)
    )
    return {
        "host": host,
        "part": part,
        "pod": pod["metadata"]["name"],
        # To clients one that stands by is not.
        "ready": bool(running if part == STANDBY else own.get("ready")) and not deleted,
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
