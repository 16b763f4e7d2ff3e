# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a pod from running, in one sentence with the remedy: from its status and its events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .names import NODE_ANNOTATION, PART_LABEL
from .requests import ENDED

_PULL = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable")
_CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
# Events of a pod that is stuck before any of its containers is, which its status does not tell.
_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
# sysexits.h, as the runtime ends: not yet, and what waiting does not mend.
_NOT_YET = 75
_KILLED = 137
MOST_CHARACTERS = 400


def pod_faults(pods: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]] = ()) -> dict[str, str]:
    """The faults of those of ``pods`` that have one, by their names; see ``pod_fault``."""
    told = {pod["metadata"]["name"]: pod_fault(pod, events) for pod in pods}
    return {name: sentence for name, sentence in told.items() if sentence}


def pod_fault(pod: Mapping[str, Any], events: Iterable[Mapping[str, Any]] = ()) -> str | None:
    """Why ``pod`` does not run, or was ended from outside since it last started; None where nothing is wrong.

    ``events`` are those of the namespace. A pod that merely starts, or loads, has no fault.
    """
    status = pod.get("status") or {}
    who = _who(pod)
    if status.get("phase") == "Failed" and status.get("reason"):
        return f"{who} was ended ({status['reason']}: {_quoted(status.get('message'))}): look at its node."
    unschedulable = _unschedulable(who, status)
    if unschedulable:
        return unschedulable
    for container in _containers(status):
        fault = _of_container(who, container, pod)
        if fault:
            return fault
    if status.get("phase") in ("Running", *ENDED):
        return None
    return _of_events(who, pod, events)


def events_of(kind: str, name: str, events: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The warnings about one object, the newest last."""
    found = [
        event
        for event in events
        if event.get("type") == "Warning"
        and (event["involvedObject"].get("kind"), event["involvedObject"].get("name")) == (kind, name)
    ]
    return sorted(found, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))


def creation_faults(owners: Iterable[str], events: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Why Kubernetes makes no pods at all for those of the Deployments and DaemonSets called ``owners`` that admission
    or a quota refuses them."""
    names = list(owners)
    latest = {}
    for event in events:
        name = event["involvedObject"].get("name", "")
        kind = event["involvedObject"].get("kind")
        mark = "" if kind == "DaemonSet" else "-[a-z0-9]+"
        owner = next((one for one in names if re.fullmatch(re.escape(one) + mark, name)), None)
        if owner and event.get("reason") == "FailedCreate" and kind in ("ReplicaSet", "DaemonSet"):
            latest[owner] = event
    return {
        owner: f"Kubernetes makes no pod for {owner} ({_quoted(event.get('message'))}): change what it refuses."
        for owner, event in latest.items()
    }


def _who(pod: Mapping[str, Any]) -> str:
    metadata = pod["metadata"]
    part = (metadata.get("labels") or {}).get(PART_LABEL, "pod")
    node = (pod.get("spec") or {}).get("nodeName") or (metadata.get("annotations") or {}).get(NODE_ANNOTATION)
    return f"The {part} on {node}" if node else f"The pod {metadata['name']}"


def _containers(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _unschedulable(who: str, status: Mapping[str, Any]) -> str | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return (
                f"{who} finds no place ({_quoted(condition.get('message'))}): free what is missing there, or run "
                "kubernetes.yml again, which plans anew."
            )
    return None


def _of_container(who: str, container: Mapping[str, Any], pod: Mapping[str, Any]) -> str | None:
    state, before = container.get("state") or {}, container.get("lastState") or {}
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason")
    if reason in _PULL:
        return (
            f"{who} cannot get the image {container.get('image')} ({reason}: {_quoted(waiting.get('message'))}): put "
            "it where nodes find it (images.yml), or set kubernetes_image_pull_secrets."
        )
    if reason in _CONFIG:
        return f"{who} cannot be started ({reason}: {_quoted(waiting.get('message'))}): add what is missing."
    ended = state.get("terminated") or (before.get("terminated") if not container.get("ready") else None) or {}
    return _of_end(who, ended, container) if ended else None


def _of_end(who: str, ended: Mapping[str, Any], container: Mapping[str, Any]) -> str | None:
    code, reason = ended.get("exitCode", 0), ended.get("reason")
    if code == 0 or code == _NOT_YET:
        return None
    name = container["name"]
    if reason == "OOMKilled":
        return (
            f"{who} was killed since it took more than its limit of memory (OOMKilled, container {name}): lend less or "
            "raise kubernetes_leader_overhead_bytes and kubernetes_worker_overhead_bytes, and run kubernetes.yml again."
        )
    told = f": {_quoted(ended['message'])}" if ended.get("message") else ""
    how = "was killed" if code == _KILLED else f"ended with code {code}"
    return f"{who} {how} (container {name}, {reason or 'no reason told'}{told}): look at its log."


def _of_events(who: str, pod: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> str | None:
    for event in reversed(events_of("Pod", pod["metadata"]["name"], events)):
        if event.get("reason") in _EVENTS:
            return f"{who} cannot be started ({event['reason']}: {_quoted(event.get('message'))}): add what is missing."
    return None


def _quoted(message: object) -> str:
    """A message of Kubernetes as part of a sentence: in one line, not too long, without a full stop."""
    line = " ".join(str(message or "no message").split())
    if len(line) > MOST_CHARACTERS:
        line = f"{line[:MOST_CHARACTERS]}..."
    return line.rstrip(".:")
