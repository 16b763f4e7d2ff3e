# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the settings name must be there: an account, a class, a Secret. Told before a pod waits for it in vain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Optional

from .names import Names
from .settings import HttpRoute, Settings

# What is wrong with the API's object (None where there is none), in one sentence; None for nothing.
Judge = Callable[[Optional[Mapping[str, Any]]], Optional[str]]

# Source: Kubernetes' documentation "Secrets", "Docker config Secrets".
_OF_REGISTRIES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def named_objects(settings: Settings, cluster: str) -> dict[str, Judge]:
    """What ``settings`` name of the cluster's own objects: where the API has each, and what to say of it."""
    space = f"/api/v1/namespaces/{settings.namespace}"
    found: dict[str, Judge] = {}
    if settings.service_account:
        found[f"{space}/serviceaccounts/{settings.service_account}"] = _there(
            f"ServiceAccount {settings.service_account}", settings.namespace, "kubernetes_service_account"
        )
    if settings.priority_class:
        found[f"/apis/scheduling.k8s.io/v1/priorityclasses/{settings.priority_class}"] = _there(
            f"PriorityClass {settings.priority_class}", None, "kubernetes_priority_class"
        )
    if settings.runtime_class:
        found[f"/apis/node.k8s.io/v1/runtimeclasses/{settings.runtime_class}"] = _there(
            f"RuntimeClass {settings.runtime_class}", None, "kubernetes_runtime_class"
        )
    for name in settings.image_pull_secrets:
        found[f"{space}/secrets/{name}"] = _pull_secret(name, settings.namespace)
    token = settings.model.token_secret
    if token and token != Names(cluster, settings.namespace).token:
        found[f"{space}/secrets/{token}"] = _token_secret(token, settings.namespace)
    found.update(_of_ingress(settings))
    if settings.http_route:
        place = settings.http_route.gateway_namespace or settings.namespace
        path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{place}/gateways/{settings.http_route.gateway}"
        found[path] = _gateway(settings.http_route, place, settings.namespace)
    return found


def node_faults(nodes: Iterable[str], settings: Settings) -> list[str]:
    """A sentence for each of the settings that names a node that is not among ``nodes``, the names of all."""
    known = sorted(nodes)
    found = []
    for variable, names in (("kubernetes_nodes", settings.nodes), ("kubernetes_exclude", settings.exclude)):
        unknown = [name for name in names if name not in known]
        if unknown:
            found.append(
                f"{variable} names {', '.join(unknown)}, and the cluster's nodes are {', '.join(known)}: use these."
            )
    return found


def class_faults(claim: Mapping[str, Any] | None, classes: Collection[Mapping[str, Any]]) -> list[str]:
    """Why the ``claim`` of the model never gets a volume, by the StorageClasses ``classes``. One that has its volume,
    or that asks for one of no class, needs none of them."""
    spec = (claim or {}).get("spec") or {}
    name = spec.get("storageClassName")
    if claim is None or spec.get("volumeName") or name == "":
        return []
    known = ", ".join(sorted(each["metadata"]["name"] for each in classes)) or "none"
    of_claim = f"The PersistentVolumeClaim {claim['metadata']['name']}"
    if name and name not in {each["metadata"]["name"] for each in classes}:
        return [
            f"{of_claim} wants the StorageClass {name}, and the cluster's are: {known}; make the claim anew with one "
            "of these."
        ]
    if name is None and not any(_is_default(each) for each in classes):
        return [
            f"{of_claim} names no StorageClass, and none of the cluster's ({known}) is the default: make the claim "
            "anew with one of them, or have one be the default."
        ]
    return []


def _is_default(one: Mapping[str, Any]) -> bool:
    return (one["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"


def _missing(what: str, namespace: str | None, variable: str) -> str:
    where = f"in the namespace {namespace}" if namespace else "in the cluster"
    return f"There is no {what} {where}, which {variable} names: create it, or correct the variable."


def _there(what: str, namespace: str | None, variable: str) -> Judge:
    return lambda found: _missing(what, namespace, variable) if found is None else None


def _pull_secret(name: str, namespace: str) -> Judge:
    def judge(found: Mapping[str, Any] | None) -> str | None:
        if found is None:
            return _missing(f"Secret {name}", namespace, "kubernetes_image_pull_secrets")
        if found.get("type") not in _OF_REGISTRIES:
            return (
                f"The Secret {name} is of the type {found.get('type')}, and nodes read the password of a registry from "
                f'one of the type {_OF_REGISTRIES[0]}: create it with "kubectl create secret docker-registry".'
            )
        return None

    return judge


def _token_secret(name: str, namespace: str) -> Judge:
    def judge(found: Mapping[str, Any] | None) -> str | None:
        if found is None:
            return _missing(f"Secret {name}", namespace, "token_secret of kubernetes_model")
        if "token" not in (found.get("data") or {}):
            return f"The Secret {name} has no token, which the step that fetches the model sends: add it by this key."
        return None

    return judge


def _of_ingress(settings: Settings) -> dict[str, Judge]:
    wish = settings.ingress
    found: dict[str, Judge] = {}
    if wish and wish.class_name:
        found[f"/apis/networking.k8s.io/v1/ingressclasses/{wish.class_name}"] = _there(
            f"IngressClass {wish.class_name}", None, "class_name of kubernetes_ingress"
        )
    # Annotations may have it made, as cert-manager's do.
    if wish and wish.tls_secret and not wish.annotations:
        found[f"/api/v1/namespaces/{settings.namespace}/secrets/{wish.tls_secret}"] = _there(
            f"Secret {wish.tls_secret}", settings.namespace, "tls_secret of kubernetes_ingress"
        )
    return found


def _gateway(wish: HttpRoute, place: str, namespace: str) -> Judge:
    def judge(found: Mapping[str, Any] | None) -> str | None:
        if found is None:
            return (
                f"There is no Gateway {wish.gateway} in the namespace {place}, which kubernetes_http_route names: "
                "create it, once the Gateway API is installed, or correct the variable."
            )
        listeners = {each["name"]: each for each in (found.get("spec") or {}).get("listeners") or ()}
        if wish.section and wish.section not in listeners:
            return (
                f"The Gateway {wish.gateway} has no listener {wish.section}, but {', '.join(sorted(listeners))}: name "
                "one of these as section of kubernetes_http_route."
            )
        meant = [listeners[wish.section]] if wish.section else list(listeners.values())
        if place != namespace and all(_of_same_namespace(each) for each in meant):
            return (
                f"The Gateway {wish.gateway} takes routes of its own namespace {place} only, and this one is in "
                f"{namespace}: have its listeners allow that (allowedRoutes), or use another gateway."
            )
        return None

    return judge


def _of_same_namespace(listener: Mapping[str, Any]) -> bool:
    allowed = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    return bool(allowed.get("from", "Same") == "Same")
