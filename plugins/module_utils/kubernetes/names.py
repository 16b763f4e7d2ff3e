# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is called how in Kubernetes, and which labels tell Drover's own objects from all others."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from ..serving.cluster import Cluster

LABEL_LENGTH = 63
LEADER, WORKER, TALLY = "leader", "worker", "tally"
# Of the short-lived pods that fill caches: the one that has the model, and those on workers' nodes.
OFFERER, PLACER = "offerer", "placer"
# What a pod of a leader is called that does not lead.
STANDBY = "standby"
# Recommended labels: Kubernetes' documentation "Recommended Labels".
NAME_LABEL = "app.kubernetes.io/name"
CLUSTER_LABEL = "app.kubernetes.io/instance"
PART_LABEL = "app.kubernetes.io/component"
OWNER_LABEL = "app.kubernetes.io/managed-by"
HOST_LABEL = "drover.llama/host"
# A node's name may be longer than a label, so it stands here in full.
NODE_ANNOTATION = "drover.llama/node"
DEPLOYMENT_ANNOTATION = "drover.llama/deployment"
SECRET_ANNOTATION = "drover.llama/secret"
MEMBERS_ANNOTATION = "drover.llama/members"
PLACED_ANNOTATION = "drover.llama/placed"
DROVER = "drover"


class Names:
    """The names of one cluster's objects in one namespace."""

    def __init__(self, cluster: str, namespace: str) -> None:
        self.cluster = Cluster(cluster)
        self.namespace = namespace
        self.prefix = f"{DROVER}-{self.cluster.name}"
        self.account = self.prefix
        self.api_service = self.secret = f"{self.prefix}-api"
        self.workers_service = f"{self.prefix}-workers"
        self.token = f"{self.prefix}-token"
        self.plan = f"{self.prefix}-plan"
        self.members = f"{self.prefix}-members"
        # The Secret that the leader and the agents know each other by.
        self.agents = f"{self.prefix}-agents"
        self.speeds = f"{self.prefix}-speeds"
        # What each worker's tensor cache is to have.
        self.weights = f"{self.prefix}-weights"
        self.leader = f"{self.prefix}-leader"
        # Where others stand by: what tells who leads, and the account that may write it.
        self.lease = f"{self.prefix}-lease"
        # The DaemonSet of all workers, and its ConfigMap.
        self.workers = f"{self.prefix}-worker"

    def worker(self, node: str) -> str:
        """The Deployment of the worker on ``node``, and its ConfigMap."""
        return f"{self.prefix}-worker-{host_label(node)}"

    def leader_on(self, node: str) -> str:
        """The Deployment of the leader on ``node``, one of several that may lead, and its ConfigMap."""
        return f"{self.leader}-{host_label(node)}"

    def members_on(self, node: str) -> str:
        """The ConfigMap of the members as the one on ``node`` would lead them."""
        return f"{self.members}-{host_label(node)}"

    def tally(self, node: str) -> str:
        """The pod that takes stock of ``node``."""
        return f"{self.prefix}-tally-{host_label(node)}"

    def address(self, node: str) -> str:
        """The name in the DNS that the worker on ``node`` keeps whatever pod it is."""
        return f"{host_label(node)}.{self.shared_address()}"

    def shared_address(self) -> str:
        """The name in the DNS that all workers have together."""
        return f"{self.workers_service}.{self.namespace}.svc"

    def labels(self, part: str | None = None, node: str | None = None) -> dict[str, str]:
        """The labels of an object of this cluster, of a ``part`` of it, of what is on a ``node``."""
        found = {**self.selector(part, node), "app.kubernetes.io/part-of": DROVER, OWNER_LABEL: DROVER}
        return dict(sorted(found.items()))

    def selector(self, part: str | None = None, node: str | None = None) -> dict[str, str]:
        """The labels that pods of this cluster are told by; they never change."""
        found = {NAME_LABEL: DROVER, CLUSTER_LABEL: self.cluster.name}
        if part:
            found[PART_LABEL] = part
        if node:
            found[HOST_LABEL] = host_label(node)
        return found


def host_label(node: str) -> str:
    """A node's name as one label of the DNS, which is what a pod's host name must be; different nodes have different
    ones."""
    label = re.sub(r"[^a-z0-9-]", "-", node.lower()).strip("-")
    if label == node and len(label) <= LABEL_LENGTH:
        return label
    mark = hashlib.sha256(node.encode()).hexdigest()[:6]
    return f"{label[: LABEL_LENGTH - len(mark) - 1].rstrip('-')}-{mark}"


def digest(document: Any) -> str:
    """Enough of a hash of what JSON can hold to tell it from any other."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
