# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that do one thing on a node and end: take stock, hold a volume while a model is copied in, clean up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from . import security
from .gpus import can_be_seen
from .names import TALLY, Names, host_label
from .nodes import ASIDE, left_over
from .pods import (
    DROVER,
    PYTHON,
    Mount,
    container,
    handing_over,
    metadata,
    model_volume,
    node_folder,
    own_address,
    pod_metadata,
    pod_spec,
    with_gpus,
)
from .quantities import cores_text
from .settings import MIB, MODEL_FOLDER, Settings
from .speeds import BANDWIDTH

# Memory bandwidth is measured in a buffer twice as large as the caches, which is half of what there is.
TALLY_MOST_BYTES = 1024 * MIB
TALLY_BYTES, TALLY_MILLICORES = ASIDE.memory_bytes, ASIDE.millicores
TALLY_SECONDS = 300
COURIER, SWEEPER = "courier", "sweeper"
COURIER_SECONDS = 24 * 3600

_SWEEP = """import os, shutil, sys
for path in sys.argv[2:]:
    if os.path.isdir(path):
        shutil.rmtree(path) if sys.argv[1] == "all" or not os.listdir(path) else print(path, "is not empty")
"""


def tally_pods(stock: Iterable[Mapping[str, Any]], settings: Settings, cluster: str) -> list[dict[str, Any]]:
    """A pod for each node that can be used, which prints its tally to its log."""
    names = Names(cluster, settings.namespace)
    return [_tally_pod(entry, settings.on(entry["machine"]), names) for entry in stock if not entry["reason"]]


def courier_pod(entry: Mapping[str, Any], settings: Settings, cluster: str) -> dict[str, Any]:
    """A pod on the node that is to lead, which holds the model's volume at its place, to copy the model into, or to
    read its header there."""
    names = Names(cluster, settings.namespace)
    settings = settings.on(entry["machine"])
    resources = small(left_over(entry).millicores)
    wait = waiting(settings, COURIER, resources, [("model", MODEL_FOLDER, False)])
    steps = [] if settings.model.claim else [handing_over(settings, "model", MODEL_FOLDER, resources)]
    volumes = [model_volume(settings)]
    return short_lived_pod(names, f"{names.prefix}-{COURIER}", COURIER, entry, settings, wait, volumes, steps)


def sweeper_pods(
    stock: Iterable[Mapping[str, Any]], settings: Settings, cluster: str, models: bool = False
) -> list[dict[str, Any]]:
    """A pod for each node that takes off the folders that Drover has made there: the tensor cache, and the folder of
    models if it is empty, or with ``models`` whatever is in it. Nothing where there is none."""
    names = Names(cluster, settings.namespace)
    made = []
    for entry in stock:
        folders = [("cache", settings.cache.host_path, "all")] if settings.cache else []
        if not settings.model.claim and settings.model.host_path:
            folders.append(("model", settings.model.host_path, "all" if models else "empty"))
        if not folders or entry["reason"]:
            continue
        own = settings.on(entry["machine"])
        steps = []
        volumes = []
        for volume, path, what in folders:
            # A folder that is mounted cannot be taken off, so its parent is.
            parent = PurePosixPath(path).parent
            mounts: list[Mount] = [(volume, f"/{volume}", False)]
            volumes.append(node_folder(volume, str(parent)))
            steps.append(
                container(
                    own,
                    f"sweep-{volume}",
                    [PYTHON, "-c", _SWEEP, what, f"/{volume}/{PurePosixPath(path).name}"],
                    small(left_over(entry).millicores),
                    mounts,
                    # The files are another user's.
                    security_context=security.of_root("DAC_OVERRIDE"),
                )
            )
        name = f"{names.prefix}-{SWEEPER}-{host_label(entry['node'])}"
        made.append(short_lived_pod(names, name, SWEEPER, entry, settings, steps[-1], volumes, steps[:-1]))
    return made


def _tally_pod(entry: Mapping[str, Any], settings: Settings, names: Names) -> dict[str, Any]:
    left, node = left_over(entry), entry["node"]
    command = [
        *DROVER,
        "tally",
        "--pod",
        *("--cluster", names.cluster.name),
        *("--host", node),
        *("--port", str(settings.rpc_port)),
        *("--disk-path", MODEL_FOLDER),
        # The limit of this pod is not the node's.
        *("--reserve-bytes", "0"),
        *(["--no-bandwidth"] if entry[BANDWIDTH] else []),
    ]
    mounts: list[Mount] = []
    volumes: list[dict[str, Any]] = []
    if not settings.model.claim:
        mounts.append(("model", MODEL_FOLDER, True))
        volumes.append(model_volume(settings))
    tell = container(settings, TALLY, command, small(left.millicores, left.memory_bytes), mounts)
    if can_be_seen(entry["gpus"]):
        tell = with_gpus(tell, entry, entry["gpus"]["count"])
    return short_lived_pod(names, names.tally(node), TALLY, entry, settings, tell, volumes, [], TALLY_SECONDS)


def waiting(settings: Settings, part: str, resources: Mapping[str, Any], mounts: list[Mount]) -> dict[str, Any]:
    """The container of a pod in which others run commands, and which does nothing itself."""
    command = [PYTHON, "-c", f"import time; time.sleep({COURIER_SECONDS})"]
    # Without it, documents of pods cannot be read.
    return container(settings, part, command, resources, mounts, [own_address()])


def short_lived_pod(
    names: Names,
    name: str,
    part: str,
    entry: Mapping[str, Any],
    settings: Settings,
    work: dict[str, Any],
    volumes: list[dict[str, Any]],
    steps: list[dict[str, Any]],
    seconds: int = COURIER_SECONDS,
    **more: Any,
) -> dict[str, Any]:
    """A pod that does its ``work`` on the node whose stock is ``entry``, after the init ``steps``, within so many
    ``seconds``."""
    about = pod_metadata(names, settings, part, entry["node"])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(names, name, about["labels"], annotations=about["annotations"]),
        "spec": pod_spec(
            names,
            settings,
            entry,
            [work],
            volumes,
            steps,
            restartPolicy="Never",
            activeDeadlineSeconds=seconds,
            terminationGracePeriodSeconds=1,
            **more,
        ),
    }


def small(millicores: int, most_bytes: int = TALLY_MOST_BYTES) -> dict[str, dict[str, str]]:
    """Little is requested, so that a pod has room beside all others; more may be used while it is there."""
    limit = max(TALLY_BYTES, min(TALLY_MOST_BYTES, most_bytes))
    return {
        "requests": {
            "memory": str(TALLY_BYTES),
            "cpu": cores_text(TALLY_MILLICORES),
            "ephemeral-storage": str(64 * MIB),
        },
        "limits": {
            "memory": str(limit),
            "cpu": cores_text(max(TALLY_MILLICORES, millicores)),
            "ephemeral-storage": str(256 * MIB),
        },
    }
