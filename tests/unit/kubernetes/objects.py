# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and pods as the API has them, as small as they can be, and a plan over three nodes of a small cluster."""

from __future__ import annotations

import copy

from module_utils.kubernetes.deploy import deploy_pods
from module_utils.kubernetes.lend import lend
from module_utils.kubernetes.nodes import take_stock
from module_utils.kubernetes.placing import placing
from module_utils.kubernetes.settings import Settings
from module_utils.kubernetes.shares import equal
from unit.placement.fleets import model, plan_of, tally
from unit.serving import clusters

MIB = 1 << 20
GIB = 1 << 30
IMAGE = f"registry.lan/drover@sha256:{'5' * 64}"
PROGRAMS = {**clusters.PROGRAMS, "server_flags": None, "rpc_server_flags": None}


def node(name, memory="4Gi", cpu="4", machine="amd64", address="10.0.0.1", labels=None, taints=None, **status):
    """A node that is ready."""
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"], **({"taints": taints} if taints else {})},
        "status": {
            "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}],
            "allocatable": {"cpu": cpu, "memory": memory, "ephemeral-storage": "20Gi", "pods": "110"},
            "capacity": {"cpu": cpu, "memory": memory, "ephemeral-storage": "22Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "MemoryPressure", "status": "False"}],
            "nodeInfo": {"architecture": machine, "operatingSystem": "linux"},
            **status,
        },
    }


def container(memory=None, cpu=None, name="main", **more):
    requests = {key: value for key, value in (("memory", memory), ("cpu", cpu)) if value}
    return {"name": name, "resources": {"requests": requests}, **more}


def pod(node_name, *containers, name="other", namespace="default", labels=None, phase="Running", **spec):
    """A pod that is bound to a node."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
        "spec": {"nodeName": node_name, "containers": list(containers), **spec},
        "status": {"phase": phase},
    }


def own_pod(node_name, *containers, part="worker", cluster="main", namespace="drover", **more):
    labels = {
        "app.kubernetes.io/name": "drover",
        "app.kubernetes.io/instance": cluster,
        "app.kubernetes.io/component": part,
    }
    return pod(node_name, *containers, name=f"drover-{part}", namespace=namespace, labels=labels, **more)


def settings(**changes):
    """What is wished; test_healing.py is about clusters that heal themselves."""
    return Settings.from_dict({"image": IMAGE, "model": {"file": "small.gguf"}, "healing": False, **changes})


def stock_of(given, pods=(), /, cluster="main", architectures=None, **wishes):
    return take_stock(given, pods, settings(**wishes), cluster, architectures)


def measured(host, available=3 * GIB, total=4 * GIB):
    """What ``drover tally`` prints in a pod on a node: the memory is the node's, the limit is the pod's."""
    found = tally(host, 0, bandwidth=12_000_000_000, disk=50 * GIB)
    found["memory"].update(total_bytes=total, available_bytes=available, limit_bytes=96 * MIB, limit_used_bytes=MIB)
    found["obstacles"] = ["systemd is not the first process here; use another distribution."]
    del found["devices"]
    return found


NODES = [
    node(f"kube-{number}", memory=f"{size}Gi", address=f"10.0.0.{number}") for number, size in ((1, 1), (2, 2), (3, 1))
]


# With room for all layers where one of them is lost.
ROOMY = [node(f"kube-{number}", memory="2Gi", address=f"10.0.0.{number}") for number in (1, 2, 3)]


class Cluster:
    """Three nodes, what is wished of them, and everything that is made of it."""

    def __init__(self, pods=(), outside=(), nodes=NODES, policy=None, api_port=None, **wishes):
        self.settings = settings(**wishes)
        self.stock = take_stock(nodes, pods, self.settings, "main")
        sizes = {entry["node"]: entry["allocatable"]["memory_bytes"] for entry in self.stock}
        self.tallies = [
            lend(
                entry,
                measured(entry["node"], sizes[entry["node"]] - 128 * MIB, sizes[entry["node"]]),
                self.settings,
                "main",
            )
            for entry in self.stock
        ]
        if self.settings.workers == "daemonset":
            self.tallies = equal(self.tallies, (policy or {}).get("leader", ""))
        self.tallies += [copy.deepcopy(each) for each in outside]
        self.gguf = model(blocks=20, block_bytes=100 * MIB)
        self.plan = plan_of(self.gguf, self.tallies, **(policy or {}))
        self.model = {
            "path": self.settings.model.path,
            "alias": "Small",
            "files": [{"path": self.settings.model.path, "bytes": self.gguf["file_bytes"]}],
        }
        if self.plan["feasible"]:
            self.deployments, self.members, self.standbys = deploy_pods(
                self.plan,
                self.tallies,
                {each["host"]: PROGRAMS for each in self.tallies},
                self.model,
                self.stock,
                self.settings,
                self.gguf,
            )

    def placing(self, placed=""):
        """What it takes to fill the workers' caches, which were filled for ``placed`` last."""
        about = (self.settings, self.model, self.gguf, placed)
        return placing(self.plan, self.deployments, self.stock, *about)
