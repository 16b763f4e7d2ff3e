# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stock of a cluster's nodes: which can be used, else why not, and what the scheduler has left on each for us.

An entry is a dictionary of

- ``node`` (name), ``hostname`` (its label, by which pods are pinned), ``machine`` (``arm64``, ``amd64``...),
- ``reason``: why it takes no part, in one sentence; empty if it does,
- ``address`` (its IPv4 address, or null) and ``networks`` (IPv4 networks of its pods),
- ``allocatable`` and ``others``: ``memory_bytes`` and ``millicores`` that pods may take, and that others' pods take,
- ``held``: the same of this cluster's own pods, which counts as available,
- ``ephemeral_bytes``: disk that its pods may take, and ``cores`` of its processors,
- ``gpus``: what of its GPUs pods can be given, see ``gpus``,
- ``parts``: the parts of this cluster that stand on it, ``leader`` or ``worker``,
- ``boot`` (Kubernetes' id of its last boot), and ``bandwidth_bytes_per_second`` as it is remembered (see ``speeds``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..hosts.address import is_address
from ..text import size_text
from .gpus import find_gpus
from .names import LEADER, PART_LABEL, WORKER, Names
from .quantities import bytes_of, millicores_of
from .requests import Amount, counts, requested
from .selectors import matches, selector_text, untolerated
from .settings import MIB, Settings

HOSTNAME_LABEL = "kubernetes.io/hostname"
# What the planned pods leave for those that take stock beside them, at the next run.
ASIDE = Amount(96 * MIB, 50)
# Less than this and a worker would hold up all others.
LEAST_MILLICORES = 100
# What a node complains of, by the condition that is true then.
PRESSURES = {
    "MemoryPressure": "is short of memory",
    "DiskPressure": "is short of disk space",
    "PIDPressure": "is short of process ids",
    "NetworkUnavailable": "has no network for pods",
}
# Nodes that are a service behind an interface: no kernel, no devices, no memory of their own.
VIRTUAL_LABEL = ("type", "virtual-kubelet")
VIRTUAL_TAINT = "virtual-kubelet.io/provider"


def take_stock(
    nodes: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    settings: Settings,
    cluster: str,
    architectures: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """The stock, by the nodes' names, of the API's ``nodes`` and ``pods`` (of all namespaces).

    ``architectures`` are those that the image is built for, as Kubernetes names them; None if that is not known. Raises
    DroverError for quantities that are none.
    """
    names = Names(cluster, settings.namespace)
    by_node: dict[str, list[Mapping[str, Any]]] = {}
    for pod in pods:
        if counts(pod) and pod["spec"].get("nodeName"):
            by_node.setdefault(pod["spec"]["nodeName"], []).append(pod)
    found = [_entry(node, by_node.get(node["metadata"]["name"], []), names, settings, architectures) for node in nodes]
    return sorted(found, key=lambda entry: str(entry["node"]))


def is_own(pod: Mapping[str, Any], names: Names) -> bool:
    """Tell whether ``pod`` is one of the cluster that ``names`` are of."""
    metadata = pod["metadata"]
    return metadata.get("namespace") == names.namespace and matches(metadata.get("labels"), names.selector())


def is_ready(node: Mapping[str, Any]) -> bool:
    """Tell whether the API hears of the ``node``."""
    return (_conditions(node.get("status") or {}).get("Ready") or {}).get("status") == "True"


def _conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {each["type"]: each for each in status.get("conditions") or ()}


def _entry(
    node: Mapping[str, Any],
    pods: list[Mapping[str, Any]],
    names: Names,
    settings: Settings,
    architectures: Collection[str] | None,
) -> dict[str, Any]:
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    name, labels = metadata["name"], metadata.get("labels") or {}
    own = [pod for pod in pods if is_own(pod, names)]
    others = [pod for pod in pods if not is_own(pod, names)]
    standing = [pod for pod in own if _part(pod) in (LEADER, WORKER)]
    allocatable = status.get("allocatable") or {}
    entry = {
        "node": name,
        "hostname": labels.get(HOSTNAME_LABEL, name),
        "machine": (status.get("nodeInfo") or {}).get("architecture", ""),
        "address": _internal_address(status),
        "networks": _pod_networks(spec),
        "allocatable": asdict(_allocatable(allocatable, name)),
        "others": asdict(_total(others)),
        "held": asdict(_total(standing)),
        "ephemeral_bytes": bytes_of(allocatable.get("ephemeral-storage", 0), f"The ephemeral storage of {name}"),
        "cores": max(1, millicores_of((status.get("capacity") or {}).get("cpu", 1), f"The CPU of {name}") // 1000),
        "gpus": find_gpus(allocatable, labels, standing, others, name),
        "parts": sorted({_part(pod) for pod in standing}),
        "boot": (status.get("nodeInfo") or {}).get("bootID", ""),
        "bandwidth_bytes_per_second": None,
    }
    entry["reason"] = (
        _why_not_chosen(name, labels, settings)
        or _why_not_fit(labels, spec, status, settings, architectures)
        or _why_not_reached(entry, settings)
        or _why_full(entry, allocatable, len(others))
    )
    return entry


def _part(pod: Mapping[str, Any]) -> str:
    return str((pod["metadata"].get("labels") or {}).get(PART_LABEL))


def left_over(entry: Mapping[str, Any]) -> Amount:
    """What the scheduler has left on a node for this cluster, its own pods counted as gone; never less than nothing."""
    allocatable, others = entry["allocatable"], entry["others"]
    return Amount(*(max(0, allocatable[key] - others[key]) for key in ("memory_bytes", "millicores")))


def lasting_millicores(threads: int, entry: Mapping[str, Any], settings: Settings) -> int:
    """The CPU that the program of the planned pod with so many ``threads`` takes of a node: all but what is left aside
    at most, and what is beside it in the pod, and on the node."""
    beside = ASIDE.millicores + settings.healer_millicores + settings.standby_millicores
    return max(1, min(threads * 1000, left_over(entry).millicores - beside))


def _total(pods: Iterable[Mapping[str, Any]]) -> Amount:
    total = Amount()
    for pod in pods:
        total += requested(pod)
    return total


def _allocatable(quantities: Mapping[str, Any], name: str) -> Amount:
    return Amount(
        bytes_of(quantities.get("memory", 0), f"The allocatable memory of {name}"),
        millicores_of(quantities.get("cpu", 0), f"The allocatable CPU of {name}"),
    )


def _internal_address(status: Mapping[str, Any]) -> str | None:
    addresses = status.get("addresses") or ()
    internal = [each["address"] for each in addresses if each.get("type") == "InternalIP"]
    return next((address for address in internal if is_address(address)), None)


def _pod_networks(spec: Mapping[str, Any]) -> list[str]:
    networks = spec.get("podCIDRs") or [spec.get("podCIDR")]
    return [network for network in networks if network and is_address(network.partition("/")[0])]


def _why_not_chosen(name: str, labels: Mapping[str, str], settings: Settings) -> str:
    if name in settings.exclude:
        return "It is in kubernetes_exclude."
    if not matches(labels, settings.node_selector):
        return f"It has not the labels of kubernetes_node_selector ({selector_text(settings.node_selector)})."
    return ""


def _why_not_fit(
    labels: Mapping[str, str],
    spec: Mapping[str, Any],
    status: Mapping[str, Any],
    settings: Settings,
    architectures: Collection[str] | None,
) -> str:
    """What the node is, or how it is."""
    information = status.get("nodeInfo") or {}
    system, machine = information.get("operatingSystem", "linux"), information.get("architecture")
    taints = spec.get("taints") or []
    if labels.get(VIRTUAL_LABEL[0]) == VIRTUAL_LABEL[1] or any(taint.get("key") == VIRTUAL_TAINT for taint in taints):
        return "It is a virtual node, which has no memory of its own to lend."
    if system != "linux":
        return f"It runs {system}, and Drover's image is for Linux."
    if architectures is not None and machine not in architectures:
        return (
            f"The image is not built for {machine} (but for {', '.join(sorted(architectures))}): add it to the image, "
            "or leave the node out."
        )
    conditions = _conditions(status)
    ready = conditions.get("Ready") or {}
    if ready.get("status") != "True":
        told = f" ({ready['message'].rstrip('.')})" if ready.get("message") else ""
        return f"It is not ready{told}: look at its kubelet."
    if spec.get("unschedulable"):
        return "It is cordoned: uncordon it to have it take part."
    for condition, words in PRESSURES.items():
        if (conditions.get(condition) or {}).get("status") == "True":
            return f"It {words} ({condition}): free some, or leave it out."
    taint = untolerated(taints, settings.tolerations)
    if taint:
        return f"Its taint {taint} keeps pods away: add it to kubernetes_tolerations to have the node take part."
    return ""


def _why_not_reached(entry: Mapping[str, Any], settings: Settings) -> str:
    if settings.host_network and not entry["address"]:
        return "It tells no IPv4 address, and llama.cpp's RPC has no IPv6: set kubernetes_host_network to false."
    return ""


def _why_full(entry: Mapping[str, Any], allocatable: Mapping[str, Any], pods: int) -> str:
    left = left_over(entry)
    if left.millicores < LEAST_MILLICORES:
        return (
            f"Others' pods request all but {left.millicores}m of its {entry['allocatable']['millicores']}m of CPU: "
            "lower their requests, or leave it out."
        )
    if left.memory_bytes == 0:
        return (
            f"Others' pods request all of its {size_text(entry['allocatable']['memory_bytes'])} of memory: lower their "
            "requests, or leave it out."
        )
    most = allocatable.get("pods")
    if most is not None and pods >= millicores_of(most, f"The pods of {entry['node']}") // 1000:
        return f"It runs as many pods as it may ({most}): move some, or leave it out."
    return ""
