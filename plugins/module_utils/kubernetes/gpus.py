# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs of nodes: how many the device plugins have left for us, what pods are given, and what was seen in one.

What a node's entry in the stock says of them, ``gpus``, is None, or a dictionary of

- ``resource``: what pods ask for, such as ``nvidia.com/gpu``; of the resources of a node the one that serves best,
- ``free``: how many of it others' pods leave, ``held``: how many of these the cluster's own pods have,
- ``alone``: a program uses one of them only, since they are slices of a card, or shares in one,
- ``expected``: what labels tell of each before a pod has seen it (``name``, ``total_bytes``, ``compute_capability``),
- ``runtime_class``: the RuntimeClass that containers need to get them, or null,
- ``known``: what was seen of them in a pod since the node's last boot, or null (see ``speeds``),
- ``count``: how many a pod that measures is to be given, ``given``: how many the planned pod is.

Which of several a pod gets is the device plugin's choice. Equal ones are therefore known by their number alone, and a
pod asks for as many as it uses; where a node's differ, it asks for all that were seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import DroverError
from ..text import counted
from .quantities import bytes_of
from .settings import MIB, Settings

# The resource of a device plugin -> the kind of GPU in a tally, and llama.cpp's backends that drive it in a container:
# Vulkan gets a card of NVIDIA's only where its container toolkit is told to give more than for computing.
_VENDORS = (
    (re.compile(r"nvidia\.com/(?:gpu(?:\.shared)?|mig-(?P<compute>\d+)g\.(?P<size>\d+)gb.*)\Z"), "cuda", ("CUDA",)),
    (re.compile(r"amd\.com/gpu\Z"), "rocm", ("ROCm", "HIP", "Vulkan")),
    (re.compile(r"gpu\.intel\.com/(?:i915|xe)\Z"), "vulkan", ("Vulkan",)),
)
NVIDIA = "nvidia.com/"
HANDLER = "nvidia"
# Labels of NVIDIA's GPU Feature Discovery.
_PRODUCT, _MEMORY = "nvidia.com/gpu.product", "nvidia.com/gpu.memory"
_CAPABILITY = ("nvidia.com/gpu.compute.major", "nvidia.com/gpu.compute.minor")
_SHARING, _MIG = "nvidia.com/gpu.sharing-strategy", "nvidia.com/mig.strategy"


def find_gpus(
    allocatable: Mapping[str, Any],
    labels: Mapping[str, str],
    own: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]],
    node: str,
) -> dict[str, Any] | None:
    """What the node's device plugins have left, by the API's ``allocatable`` and ``labels`` of the node and the pods on
    it: the cluster's ``own`` ones that stay, and ``others``. None where it has no GPU for pods."""
    found = []
    for resource in filter(_vendor, allocatable):
        total = bytes_of(allocatable[resource], f"The {resource} of {node}")
        free = max(0, total - _asked(others, resource))
        if total:
            found.append((free > 0, _rank(resource), resource, free))
    if not found:
        return None
    *_rest, resource, free = max(found)
    alone = "/mig-" in resource or resource.endswith(".shared") or _is_part(labels)
    return {
        "resource": resource,
        "free": free,
        "held": min(free, _asked(own, resource)),
        "alone": alone,
        "expected": _expected(resource, labels),
        "runtime_class": None,
        "known": None,
        "count": min(free, 1) if alone else free,
        "given": 0,
    }


