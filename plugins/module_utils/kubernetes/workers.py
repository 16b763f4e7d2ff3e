# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker in Kubernetes: a Deployment of one pod that is pinned to its node, with what the plan puts there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .gpus import given
from .healers import AGENT, SHARED_PROCESSES, folder, folder_volume, healer, program, secret_source
from .names import DEPLOYMENT_ANNOTATION, WORKER, Names, digest, host_label
from .nodes import lasting_millicores
from .pods import (
    STAY,
    Mount,
    container,
    guaranteed,
    handing_over,
    metadata,
    node_folder,
    own_address,
    pod_metadata,
    pod_spec,
    probe,
    with_gpus,
)
from .settings import CACHE_FOLDER, Settings


def worker(
    deployment: Mapping[str, Any],
    threads: int,
    entry: Mapping[str, Any],
    settings: Settings,
    names: Names,
) -> dict[str, Any]:
    """The Deployment of the worker that ``deployment`` says, on the node whose stock is ``entry``."""
    node, cluster = entry["node"], names.cluster.name
    resources = planned(deployment, settings.worker_overhead_bytes, threads, entry, settings)
    heals = bool(deployment["healing"])
    shared: list[Mount] = [("documents", names.cluster.folder, True), *([folder(names)] if heals else [])]
    mounts = list(shared)
    files = [(names.worker(node), "configMap", "deployment.json"), *([secret_source(names)] if heals else [])]
    volumes = [documents(files), *([folder_volume()] if heals else [])]
    steps = []
    if deployment["cache"] and settings.cache:
        mounts.append(("cache", CACHE_FOLDER, False))
        # The agent tells what is in it.
        shared.append(("cache", CACHE_FOLDER, True))
        volumes.append(node_folder("cache", settings.cache.host_path))
        steps.append(handing_over(settings, "cache", CACHE_FOLDER, resources))
    server = container(
        settings,
        WORKER,
        program(WORKER, deployment, names),
        resources,
        mounts,
        [own_address()],
        ports=[{"name": "rpc", "containerPort": deployment["listen"]["port"], "protocol": "TCP"}],
        readinessProbe=probe("ready", cluster, 2),
    )
    spec = pod_spec(
        names,
        settings,
        entry,
        [
            with_gpus(server, entry, given(entry)),
            *([healer(AGENT, deployment, settings, names, shared)] if heals else []),
        ],
        volumes,
        steps,
        hostname=host_label(node),
        subdomain=names.workers_service,
        # As process 1 the RPC server is told to end in vain, and it has nothing to save.
        terminationGracePeriodSeconds=1,
        **(SHARED_PROCESSES if heals else {}),
        **network(settings),
    )
    spec["tolerations"] += STAY
    return pinned(
        metadata(names, names.worker(node), names.labels(WORKER, node)),
        names.selector(WORKER, node),
        {
            "metadata": pod_metadata(names, settings, WORKER, node, {DEPLOYMENT_ANNOTATION: digest(deployment)}),
            "spec": spec,
        },
    )


def planned(
    deployment: Mapping[str, Any], overhead: int, threads: int, entry: Mapping[str, Any], settings: Settings
) -> dict[str, dict[str, str]]:
    """The resources of a program: what the plan puts there and the ``overhead`` (bytes), a core for each thread. A
    driver takes main memory, too. Where the cluster heals itself the limit is for any plan that may come."""
    overhead += settings.gpu_overhead_bytes if given(entry) else 0
    millicores = lasting_millicores(threads, entry, settings)
    found = guaranteed(deployment["memory_bytes"] + overhead, millicores, settings.ephemeral_bytes)
    if deployment["healing"]:
        most = max(deployment["memory_bytes"], deployment["healing"]["most_bytes"])
        found["limits"]["memory"] = str(most + overhead)
    return found


def pinned(
    about: Mapping[str, Any], selector: Mapping[str, str], template: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """A Deployment of one pod, of which there are never two: they would want the same memory."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": dict(about),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": dict(selector)},
            "template": dict(template),
            **more,
        },
    }


def documents(files: list[tuple[str, str, str]]) -> dict[str, Any]:
    """A volume with the documents of a pod: ``(object, configMap or secret, key)``, by the name of the key."""
    return {
        "name": "documents",
        "projected": {
            # The group of the image may read, nobody else.
            "defaultMode": 0o440,
            "sources": [{kind: {"name": name, "items": [{"key": key, "path": key}]}} for name, kind, key in files],
        },
    }


def network(settings: Settings) -> dict[str, Any]:
    """The pod's network: one of its own, or the node's, where the cluster's names are known all the same."""
    return {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"} if settings.host_network else {}
