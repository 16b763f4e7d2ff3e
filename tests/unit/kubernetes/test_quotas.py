# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quotas and limits of a namespace are held against what is to run there."""

from __future__ import annotations

import pytest
from module_utils.kubernetes.manifests import manifests
from module_utils.kubernetes.names import Names
from module_utils.kubernetes.quotas import limit_faults, quota_faults

from .objects import Cluster, container, own_pod, pod

NAMES = Names("main", "drover")


@pytest.fixture(scope="module")
def objects():
    cluster = Cluster()
    return manifests(cluster.plan, cluster.deployments, cluster.stock, cluster.settings)


def quota(hard, used=None, **spec):
    return {"metadata": {"name": "team"}, "spec": spec, "status": {"hard": hard, "used": used or {}}}


OWN = [own_pod("kube-1", {"name": "worker", "resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}}})]


@pytest.mark.parametrize(
    ("given", "pods", "told"),
    [
        (quota({"requests.memory": "100Gi", "limits.cpu": "100", "pods": "3"}), [], []),
        (
            quota({"requests.memory": "1Gi"}),
            [],
            ["The ResourceQuota team has 1.0 GiB left of requests.memory 1Gi, and the plan"],
        ),
        (quota({"memory": "1Gi"}), [], ["The ResourceQuota team has 1.0 GiB left of memory 1Gi"]),
        (
            quota({"limits.memory": "100Gi"}, {"limits.memory": "99Gi"}),
            [],
            ["The ResourceQuota team has 1.0 GiB left of limits.mem"],
        ),
        # What our own pods of today take of it comes back.
        (quota({"limits.memory": "3Gi"}, {"limits.memory": "1Gi"}), OWN, []),
        (quota({"limits.memory": "3Gi"}, {"limits.memory": "1Gi"}), [], ["The ResourceQuota team has 2.0 GiB left"]),
        (
            quota({"limits.memory": "3Gi"}, {"limits.memory": "1Gi"}),
            [pod("kube-1", container("1Gi"))],
            ["The ResourceQuota team"],
        ),
        (
            quota({"requests.cpu": "2500m"}),
            [],
            ["The ResourceQuota team has 2.5 cores left of requests.cpu 2500m, and the plan needs 11.85 cores"],
        ),
        (quota({"pods": "2"}), [], ["The ResourceQuota team has 2 left of pods 2, and the plan needs 3"]),
        (quota({"pods": "2"}, {"pods": "5"}), [], ["The ResourceQuota team has 0 left of pods 2"]),
        (
            quota({"requests.ephemeral-storage": "1Mi"}),
            [],
            ["The ResourceQuota team has 1.0 MiB left of requests.ephemeral-storage"],
        ),
        (quota({"services.nodeports": "0", "requests.nvidia.com/gpu": "0", "count/jobs.batch": "0"}), [], []),
        (quota({"memory": "1Mi"}, scopes=["BestEffort"]), [], []),
    ],
)
def test_quotas(objects, given, pods, told):
    found = quota_faults([given], pods, objects, NAMES)
    assert [sentence[: len(start)] for sentence, start in zip(found, told)] == told
    assert len(found) == len(told)
    assert all(sentence.endswith("lend less (kubernetes_lend).") for sentence in found)


def limit(**bounds):
    return {"metadata": {"name": "small"}, "spec": {"limits": [bounds]}}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (limit(type="Container", max={"memory": "100Gi", "cpu": "64"}), 0),
        (limit(type="Container", default={"memory": "1Mi"}), 0),
        (limit(type="PersistentVolumeClaim", max={"storage": "1Mi"}), 0),
        (limit(type="Container", max={"memory": "1Gi"}), 1),  # the leader
        (limit(type="Container", max={"memory": "100Mi"}), 3),
        (limit(type="Pod", max={"memory": "100Mi"}), 3),
        (limit(type="Pod", max={"cpu": "3"}), 1),  # all three need the same
        (limit(type="Pod", max={"cpu": "4"}), 0),
        (limit(type="Container", min={"memory": "100Gi"}), 3),
        (limit(type="Container", min={"example.com/gpu": "1"}), 0),
    ],
)
def test_limits(objects, given, told):
    found = limit_faults([given], objects)
    assert len(found) == told
    assert all(sentence.startswith("The LimitRange small allows a ") for sentence in found)


def test_how_a_limit_is_told(objects):
    (told,) = limit_faults([limit(type="Pod", max={"cpu": "3"})], objects)
    assert told == (
        "The LimitRange small allows a pod at most 3 of cpu, and the plan needs 3.95 cores: change it, or what nodes "
        "lend (kubernetes_lend)."
    )
