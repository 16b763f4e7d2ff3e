# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: objects as they were, in a form that the API takes again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .manifests import KINDS

# The user's and ours; all else is the API's own.
_KEPT = ("name", "namespace", "labels", "annotations")
# Written by controllers, or by kubectl for itself.
_NOT_OURS = ("deployment.kubernetes.io/", "deprecated.daemonset.template.generation", "kubectl.kubernetes.io/")
# Those that run nothing: what runs must find them as they were.
_FIRST = (
    *("ServiceAccount", "Role", "RoleBinding", "Lease"),
    *("NetworkPolicy", "ConfigMap", "Service", "EndpointSlice", "PodDisruptionBudget"),
)


def restorable(present: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Manifests of the objects of a cluster that are ``present``, what runs last. Not of pods and of what others own,
    which come back by themselves, nor of Secrets, which nobody changes on the way."""
    versions = {kind: version for version, kind in KINDS if kind not in ("Pod", "Secret")}
    wanted = [each for each in present if each["kind"] in versions and not each["metadata"].get("ownerReferences")]
    order = [*_FIRST, *(kind for kind in versions if kind not in _FIRST)]
    made = []
    for each in sorted(wanted, key=lambda each: (order.index(each["kind"]), each["metadata"]["name"])):
        metadata = {key: value for key, value in each["metadata"].items() if key in _KEPT}
        notes = {key: text for key, text in (metadata.pop("annotations", None) or {}).items() if not _is_foreign(key)}
        # Who has a lease may have changed since.
        others = ("metadata", "status", *(["spec"] if each["kind"] == "Lease" else []))
        content = {key: value for key, value in each.items() if key not in others}
        content["apiVersion"] = versions[each["kind"]]
        made.append({**content, "metadata": {**metadata, **({"annotations": notes} if notes else {})}})
    return made


def _is_foreign(annotation: str) -> bool:
    return annotation.startswith(_NOT_OURS)
