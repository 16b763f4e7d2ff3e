# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host is, as far as K3s is concerned: looked at on the host, judged elsewhere."""

from __future__ import annotations

import platform
import re
import subprocess
import time
from collections.abc import Callable
from ipaddress import IPv4Interface
from typing import Any

from ..free_space import free_bytes
from ..hosts import cgroups, listener, os_release
from ..hosts.interfaces import kind_of
from ..hosts.network import default_interface
from ..hosts.tree import Tree
from . import boot_command, configuration, version
from .ports import ALL

SCHEMA = 1
PROGRAM = "/usr/local/bin/k3s"
DATA = "/var/lib/rancher/k3s"
UNITS = {"server": "k3s.service", "agent": "k3s-agent.service"}
MODULES = ("overlay", "br_netfilter", "vxlan")
# What shows that a part of the kernel is there already, however it came.
_SIGNS = {"br_netfilter": "/proc/sys/net/bridge/bridge-nf-call-iptables"}
_FIREWALLS = {"firewalld": "firewalld.service"}

Run = Callable[..., str]


def take_survey(tree: Tree, run: Run | None = None, release: str = "", machine: str = "") -> dict[str, Any]:
    """The survey of the machine in ``tree``: a dictionary that JSON can hold, sizes in bytes. Changes nothing.

    ``run(program, ...)`` gives what a program prints, "" when it cannot be run; ``release`` and ``machine`` are what
    uname tells of the kernel. All three are asked of this machine unless they are given.
    """
    run = run or _run
    release, machine = release or platform.release(), machine or platform.machine()
    return {
        "schema": SCHEMA,
        "hostname": (tree.text("/proc/sys/kernel/hostname") or "").lower(),
        "machine_id": tree.text("/etc/machine-id") or "",
        "machine": machine,
        "kernel": release,
        "distribution": os_release.read_os_release(tree).get("ID", ""),
        "board": tree.text("/proc/device-tree/model") or "",
        "memory_bytes": tree.table("/proc/meminfo").get("MemTotal", 0) << 10,
        "swap_bytes": tree.table("/proc/meminfo").get("SwapTotal", 0) << 10,
        "disk_free_bytes": free_bytes(tree.path(DATA)),
        "on_sd_card": _is_on_sd_card(tree),
        "clock": time.time(),
        "cgroup": _control_groups(tree),
        "boot_command": _boot_command(tree),
        "modules": {name: _module(tree, name, release) for name in MODULES},
        "addresses": _addresses(run),
        "default_route": _default_route(tree),
        "firewalls": _firewalls(tree),
        "listeners": listener.find_listeners(tree, ALL),
        "installed": _installed(tree, run),
    }


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _is_on_sd_card(tree: Tree) -> bool:
    """Tell whether the root file system lies on an SD card (not on eMMC, which the same driver serves)."""
    mounts = [line.split() for line in (tree.text("/proc/mounts") or "").splitlines()]
    source = next((fields[0] for fields in reversed(mounts) if len(fields) > 1 and fields[1] == "/"), "")
    card = re.fullmatch(r"/dev/(mmcblk\d+)p\d+", source)
    return bool(card) and tree.text(f"/sys/block/{card[1] if card else ''}/device/type") == "SD"


def _control_groups(tree: Tree) -> dict[str, Any]:
    """``version`` of the hierarchy that kubelet would use, and the ``controllers`` that can be used in it.

    /proc/cgroups is not asked: since Linux 6.12 it does not list all that are there.
    """
    unified = tree.text("/sys/fs/cgroup/cgroup.controllers")
    if unified is not None:
        return {"version": 2, "controllers": sorted(unified.split())}
    mounted = (line.split() for line in (tree.text("/proc/mounts") or "").splitlines())
    options = [fields[3].split(",") for fields in mounted if len(fields) > 3 and fields[2] == "cgroup"]
    known = {"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "pids"}
    return {"version": 1, "controllers": sorted({name for names in options for name in names} & known)}


def _boot_command(tree: Tree) -> dict[str, str] | None:
    for path in boot_command.PATHS:
        text = tree.text(path)
        if text is not None:
            return {"path": path, "text": text}
    return None


def _module(tree: Tree, name: str, release: str) -> bool | None:
    """Whether the kernel has that part, or can load it; None where it cannot be told, as in a container."""
    loaded = (line.split()[0] for line in (tree.text("/proc/modules") or "").splitlines() if line)
    if name in loaded or tree.has(f"/sys/module/{name}") or (name in _SIGNS and tree.has(_SIGNS[name])):
        return True
    if f"\t{name}" in (tree.text("/proc/filesystems") or ""):
        return True
    folder = f"/lib/modules/{release}"
    lists = [tree.text(f"{folder}/{file}") for file in ("modules.dep", "modules.builtin")]
    if lists[0] is None:
        return None
    return any(re.search(rf"/{name}\.ko\b", text or "") for text in lists)


def _addresses(run: Run) -> list[dict[str, Any]]:
    """The host's own IPv4 addresses: ``interface``, ``address``, ``network``; not those that K3s gave it."""
    found = []
    for line in run("ip", "-oneline", "-4", "address", "show", "scope", "global").splitlines():
        fields = line.split()
        if len(fields) > 3 and not re.match(r"cni\d|flannel|kube-|veth|docker|podman", fields[1]):
            own = IPv4Interface(fields[3])
            found.append({"interface": fields[1], "address": str(own.ip), "network": str(own.network)})
    return sorted(found, key=lambda one: (one["interface"], one["address"]))


def _default_route(tree: Tree) -> dict[str, Any] | None:
    """The ``interface`` of the IPv4 default route with the least metric and its ``kind``, None without one."""
    name = default_interface(tree)
    return {"interface": name, "kind": kind_of(tree, name)} if name else None


def _firewalls(tree: Tree) -> list[str]:
    found = [name for name, unit in _FIREWALLS.items() if cgroups.unit_processes(tree, [unit])]
    if re.search(r"(?mi)^ENABLED=[\"']?yes", tree.text("/etc/ufw/ufw.conf") or ""):
        found.append("ufw")
    return found


def _installed(tree: Tree, run: Run) -> dict[str, Any]:
    """What of K3s is there: ``version`` of the program, the ``part`` whose unit there is, whether it ``runs``, the
    ``settings`` that we wrote, whether there are settings that are ``foreign``, the ``datastore`` on this host, and
    whether the host ``joined`` a cluster."""
    part = next((part for part, unit in UNITS.items() if tree.has(f"/etc/systemd/system/{unit}")), None)
    text = tree.text(configuration.FILE)
    settings = configuration.read_ours(text)
    there = tree.has(PROGRAM)
    datastore = "etcd" if tree.has(f"{DATA}/server/db/etcd/member") else None
    if not datastore and tree.has(f"{DATA}/server/db/state.db"):
        datastore = "sqlite"
    return {
        "version": version.version_told(run(tree.path(PROGRAM), "--version")) if there else None,
        "part": part,
        # Not by its processes: those of pods stay when it is stopped.
        "runs": bool(part) and run("systemctl", "is-active", UNITS[part or "server"]).strip() == "active",
        "settings": settings,
        "foreign": settings is None and (text is not None or bool(part) or tree.has(f"{DATA}/agent")),
        "datastore": datastore,
        "joined": tree.has(f"{DATA}/agent/client-kubelet.crt"),
    }
