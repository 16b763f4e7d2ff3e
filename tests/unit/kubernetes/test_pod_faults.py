# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a pod does not run, in one sentence. The statuses and events are those that Kubernetes 1.34 has for such pods."""

from __future__ import annotations

import pytest
from module_utils.kubernetes.pod_faults import creation_faults, pod_fault, pod_faults

IMAGE = "registry.lan/drover@sha256:55"


def status_of(state, ready=False, last=None, name="worker", **more):
    own = {"name": name, "ready": ready, "restartCount": 0, "image": IMAGE, "state": state, "lastState": last or {}}
    return {"phase": "Pending", "containerStatuses": [own], **more}


def a_pod(status, part="worker", node="kube-1"):
    labels = {"app.kubernetes.io/component": part}
    spec = {"nodeName": node} if node else {}
    annotations = {"drover.llama/node": "kube-1"}
    return {"metadata": {"name": "w-1", "labels": labels, "annotations": annotations}, "spec": spec, "status": status}


def waiting(reason, message=None):
    return {"waiting": {"reason": reason, "message": message}}


def ended(code, reason="Error", **more):
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
NOT_FOUND = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference: not found'
NO_PLACE = "0/3 nodes are available: 1 Insufficient memory, 2 node(s) didn't match Pod's node affinity/selector."


@pytest.mark.parametrize(
    ("pod", "told"),
    [
        (
            a_pod(status_of(waiting("ErrImagePull", NOT_FOUND))),
            f"The worker on kube-1 cannot get the image {IMAGE} (ErrImagePull: {NOT_FOUND}): put it where nodes",
        ),
        (a_pod(status_of(waiting("ImagePullBackOff", "Back-off"))), "The worker on kube-1 cannot get the image"),
        (
            a_pod(status_of(waiting("ErrImageNeverPull"))),
            f"The worker on kube-1 cannot get the image {IMAGE} (ErrImageNever",
        ),
        (
            a_pod(status_of(waiting("CreateContainerConfigError", 'secret "s" not found'))),
            'The worker on kube-1 cannot be started (CreateContainerConfigError: secret "s" not found): add',
        ),
        (
            a_pod(
                {
                    "phase": "Pending",
                    "conditions": [
                        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_PLACE}
                    ],
                },
                node=None,
            ),
            "The worker on kube-1 finds no place (0/3 nodes are available: 1 Insufficient memory, 2 node(s) didn't "
            "match Pod's node affinity/selector): free what is missing there, or run kubernetes.yml again",
        ),
        (
            a_pod(status_of(waiting("CrashLoopBackOff"), last=ended(137, "OOMKilled"), phase="Running")),
            "The worker on kube-1 was killed since it took more than its limit of memory (OOMKilled, container",
        ),
        # While it starts anew, it is not forgotten; when it serves again, it is.
        (
            a_pod(status_of(RUNNING, last=ended(137, "OOMKilled"), phase="Running")),
            "The worker on kube-1 was killed since it",
        ),
        (
            a_pod(status_of(waiting("CrashLoopBackOff"), last=ended(78), phase="Running")),
            "The worker on kube-1 ended with code 78 (container worker, Error): look at its log.",
        ),
        (
            a_pod(status_of(ended(134, message="abort()\nin ggml"), name="leader", phase="Failed"), part="leader"),
            "The leader on kube-1 ended with code 134 (container leader, Error: abort() in ggml): look at its log.",
        ),
        (
            a_pod(status_of(ended(137), phase="Failed")),
            "The worker on kube-1 was killed (container worker, Error): look",
        ),
        (
            a_pod({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}),
            "The worker on kube-1 was ended (Evicted: The node was low on resource: memory): look at its node.",
        ),
        (
            a_pod(
                {
                    "phase": "Pending",
                    "initContainerStatuses": [
                        {"name": "fetch", "ready": False, "state": waiting("CrashLoopBackOff"), "lastState": ended(78)}
                    ],
                    "containerStatuses": [
                        {"name": "leader", "ready": False, "state": waiting("PodInitializing"), "lastState": {}}
                    ],
                },
                part="leader",
            ),
            "The leader on kube-1 ended with code 78 (container fetch, Error): look at its log.",
        ),
    ],
)
def test_what_is_wrong(pod, told):
    found = pod_fault(pod)
    assert found is not None
    assert found.startswith(told)
    assert found.endswith(".")
    assert "\n" not in found
    assert pod_faults([pod]) == {pod["metadata"]["name"]: found}


@pytest.mark.parametrize(
    "status",
    [
        status_of(RUNNING, ready=True, phase="Running"),
        status_of(RUNNING, phase="Running"),  # it loads
        status_of(RUNNING, ready=True, last=ended(137, "OOMKilled"), phase="Running"),
        status_of(waiting("ContainerCreating")),
        status_of(waiting("PodInitializing")),
        status_of(ended(0, "Completed"), phase="Succeeded"),
        # The runtime says so itself: what it waits for is not there yet.
        status_of(waiting("CrashLoopBackOff"), last=ended(75), phase="Running"),
        {"phase": "Pending"},
        {},
    ],
)
def test_what_is_not_wrong(status):
    assert pod_fault(a_pod(status)) is None


def event(reason, message, kind="Pod", name="w-1", at="2026-01-01T00:00:00Z", type_="Warning"):
    return {
        "type": type_,
        "reason": reason,
        "message": message,
        "involvedObject": {"kind": kind, "name": name},
        "lastTimestamp": at,
    }


def test_what_only_events_tell():
    stuck = a_pod(status_of(waiting("ContainerCreating")))
    events = [
        event("FailedMount", "hostPath type check failed", at="2026-01-01T00:00:02Z"),
        event("FailedMount", 'configmap "c" not found', at="2026-01-01T00:00:01Z"),
        event("FailedMount", "of another", name="w-2", at="2026-01-01T00:00:09Z"),
        event("Pulled", "fine", type_="Normal", at="2026-01-01T00:00:09Z"),
    ]
    assert pod_fault(stuck, events) == (
        "The worker on kube-1 cannot be started (FailedMount: hostPath type check failed): add what is missing."
    )
    assert pod_fault(a_pod(status_of(RUNNING, ready=True, phase="Running")), events) is None


def test_pods_that_are_never_made():
    message = 'pods "drover-main-leader-5d-" is forbidden: exceeded quota: team, requested: memory=2Gi, used: memory=0'
    events = [
        event("FailedCreate", "before", "ReplicaSet", "drover-main-leader-5d"),
        event("FailedCreate", message, "ReplicaSet", "drover-main-leader-5d"),
        event("FailedCreate", "not ours", "ReplicaSet", "web-5d"),
    ]
    assert creation_faults(["drover-main-leader", "drover-main-worker-a"], events) == {
        "drover-main-leader": f"Kubernetes makes no pod for drover-main-leader ({message}): change what it refuses."
    }


def test_a_long_message_is_cut():
    told = pod_fault(a_pod(status_of(waiting("ErrImagePull", "x" * 5000))))
    assert len(told) < 700
