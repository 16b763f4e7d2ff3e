# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What enforces NetworkPolicies on the nodes: kube-router, and of it nothing else."""

from __future__ import annotations

import yaml

from ..spec import LabSpec
from . import images

_NAME = "kube-router"
_READ = ["get", "list", "watch"]
_RULES = (
    ("", ["endpoints", "namespaces", "nodes", "pods", "services"]),
    ("discovery.k8s.io", ["endpointslices"]),
    ("networking.k8s.io", ["networkpolicies"]),
)
_LOCK = "/run/xtables.lock"  # all who write the host's firewall hold it


def manifests(lab: LabSpec) -> str:
    """The objects as YAML."""
    own = {"name": _NAME, "namespace": "kube-system"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _NAME}
    labels = {"app.kubernetes.io/name": _NAME}
    container = {
        "name": _NAME,
        "image": images.KUBE_ROUTER,
        "imagePullPolicy": "Never",
        "args": [
            "--run-firewall=true",
            *(f"--run-{other}=false" for other in ("loadbalancer", "router", "service-proxy")),
            f"--service-cluster-ip-range={lab.kubernetes.services}",
        ],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "resources": {"requests": {"memory": "64Mi"}},
        "securityContext": {"privileged": True},
        "volumeMounts": [{"name": "lock", "mountPath": _LOCK}],
    }
    pod = {
        "serviceAccountName": _NAME,
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "lock", "hostPath": {"path": _LOCK, "type": "FileOrCreate"}}],
    }
    return yaml.safe_dump_all(
        [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": own},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": {"name": _NAME},
                "rules": [{"apiGroups": [group], "resources": read, "verbs": _READ} for group, read in _RULES],
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": _NAME},
                "roleRef": role,
                "subjects": [{"kind": "ServiceAccount", **own}],
            },
            {
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": own,
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            },
        ],
        sort_keys=False,
    )
