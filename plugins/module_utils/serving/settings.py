# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's owner may wish of its part, by the names of the roles' variables."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ..checks import dictionary, text, whole
from ..errors import DroverError
from .deployment import source_network


@dataclass(frozen=True)
class Settings:
    """One host's wishes.

    - ``rpc_server_cache``: whether its RPC server keeps large tensors on disk, ``rpc_server_cache_days`` after how many
      days without being read one goes, and ``rpc_server_cache_max_bytes`` what they may take (0: no bound).
    - ``rpc_server_dcgm_exporter``: whether NVIDIA's exporter tells Prometheus of its GPUs, so that its agent does not.
    - ``rpc_server_tls``: whether its RPC server and its agent are reached through the tunnel, and no other way.
    - ``rpc_server_allowed_addresses``: who may connect to it besides the leader.
    - ``rpc_server_allow_public_address``, ``llama_server_allow_public_address``: listen on an address that the Internet
      can reach.
    - ``llama_server_allowed_addresses``: who may connect to the API besides the cluster's gateways; without either,
      everybody may.
    - ``llama_server_address`` (empty: the one that the plan knows the host by), ``llama_server_port``,
      ``llama_server_api_key_file`` (empty: the cluster's own), ``llama_server_threads`` (0: as planned),
      ``llama_server_extra_arguments``.
    - ``llama_server_heals``: whether the cluster that it leads heals itself; ``llama_server_health_port`` and
      ``llama_server_drain_seconds`` if so, and of a worker ``rpc_server_agent_port``.
    """

    rpc_server_cache: bool = True
    rpc_server_cache_days: int = 30
    rpc_server_cache_max_bytes: int = 0
    rpc_server_allowed_addresses: tuple[str, ...] = ()
    rpc_server_allow_public_address: bool = False
    rpc_server_agent_port: int = 51052
    rpc_server_dcgm_exporter: bool = False
    rpc_server_tls: bool = False
    llama_server_allowed_addresses: tuple[str, ...] = ()
    llama_server_address: str = ""
    llama_server_port: int = 8080
    llama_server_allow_public_address: bool = False
    llama_server_api_key_file: str = ""
    llama_server_threads: int = 0
    llama_server_extra_arguments: tuple[str, ...] = ()
    llama_server_heals: bool = False
    llama_server_health_port: int = 9080
    llama_server_drain_seconds: int = 60

    @classmethod
    def from_dict(cls, value: object, host: str) -> Settings:
        """The settings of ``host`` in ``value``. Raises DroverError for an unknown name and a value of another kind."""
        given = dictionary(value, f"The settings of {host}")
        known = {field.name: field.default for field in fields(cls)}
        for name in given:
            if name not in known:
                raise DroverError(
                    f"The settings of {host} have {name!r}, which is unknown: use {', '.join(sorted(known))}."
                )
        settings = {name: _checked(given[name], f"{name} of {host}", known[name]) for name in known if name in given}
        for name, least, most in (
            ("llama_server_port", 1, 65535),
            ("llama_server_health_port", 1, 65535),
            ("rpc_server_agent_port", 1, 65535),
            ("llama_server_drain_seconds", 0, None),
            ("llama_server_threads", 0, None),
            ("rpc_server_cache_days", 1, None),
            ("rpc_server_cache_max_bytes", 0, None),
        ):
            if name in settings:
                whole(settings[name], f"{name} of {host}", least, most)
        for name in ("rpc_server_allowed_addresses", "llama_server_allowed_addresses"):
            for address in settings.get(name, ()):
                source_network(address, f"An address in {name} of {host}")
        return cls(**settings)


def settings_by_host(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Host -> its settings, of a list of them in which each names its ``host``."""
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        host = text(entry.get("host"), "The host of some settings")
        if host in found:
            raise DroverError(f"The settings of {host} come twice: give every host once.")
        found[host] = {name: value for name, value in entry.items() if name != "host"}
    return found


def _checked(value: object, name: str, default: object) -> Any:
    """``value``, which must be of the kind of ``default``; a list of texts becomes a tuple."""
    if isinstance(default, tuple):
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        expected = "a list of texts"
    elif isinstance(default, bool):
        if isinstance(value, bool):
            return value
        expected = "true or false"
    elif isinstance(default, int):
        return whole(value, name)
    else:
        if isinstance(value, str):
            return value
        expected = "a text"
    raise DroverError(f"{name} is {value!r} but must be {expected}.")
