# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses are safe to bind: those that only a private network can reach."""

from __future__ import annotations

import ipaddress


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
