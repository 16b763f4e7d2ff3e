# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the parts of a plan are on their way into Kubernetes: by conditions, and by what pods say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .names import LEADER, STANDBY, Names
from .pod_faults import creation_faults
from .status import part_states


def progress(
    plan: Mapping[str, Any],
    deployments: Iterable[Mapping[str, Any]],
    pods: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
    namespace: str,
    nodes: Collection[str],
    lease: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """- ``ready``: whether every part of ``plan`` on ``nodes`` serves, or stands by, by the manifests that were applied
      last; ``lease``: see ``part_states``,
    - ``states``: see ``part_states``,
    - ``faults``: what keeps parts from it, a sentence by the name of the pod, its Deployment or DaemonSet; some mend
      themselves,
    - ``waits_for``: the beginning of a sentence about what is not ready.
    """
    names = Names(plan["cluster"], namespace)
    states = part_states(plan, pods, namespace, nodes, events, lease)
    by_name = {each["metadata"]["name"]: each for each in deployments}
    # One host may have two.
    owned = [(state, _owner(state, names, by_name)) for state in states]
    late = [(state, name) for state, name in owned if not (state["ready"] and _is_rolled_out(by_name.get(name), state))]
    waiting = [state for state, _name in late]
    faults = {state["pod"]: state["problem"] for state in waiting if state["pod"] and state["problem"]}
    faults.update(creation_faults((name for state, name in late if not state["pod"]), events))
    told = ", ".join(f"the {state['part']} on {state['host']}" for state in waiting)
    return {
        "ready": not waiting,
        "states": states,
        "faults": faults,
        "waits_for": f"{told[:1].upper()}{told[1:]} did not become ready" if waiting else "",
    }


def _owner(state: Mapping[str, Any], names: Names, present: Collection[str]) -> str:
    """What makes the pod of a part: its Deployment, or the DaemonSet of all workers if it is ``present``."""
    if state["part"] in (LEADER, STANDBY):
        return names.leader if names.leader in present else names.leader_on(state["host"])
    return names.workers if names.workers in present else names.worker(state["host"])


def _is_rolled_out(deployment: Mapping[str, Any] | None, state: Mapping[str, Any]) -> bool:
    """Whether the one pod of the Deployment is of its latest template, and available unless by its ``state`` it
    stands by; or all pods of the DaemonSet are of it, whichever of them are ready."""
    if deployment is None:
        return False
    status = deployment.get("status") or {}
    if (status.get("observedGeneration") or 0) < deployment["metadata"].get("generation", 1):
        return False
    if "desiredNumberScheduled" in status:
        return bool(status.get("updatedNumberScheduled", 0) == status["desiredNumberScheduled"])
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    is_up = state["part"] == STANDBY or conditions.get("Available") == "True"
    return is_up and status.get("updatedReplicas") == status.get("replicas") == 1
