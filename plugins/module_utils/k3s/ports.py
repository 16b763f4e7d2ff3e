# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of K3s. Source: K3s's documentation, "Requirements", "Inbound rules for K3s nodes", and Kubernetes' own."""

from __future__ import annotations

# On every node, most of them on its loopback address only.
API = 6443
_KUBELET = 10250
_NODE = (6444, 10248, 10249, _KUBELET, 10256)
_SERVER = (API, 10257, 10258, 10259)
_PEERS = (2379, 2380)
_ETCD = (*_PEERS, 2381)
REGISTRY = 5001
ALL = tuple(sorted({*_NODE, *_SERVER, *_ETCD, REGISTRY}))


def needed(part: str, datastore: str, embedded_registry: bool) -> tuple[int, ...]:
    """The TCP ports that K3s listens on, on a host with that part (``server`` or ``agent``)."""
    taken = set(_NODE)
    if part == "server":
        taken |= {*_SERVER, *(_ETCD if datastore == "etcd" else ())}
    return tuple(sorted(taken | ({REGISTRY} if embedded_registry else set())))


def open_to_nodes(part: str, datastore: str, backend: str, embedded_registry: bool) -> list[tuple[int, str, bool]]:
    """What other nodes must reach: port, protocol, and whether only servers must. All reach the API, see ``API``."""
    wanted = [(_KUBELET, "tcp", False)]
    if part == "server" and datastore == "etcd":
        wanted += [(port, "tcp", True) for port in _PEERS]
    wanted += {"vxlan": [(8472, "udp", False)], "wireguard-native": [(51820, "udp", False)]}.get(backend, [])
    return wanted + ([(REGISTRY, "tcp", False)] if embedded_registry else [])
