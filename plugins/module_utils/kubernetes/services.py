# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the API and the workers are found by name, and the API from outside of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

from ..errors import DroverError
from .names import LEADER, OWNER_LABEL, WORKER, Names
from .pods import metadata
from .settings import HttpRoute, Ingress, Settings


def workers_service(names: Names, settings: Settings) -> dict[str, Any]:
    """The headless Service that gives each worker's pod a name, also before it is ready: the leader waits for names."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(names, names.workers_service, names.labels(WORKER)),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": names.selector(WORKER),
            "ports": [{"name": "rpc", "port": settings.rpc_port, "targetPort": "rpc", "protocol": "TCP"}],
        },
    }


def api_service(names: Names, settings: Settings, in_pod: bool, port: int) -> dict[str, Any]:
    """The Service of the API, which is behind ``port`` of the leader; of one that is no pod, an EndpointSlice tells."""
    entry: dict[str, Any] = {
        "name": "api",
        "port": settings.port,
        "targetPort": "api" if in_pod else port,
        "protocol": "TCP",
    }
    if settings.node_port:
        entry["nodePort"] = settings.node_port
    about = metadata(names, names.api_service, names.labels(LEADER))
    if settings.service_annotations:
        about["annotations"] = dict(settings.service_annotations)
    spec: dict[str, Any] = {"type": settings.service_type, "ports": [entry]}
    if in_pod:
        spec["selector"] = names.selector(LEADER)
    return {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": spec}


def outside_leader(names: Names, deployment: Mapping[str, Any]) -> dict[str, Any]:
    """The EndpointSlice of a leader that is a host outside of the cluster. Raises DroverError for an address that
    Kubernetes does not take."""
    listen = deployment["listen"]
    address = IPv4Address(listen["address"])
    if address.is_loopback or address.is_link_local or address.is_unspecified:
        raise DroverError(
            f"The API of {deployment['host']} listens on {address}, which pods cannot reach: set llama_server_address "
            "to an address that they can."
        )
    labels = {
        **names.labels(LEADER),
        "kubernetes.io/service-name": names.api_service,
        "endpointslice.kubernetes.io/managed-by": names.labels()[OWNER_LABEL],
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata(names, names.api_service, labels),
        "addressType": "IPv4",
        "endpoints": [{"addresses": [str(address)], "conditions": {"ready": True}}],
        "ports": [{"name": "api", "port": listen["port"], "protocol": "TCP"}],
    }


def ingress(names: Names, wish: Ingress) -> dict[str, Any]:
    """The Ingress of the API."""
    backend = {"service": {"name": names.api_service, "port": {"name": "api"}}}
    spec: dict[str, Any] = {
        "rules": [{"host": wish.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    }
    if wish.class_name:
        spec["ingressClassName"] = wish.class_name
    if wish.tls_secret:
        spec["tls"] = [{"hosts": [wish.host], "secretName": wish.tls_secret}]
    about = metadata(names, names.api_service, names.labels(LEADER))
    if wish.annotations:
        about["annotations"] = dict(wish.annotations)
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": about, "spec": spec}


def http_route(names: Names, settings: Settings, wish: HttpRoute) -> dict[str, Any]:
    """The HTTPRoute of the API."""
    parent = {"name": wish.gateway, "namespace": wish.gateway_namespace, "sectionName": wish.section}
    spec: dict[str, Any] = {
        "parentRefs": [{key: value for key, value in parent.items() if value}],
        "rules": [
            {
                "backendRefs": [{"name": names.api_service, "port": settings.port}],
                # An answer takes as long as it takes.
                "timeouts": {"request": "0s"},
            }
        ],
    }
    if wish.hostnames:
        spec["hostnames"] = list(wish.hostnames)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(names, names.api_service, names.labels(LEADER)),
        "spec": spec,
    }
