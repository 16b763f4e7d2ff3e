# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod takes of its node: as the scheduler counts."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.kubernetes.requests import Amount, counts, requested

from .objects import container, pod

GIB = 1 << 30


def sidecar(memory, cpu):
    return container(memory, cpu, name=f"sidecar-{memory}", restartPolicy="Always")


@pytest.mark.parametrize(
    ("spec", "memory_gib", "millicores"),
    [
        ({}, 0, 0),
        ({"containers": [container("1Gi", "500m"), container("2Gi", "1", name="b")]}, 3, 1500),
        # One after another, before the others: the larger of the two counts, for each resource by itself.
        ({"containers": [container("1Gi", "2")], "initContainers": [container("4Gi", "1", name="i")]}, 4, 2000),
        # A sidecar runs all the time from its place on: beside the containers, and beside the steps that follow it.
        ({"containers": [container("1Gi", "1")], "initContainers": [sidecar("2Gi", "1")]}, 3, 2000),
        (
            {
                "containers": [container("1Gi", "1")],
                "initContainers": [sidecar("2Gi", "1"), container("4Gi", "100m", name="i")],
            },
            6,
            2000,
        ),
        (
            {
                "containers": [container("1Gi", "1")],
                "initContainers": [container("4Gi", "100m", name="i"), sidecar("2Gi", "1")],
            },
            4,
            2000,
        ),
        ({"containers": [container("1Gi", "1")], "overhead": {"memory": "1Gi", "cpu": "250m"}}, 2, 1250),
        # The pod's own request stands in place of the sum, for what it names.
        ({"containers": [container("1Gi", "1")], "resources": {"requests": {"memory": "5Gi"}}}, 5, 1000),
        ({"containers": [{"name": "a", "resources": {"limits": {"memory": "2Gi", "cpu": 1}}}]}, 2, 1000),
        ({"containers": [{"name": "a"}]}, 0, 0),
    ],
)
def test_what_a_pod_takes(spec, memory_gib, millicores):
    assert requested({**pod("kube-1"), "spec": spec}) == Amount(memory_gib * GIB, millicores)


def test_what_is_being_made_smaller_still_takes_what_it_has():
    one = pod("kube-1", container("1Gi", "1"))
    one["status"]["containerStatuses"] = [{"name": "main", "allocatedResources": {"memory": "3Gi", "cpu": "500m"}}]
    assert requested(one) == Amount(3 * GIB, 1000)


@pytest.mark.parametrize(
    ("phase", "result"),
    [("Running", True), ("Pending", True), ("Unknown", True), ("Succeeded", False), ("Failed", False)],
)
def test_pods_that_have_ended_take_nothing(phase, result):
    assert counts(pod("kube-1", phase=phase)) is result


def test_a_quantity_that_is_none_is_told_with_the_pod():
    with pytest.raises(DroverError, match=r"^The memory of the pod default/other is '1 GB' but must be a quantity"):
        requested(pod("kube-1", container("1 GB", "1")))
