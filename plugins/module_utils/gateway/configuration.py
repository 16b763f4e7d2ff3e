# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway of a cluster does, as data: the role's template only writes it down for HAProxy.

The configuration is a dictionary of

- ``cluster`` and ``host`` (names),
- ``listen``: ``address`` and ``port``; ``tls``: whether it speaks TLS there; ``url``: where clients find it,
- ``names``: the host names and addresses that a certificate for it must have,
- ``leaders``: ``host``, ``address``, ``port`` of each host that may lead, and ``health_port``, where it says whether a
  completion would succeed (null: only llama-server itself is asked),
- ``get_paths`` and ``post_paths``: all that is passed on,
- ``most_bytes`` of a request, ``hold_seconds`` for which one waits for a leader, ``timeout_seconds`` for which an
  answer may say nothing,
- ``cors_origins``: web pages that may ask.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

from ..errors import DroverError
from ..hosts.address import is_private
from ..hosts.addresses import source_addresses
from ..serving.cluster import Cluster
from .settings import Settings

EVERYWHERE = ("0.0.0.0", "::")
# What llama-server answers with a key (upstream's tools/server/server.cpp of 0.5.0), but for what shows or changes more
# than a client's own request: slots, metrics, adapters, changing props, loading models, tools.
GET_PATHS = ("/models", "/props", "/v1/models")
POST_PATHS = (
    *("/completion", "/completions", "/v1/completions", "/infill"),
    *("/chat/completions", "/v1/chat/completions", "/v1/chat/completions/input_tokens", "/apply-template"),
    *("/responses", "/v1/responses", "/v1/responses/input_tokens", "/v1/messages", "/v1/messages/count_tokens"),
    *("/audio/transcriptions", "/v1/audio/transcriptions"),
    *("/embedding", "/embeddings", "/v1/embeddings"),
    *("/rerank", "/reranking", "/v1/rerank", "/v1/reranking"),
    *("/tokenize", "/detokenize"),
)
# As certificates know host names.
_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*\Z")


def configure(
    host: str,
    plan: dict[str, Any],
    deployments: dict[str, dict[str, Any]],
    tally: dict[str, Any],
    settings: Settings,
) -> dict[str, Any]:
    """The configuration of the gateway on ``host``, which ``tally`` is of, for the cluster of ``plan``.

    ``deployments``: host -> deployment, as the cluster's hosts run them. Raises DroverError, one sentence, for a
    gateway that would not reach the leader or would speak without TLS where the Internet can listen.
    """
    address = settings.gateway_address or _own_address(host, plan, tally)
    if not settings.gateway_tls and not is_private(address):
        raise DroverError(
            f"The gateway of {host} would listen on {address} without TLS, and keys could be read on the way: set "
            "gateway_tls to true, or gateway_address to a private address."
        )
    leaders = [
        _leader(host, plan, name, deployment)
        for name, deployment in sorted(deployments.items())
        if deployment["part"] == "leader"
    ]
    shown = _own_address(host, plan, tally) if address in EVERYWHERE else address
    scheme = "https" if settings.gateway_tls else "http"
    return {
        "cluster": Cluster(plan["cluster"]).name,
        "host": host,
        "listen": {"address": address, "port": settings.gateway_port},
        "tls": settings.gateway_tls,
        "url": f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{settings.gateway_port}",
        "names": _names(host, address, tally, settings),
        "leaders": leaders,
        "get_paths": list(GET_PATHS),
        "post_paths": list(POST_PATHS),
        "most_bytes": settings.gateway_most_bytes,
        "hold_seconds": settings.gateway_hold_seconds,
        "timeout_seconds": settings.gateway_timeout,
        "cors_origins": list(settings.gateway_cors_origins),
    }


def sources(tally: dict[str, Any], plan: dict[str, Any]) -> list[str]:
    """The addresses that a gateway may ask the leader of ``plan`` from, of the host with this ``tally``."""
    return source_addresses(tally, plan["network"])


def _leader(gateway: str, plan: dict[str, Any], host: str, deployment: dict[str, Any]) -> dict[str, Any]:
    listen = deployment["listen"]
    # One that listens everywhere is reached as the plan knows it.
    address = plan["addresses"][host]["address"] if listen["address"] in EVERYWHERE else listen["address"]
    if ip_address(address).is_loopback and gateway != host:
        raise DroverError(
            f"llama-server of {host} listens on {address}, where the gateway on {gateway} does not reach it: take "
            f"llama_server_address back, or let {host} alone be a gateway."
        )
    healing = deployment.get("healing") or {}
    return {"host": host, "address": address, "port": listen["port"], "health_port": healing.get("port")}


def _own_address(host: str, plan: dict[str, Any], tally: dict[str, Any]) -> str:
    """By which clients most likely reach a host: as the plan knows it, else one in the cluster's network."""
    known = plan["addresses"].get(host)
    found = [known["address"]] if known else source_addresses(tally, plan["network"])
    if not found:
        raise DroverError(f"{host} tells no IPv4 address for its gateway: set gateway_address on it.")
    return str(found[0])


def _names(host: str, address: str, tally: dict[str, Any], settings: Settings) -> list[str]:
    """All that clients may call the gateway by, each once."""
    own = [entry["address"] for entry in tally["network"]["addresses"] if entry["kind"] not in ("bridge", "loopback")]
    named = [host, *settings.gateway_names, *(own if address in EVERYWHERE else [address])]
    return sorted({name for name in named if is_name_or_address(name)})


def is_name_or_address(text: str) -> bool:
    """Tell whether a certificate can be for ``text``: a host name or an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return bool(_NAME.match(text))
    return True
