# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a namespace's ResourceQuotas and LimitRanges leave room for what is to run there: told before it is applied.

Source: Kubernetes' documentation "Resource Quotas" and "Limit Ranges".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..text import size_text
from .names import Names
from .nodes import is_own
from .quantities import bytes_of, millicores_of
from .requests import counts

Read = Callable[[object, str], int]


def quota_faults(
    quotas: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    manifests: Sequence[Mapping[str, Any]],
    names: Names,
    workers: int = 0,
) -> list[str]:
    """A sentence for each amount that ``quotas`` do not have left for the ``manifests``, when the cluster's own
    ``pods`` of today are gone. A DaemonSet is of so many ``workers``."""
    templates = list(_templates(manifests, workers))
    standing = [pod["spec"] for pod in pods if is_own(pod, names) and counts(pod)]
    found = []
    for quota in quotas:
        if (quota.get("spec") or {}).get("scopes") or (quota.get("spec") or {}).get("scopeSelector"):
            continue  # for pods of another kind, or whether ours are is not told by a manifest
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        for resource, most in hard.items():
            read = _reader(resource)
            wanted = _wanted(resource, templates)
            if read is None or not wanted:
                continue
            what = f"{resource} of the ResourceQuota {quota['metadata']['name']}"
            room = read(most, what) - read(used.get(resource, 0), what) + _wanted(resource, standing)
            if wanted > room:
                found.append(
                    f"The ResourceQuota {quota['metadata']['name']} has {_told(resource, max(0, room))} left of "
                    f"{resource} {most}, and the plan needs {_told(resource, wanted)}: raise it, or lend less "
                    "(kubernetes_lend)."
                )
    return found


def limit_faults(limit_ranges: Iterable[Mapping[str, Any]], manifests: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each bound of ``limit_ranges`` that a container or a pod of ``manifests`` is beyond."""
    found: list[str] = []
    for limit_range in limit_ranges:
        for limit in (limit_range.get("spec") or {}).get("limits") or ():
            for template in _templates(manifests):
                found += _beyond(limit, template, limit_range["metadata"]["name"])
    return list(dict.fromkeys(found))


def _beyond(limit: Mapping[str, Any], template: Mapping[str, Any], name: str) -> Iterable[str]:
    if limit.get("type") == "Container":
        sizes = [container["resources"]["limits"] for container in template["containers"]]
        what = "container"
    elif limit.get("type") == "Pod":
        sizes = [{key: str(_sum([template], "limits", key, read)) for key, read in _READERS.items()}]
        what = "pod"
    else:
        return
    for size in sizes:
        for bound, is_beyond, words in (("max", int.__gt__, "at most"), ("min", int.__lt__, "at least")):
            for resource, amount in (limit.get(bound) or {}).items():
                read = _READERS.get(resource)
                if read is None or resource not in size:
                    continue
                # What was summed is in thousandths of a core already.
                own = int(size[resource]) if what == "pod" else read(size[resource], resource)
                if is_beyond(own, read(amount, f"{bound} of the LimitRange {name}")):
                    yield (
                        f"The LimitRange {name} allows a {what} {words} {amount} of {resource}, and the plan needs "
                        f"{_told(resource, own)}: change it, or what nodes lend (kubernetes_lend)."
                    )


def _templates(manifests: Iterable[Mapping[str, Any]], workers: int = 1) -> Iterable[Mapping[str, Any]]:
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "DaemonSet"):
            times = workers if manifest["kind"] == "DaemonSet" else 1
            yield from [manifest["spec"]["template"]["spec"]] * times
        elif manifest["kind"] == "Pod":
            yield manifest["spec"]


_READERS: dict[str, Read] = {"memory": bytes_of, "cpu": millicores_of, "ephemeral-storage": bytes_of}


def _parts(resource: str) -> tuple[str, str]:
    """``limits.cpu`` in its parts; of what stands alone the requests count, which is what device plugins give, too."""
    kind, _separator, name = resource.partition(".")
    return (kind, name) if kind in ("requests", "limits") else ("requests", resource)


def _reader(resource: str) -> Read | None:
    name = _parts(resource)[1]
    is_number = resource in ("pods", "count/pods") or (resource != name and "/" in name)
    return bytes_of if is_number else _READERS.get(name)


def _wanted(resource: str, templates: Sequence[Mapping[str, Any]]) -> int:
    if resource in ("pods", "count/pods"):
        return len(templates)
    kind, name = _parts(resource)
    read = _reader(resource)
    return _sum(templates, kind, name, read) if read else 0


def _sum(templates: Iterable[Mapping[str, Any]], kind: str, resource: str, read: Read) -> int:
    """What all containers take; no step of ours takes more than what comes after it."""
    return sum(
        read(amount, resource)
        for template in templates
        for container in template["containers"]
        for amount in [((container.get("resources") or {}).get(kind) or {}).get(resource, 0)]
    )


def _told(resource: str, amount: int) -> str:
    if resource.endswith("cpu"):
        return f"{amount / 1000:g} cores"
    return str(amount) if "pods" in resource or "/" in resource else size_text(amount)
