# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a person may wish of a cluster in Kubernetes, by the names of the role's variables without
``kubernetes_``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import DroverError
from ..placement.policy import MOST_STANDBYS
from . import fields as check
from .names import CLUSTER_LABEL, HOST_LABEL, NAME_LABEL, OWNER_LABEL, PART_LABEL

MIB = 1 << 20
MODEL_FOLDER = "/var/lib/drover/models"
CACHE_FOLDER = "/var/cache/drover"
PINNED, DAEMONSET = MODES = ("pinned", "daemonset")
SERVICE_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
# Python, the probes that run in the container, and what the programs hold beside the plan; llama-server more, for the
# vocabulary and the requests.
WORKER_OVERHEAD = 128 * MIB
LEADER_OVERHEAD = 256 * MIB
# The agent beside an RPC server, and the watch beside llama-server: Python with the brain, and what a plan takes.
HEALER_BYTES = 96 * MIB
HEALER_MILLICORES = 25
# What a driver and its libraries hold of main memory in a process that uses a GPU. Not measured yet, and meant to be
# ample: whoever finds less may lower it.
GPU_OVERHEAD = 512 * MIB
# A large model over a slow network loads for hours.
START_SECONDS = 6 * 3600
_OURS = (NAME_LABEL, CLUSTER_LABEL, PART_LABEL, OWNER_LABEL, HOST_LABEL, "app.kubernetes.io/part-of")


@dataclass(frozen=True)
class Model:
    """Where the model lies for the leader: in the folder ``host_path`` of its node, or in an existing
    PersistentVolumeClaim; ``file`` is its (first) file there. With a ``url`` an init step fetches it, holds it against
    ``sha256`` (one for each shard), and sends the ``token`` in the Secret ``token_secret``."""

    file: str
    host_path: str | None = MODEL_FOLDER
    claim: str | None = None
    url: str | None = None
    sha256: tuple[str, ...] = ()
    token_secret: str | None = None

    @property
    def path(self) -> str:
        """Where the leader's pod has the file."""
        return f"{MODEL_FOLDER}/{self.file}"

    @classmethod
    def checked(cls, value: object, name: str) -> Model:
        found = check.record(cls, value, name, _MODEL)
        if found.claim and isinstance(value, dict) and value.get("host_path"):
            raise DroverError(f"{name} has a host_path and a claim, and the model lies in one place: give one of them.")
        return found


@dataclass(frozen=True)
class Cache:
    """The folder ``host_path`` of a worker's node that its tensor cache is in, and how many bytes it may take there.
    ``spread``: on how many workers each tensor is to be before the leader starts; with 0 none is placed beforehand."""

    host_path: str = CACHE_FOLDER
    bytes: int | None = None
    spread: int = 1


@dataclass(frozen=True)
class Ingress:
    """The API under a host name, by an Ingress."""

    host: str
    class_name: str | None = None
    tls_secret: str | None = None
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HttpRoute:
    """The API under host names, by an HTTPRoute of an existing gateway, which ends TLS."""

    gateway: str
    hostnames: tuple[str, ...] = ()
    gateway_namespace: str | None = None
    section: str | None = None


@dataclass(frozen=True)
class NodeWishes:
    """What one node, or every node without wishes of its own, lends: all but ``reserve_bytes`` (None: as a host does),
    at most ``memory_bytes``, with so many ``threads``, and at most so many ``gpus`` (None: all that are free)."""

    reserve_bytes: int | None = None
    memory_bytes: int | None = None
    threads: int | None = None
    gpus: int | None = None


