# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods have where the cluster heals itself: the agent beside the RPC server, the watch beside llama-server. Both
see and end the program beside them, so that the containers of a pod share their processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..serving.cluster import HEALING_FOLDER
from .names import Names
from .pods import DROVER, Mount, container
from .quantities import cores_text
from .settings import MIB, Settings

AGENT, WATCH = "agent", "watch"
# Its key in the Secret, and the name of the file.
AGENTS_SECRET = "secret"
# A plan anew is worked out in a moment, or holds up its watch.
MOST_MILLICORES = 1000
FOLDER_BYTES = 64 * MIB
HEALTH_SECONDS = 2
# Of a pod's spec.
SHARED_PROCESSES = {"shareProcessNamespace": True}
_PORTS = {AGENT: "agent", WATCH: "health"}


def program(part: str, deployment: Mapping[str, Any], names: Names) -> list[str]:
    """The command of the container that runs the ``part``, where there is healing whenever its program has ended."""
    keep = ["keep"] if deployment["healing"] else []
    return [*DROVER, *keep, part, "--cluster", names.cluster.name]


def folder(names: Names) -> Mount:
    """Where the containers of a pod keep what was decided; as long as the pod is there."""
    return "healing", f"{HEALING_FOLDER}/{names.cluster.name}", False


def folder_volume() -> dict[str, Any]:
    """The volume of it."""
    return {"name": "healing", "emptyDir": {"sizeLimit": str(FOLDER_BYTES)}}


def secret_source(names: Names) -> tuple[str, str, str]:
    """Of the documents of a pod, the one that tells the secret."""
    return names.agents, "secret", AGENTS_SECRET


def healer(
    name: str,
    deployment: Mapping[str, Any],
    settings: Settings,
    names: Names,
    mounts: list[Mount],
    environment: list[dict[str, Any]],
) -> dict[str, Any]:
    """The container ``name``, AGENT or WATCH, beside the program of ``deployment``, in the same ``environment``."""
    amounts = {"memory": str(settings.healer_bytes), "ephemeral-storage": str(FOLDER_BYTES)}
    port = {"name": _PORTS[name], "containerPort": deployment["healing"]["port"], "protocol": "TCP"}
    return container(
        settings,
        name,
        [*DROVER, name, "--cluster", names.cluster.name],
        {
            "requests": {**amounts, "cpu": cores_text(settings.healer_millicores)},
            "limits": {**amounts, "cpu": cores_text(MOST_MILLICORES)},
        },
        mounts,
        environment,
        ports=[port],
    )


def true_health(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """The probe that asks the watch, which knows within seconds, and takes no slot."""
    return {
        "httpGet": {"path": "/health", "port": deployment["healing"]["port"], "scheme": "HTTP"},
        "periodSeconds": HEALTH_SECONDS,
        "timeoutSeconds": HEALTH_SECONDS,
        "failureThreshold": 1,
    }
