# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker in Kubernetes: a Deployment of one pod that is pinned to its node, with what the plan puts there; or a pod
of the one DaemonSet of all workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import DroverError
from ..serving.deployment import HOST
from .gpus import given
from .healers import AGENT, SHARED_PROCESSES, folder, folder_volume, healer, program, secret_source
from .names import DEPLOYMENT_ANNOTATION, WORKER, Names, digest, host_label
from .nodes import HOSTNAME_LABEL, lasting_millicores
from .pods import (
    DROVER,
    STAY,
    Mount,
    container,
    guaranteed,
    handing_over,
    metadata,
    node_folder,
    only_on,
    own_address,
    own_host,
    pod_metadata,
    pod_spec,
    probe,
    with_gpus,
)
from .settings import CACHE_FOLDER, DAEMONSET, PINNED, Settings
from .weights_map import weights_source


def worker(
    deployment: Mapping[str, Any],
    threads: int,
    entry: Mapping[str, Any],
    settings: Settings,
    names: Names,
) -> dict[str, Any]:
    """The Deployment of the worker that ``deployment`` says, on the node whose stock is ``entry``."""
    node = entry["node"]
    resources = planned(deployment, settings.worker_overhead_bytes, threads, entry, settings)
    name = names.worker(node)
    template = _template(deployment, resources, entry, settings, names, name, [own_address()], node=node)
    template["spec"].update(hostname=host_label(node), subdomain=names.workers_service)
    return pinned(metadata(names, name, names.labels(WORKER, node)), names.selector(WORKER, node), template)


def of_any_node(deployments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all of the workers' ``deployments`` say, for whichever node. Raises DroverError for nodes that differ."""
    found = [{**each, "host": HOST, "memory_bytes": 0} for each in deployments]
    for each, deployment in zip(found, deployments):
        if each != found[0]:
            unlike = next(name for name in each if each[name] != found[0][name])
            raise DroverError(
                f"kubernetes_workers is {DAEMONSET}, where all nodes run the same, and {unlike} of "
                f"{deployment['host']} is {each[unlike]!r}, where {deployments[0]['host']} has {found[0][unlike]!r}: "
                f"leave one of them out (kubernetes_exclude), or set kubernetes_workers to {PINNED}."
            )
    return found[0]


def workers_of_all(
    deployment: Mapping[str, Any],
    share: Mapping[str, Any],
    leader: Mapping[str, Any],
    stock: Iterable[Mapping[str, Any]],
    settings: Settings,
    names: Names,
) -> dict[str, Any]:
    """The DaemonSet of workers that run ``deployment`` (see ``of_any_node``) on all nodes that may take part but that
    of the ``leader``, each with the ``share`` that is told in ``healing.joins``."""
    entries = list(stock)
    machine, machines = _machines(entries, leader, settings)
    own = settings.on(machine)
    resources = guaranteed(
        share["most_bytes"] + settings.worker_overhead_bytes, share["millicores"], settings.ephemeral_bytes
    )
    environment = [own_address(), own_host()]
    template = _template(deployment, resources, leader, own, names, names.workers, environment)
    spec = template["spec"]
    left_out = sorted(entry["hostname"] for entry in entries if entry["node"] in settings.exclude)
    spec["affinity"] = only_on(
        [
            (HOSTNAME_LABEL, "NotIn", [leader["hostname"], *left_out]),
            ("kubernetes.io/os", "In", ["linux"]),
            *([("kubernetes.io/arch", "In", machines)] if machines else []),
        ]
    )
    if settings.node_selector:
        spec["nodeSelector"] = dict(settings.node_selector)
    # First of all it finds out what its node can lend, for a leader that has never heard of it.
    look = [*DROVER, "tally", "--pod", "--keep", "--cluster", names.cluster.name, "--host", "$(DROVER_HOST)"]
    look += ["--port", str(settings.rpc_port), "--disk-path", "/tmp", "--reserve-bytes", "0"]
    steps = [*spec.get("initContainers", []), container(own, "tally", look, resources, [folder(names)], environment)]
    spec["initContainers"] = steps
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(names, names.workers, names.labels(WORKER)),
        "spec": {
            "revisionHistoryLimit": 1,
            # One after the other the leader would start anew for each.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "selector": {"matchLabels": names.selector(WORKER)},
            "template": template,
        },
    }


def _machines(
    entries: Sequence[Mapping[str, Any]], leader: Mapping[str, Any], settings: Settings
) -> tuple[str, list[str]]:
    """The machine that the image is for, and all of those, if the image is not for any. Raises DroverError where nodes
    of several machines have images of their own."""
    found = sorted({entry["machine"] for entry in entries if entry["node"] != leader["node"] and not entry["reason"]})
    machine = found[0] if found else leader["machine"]
    if len({settings.on(each).image for each in found}) > 1:
        raise DroverError(
            f"kubernetes_workers is {DAEMONSET}, whose pods have one image, and nodes of {' and '.join(found)} were "
            "each given their own: set kubernetes_image to one in a registry that is for all of them, or leave some "
            "out by kubernetes_node_selector (kubernetes.io/arch)."
        )
    image = settings.on(machine).image
    return machine, sorted(each for each in settings.images if settings.images[each] == image)


def _template(
    deployment: Mapping[str, Any],
    resources: dict[str, dict[str, str]],
    entry: Mapping[str, Any],
    settings: Settings,
    names: Names,
    document: str,
    environment: list[dict[str, Any]],
    node: str | None = None,
) -> dict[str, Any]:
    """The pod of a worker that runs ``deployment``, which is in the ConfigMap ``document``: for the node whose stock is
    ``entry``, of that ``node`` alone or of all."""
    cluster = names.cluster.name
    heals = bool(deployment["healing"])
    shared: list[Mount] = [("documents", names.cluster.folder, True), *([folder(names)] if heals else [])]
    mounts = list(shared)
    files = [(document, "configMap", "deployment.json"), *([secret_source(names)] if heals else [])]
    volumes = [documents(files), *([folder_volume()] if heals else [])]
    steps = []
    if deployment["cache"] and settings.cache:
        mounts.append(("cache", CACHE_FOLDER, False))
        # The agent tells what is in it, and notes what has come.
        shared.append(("cache", CACHE_FOLDER, False))
        volumes.append(node_folder("cache", settings.cache.host_path))
        if node and settings.spread:
            volumes[0]["projected"]["sources"].append(weights_source(names, node))
        steps.append(handing_over(settings, "cache", CACHE_FOLDER, resources))
    server = container(
        settings,
        WORKER,
        program(WORKER, deployment, names),
        resources,
        mounts,
        environment,
        ports=[{"name": "rpc", "containerPort": deployment["listen"]["port"], "protocol": "TCP"}],
        readinessProbe=probe("ready", cluster, 2),
    )
    spec = pod_spec(
        names,
        settings,
        entry,
        [
            with_gpus(server, entry, given(entry)),
            *([healer(AGENT, deployment, settings, names, shared, environment)] if heals else []),
        ],
        volumes,
        steps,
        # As process 1 the RPC server is told to end in vain, and it has nothing to save.
        terminationGracePeriodSeconds=1,
        **(SHARED_PROCESSES if heals else {}),
        **network(settings),
    )
    spec["tolerations"] += STAY
    return {
        "metadata": pod_metadata(names, settings, WORKER, node, {DEPLOYMENT_ANNOTATION: digest(deployment)}),
        "spec": spec,
    }


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
