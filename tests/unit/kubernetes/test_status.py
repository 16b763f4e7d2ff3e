# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who of a plan is alive."""

from __future__ import annotations

import pytest
from module_utils.kubernetes.status import part_states

from .objects import Cluster

NODES = ["kube-1", "kube-2", "kube-3"]


def alive(
    host,
    part="worker",
    ready=True,
    restarts=0,
    last=None,
    name=None,
    created="2026-01-01T00:00:00Z",
    deleted=None,
    space="drover",
):
    about = {
        "name": name or f"drover-main-{part}-{host}-x",
        "namespace": space,
        "creationTimestamp": created,
        "labels": {
            "app.kubernetes.io/name": "drover",
            "app.kubernetes.io/instance": "main",
            "app.kubernetes.io/component": part,
        },
        "annotations": {"drover.llama/node": host},
    }
    if deleted:
        about["deletionTimestamp"] = deleted
    own = {
        "name": part,
        "ready": ready,
        "restartCount": restarts,
        "state": {"running": {"startedAt": "2026-01-01T00:01:00Z"}},
        "lastState": {"terminated": last} if last else {},
    }
    return {"metadata": about, "spec": {"nodeName": host}, "status": {"phase": "Running", "containerStatuses": [own]}}


@pytest.fixture(scope="module")
def plan():
    return Cluster().plan


ALL = [alive("kube-1"), alive("kube-2", "leader"), alive("kube-3")]


def states(plan, pods, **more):
    return {state["host"]: state for state in part_states(plan, pods, "drover", NODES, **more)}


def test_all_are_alive(plan):
    found = part_states(plan, ALL, "drover", NODES)
    assert [(state["host"], state["part"], state["ready"], state["problem"]) for state in found] == [
        ("kube-1", "worker", True, None),
        ("kube-2", "leader", True, None),
        ("kube-3", "worker", True, None),
    ]
    assert found[0] == {
        "host": "kube-1",
        "part": "worker",
        "pod": "drover-main-worker-kube-1-x",
        "ready": True,
        "since": "2026-01-01T00:01:00Z",
        "restarts": 0,
        "last_end": None,
        "problem": None,
    }


def test_the_last_end_is_told(plan):
    last = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:59Z"}
    found = states(plan, [*ALL[:2], alive("kube-3", restarts=2, last=last, ready=False)])["kube-3"]
    assert found["restarts"] == 2
    assert found["last_end"] == {"reason": "OOMKilled", "exit_code": 137, "at": "2026-01-01T00:00:59Z"}
    assert found["problem"].startswith("The worker on kube-3 was killed since it took more than its limit of memory")


@pytest.mark.parametrize(
    "pods",
    [
        ALL[:2],
        # Of another part, cluster or namespace.
        [*ALL[:2], alive("kube-3", "leader")],
        [*ALL[:2], alive("kube-3", space="elsewhere")],
        [*ALL[:2], alive("kube-3", "tally")],
    ],
)
def test_one_that_is_missing_is_named(plan, pods):
    found = states(plan, pods)["kube-3"]
    assert (found["pod"], found["ready"]) == (None, False)
    assert found["problem"] == "There is no pod of the worker on kube-3: run kubernetes.yml again."


def test_of_several_pods_the_newest_that_stays_counts(plan):
    old = alive("kube-3", name="old", deleted="2026-01-01T00:09:00Z", created="2026-01-02T00:00:00Z")
    new = alive("kube-3", name="new", ready=False, created="2026-01-01T00:00:00Z")
    assert states(plan, [*ALL[:2], old, new])["kube-3"]["pod"] == "new"
    gone = states(plan, [*ALL[:2], old])["kube-3"]
    assert (gone["ready"], gone["problem"]) == (
        False,
        "The worker on kube-3 is being taken off: run kubernetes.yml again.",
    )


def test_hosts_outside_are_not_told_of(plan):
    assert [state["host"] for state in part_states(plan, ALL, "drover", ["kube-1", "kube-2"])] == ["kube-1", "kube-2"]
