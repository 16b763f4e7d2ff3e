# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all of Drover's pods have in common, and the pieces that they are put together from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import security
from .gpus import NVIDIA
from .names import NODE_ANNOTATION, Names
from .nodes import HOSTNAME_LABEL
from .quantities import cores_text
from .settings import MIB, MODEL_FOLDER, Settings

RUNTIME = "/usr/local/lib/drover"
PYTHON = f"{RUNTIME}/python3"
DROVER = [PYTHON, f"{RUNTIME}/drover.pyz"]
TEMPORARY_BYTES = 64 * MIB
# A probe waits twice for three seconds at most, and a slow machine takes a while to start it.
PROBE_SECONDS = 15
PROBE_PERIOD = 10
# A pod that is pinned gains nothing by being evicted from a node that was out of sight for a while.
STAY = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute"}
    for what in ("not-ready", "unreachable")
]

# Mounts of volumes: (name, path, read only).
# What NVIDIA's container toolkit gives where an image does not say what it wants, said all the same.
_CAPABILITIES = {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "compute,utility"}

Mount = tuple[str, str, bool]


def metadata(names: Names, name: str, labels: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """The metadata of an object in the namespace of ``names``."""
    return {"name": name, "namespace": names.namespace, "labels": dict(labels), **more}


def pod_metadata(
    names: Names, settings: Settings, part: str, node: str | None, annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The labels and annotations of a pod, on the ``node`` if it is for one: ours, and the user's own."""
    about = {NODE_ANNOTATION: node} if node else {}
    return {
        "labels": {**settings.labels, **names.labels(part, node)},
        "annotations": {**settings.annotations, **about, **(annotations or {})},
    }


def pod_spec(
    names: Names,
    settings: Settings,
    entry: Mapping[str, Any],
    containers: list[dict[str, Any]],
    volumes: list[dict[str, Any]],
    steps: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A pod on the node whose stock is ``entry``, which runs the init ``steps`` and then the ``containers``."""
    gpus = entry["gpus"]
    has_gpus = bool(gpus) and any(gpus["resource"] in each["resources"]["limits"] for each in containers)
    spec: dict[str, Any] = {
        "serviceAccountName": settings.service_account or names.account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security.of_pod(settings.gpu_groups if has_gpus else ()),
        "affinity": only_on([(HOSTNAME_LABEL, "In", [entry["hostname"]])]),
        "tolerations": [dict(each) for each in settings.tolerations],
        "containers": containers,
        "volumes": [*volumes, temporary_volume()],
        **more,
    }
    if steps:
        spec["initContainers"] = steps
    if settings.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    if has_gpus and gpus["runtime_class"]:
        spec["runtimeClassName"] = gpus["runtime_class"]
    if settings.priority_class:
        spec["priorityClassName"] = settings.priority_class
    return spec


def only_on(rules: Sequence[tuple[str, str, list[str]]]) -> dict[str, Any]:
    """The affinity of a pod to nodes that meet all of the ``rules``: label, operator and values."""
    expressions = [{"key": label, "operator": operator, "values": values} for label, operator, values in rules]
    required = {"nodeSelectorTerms": [{"matchExpressions": expressions}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def container(
    settings: Settings,
    name: str,
    command: list[str],
    resources: Mapping[str, Any],
    mounts: list[Mount],
    environment: list[dict[str, Any]] | None = None,
    security_context: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A container of the image that runs ``command``."""
    return {
        "name": name,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": command,
        "env": [{"name": "HOME", "value": "/tmp"}, *(environment or [])],
        "resources": dict(resources),
        "securityContext": dict(security_context or security.of_container()),
        "volumeMounts": [
            {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}
            for volume, path, read_only in (*mounts, ("tmp", "/tmp", False))
        ],
        **more,
    }


def with_gpus(made: Mapping[str, Any], entry: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The container ``made``, which is given so many of the GPUs of the node whose stock is ``entry``."""
    if not count:
        return dict(made)
    resource = entry["gpus"]["resource"]
    resources = {kind: {**amounts, resource: str(count)} for kind, amounts in made["resources"].items()}
    environment = [*made["env"], *([_CAPABILITIES] if resource.startswith(NVIDIA) else [])]
    return {**made, "resources": resources, "env": environment}


def own_address() -> dict[str, Any]:
    """The variable that tells a pod the address that Kubernetes gave it."""
    return {"name": "DROVER_ADDRESS", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}


def own_host() -> dict[str, Any]:
    """The variable that tells a pod the node that Kubernetes has put it on."""
    return {"name": "DROVER_HOST", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}


def guaranteed(memory_bytes: int, millicores: int, ephemeral_bytes: int) -> dict[str, dict[str, str]]:
    """Requests and limits that are the same: what is planned is there, and more is not."""
    amounts = {"memory": str(memory_bytes), "cpu": cores_text(millicores), "ephemeral-storage": str(ephemeral_bytes)}
    return {"requests": amounts, "limits": dict(amounts)}


def probe(command: str, cluster: str, failures: int) -> dict[str, Any]:
    """A probe that runs ``drover`` in the container. Never one that connects: the RPC server has one client."""
    return {
        "exec": {"command": [*DROVER, command, "--cluster", cluster]},
        "periodSeconds": PROBE_PERIOD,
        "timeoutSeconds": PROBE_SECONDS,
        "failureThreshold": failures,
    }


def temporary_volume() -> dict[str, Any]:
    return {"name": "tmp", "emptyDir": {"sizeLimit": str(TEMPORARY_BYTES)}}


def node_folder(name: str, path: str) -> dict[str, Any]:
    """A volume that is a folder of the node, made if it is not there."""
    return {"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}


def model_volume(settings: Settings) -> dict[str, Any]:
    """The volume that the model is in."""
    if settings.model.claim:
        return {"name": "model", "persistentVolumeClaim": {"claimName": settings.model.claim}}
    return node_folder("model", settings.model.host_path or MODEL_FOLDER)


def handing_over(settings: Settings, volume: str, path: str, resources: Mapping[str, Any]) -> dict[str, Any]:
    """A step that gives a new folder of the node, which is root's, to the user of the image."""
    code = (
        "import os, sys; path = sys.argv[1]; "
        f"os.stat(path).st_uid == 0 and os.chown(path, {security.USER}, {security.USER})"
    )
    return container(
        settings,
        f"own-{volume}",
        [PYTHON, "-c", code, path],
        resources,
        [(volume, path, False)],
        security_context=security.of_root("CHOWN"),
    )