@dataclass(frozen=True)
class Settings:
    """Everything of one cluster.

    - ``image`` by its digest, ``image_pull_policy``, ``image_pull_secrets``; ``images`` by the machine of the node
      (``amd64``, ``arm64``) where nodes were given theirs without a registry.
    - ``namespace``, and whether it is Drover's own (``create_namespace``): made and labelled by it.
    - Which nodes: ``node_selector``, ``tolerations``, ``exclude`` (names); what they lend: ``lend``, and by node
      ``nodes``.
    - ``workers``: one workload a node, with the numbers of each (``pinned``), or one for all nodes, also those that are
      yet to come (``daemonset``): the same share of each, whose owner has no wishes of its own, and no GPUs.
    - ``host_network``: pods use the node's network, and no NetworkPolicy holds for them.
    - ``model``, ``cache`` (None: no tensor cache), ``rpc_port``.
    - ``healing``: whether the cluster heals itself, unless hosts outside take part; ``standby``: how many nodes stand
      by to lead.
    - The API: ``service_type``, ``port``, ``node_port``, ``service_annotations``, ``ingress``, ``http_route``.
    - ``priority_class``, ``labels`` and ``annotations`` of pods, ``service_account`` (None: one of Drover's own).
    - For pods with GPUs: ``runtime_class`` (None: found), ``gpu_groups`` (numbers of groups that may use them), and
      ``gpu_overhead_bytes`` of main memory.
    - Bytes beside the plan: ``leader_overhead_bytes``, ``worker_overhead_bytes``; ``ephemeral_bytes`` for logs and the
      like.
    - ``start_seconds``: how long the leader may load.
    """

    image: str
    model: Model
    images: dict[str, str] = field(default_factory=dict)
    namespace: str = "drover"
    create_namespace: bool = True
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    exclude: tuple[str, ...] = ()
    lend: NodeWishes = NodeWishes()
    nodes: dict[str, NodeWishes] = field(default_factory=dict)
    workers: str = PINNED
    host_network: bool = False
    cache: Cache | None = None
    rpc_port: int = 50052
    healing: bool = True
    standby: int = 0
    service_type: str = "ClusterIP"
    port: int = 8080
    node_port: int | None = None
    service_annotations: dict[str, str] = field(default_factory=dict)
    ingress: Ingress | None = None
    http_route: HttpRoute | None = None
    priority_class: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    service_account: str | None = None
    runtime_class: str | None = None
    gpu_groups: tuple[int, ...] = ()
    gpu_overhead_bytes: int = GPU_OVERHEAD
    leader_overhead_bytes: int = LEADER_OVERHEAD
    worker_overhead_bytes: int = WORKER_OVERHEAD
    ephemeral_bytes: int = 256 * MIB
    start_seconds: int = START_SECONDS

    @classmethod
    def from_dict(cls, value: object) -> Settings:
        """The settings in ``value``, a dictionary. Raises DroverError, one sentence, for an unknown key and for a wish
        that cannot be had."""
        found = check.record(cls, value, "", _RULES)
        if found.node_port and found.service_type == "ClusterIP":
            raise DroverError(
                f"kubernetes_node_port is {found.node_port}, and kubernetes_service_type ClusterIP has no port on "
                "nodes: set the type to NodePort, or take the port back."
            )
        if found.standby and not found.healing:
            raise DroverError(
                f"placement_standby is {found.standby}, and a standby takes over only in a cluster that heals itself, "
                "and kubernetes_healing is false: set it to true, or placement_standby to 0."
            )
        return found if found.workers == PINNED else _for_all_nodes(found)

    @property
    def spread(self) -> int:
        """On how many workers each tensor is to be before the leader starts; 0 where none is placed beforehand, as
        where the leader plans itself, with whoever is there."""
        return self.cache.spread if self.cache and self.workers == PINNED else 0

    @property
    def agent_port(self) -> int:
        """Where a worker's agent answers."""
        return self.rpc_port + 1000 if self.rpc_port <= 64535 else self.rpc_port - 1000

    @property
    def healer_bytes(self) -> int:
        """The memory of a pod's part of the healing."""
        return HEALER_BYTES if self.healing else 0

    @property
    def healer_millicores(self) -> int:
        """The CPU of the same, in thousandths of a core."""
        return HEALER_MILLICORES if self.healing else 0

    @property
    def standby_bytes(self) -> int:
        """The memory of a pod that stands by, beside its node's worker: it waits, and its watch does."""
        return 2 * self.healer_bytes if self.standby else 0

    @property
    def standby_millicores(self) -> int:
        """The CPU of the same, in thousandths of a core."""
        return 2 * self.healer_millicores if self.standby else 0

    def on(self, machine: str) -> Settings:
        """The settings with the image for nodes of this ``machine``."""
        return replace(self, image=self.images.get(machine, self.image))

    def of_node(self, node: str) -> NodeWishes:
        """What is wished of ``node``: its own wishes, and those of all where it has none."""
        own = self.nodes.get(node, NodeWishes())
        return NodeWishes(
            self.lend.reserve_bytes if own.reserve_bytes is None else own.reserve_bytes,
            own.memory_bytes or self.lend.memory_bytes,
            own.threads or self.lend.threads,
            self.lend.gpus if own.gpus is None else own.gpus,
        )


def _for_all_nodes(found: Settings) -> Settings:
    """The settings of a cluster whose pods of workers are one as the other. Raises DroverError for what is of one node,
    and for what only nodes of a kind have."""
    wish = f"kubernetes_workers is {found.workers}"
    if not found.healing:
        raise DroverError(
            f"{wish}, where the leader plans from what the pods tell, and kubernetes_healing is false: set it to true, "
            f"or kubernetes_workers to {PINNED}."
        )
    if found.standby:
        raise DroverError(
            f"{wish}, whose workers have one leader, and placement_standby is {found.standby}: set it to 0, or "
            f"kubernetes_workers to {PINNED}."
        )
    if found.nodes:
        raise DroverError(
            f"{wish}, where all nodes lend the same, and kubernetes_nodes wishes for something of "
            f"{', '.join(sorted(found.nodes))}: take it out and wish in kubernetes_lend, or set kubernetes_workers to "
            f"{PINNED}."
        )
    if found.lend.gpus:
        raise DroverError(
            f"{wish}, where pods are given no GPUs, and kubernetes_lend wishes for {found.lend.gpus}: take gpus out, "
            f"or set kubernetes_workers to {PINNED}."
        )
    if found.cache and found.cache.spread > 1:
        raise DroverError(
            f"{wish}, where the leader plans with whoever is there and nothing is placed beforehand, and "
            f"kubernetes_cache wishes for a spread of {found.cache.spread}: take spread out, or set kubernetes_workers "
            f"to {PINNED}."
        )
    return replace(found, lend=replace(found.lend, gpus=0))


