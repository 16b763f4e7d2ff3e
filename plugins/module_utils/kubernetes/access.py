# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Drover must be allowed to do, asked of the API before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .settings import DAEMONSET, Settings
from .standby import LEASES, RIGHTS

_CHANGE = ("get", "list", "create", "patch", "delete")
_LOOK = ("get", "list")
# Group and resource, with what is done to them in the namespace.
_OF_NAMESPACE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("", "configmaps", _CHANGE),
    ("", "secrets", _CHANGE),
    ("", "services", _CHANGE),
    ("", "pods", _CHANGE),
    ("", "pods/log", ("get",)),
    # The proof is asked for within the pods. By a web socket that is a get, and later versions ask for both.
    ("", "pods/exec", ("create", "get")),
    ("", "events", ("list",)),
    ("", "resourcequotas", ("list",)),
    ("", "limitranges", ("list",)),
    ("apps", "deployments", _CHANGE),
    ("policy", "poddisruptionbudgets", _CHANGE),
)


def reviews(settings: Settings) -> list[dict[str, Any]]:
    """A SelfSubjectAccessReview for each thing that these settings need."""
    namespace = settings.namespace
    wanted = [(group, resource, verb, namespace) for group, resource, verbs in _OF_NAMESPACE for verb in verbs]
    wanted += [("", "nodes", verb, "") for verb in _LOOK]
    # All of them: whatever runs on a node takes of what it can lend.
    wanted += [("", "pods", "list", ""), ("", "services", "list", "")]
    wanted += [
        ("", "namespaces", verb, "") for verb in (("get", "create", "patch") if settings.create_namespace else ())
    ]
    optional = {
        ("apps", "daemonsets"): settings.workers == DAEMONSET,
        ("", "serviceaccounts"): not settings.service_account,
        ("networking.k8s.io", "networkpolicies"): not settings.host_network,
        ("networking.k8s.io", "ingresses"): settings.ingress is not None,
        ("gateway.networking.k8s.io", "httproutes"): settings.http_route is not None,
        ("", "persistentvolumeclaims"): settings.model.claim is not None,
        (RIGHTS, "roles"): settings.standby > 0,
        (RIGHTS, "rolebindings"): settings.standby > 0,
        (LEASES, "leases"): settings.standby > 0,
    }
    # A right can be given by who has it alone.
    others = {"persistentvolumeclaims": _LOOK, "leases": (*_CHANGE, "update")}
    for (group, resource), is_needed in optional.items():
        verbs = others.get(resource, _CHANGE)
        wanted += [(group, resource, verb, namespace) for verb in verbs if is_needed]
    return [_review(*each) for each in wanted]


def access_faults(answers: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for each resource of which something is not allowed, from the reviews as the API answered them."""
    refused: dict[tuple[str, str], list[str]] = {}
    for answer in answers:
        if not (answer.get("status") or {}).get("allowed"):
            asked = answer["spec"]["resourceAttributes"]
            name = ".".join(filter(None, (_whole_name(asked), asked.get("group"))))
            refused.setdefault((name, asked.get("namespace") or ""), []).append(asked["verb"])
    return [
        f"The kubeconfig's user may not {' nor '.join(verbs)} {resource} "
        f"{f'in the namespace {namespace}' if namespace else 'in all of the cluster'}: have that granted by a "
        f"{'Role' if namespace else 'ClusterRole'}, or use another context."
        for (resource, namespace), verbs in refused.items()
    ]


def _review(group: str, resource: str, verb: str, namespace: str) -> dict[str, Any]:
    resource, _separator, part = resource.partition("/")
    attributes = {"group": group, "resource": resource, "subresource": part, "verb": verb, "namespace": namespace}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }


def _whole_name(asked: Mapping[str, Any]) -> str:
    return f"{asked['resource']}/{asked['subresource']}" if asked.get("subresource") else str(asked["resource"])
