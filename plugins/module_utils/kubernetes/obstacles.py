# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way in the API's own objects, told before anything is changed: one sentence each, with the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import security
from .names import Names
from .nodes import HOSTNAME_LABEL
from .settings import Settings

# From the strictest to the most open; without a label everything is allowed.
_LEVELS = (security.RESTRICTED, "baseline", security.PRIVILEGED)
_NODE_PORTS = (30000, 32767)


def namespace_faults(namespace: Mapping[str, Any] | None, settings: Settings) -> list[str]:
    """``namespace`` is the API's object, None where there is none."""
    name = settings.namespace
    if namespace is None:
        if settings.create_namespace:
            return []
        return [
            f"There is no namespace {name}, and kubernetes_create_namespace is false: create it, or set the "
            "latter to true."
        ]
    if (namespace.get("status") or {}).get("phase") == "Terminating" or namespace["metadata"].get("deletionTimestamp"):
        conditions = (namespace.get("status") or {}).get("conditions") or ()
        why = next((each["message"] for each in conditions if each["status"] == "True" and each.get("message")), "")
        told = f" ({why.rstrip('.')})" if why else ""
        return [
            f"The namespace {name} is being deleted{told}: wait until it is gone, or use another kubernetes_namespace."
        ]
    allowed = (namespace["metadata"].get("labels") or {}).get(security.LEVEL_LABEL, security.PRIVILEGED)
    needed, reasons = security.level(settings)
    if not settings.create_namespace and allowed in _LEVELS and _LEVELS.index(allowed) < _LEVELS.index(needed):
        return [
            f"The namespace {name} allows pods of the Pod Security Standard {allowed}, and {needed} is needed, since "
            f"{_joined(reasons)}: change the wish, or the label {security.LEVEL_LABEL}."
        ]
    return []


def service_faults(services: Iterable[Mapping[str, Any]], settings: Settings, cluster: str) -> list[str]:
    """``services`` are those of all namespaces: one of them may have the port on the nodes already."""
    port, names = settings.node_port, Names(cluster, settings.namespace)
    if not port:
        return []
    own = (settings.namespace, names.api_service)
    given: dict[int, tuple[str, str]] = {}
    for service in services:
        spec, place = service["spec"], (service["metadata"]["namespace"], service["metadata"]["name"])
        ports = [entry.get("nodePort") for entry in spec.get("ports") or ()] + [spec.get("healthCheckNodePort")]
        given.update({each: place for each in ports if each})
    if port in given and given[port] != own:
        return [
            f"The port {port} on the nodes is taken by the Service {'/'.join(given[port])}: set kubernetes_node_port "
            "to another one, or leave the choice to Kubernetes."
        ]
    # A cluster may have been set up with other ports, which is seen once one of them was given.
    if all(_is_usual(each) for each in given) and not _is_usual(port):
        return [
            f"kubernetes_node_port is {port}, and Kubernetes gives ports from {_NODE_PORTS[0]} to {_NODE_PORTS[1]}: "
            "use one of them."
        ]
    return []


def _is_usual(port: int) -> bool:
    return _NODE_PORTS[0] <= port <= _NODE_PORTS[1]


def claim_faults(claim: Mapping[str, Any] | None, settings: Settings) -> list[str]:
    """``claim`` is the API's object of the model's claim, None where there is none."""
    name = settings.model.claim
    if not name:
        return []
    if claim is None:
        return [
            f"There is no PersistentVolumeClaim {name} in the namespace {settings.namespace}: create it, or correct "
            "kubernetes_model."
        ]
    phase = (claim.get("status") or {}).get("phase")
    if phase == "Lost":
        return [f"The volume of the PersistentVolumeClaim {name} is lost: give it another one."]
    if claim["metadata"].get("deletionTimestamp"):
        return [f"The PersistentVolumeClaim {name} is being deleted: use another one."]
    modes = (claim.get("spec") or {}).get("accessModes") or []
    if settings.standby and not {"ReadWriteMany", "ReadOnlyMany"} & set(modes):
        return [
            f"placement_standby is {settings.standby}, and the PersistentVolumeClaim {name} is {', '.join(modes)}, "
            "which pods of several nodes cannot have: use one that is ReadWriteMany, or set placement_standby to 0."
        ]
    return []


def volume_faults(volume: Mapping[str, Any] | None, leader: Mapping[str, Any] | None, claim: str) -> list[str]:
    """Why the node whose stock is ``leader`` (None: it leads from outside) cannot have the ``volume`` of the ``claim``
    that the model is in: one that lies on the disk of another node. ``volume`` is the API's object, None if it is not
    known."""
    affinity = ((volume or {}).get("spec") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("required") or {}).get("nodeSelectorTerms") or []
    places = [_hostnames(term) for term in terms]
    # A term that speaks of other labels may hold for any node.
    if leader is None or not all(places) or not places or any(leader["hostname"] in each for each in places):
        return []
    nodes = ", ".join(sorted({name for each in places for name in each}))
    return [
        f"The volume of the PersistentVolumeClaim {claim} lies on {nodes}, and {leader['node']} is planned to lead, "
        "which cannot have it: set kubernetes_leader to the former, or use a claim of a volume that all nodes reach."
    ]


def _hostnames(term: Mapping[str, Any]) -> list[str]:
    expressions = term.get("matchExpressions") or ()
    found = [each["values"] for each in expressions if (each["key"], each["operator"]) == (HOSTNAME_LABEL, "In")]
    return list(found[0]) if found else []


def _joined(reasons: Iterable[str]) -> str:
    return " and ".join(reason.rstrip(".") for reason in reasons)
