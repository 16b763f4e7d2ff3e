# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tallies to choose addresses and devices from."""

from __future__ import annotations

import ipaddress

GIB = 1024**3


def at(interface, address, kind="ethernet", speed=None, network=None):
    """One address (``10.0.0.1/24``) of a host."""
    own = ipaddress.IPv4Interface(address)
    return {
        "address": str(own.ip),
        "prefix": own.network.prefixlen,
        "network": network or str(own.network),
        "interface": interface,
        "kind": kind,
        "speed_mbps": speed,
        "mtu": 1500,
        "private": not own.ip.is_global,
    }


def loopback():
    return at("lo", "127.0.0.1/8", "loopback")


def docker():
    """What Docker puts on every host, with the same address."""
    return at("docker0", "172.17.0.1/16", "bridge")


def tailscale(address):
    return at("tailscale0", f"{address}/32", "tunnel", network="100.64.0.0/10")


def tally(host, *addresses, wanted=None, arrived_at=None, default=None, **more):
    """The tally of a Raspberry Pi with these addresses."""
    return {
        "schema": 1,
        "host": host,
        "machine": f"digest of {host}",
        "exclude": "",
        "obstacles": [],
        "architecture": "aarch64",
        "os": {"id": "debian", "version_id": "13"},
        "cpu": {"model": "Cortex-A76", "cores": 4, "physical_cores": 4, "fast_cores": 4, "isa": ["neon"]},
        "memory": {
            "total_bytes": 8 * GIB,
            "available_bytes": 7 * GIB,
            "arc_bytes": 0,
            "limit_bytes": None,
            "limit_used_bytes": None,
            "held_bytes": 0,
            "others_bytes": 0,
            "huge_pages_bytes": 0,
            "reserve_bytes": GIB,
            "usable_bytes": 6 * GIB,
        },
        "bandwidth_bytes_per_second": 11_000_000_000,
        "gpus": [],
        "gpu_problem": None,
        "devices": [],
        "passed_over": [],
        "disk": {"path": "/var/lib/drover", "free_bytes": 10**11, "models": {"demo.gguf": 1000}},
        "network": {
            "address": wanted,
            "addresses": [loopback(), *addresses],
            "arrived_at": arrived_at,
            "default_interface": default,
        },
        "threads": None,
        "lend": [],
        "port": 50052,
        **more,
    }
