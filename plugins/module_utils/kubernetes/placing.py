# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short-lived pods that fill the tensor caches of workers' nodes before the leader starts: one on the leader's node,
which has the model and offers it, and one on the node of each worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..serving.due import saves
from .leader import fetching
from .names import OFFERER, PLACER, Names, digest, host_label
from .nodes import left_over
from .pods import handing_over, model_volume, node_folder
from .policies import of_placing
from .settings import CACHE_FOLDER, MIB, MODEL_FOLDER, Cache, Settings
from .short_lived import short_lived_pod, small, waiting
from .workers import network

# Where the offering pod keeps what it knows of the model, which may lie in somebody's own volume.
MANIFESTS = f"{CACHE_FOLDER}/manifests"
DOCUMENTS_BYTES = 64 * MIB
# Of a process that hashes with numpy, and of the one that began it; and how many of them there are at most, beside a
# cluster that serves on a node that may be full. No disk is faster for long.
HASHING_BYTES = 64 * MIB
MOST_PROCESSES = 4
MOST_BYTES = (MOST_PROCESSES + 1) * HASHING_BYTES


def placing(
    plan: Mapping[str, Any],
    deployments: Mapping[str, Mapping[str, Any]],
    stock: Iterable[Mapping[str, Any]],
    settings: Settings,
    model: Mapping[str, Any],
    gguf: Mapping[str, Any],
    placed: str,
) -> dict[str, Any]:
    """What it takes to fill the caches for ``plan``. ``deployments``, ``stock``: see ``manifests``; ``model`` as the
    leader's pod has it, ``gguf`` its header; ``placed``: the mark of what they were filled for last.

    Returns ``due``, whether there is anything to be done, and ``told``, sentences about what is not going to be placed.
    What is due has further ``objects``, policies and pods in the order in which they are applied; ``offerer``, the name
    of the pod that has the model, and ``placers``, node -> that of its worker's; ``model``, where it is there,
    ``manifests``, the folder to keep its manifest in, and ``processes`` to hash with; ``namespace``, ``spread``, the
    ``plan`` and the ``deployments`` of the placers; and ``mark``, by which all of this is known again.
    """
    names = Names(plan["cluster"], settings.namespace)
    nodes = {entry["node"]: entry for entry in stock}
    leads = plan["leader"]
    workers = sorted(host for host in deployments if host != leads)
    inside = [host for host in workers if host in nodes]
    if not settings.cache or not settings.spread or not inside or not saves(plan["predicted"]):
        return {"due": False, "told": []}
    if leads not in nodes:
        told = f"{leads} leads from outside of the cluster, so it sends the pods their weights; none are placed there."
        return {"due": False, "told": [told]}
    outside = [host for host in workers if host not in nodes]
    told = f"No weights are placed on {', '.join(outside)}, outside of the cluster; the leader sends them."
    own = settings.on(nodes[leads]["machine"])
    mark = digest(
        [
            gguf,
            model["files"],
            asdict(settings.model),
            asdict(settings.cache),
            leads,
            inside,
            [[each[key] for key in ("host", "first_block", "block_count", "holds_output")] for each in plan["devices"]],
            # Another one may be able to read the model where this one was not.
            own.image,
        ]
    )
    if mark == placed:
        return {"due": False, "told": []}
    resources, processes = _resources(nodes[leads])
    pods = [_offerer(nodes[leads], own, names, resources, settings.cache)]
    for host in inside:
        pods.append(_placer(nodes[host], settings.on(nodes[host]["machine"]), names, settings.cache))
    return {
        "due": True,
        "told": [told] if outside else [],
        "objects": [*([] if settings.host_network else of_placing(names, settings)), *pods],
        "offerer": pods[0]["metadata"]["name"],
        "placers": {host: pod["metadata"]["name"] for host, pod in zip(inside, pods[1:])},
        "model": model["path"],
        "manifests": MANIFESTS,
        "processes": processes,
        "namespace": settings.namespace,
        "spread": settings.spread,
        "plan": dict(plan),
        "deployments": {host: dict(deployments[host]) for host in inside},
        "mark": mark,
    }


def _offerer(
    entry: Mapping[str, Any], settings: Settings, names: Names, resources: Mapping[str, Any], cache: Cache
) -> dict[str, Any]:
    """It brings the model from the web first, if it has an address there, as the leader would."""
    steps = [*fetching(settings, resources), handing_over(settings, "cache", CACHE_FOLDER, resources)]
    mounts = [("model", MODEL_FOLDER, True), ("cache", CACHE_FOLDER, False)]
    return short_lived_pod(
        names,
        f"{names.prefix}-{OFFERER}",
        OFFERER,
        entry,
        settings,
        waiting(settings, OFFERER, resources, mounts),
        [model_volume(settings), node_folder("cache", cache.host_path)],
        steps,
        **network(settings),
    )


def _placer(entry: Mapping[str, Any], settings: Settings, names: Names, cache: Cache) -> dict[str, Any]:
    """Its documents are sent to it, and go with it."""
    resources, _processes = _resources(entry)
    mounts = [("documents", names.cluster.folder, False), ("cache", CACHE_FOLDER, False)]
    return short_lived_pod(
        names,
        f"{names.prefix}-{PLACER}-{host_label(entry['node'])}",
        PLACER,
        entry,
        settings,
        waiting(settings, PLACER, resources, mounts),
        [
            {"name": "documents", "emptyDir": {"sizeLimit": str(DOCUMENTS_BYTES)}},
            node_folder("cache", cache.host_path),
        ],
        [handing_over(settings, "cache", CACHE_FOLDER, resources)],
        **network(settings),
    )


def _resources(entry: Mapping[str, Any]) -> tuple[dict[str, dict[str, str]], int]:
    """Of a pod on the node whose stock is ``entry``, and how many processes hash in it at once: one for each core, as
    far as its memory allows."""
    left = left_over(entry)
    resources = small(left.millicores, min(MOST_BYTES, left.memory_bytes))
    fit = int(resources["limits"]["memory"]) // HASHING_BYTES - 1
    return resources, max(1, min(left.millicores // 1000, fit))
