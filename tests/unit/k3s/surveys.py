# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and wishes as the plan gets them, for tests to change."""

from __future__ import annotations

import copy

NOW = 1_800_000_000.0
CLUSTER = {
    "version": "v1.34.4+k3s1",
    "channel": "stable",
    "datastore": "auto",
    "datastore_endpoint": "",
    "server_url": "",
    "tls_san": [],
    "flannel_backend": "auto",
    "cluster_cidr": "10.42.0.0/16",
    "service_cidr": "10.43.0.0/16",
    "disable": ["traefik"],
    "embedded_registry": False,
    "restoring": False,
}
WISHES = {
    "node_name": "",
    "node_ip": "",
    "interface": "",
    "labels": {},
    "taints": [],
    "kubelet": {},
    "firewall_is_open": False,
}


def survey(name="pi-1", number=11, **changes):
    """What is looked at on a good host that nobody has put anything on."""
    found = {
        "schema": 1,
        "hostname": name,
        "machine_id": f"id-{name}",
        "machine": "aarch64",
        "kernel": "6.12.1",
        "distribution": "debian",
        "board": "Raspberry Pi 5 Model B Rev 1.0",
        "memory_bytes": 8 << 30,
        "swap_bytes": 0,
        "disk_free_bytes": 20 << 30,
        "on_sd_card": False,
        "clock": NOW,
        "cgroup": {"version": 2, "controllers": ["cpu", "cpuset", "memory", "pids"]},
        "boot_command": {"path": "/boot/firmware/cmdline.txt", "text": "console=tty1 root=/dev/sda2 rootwait"},
        "modules": {"overlay": True, "br_netfilter": True, "vxlan": True},
        "addresses": [{"interface": "eth0", "address": f"192.168.1.{number}", "network": "192.168.1.0/24"}],
        "default_route": {"interface": "eth0", "kind": "ethernet"},
        "firewalls": [],
        "listeners": [],
        "installed": installed(),
    }
    return {**found, **changes}


def installed(part=None, version=None, **changes):
    """What of K3s is on a host."""
    found = {
        "version": version,
        "part": part,
        "runs": bool(part),
        "settings": None,
        "foreign": False,
        "datastore": None,
        "joined": bool(part),
    }
    return {**found, **changes}


def host(name="pi-1", part="server", number=11, wishes=None, **changes):
    """A host as the plan gets it; ``changes`` are those of its survey."""
    settings = {**copy.deepcopy(WISHES), **(wishes or {})}
    return {"name": name, "part": part, "survey": survey(name, number, **changes), "settings": settings}


def running(name, part, number, settings, version="v1.34.4+k3s1", **changes):
    """A host that is in the cluster."""
    return host(name, part, number, installed=installed(part, version, settings=settings, **changes))


def cluster(**changes):
    return {**CLUSTER, **changes}
