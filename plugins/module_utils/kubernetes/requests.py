# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod takes of its node in the eyes of the scheduler.

Source: k8s.io/component-helpers/resource (PodRequests), and Kubernetes' documentation "Sidecar Containers" and "Pod
Overhead": containers that run together add up, those that run one after another count as the largest moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .quantities import bytes_of, millicores_of

ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Amount:
    """Memory in bytes, and CPU in thousandths of a core."""

    memory_bytes: int = 0
    millicores: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.memory_bytes + other.memory_bytes, self.millicores + other.millicores)

    def largest(self, other: Amount) -> Amount:
        """The larger one in each of the two."""
        return Amount(max(self.memory_bytes, other.memory_bytes), max(self.millicores, other.millicores))


def counts(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod takes anything of its node: one that has ended does not, one that is being deleted does."""
    return (pod.get("status") or {}).get("phase") not in ENDED


def requested(pod: Mapping[str, Any]) -> Amount:
    """What ``pod`` takes of its node. Raises DroverError for a quantity that is none."""
    spec, name = pod["spec"], f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata'].get('name')}"
    allocated = _allocated(pod)
    together = Amount()
    for container in spec.get("containers") or ():
        together += _of_container(container, allocated, name)
    sidecars = peak = Amount()
    for container in spec.get("initContainers") or ():
        own = _of_container(container, allocated, name)
        if container.get("restartPolicy") == "Always":
            sidecars += own
            peak = peak.largest(sidecars)
        else:
            peak = peak.largest(sidecars + own)
    total = (together + sidecars).largest(peak)
    whole = (spec.get("resources") or {}).get("requests") or {}
    return _amount(whole, name, instead_of=total) + _amount(spec.get("overhead") or {}, name)


def _of_container(container: Mapping[str, Any], allocated: Mapping[str, Any], name: str) -> Amount:
    resources = container.get("resources") or {}
    # The API fills in a request where only a limit was given; a manifest that never was there has not.
    wanted = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    # While a container is made smaller in place, it still takes what it was given.
    return _amount(wanted, name).largest(_amount(allocated.get(container["name"]) or {}, name))


def _allocated(pod: Mapping[str, Any]) -> dict[str, Any]:
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return {each["name"]: each.get("allocatedResources") for each in statuses}


def _amount(quantities: Mapping[str, Any], name: str, instead_of: Amount | None = None) -> Amount:
    """The two that count of ``quantities``; what they leave out is that of ``instead_of``."""
    rest = instead_of or Amount()
    memory, cpu = quantities.get("memory"), quantities.get("cpu")
    return Amount(
        rest.memory_bytes if memory is None else bytes_of(memory, f"The memory of the pod {name}"),
        rest.millicores if cpu is None else millicores_of(cpu, f"The CPU of the pod {name}"),
    )
