# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan and its deployments to the objects that the API is given, in the order in which they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import DroverError
from ..text import size_text
from . import policies, security, services
from .leader import leader
from .names import LEADER, WORKER, Names
from .pods import metadata
from .quantities import MOST_CONFIG_MAP_BYTES
from .settings import Settings
from .standby import leader_name, lease_objects, members_name
from .workers import of_any_node, worker, workers_of_all

Manifest = dict[str, Any]
# What a cluster may have in its namespace; in the order in which it is taken off, what would come back first.
KINDS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("v1", "Pod"),
    ("networking.k8s.io/v1", "Ingress"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("coordination.k8s.io/v1", "Lease"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
)


def foundation(settings: Settings, cluster: str) -> list[Manifest]:
    """What all pods of the cluster need, also those that take stock: the namespace, an account without any right, and
    the policy that closes pods."""
    names = Names(cluster, settings.namespace)
    made: list[Manifest] = []
    if settings.create_namespace:
        about = {
            "name": settings.namespace,
            # Of all clusters in it.
            "labels": {
                **{key: value for key, value in names.labels().items() if value == "drover"},
                security.LEVEL_LABEL: security.level(settings)[0],
            },
        }
        made.append({"apiVersion": "v1", "kind": "Namespace", "metadata": about})
    if not settings.service_account:
        made.append(
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": metadata(names, names.account, names.labels()),
                "automountServiceAccountToken": False,
            }
        )
    if not settings.host_network:
        made.append(policies.closed(names))
    return made


def manifests(
    plan: Mapping[str, Any],
    deployments: Mapping[str, Mapping[str, Any]],
    stock: Iterable[Mapping[str, Any]],
    settings: Settings,
    secret_version: str = "",
    speeds: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
    standbys: Mapping[str, Mapping[str, Any]] | None = None,
    kubernetes_ports: Iterable[int] = (),
) -> list[Manifest]:
    """All objects of the cluster that runs ``plan`` but its Secrets (see ``secret``); ``secret_version`` is any text
    that changes with that of the keys of the API, such as its resourceVersion.

    ``deployments``: host -> what runs there, see ``deploy``; ``stock``: of the nodes, see ``nodes``; ``speeds``: what
    to remember of them, see ``speeds``; ``members``: of a cluster that heals itself, and ``standbys``: what nodes that
    stand by have, see ``deploy``; ``kubernetes_ports``: where pods reach the API. Hosts that are no nodes are outside
    of the cluster, and run their part themselves. Raises DroverError for what cannot work.
    """
    names = Names(plan["cluster"], settings.namespace)
    nodes = {entry["node"]: entry for entry in stock}
    leads = plan["leader"]
    workers = sorted(host for host in deployments if host in nodes and host != leads)
    joins = members["joins"] if members else None
    outside = [
        place for host, place in sorted(plan["addresses"].items()) if not joins and host not in nodes and host != leads
    ]
    port = deployments[leads]["listen"]["port"]
    others = dict(standbys or {})
    made = foundation(settings, plan["cluster"])
    if not settings.host_network:
        made += _open(
            *(names, settings, deployments[leads], leads in nodes, [deployments[host] for host in workers], outside),
            kubernetes_ports if others else (),
        )
    if others:
        made += lease_objects(names, settings)
    if speeds:
        made.append(_config_map(names, names.speeds, None, speeds))
    shared = of_any_node([deployments[host] for host in workers]) if joins else None
    for name, deployment in (
        [(names.workers, shared)] if shared else [(names.worker(host), deployments[host]) for host in workers]
    ):
        made.append(_documents(names, name, WORKER, {"deployment.json": deployment}))
    if leads in nodes:
        made.append(_documents(names, names.plan, LEADER, {"plan.json": plan}))
        for deployment, known in [(deployments[leads], members), *map(_both, others.values())]:
            made.append(_documents(names, leader_name(deployment, names), LEADER, {"deployment.json": deployment}))
            if known:
                made.append(_members(names, members_name(deployment, names), known))
    else:
        _require_reachable(leads, workers, settings)
    made.append(services.workers_service(names, settings))
    made.append(services.api_service(names, settings, leads in nodes, port))
    if leads not in nodes:
        made.append(services.outside_leader(names, deployments[leads]))
    threads = plan["threads"]
    if joins and shared:
        # Of one pod there is nothing to keep back, and Kubernetes knows no budget of a DaemonSet's.
        made.append(workers_of_all(shared, joins, nodes[leads], nodes.values(), settings, names))
    else:
        made.append(policies.budget(names, len(others)))
        for host in workers:
            own = settings.on(nodes[host]["machine"])
            made.append(worker(deployments[host], threads[host], nodes[host], own, names))
    if leads in nodes:
        own = settings.on(nodes[leads]["machine"])
        made.append(leader(deployments[leads], threads[leads], nodes[leads], own, names, secret_version, members))
    for host, each in others.items():
        deployment, known = _both(each)
        own, its_threads = settings.on(nodes[host]["machine"]), known["plan"]["threads"][host]
        made.append(leader(deployment, its_threads, nodes[host], own, names, secret_version, known))
    if settings.ingress:
        made.append(services.ingress(names, settings.ingress))
    if settings.http_route:
        made.append(services.http_route(names, settings, settings.http_route))
    return made


