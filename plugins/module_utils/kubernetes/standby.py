# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaders' pods have where one stands by for the other: the Lease that tells who leads, and the right to read and
write that one object and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..serving.deployment import ACCOUNT_FOLDER, AGENT_VARIABLE, LEASE_VARIABLE, POD_VARIABLE
from .names import LEADER, Names
from .pods import Mount, metadata
from .settings import Settings

LEASES = "coordination.k8s.io"
RIGHTS = "rbac.authorization.k8s.io"
TOKEN_SECONDS = 3600
# Kubernetes puts it into every namespace.
AUTHORITY = "kube-root-ca.crt"


def leaders_of(deployment: Mapping[str, Any]) -> list[str]:
    """Who may lead, the plan's leader first; empty where nobody stands by."""
    return list((deployment["healing"] or {}).get("leaders", []))


def stands_by(deployment: Mapping[str, Any]) -> bool:
    """Whether the leader that ``deployment`` says leads in another's place alone."""
    return deployment["host"] in leaders_of(deployment)[1:]


def leader_name(deployment: Mapping[str, Any], names: Names) -> str:
    """What the Deployment of the leader that ``deployment`` says is called, and its ConfigMap."""
    return names.leader_on(deployment["host"]) if leaders_of(deployment) else names.leader


def members_name(deployment: Mapping[str, Any], names: Names) -> str:
    """What the ConfigMap of its members is called."""
    return names.members_on(deployment["host"]) if leaders_of(deployment) else names.members


def account_of(deployment: Mapping[str, Any], settings: Settings, names: Names) -> str:
    """The account of the leader's pod that ``deployment`` says."""
    return settings.service_account or (names.lease if leaders_of(deployment) else names.account)


def lease_objects(names: Names, settings: Settings) -> list[dict[str, Any]]:
    """The Lease, which whoever leads writes itself, and who may."""
    about = metadata(names, names.lease, names.labels(LEADER))
    account = {"kind": "ServiceAccount", "name": settings.service_account or names.lease}
    rule = {"apiGroups": [LEASES], "resources": ["leases"], "resourceNames": [names.lease], "verbs": ["get", "update"]}
    made: list[dict[str, Any]] = []
    if not settings.service_account:
        made.append(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about, "automountServiceAccountToken": False}
        )
    return [
        *made,
        {"apiVersion": f"{LEASES}/v1", "kind": "Lease", "metadata": about},
        {"apiVersion": f"{RIGHTS}/v1", "kind": "Role", "metadata": about, "rules": [rule]},
        {
            "apiVersion": f"{RIGHTS}/v1",
            "kind": "RoleBinding",
            "metadata": about,
            "roleRef": {"apiGroup": RIGHTS, "kind": "Role", "name": names.lease},
            "subjects": [{**account, "namespace": names.namespace}],
        },
    ]


def token_volume() -> dict[str, Any]:
    """The token of the pod's account, which only the container that asks the API mounts."""
    authority = {"name": AUTHORITY, "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    token = {"path": "token", "expirationSeconds": TOKEN_SECONDS}
    return {
        "name": "account",
        "projected": {"defaultMode": 0o440, "sources": [{"serviceAccountToken": token}, {"configMap": authority}]},
    }


def token_mount() -> Mount:
    """Where a client of the API looks for it."""
    return "account", ACCOUNT_FOLDER, True


def environment(deployment: Mapping[str, Any], settings: Settings, names: Names) -> list[dict[str, Any]]:
    """What the pod of a leader is told of the Lease, of itself and of the worker on its node."""
    path = f"/apis/{LEASES}/v1/namespaces/{names.namespace}/leases/{names.lease}"
    uid = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}}
    found: list[dict[str, Any]] = [{"name": LEASE_VARIABLE, "value": path}, {"name": POD_VARIABLE, "valueFrom": uid}]
    if stands_by(deployment):
        address = names.address(deployment["host"])
        found.append({"name": AGENT_VARIABLE, "value": f"{address}:{settings.agent_port}"})
    return found
