# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is an address, what a name, and which addresses are safe to bind: those that only a private network reaches."""

from __future__ import annotations

import ipaddress
import re

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # RFC 1123
# What ends in a number is an address, or a wrong one.
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.(?!\d+\Z){_LABEL}\Z")


def is_address(text: str) -> bool:
    """Tell whether ``text`` is an IPv4 address (RPC has no IPv6)."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def is_name(text: str) -> bool:
    """Tell whether ``text`` is a name in the DNS of two labels or more, in lower case, such as pi-2.lan."""
    return bool(_NAME.match(text))


def is_private(address: str) -> bool:
    """Tell whether ``address`` (IPv4 or IPv6, as text) is one that the Internet cannot reach.

    Private, loopback, link-local and shared (100.64.0.0/10, as overlay networks use it) addresses are. The unspecified
    address is not, since binding it means every interface; nor is what is no address at all.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not parsed.is_global and not parsed.is_unspecified and not parsed.is_multicast