def _label(value: Any, name: str) -> str:
    if check.label_name(value, name) in _OURS:
        raise DroverError(f"{name} is {value}, which Drover sets itself: take it out.")
    return value


def _standby(value: Any, _name: str) -> int:
    return check.whole(0, MOST_STANDBYS)(value, "placement_standby")


def _digest(value: Any, name: str) -> str:
    found = check.some_text(value, name).lower()
    if len(found) != 64 or set(found) - set("0123456789abcdef"):
        raise DroverError(f"{name} is {value!r} but must be a SHA-256 of 64 hexadecimal digits.")
    return found


def _url(value: Any, name: str) -> str:
    if not check.some_text(value, name).startswith(("http://", "https://")):
        raise DroverError(f"{name} is {value!r} but must be an address that begins with https:// or http://.")
    return value


def _file(value: Any, name: str) -> str:
    return check.path(f"/{check.some_text(value, name)}", name)[1:]


_TOLERATION: dict[str, check.Check] = {
    "key": check.label_name,
    "operator": check.one_of("Exists", "Equal"),
    "value": check.label_value,
    "effect": check.one_of("NoSchedule", "NoExecute", "PreferNoSchedule"),
    "tolerationSeconds": check.whole(0),
}


def _toleration(value: Any, name: str) -> dict[str, Any]:
    given = check.mapped(check.anything)(value, name)
    for key, item in given.items():
        if key not in _TOLERATION:
            raise DroverError(f"{name}: {key!r} is unknown; use {', '.join(_TOLERATION)}.")
        _TOLERATION[key](item, f"{name}.{key}")
    return given


_MODEL: dict[str, check.Check] = {
    "file": _file,
    "host_path": check.optional(check.path),
    "claim": check.optional(check.dns_name),
    "url": check.optional(_url),
    "sha256": check.listed(_digest),
    "token_secret": check.optional(check.dns_name),
}
_CACHE: dict[str, check.Check] = {
    "host_path": check.path,
    "bytes": check.optional(check.size),
    "spread": check.whole(0),
}
_INGRESS: dict[str, check.Check] = {
    "host": check.dns_name,
    "class_name": check.optional(check.dns_name),
    "tls_secret": check.optional(check.dns_name),
    "annotations": check.mapped(check.any_text, check.label_name),
}
_HTTP_ROUTE: dict[str, check.Check] = {
    "gateway": check.dns_name,
    "hostnames": check.listed(check.dns_name),
    "gateway_namespace": check.optional(check.dns_label),
    "section": check.optional(check.dns_name),
}
_NODE: dict[str, check.Check] = {
    "reserve_bytes": check.optional(check.size),
    "memory_bytes": check.optional(check.size),
    "threads": check.optional(check.whole(1)),
    "gpus": check.optional(check.whole(0)),
}
_RULES: dict[str, check.Check] = {
    "image": check.image,
    "images": check.mapped(check.image),
    "model": Model.checked,
    "namespace": check.dns_label,
    "create_namespace": check.boolean,
    "image_pull_policy": check.one_of(*PULL_POLICIES),
    "image_pull_secrets": check.listed(check.dns_name),
    "node_selector": check.mapped(check.label_value, check.label_name),
    "tolerations": check.listed(_toleration),
    "exclude": check.listed(check.dns_name),
    "lend": check.recorded(NodeWishes, _NODE),
    "nodes": check.mapped(check.recorded(NodeWishes, _NODE), check.dns_name),
    "workers": check.one_of(*MODES),
    "host_network": check.boolean,
    "cache": check.optional(check.recorded(Cache, _CACHE)),
    "rpc_port": check.whole(1024, 65535),
    "healing": check.boolean,
    "standby": _standby,
    "service_type": check.one_of(*SERVICE_TYPES),
    "port": check.whole(1, 65535),
    "node_port": check.optional(check.whole(1, 65535)),
    "service_annotations": check.mapped(check.any_text, check.label_name),
    "ingress": check.optional(check.recorded(Ingress, _INGRESS)),
    "http_route": check.optional(check.recorded(HttpRoute, _HTTP_ROUTE)),
    "priority_class": check.optional(check.dns_name),
    "labels": check.mapped(check.label_value, _label),
    "annotations": check.mapped(check.any_text, check.label_name),
    "service_account": check.optional(check.dns_name),
    "runtime_class": check.optional(check.dns_name),
    "gpu_groups": check.listed(check.whole(1)),
    "gpu_overhead_bytes": check.size,
    "leader_overhead_bytes": check.size,
    "worker_overhead_bytes": check.size,
    "ephemeral_bytes": check.size,
    "start_seconds": check.whole(60),
}