def superfluous(present: Iterable[Mapping[str, Any]], wanted: Sequence[Manifest]) -> list[Mapping[str, Any]]:
    """Of the objects with the cluster's labels that are ``present`` in its namespace, those that are not ``wanted`` any
    more, such as the Deployment of a worker that leads by now; in the order in which they are to be taken off. Secrets
    and what others own, such as the ReplicaSet of a Deployment, stay."""
    kept = {key(manifest) for manifest in wanted}
    order = [kind for _version, kind in KINDS if kind != "Secret"]
    found = [
        each
        for each in present
        if each["kind"] in order and key(each) not in kept and not each["metadata"].get("ownerReferences")
    ]
    return sorted(found, key=lambda each: (order.index(each["kind"]), each["metadata"]["name"]))


def key(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of an object, by which it is known in its namespace."""
    return manifest["kind"], manifest["metadata"]["name"]


def identity(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The same as a dictionary, for whoever takes it off."""
    return {"kind": manifest["kind"], "name": manifest["metadata"]["name"]}


def _open(
    names: Names,
    settings: Settings,
    leader: Mapping[str, Any],
    leads: bool,
    workers: Iterable[Mapping[str, Any]],
    outside: Iterable[Mapping[str, Any]],
    kubernetes_ports: Iterable[int],
) -> list[Manifest]:
    sources = sorted({source for deployment in workers for source in deployment["allow"] or ()})
    health = (leader["healing"] or {}).get("port")
    made = [policies.of_workers(names, settings, leads, sources, health is not None)]
    port = leader["listen"]["port"]
    return [*made, policies.of_leader(names, settings, port, outside, health, kubernetes_ports)] if leads else made


def _require_reachable(leads: str, workers: Sequence[str], settings: Settings) -> None:
    if workers and not settings.host_network:
        raise DroverError(
            f"{leads} leads from outside of the cluster, where the names of the workers' pods ({', '.join(workers)}) "
            "mean nothing: set kubernetes_leader to a node, or kubernetes_host_network to true."
        )


def _documents(names: Names, name: str, part: str, contents: Mapping[str, Any]) -> Manifest:
    # As JSON that is the same whenever the document is.
    texts = {key: json.dumps(document, indent=2, sort_keys=True) + "\n" for key, document in contents.items()}
    return _config_map(names, name, part, texts)


def _both(standby: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The deployment and the members of a node that stands by."""
    return standby["deployment"], standby["members"]


def _members(names: Names, name: str, members: Mapping[str, Any]) -> Manifest:
    text = json.dumps(members, separators=(",", ":"), sort_keys=True) + "\n"
    if len(text) > MOST_CONFIG_MAP_BYTES:
        raise DroverError(
            f"What the leader must know to heal the cluster has {size_text(len(text))}, and a ConfigMap holds "
            f"{size_text(MOST_CONFIG_MAP_BYTES)}: set kubernetes_healing to false, or lend fewer nodes."
        )
    return _config_map(names, name, LEADER, {"members.json": text})


def _config_map(names: Names, name: str, part: str | None, texts: Mapping[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(names, name, names.labels(part)),
        "data": dict(texts),
    }
