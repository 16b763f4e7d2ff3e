# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods may do: no more than the Pod Security Standard "restricted" allows, but for what is asked of the node.

Source: Kubernetes' documentation "Pod Security Standards".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .settings import Settings

# The user and group of the image.
USER = 10001
RESTRICTED, PRIVILEGED = "restricted", "privileged"
LEVEL_LABEL = "pod-security.kubernetes.io/enforce"


def level(settings: Settings) -> tuple[str, list[str]]:
    """The Pod Security Standard that the namespace must allow, and why it cannot be a stricter one: a sentence each.

    What is asked of a node here, "baseline" forbids as well, so there is nothing in between.
    """
    reasons = []
    if settings.host_network:
        reasons.append("kubernetes_host_network has pods use the node's network (hostNetwork).")
    if not settings.model.claim:
        reasons.append(
            f"kubernetes_model has the model in {settings.model.host_path} of a node (hostPath); a claim would not ask "
            "that of it."
        )
    if settings.cache:
        reasons.append(f"kubernetes_cache has the tensor cache in {settings.cache.host_path} of the nodes (hostPath).")
    return (PRIVILEGED if reasons else RESTRICTED), reasons


def of_pod(groups: Sequence[int] = ()) -> dict[str, Any]:
    """A pod's security context, with more ``groups`` that it is in. Volumes that Kubernetes makes belong to its own."""
    return {
        **({"supplementalGroups": list(groups)} if groups else {}),
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def of_container() -> dict[str, Any]:
    """A container's security context."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def of_root(*capabilities: str) -> dict[str, Any]:
    """The security context of a step that only root can do, with no more than these of root's capabilities."""
    return {
        **of_container(),
        "runAsNonRoot": False,
        "runAsUser": 0,
        "capabilities": {"drop": ["ALL"], **({"add": list(capabilities)} if capabilities else {})},
    }
