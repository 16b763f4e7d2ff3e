# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may talk to whom: NetworkPolicies, and the budget of pods that a drain may take away at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from .names import LEADER, OFFERER, PART_LABEL, PLACER, WORKER, Names
from .pods import metadata
from .settings import Settings

DNS_PORT = 53
# Where the model is offered while workers' caches are filled.
OFFER_PORT = 50060
WEB_PORTS = (80, 443)

Rules = list[dict[str, Any]]


def closed(names: Names) -> dict[str, Any]:
    """The policy that closes all of the cluster's pods, to which others add what is open."""
    return _policy(names, names.prefix, None, [], [])


def of_workers(
    names: Names, settings: Settings, from_leader: bool, sources: Iterable[str], heals: bool = False
) -> dict[str, Any]:
    """The RPC port, and where the cluster ``heals`` itself the agent's, are open to the leader's pod (``from_leader``)
    and to ``sources``, addresses and networks outside. A worker connects to nobody."""
    peers = [_pods(names, LEADER)] if from_leader else []
    peers += [_block(source) for source in sources]
    # No peers at all would stand for everyone.
    ingress = [{"from": peers, "ports": _of_worker(settings, heals)}] if peers else []
    return _policy(names, names.workers_service, WORKER, ingress, [])


def of_leader(
    names: Names,
    settings: Settings,
    port: int,
    workers_outside: Iterable[Mapping[str, Any]],
    health_port: int | None = None,
    kubernetes_ports: Iterable[int] = (),
) -> dict[str, Any]:
    """The API's ``port`` is open to everyone, who needs a key, and so is the ``health_port`` of a cluster that heals
    itself, which tells nothing secret. The leader connects to its workers' pods, to
    ``workers_outside`` (``address``, ``port``), asks for names, gets its model from the web if it is to, and asks
    Kubernetes' API for the lease at ``kubernetes_ports`` where another pod may have it."""
    egress: Rules = [
        {"to": [_pods(names, WORKER)], "ports": _of_worker(settings, health_port is not None)},
        *({"to": [_block(each["address"])], "ports": [_port(each["port"])]} for each in workers_outside),
        _NAMES,
        *_web(settings),
    ]
    if kubernetes_ports:
        # Some networks look at it before the address of the Service is translated, and some afterwards.
        egress.append({"ports": [_port(each) for each in sorted(kubernetes_ports)]})
    ports = [_port(each) for each in (port, health_port) if each]
    return _policy(names, names.leader, LEADER, [{"ports": ports}], egress)


def of_placing(names: Names, settings: Settings) -> list[dict[str, Any]]:
    """While workers' caches are filled: the pods that fill them reach the one that offers the model, and it is reached
    by nobody else. It may have to get the model from the web first."""
    ports, web = [_port(OFFER_PORT)], _web(settings)
    asked = [{"from": [_pods(names, PLACER)], "ports": ports}]
    asks = [{"to": [_pods(names, OFFERER)], "ports": ports}]
    return [
        _policy(names, f"{names.prefix}-{OFFERER}", OFFERER, asked, [_NAMES, *web] if web else []),
        _policy(names, f"{names.prefix}-{PLACER}", PLACER, [], asks),
    ]


def left_to_firewalls(
    plan: Mapping[str, Any], deployments: Mapping[str, Mapping[str, Any]], nodes: Collection[str], settings: Settings
) -> list[str]:
    """What no policy holds of pods on the network of their nodes, as a sentence for whoever looks after those; nothing
    where none works there. ``deployments``: host -> what runs there, of which the ``nodes`` are named."""
    leads = plan["leader"]
    if not settings.host_network or not any(host in nodes and host != leads for host in deployments):
        return []
    rules = _of_worker(settings, bool(deployments[leads]["healing"]))
    ports = " and ".join(str(rule["port"]) for rule in rules)
    leaders = " and ".join(f"{host} ({plan['addresses'][host]['address']})" for host in plan.get("leaders", [leads]))
    return [
        "kubernetes_host_network has pods use the network of their nodes, where no NetworkPolicy holds: have the "
        f"firewalls of the nodes let nobody but {leaders} connect to TCP {ports}, since RPC asks for no password."
    ]


def budget(names: Names, standbys: int = 0) -> dict[str, Any]:
    """A drain takes one of the cluster's pods after the other; what does not serve anyway holds up none. Nor do those
    that stand by, which are never ready."""
    parts = {"key": PART_LABEL, "operator": "In", "values": [LEADER, WORKER]}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(names, names.prefix, names.labels()),
        "spec": {
            "maxUnavailable": 1 + standbys,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": names.selector(), "matchExpressions": [parts]},
        },
    }


def _policy(names: Names, name: str, part: str | None, ingress: Rules, egress: Rules) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(names, name, names.labels(part)),
        "spec": {
            "podSelector": {"matchLabels": names.selector(part)},
            "policyTypes": ["Ingress", "Egress"],
            # The API drops what is empty, and would see a change in it each time.
            **({"ingress": ingress} if ingress else {}),
            **({"egress": egress} if egress else {}),
        },
    }


def _web(settings: Settings) -> Rules:
    """The web servers that a model comes from, if it does; one may send on to another."""
    if not settings.model.url:
        return []
    own = urlsplit(settings.model.url).port
    return [{"ports": [_port(each) for each in sorted({*WEB_PORTS, *([own] if own else [])})]}]


def _of_worker(settings: Settings, heals: bool) -> Rules:
    return [_port(settings.rpc_port), *([_port(settings.agent_port)] if heals else [])]


def _pods(names: Names, part: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": names.selector(part)}}


def _block(source: str) -> dict[str, Any]:
    return {"ipBlock": {"cidr": str(ip_network(source, strict=False))}}


def _port(number: int, protocol: str = "TCP") -> dict[str, Any]:
    return {"protocol": protocol, "port": number}


# Where names are asked differs from cluster to cluster: a pod, or an address of the node.
_NAMES: dict[str, Any] = {"ports": [_port(DNS_PORT, "UDP"), _port(DNS_PORT)]}
