# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owner of a gateway may wish, by the names of the role's variables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from ..checks import whole
from ..errors import DroverError

# As browsers write it in the header Origin.
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?\Z")
_CERTIFIED = re.compile(r"[A-Za-z0-9.:-]+\Z")


@dataclass(frozen=True)
class Settings:
    """One gateway's wishes.

    - ``gateway_address`` (empty: the host's own in the cluster's network), ``gateway_port``, ``gateway_tls``.
    - ``gateway_names``: what else clients call it by, for its certificate.
    - ``gateway_cors_origins``: web pages that may ask, such as https://chat.example.
    - ``gateway_most_bytes`` of a request; ``gateway_hold_seconds`` for which one waits while nobody leads;
      ``gateway_timeout``: seconds for which an answer may say nothing.
    """

    gateway_address: str = ""
    gateway_port: int = 8443
    gateway_tls: bool = True
    gateway_names: tuple[str, ...] = ()
    gateway_cors_origins: tuple[str, ...] = ()
    gateway_most_bytes: int = 16 << 20
    gateway_hold_seconds: int = 60
    gateway_timeout: int = 3600

    def __post_init__(self) -> None:
        whole(self.gateway_port, "gateway_port", 1, 65535)
        whole(self.gateway_most_bytes, "gateway_most_bytes", 1024)
        whole(self.gateway_hold_seconds, "gateway_hold_seconds", 0, 3600)
        whole(self.gateway_timeout, "gateway_timeout", 1, 86400)
        if self.gateway_address:
            try:
                ip_address(self.gateway_address)
            except ValueError as error:
                raise DroverError(
                    f"gateway_address is {self.gateway_address!r} but must be an IP address of the host, or 0.0.0.0 "
                    "for all of them."
                ) from error
        for origin in self.gateway_cors_origins:
            if not _ORIGIN.match(origin):
                raise DroverError(
                    f"gateway_cors_origins has {origin!r} where an origin such as https://chat.example was expected: "
                    "write scheme, host and port, and no path."
                )
        for name in self.gateway_names:
            if not _CERTIFIED.match(name):
                raise DroverError(f"gateway_names has {name!r} where a host name or an IP address was expected.")

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Settings:
        """The settings in ``given``, whose lists become tuples."""
        wishes: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
        }
        return cls(**wishes)