def gpu_faults(
    stock: Iterable[Mapping[str, Any]], settings: Settings, programs: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """A sentence for each node of the ``stock`` of which more GPUs are wished than it has for us, or than the image
    drives; ``programs``: machine, as Kubernetes names it, -> those of the image (none: nobody knows yet)."""
    found = []
    for entry in stock:
        if not entry["reason"]:
            found.append(_too_many(entry, settings) or _not_driven(entry, settings, programs.get(entry["machine"])))
    return [each for each in found if each]


def settle_gpus(
    stock: Iterable[Mapping[str, Any]],
    settings: Settings,
    classes: Iterable[Mapping[str, Any]],
    programs: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The ``stock`` with the RuntimeClass that its GPUs need, of the API's ``classes``, and as many of them as are
    wished, and none that the image does not drive; ``programs`` as in ``gpu_faults``.

    Where NVIDIA's container toolkit is the nodes' own runtime, or works as a plugin of containerd's, there is no class
    for it.
    """
    found = sorted(each["metadata"]["name"] for each in classes if each.get("handler") == HANDLER)
    # By its handler, since it may have any name; the usual one is preferred.
    by_handler = HANDLER if HANDLER in found else next(iter(found), None)
    settled = []
    for entry in stock:
        gpus, wish = entry["gpus"], settings.of_node(entry["node"]).gpus
        if gpus:
            known = programs.get(entry["machine"])
            count = gpus["count"] if wish is None else min(gpus["count"], wish)
            gpus = {
                **gpus,
                "runtime_class": settings.runtime_class
                or (by_handler if gpus["resource"].startswith(NVIDIA) else None),
                "count": 0 if known and lacking(gpus, known) else count,
            }
        settled.append({**entry, "gpus": gpus})
    return settled


def image_backends(programs: Mapping[str, Any]) -> list[str]:
    """The backends of the build that ``programs`` are of, also those whose driver was not there to load them."""
    found = {*programs.get("backends", ()), *programs.get("package_backends", ())}
    found |= set((programs.get("build_backends") or {}).get(programs.get("current"), ()))
    return sorted(found)


def lacking(gpus: Mapping[str, Any], programs: Mapping[str, Any]) -> tuple[str, ...]:
    """The backends of which the build that ``programs`` are of has none, and one would be needed."""
    wanted = _backends(gpus["resource"])
    return () if {name.lower() for name in image_backends(programs)} & {name.lower() for name in wanted} else wanted


def told_lacking(entry: Mapping[str, Any], programs: Mapping[str, Any]) -> str:
    """What is said of GPUs that the image does not drive; part of a sentence."""
    resource = entry["gpus"]["resource"]
    has = ", ".join(name for name in image_backends(programs) if name != "RPC") or "the CPU's"
    return f"the image has no backend for {resource} ({' or '.join(_backends(resource))}), but {has}"


def refuse_lacking(entry: Mapping[str, Any], programs: Mapping[str, Any], settings: Settings) -> None:
    """Raise DroverError where somebody wished for GPUs that the image does not drive."""
    fault = _not_driven(entry, settings, programs)
    if fault:
        raise DroverError(fault)


def can_be_seen(gpus: Mapping[str, Any] | None) -> bool:
    """Whether a pod that measures can be given the node's GPUs now; else the cluster's own pods have them."""
    return bool(gpus and gpus["count"] and gpus["count"] <= gpus["free"] - gpus["held"])


def seen_gpus(gpus: Sequence[Mapping[str, Any]], resource: str) -> list[dict[str, Any]]:
    """The GPUs that a pod saw, as a tally has them: equal ones by number, as it may be given others the next time."""
    kinds = {(gpu["name"], gpu["total_bytes"], gpu["compute_capability"]) for gpu in gpus}
    if len(kinds) > 1:
        return [{**gpu, "nodes": []} for gpu in gpus]
    return [{**gpu, "id": f"{resource}/{number}", "nodes": []} for number, gpu in enumerate(gpus)]


def expected_gpus(gpus: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The GPUs that labels tell of, where no pod has seen them; none where there are no such labels."""
    if not gpus["expected"]:
        return []
    of_tally = {"kind": _kind(gpus["resource"]), "unified": False, "nodes": [], "held_bytes": 0}
    one = {**gpus["expected"], **of_tally, "usable_bytes": gpus["expected"]["total_bytes"]}
    return seen_gpus([{"id": "", **one} for _number in range(gpus["count"])], gpus["resource"])


def give(
    stock: Iterable[Mapping[str, Any]], plan: Mapping[str, Any], tallies: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The ``stock`` with how many GPUs the pod on each node is ``given`` by ``plan``, which was made of ``tallies``."""
    by_host = {tally["host"]: tally for tally in tallies}
    made = []
    for entry in stock:
        used = _used(plan, by_host.get(entry["node"], {"devices": []}))
        gpus = entry["gpus"]
        if gpus:
            numbers = [int(name.rpartition("/")[2]) for name in used if name.startswith(f"{gpus['resource']}/")]
            gpus = {**gpus, "given": 1 + max(numbers) if numbers else gpus["count"] if used else 0}
        made.append({**entry, "gpus": gpus})
    return made


def given(entry: Mapping[str, Any]) -> int:
    """How many GPUs the planned pod on the node is given."""
    return int(entry["gpus"]["given"]) if entry["gpus"] else 0


def _used(plan: Mapping[str, Any], tally: Mapping[str, Any]) -> list[str]:
    """The GPUs (ids in the tally) that ``plan`` puts something on, or has a worker lend."""
    names = {each["id"] for each in plan["devices"] if each["host"] == tally.get("host")}
    names |= {name for each in plan["endpoints"] if each["host"] == tally.get("host") for name in each["devices"]}
    return [device["gpu"] for device in tally["devices"] if device["gpu"] and device["id"] in names]


def _not_driven(entry: Mapping[str, Any], settings: Settings, programs: Mapping[str, Any] | None) -> str | None:
    gpus = entry["gpus"]
    if not gpus or not programs or not settings.of_node(entry["node"]).gpus or not lacking(gpus, programs):
        return None
    return (
        f"GPUs of {entry['node']} are wished for (kubernetes_nodes, kubernetes_lend), and "
        f"{told_lacking(entry, programs)}: name an image of a build that has it, or take the wish back."
    )


def _too_many(entry: Mapping[str, Any], settings: Settings) -> str | None:
    """Of the wishes of all nodes each gives what it has; a node's own must be had."""
    own, gpus = settings.nodes.get(entry["node"]), entry["gpus"]
    wish = own.gpus if own else None
    if not wish:
        return None
    what = f"kubernetes_nodes wishes for {counted(wish, 'GPU')} of {entry['node']}"
    if gpus is None:
        return (
            f"{what}, which offers none to pods: see that the device plugin of their maker runs there, or take the "
            "wish back."
        )
    if wish > gpus["free"]:
        return (
            f"{what}, where others' pods leave {gpus['free']} of {gpus['resource']}: wish for so many, or end others."
        )
    if wish > 1 and gpus["alone"]:
        return f"{what}, whose {gpus['resource']} are parts of cards, of which a program uses one: wish for 1."
    return None


def _asked(pods: Iterable[Mapping[str, Any]], resource: str) -> int:
    return sum(_of_pod(pod["spec"], resource) for pod in pods)


def _of_pod(spec: Mapping[str, Any], resource: str) -> int:
    def asked(container: Mapping[str, Any]) -> int:
        # Requests are limits for what device plugins give.
        return bytes_of(((container.get("resources") or {}).get("limits") or {}).get(resource, 0), resource)

    together = sum(asked(container) for container in spec.get("containers") or ())
    return max([together, *(asked(container) for container in spec.get("initContainers") or ())])


def _vendor(resource: str) -> bool:
    return any(pattern.match(resource) for pattern, _kind, _backends in _VENDORS)


def _kind(resource: str) -> str:
    return next(kind for pattern, kind, _backends in _VENDORS if pattern.match(resource))


def _backends(resource: str) -> tuple[str, ...]:
    return next(backends for pattern, _kind, backends in _VENDORS if pattern.match(resource))


def _rank(resource: str) -> tuple[int, int]:
    """Whole cards before slices, and the largest of these."""
    found = re.search(r"mig-(\d+)g\.(\d+)gb", resource)
    return (0, int(found[2])) if found else (1, 0)


def _is_part(labels: Mapping[str, str]) -> bool:
    """Whether what is called a GPU is a slice of one, or a share in one."""
    return labels.get(_MIG) == "single" or labels.get(_SHARING, "none") != "none"


def _expected(resource: str, labels: Mapping[str, str]) -> dict[str, Any] | None:
    if not resource.startswith(f"{NVIDIA}gpu") or not labels.get(_MEMORY, "").isdigit():
        return None
    capability = [labels.get(name, "") for name in _CAPABILITY]
    return {
        # A label has no blanks, and says that it is a share.
        "name": labels.get(_PRODUCT, "GPU").removesuffix("-SHARED").replace("-", " "),
        "total_bytes": int(labels[_MEMORY]) * MIB,
        "compute_capability": ".".join(capability) if all(capability) else None,
    }
