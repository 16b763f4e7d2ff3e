# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The leader in Kubernetes: a Deployment of one pod, pinned to the node where its model lies or is going to; with a
standby one of each node that may lead (see ``standby``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .gpus import given
from .healers import SHARED_PROCESSES, WATCH, folder, folder_volume, healer, program, secret_source, true_health
from .names import DEPLOYMENT_ANNOTATION, LEADER, MEMBERS_ANNOTATION, SECRET_ANNOTATION, Names, digest
from .pods import (
    DROVER,
    PROBE_PERIOD,
    STAY,
    Mount,
    container,
    handing_over,
    metadata,
    model_volume,
    own_address,
    pod_metadata,
    pod_spec,
    probe,
    with_gpus,
)
from .quantities import cores_text
from .settings import MODEL_FOLDER, Settings
from .standby import (
    account_of,
    environment,
    leader_name,
    leaders_of,
    members_name,
    stands_by,
    token_mount,
    token_volume,
)
from .workers import documents, network, pinned, planned

API_KEY = "api_key"


def leader(
    deployment: Mapping[str, Any],
    threads: int,
    entry: Mapping[str, Any],
    settings: Settings,
    names: Names,
    secret_version: str,
    members: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The Deployment of the leader that ``deployment`` says, on the node whose stock is ``entry``.

    ``secret_version`` is any text that changes with the keys of the API, since llama-server reads them when it starts.
    ``members``: see ``healing.members``; None where the cluster does not heal itself.
    """
    node, cluster, name = entry["node"], names.cluster.name, leader_name(deployment, names)
    is_one_of_many = bool(leaders_of(deployment))
    resources = planned(deployment, settings.leader_overhead_bytes, threads, entry, settings)
    if stands_by(deployment):
        # What it needs when it leads its node's worker has until then.
        waits = {"memory": str(settings.healer_bytes), "cpu": cores_text(settings.healer_millicores)}
        resources["requests"].update(waits)
    mounts: list[Mount] = [("documents", names.cluster.folder, True), ("model", MODEL_FOLDER, True)]
    files = [
        (name, "configMap", "deployment.json"),
        (names.plan, "configMap", "plan.json"),
        (names.secret, "secret", API_KEY),
    ]
    volumes = [model_volume(settings)]
    if members:
        files += [(members_name(deployment, names), "configMap", "members.json"), secret_source(names)]
        mounts.append(folder(names))
        volumes.append(folder_volume())
    if is_one_of_many:
        volumes.append(token_volume())
    volumes.insert(0, documents(files))
    steps = [
        *fetching(settings, resources),
        # A pod that ended for want of its workers would be tried again later and later.
        container(settings, "await", [*DROVER, "await", "--cluster", cluster], resources, mounts, [own_address()]),
    ]
    server = container(
        settings,
        LEADER,
        program(LEADER, deployment, names),
        resources,
        [*mounts, *([token_mount()] if is_one_of_many else [])],
        [own_address(), *(environment(deployment, settings, names) if is_one_of_many else [])],
        ports=[{"name": "api", "containerPort": deployment["listen"]["port"], "protocol": "TCP"}],
        **_probes(deployment, settings, cluster),
    )
    # Those of a node that stands by are its worker's, if it has any.
    containers = [with_gpus(server, entry, 0 if stands_by(deployment) else given(entry))]
    if members:
        # The model is none of its business.
        containers.append(
            healer(
                WATCH,
                deployment,
                settings,
                names,
                [mount for mount in mounts if mount[0] != "model"],
                [own_address()],
            )
        )
    shared = SHARED_PROCESSES if members else {}
    spec = pod_spec(names, settings, entry, containers, volumes, steps, **shared, **network(settings))
    spec["serviceAccountName"] = account_of(deployment, settings, names)
    spec["tolerations"] += STAY
    annotations = {DEPLOYMENT_ANNOTATION: digest(deployment), SECRET_ANNOTATION: secret_version}
    annotations.update({MEMBERS_ANNOTATION: digest(members)} if members else {})
    # One alone may move; of several each has its own.
    own = node if is_one_of_many else None
    return pinned(
        metadata(names, name, names.labels(LEADER, own)),
        names.selector(LEADER, own),
        {"metadata": pod_metadata(names, settings, LEADER, node, annotations), "spec": spec},
        # While the model loads, nothing is wrong.
        progressDeadlineSeconds=settings.start_seconds + 600,
    )


def _probes(deployment: Mapping[str, Any], settings: Settings, cluster: str) -> dict[str, Any]:
    if deployment["healing"]:
        # It may wait for a node for days, and the watch ends what hangs.
        return {"readinessProbe": true_health(deployment)}
    return {
        "startupProbe": probe("ready", cluster, -(-settings.start_seconds // PROBE_PERIOD)),
        "readinessProbe": probe("ready", cluster, 2),
        "livenessProbe": probe("alive", cluster, 3),
    }


def fetching(settings: Settings, resources: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps that bring the model from the web, if it has an address there: nothing when it is there already."""
    model = settings.model
    if not model.url:
        return []
    sums = ["--sha256", *model.sha256] if model.sha256 else []
    token = []
    if model.token_secret:
        reference = {"name": model.token_secret, "key": "token"}
        token = [{"name": "DROVER_TOKEN", "valueFrom": {"secretKeyRef": reference}}]
    command = [*DROVER, "fetch", "--url", model.url, "--to", model.path, *sums]
    return [
        *([] if model.claim else [handing_over(settings, "model", MODEL_FOLDER, resources)]),
        container(settings, "fetch", command, resources, [("model", MODEL_FOLDER, False)], token),
    ]
