# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would keep K3s from running on a host, told before anything is changed: one sentence each, with the remedy.

They read well behind the host's name and a colon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Address

from ..errors import DroverError
from ..text import size_text
from . import ports, release
from .boot_command import with_memory_controller
from .settings import Cluster, Host
from .survey import PROGRAM, UNITS
from .topology import Topology, is_promoted

_NEEDED_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
# Source: K3s's documentation, "Requirements", "Hardware"; below the half of it nothing runs.
_MEMORY = {"server": 2 << 30, "agent": 512 << 20}
_DISK_BYTES = 1 << 30
_CLOCK_SECONDS = 300
# Kubernetes 1.35's kubelet refuses version 1 unless it is told otherwise.
_LAST_WITH_VERSION_1 = (1, 34)
_WITH_DROP_INS = (1, 32)
_PACKAGES = {
    "ubuntu": "the package linux-modules-extra-raspi (a Pi) or linux-modules-extra-$(uname -r)",
    "rhel": "the package kernel-modules-extra",
    "rocky": "the package kernel-modules-extra",
    "almalinux": "the package kernel-modules-extra",
    "fedora": "the package kernel-modules-extra",
}


def boot_command_fix(host: Host) -> dict[str, str] | None:
    """The ``path`` and the new ``text`` of a Raspberry Pi's kernel command line, after which a reboot gives it the
    memory controller; None where that is not what is missing. Raises DroverError for a file that is not as it must
    be."""
    survey = host.survey
    if "memory" in survey["cgroup"]["controllers"] or not survey["board"].startswith("Raspberry Pi"):
        return None
    found = survey["boot_command"]
    if not found:
        return None
    text = with_memory_controller(found["text"], found["path"])
    return None if text.strip() == found["text"].strip() else {"path": found["path"], "text": text}


def faults(cluster: Cluster, topology: Topology, host: Host, now: float) -> list[str]:
    """The sentences for one host; none is good. ``now`` is the controller's clock."""
    survey = host.survey
    found = [*_program_faults(topology, host), *_kernel_faults(cluster, host)]
    low = _MEMORY[host.part] // 2
    if survey["memory_bytes"] < low:
        found.append(
            f"It has {size_text(survey['memory_bytes'])} of memory and needs {size_text(low)} at the least: leave "
            "it out."
        )
    if survey["disk_free_bytes"] < _DISK_BYTES:
        found.append(
            f"{size_text(survey['disk_free_bytes'])} are free on the disk of /var/lib and {size_text(_DISK_BYTES)} "
            "are needed: make room."
        )
    if not survey["default_route"]:
        found.append(
            "It has no default route, without which services have no way: add one, be it to nowhere, such as "
            '"ip route add default via 203.0.113.255 dev dummy0".'
        )
    elif not host.address:
        found.append("It has no IPv4 address on the interface of its default route: set k3s_node_ip and k3s_interface.")
    if abs(survey["clock"] - now) > _CLOCK_SECONDS:
        found.append(
            f"Its clock is {abs(survey['clock'] - now):.0f} s off that of the controller, so certificates would not be "
            "valid: have it set by NTP."
        )
    own = set(UNITS.values())
    needed = ports.needed(host.part, topology.datastore, cluster.embedded_registry)
    for one in survey["listeners"]:
        if one["port"] in needed and one["unit"] not in own:
            held = one["command"] or "a program that cannot be seen"
            found.append(
                f"Port {one['port']}, which K3s needs, is held by {held} (unit {one['unit'] or 'none'}): stop it."
            )
    return found


def warnings(topology: Topology, host: Host) -> list[str]:
    """What is allowed and will hurt, a sentence each."""
    survey, found = host.survey, []
    if survey["memory_bytes"] < _MEMORY[host.part] * 9 // 10:
        found.append(
            f"It has {size_text(survey['memory_bytes'])} of memory, and K3s asks for {size_text(_MEMORY[host.part])} "
            f"on a {host.part}."
        )
    if survey["on_sd_card"] and topology.datastore == "etcd" and host.part == "server":
        found.append("etcd writes all the time and its disk is an SD card, which wears out and is slow: use an SSD.")
    if survey["swap_bytes"]:
        found.append(
            f"It has {size_text(survey['swap_bytes'])} of swap, in which pods crawl where they would be killed."
        )
    return found


def fleet_faults(hosts: Sequence[Host], backend: str) -> dict[str, list[str]]:
    """For each host the sentences of what it has in common with others and should not, or does not have and should."""
    found: dict[str, list[str]] = {host.name: [] for host in hosts}
    for what, values, remedy in (
        ("node name", {host.name: host.node for host in hosts}, "give it another hostname, or set k3s_node_name"),
        (
            "machine id",
            {host.name: host.survey["machine_id"] for host in hosts},
            'it was cloned: run "rm /etc/machine-id && systemd-machine-id-setup" on it and reboot',
        ),
        ("address", {host.name: host.address for host in hosts if host.address}, "set k3s_node_ip"),
    ):
        often = Counter(values.values())
        for name, value in values.items():
            if often[value] > 1:
                others = ", ".join(other for other, same in values.items() if same == value and other != name)
                found[name].append(f"Its {what} {value!r} is that of {others}, too: {remedy}.")
    if backend == "host-gw" and not share_a_network(hosts):
        for host in hosts:
            found[host.name].append(
                "k3s_flannel_backend is 'host-gw', for which all hosts must be in one network, and they are not: set "
                "it to vxlan."
            )
    return found


def share_a_network(hosts: Sequence[Host]) -> bool:
    """Tell whether all hosts reach each other without a router, by the addresses that nodes get."""
    networks = {own["network"] for host in hosts for own in host.survey["addresses"] if own["address"] == host.address}
    return len(networks) == 1 and all(host.address and IPv4Address(host.address) for host in hosts)


def _program_faults(topology: Topology, host: Host) -> list[str]:
    found = []
    try:
        release.architecture_of(host.survey["machine"])
    except DroverError as error:
        found.append(str(error))
    if host.installed["foreign"]:
        found.append(
            f"K3s is there already ({PROGRAM}, /etc/rancher/k3s) and Drover did not put it on: take it off with "
            "k3s-uninstall.sh or k3s-agent-uninstall.sh, or leave the host out."
        )
    elif host.installed["part"] not in (None, host.part) and not is_promoted(topology, host):
        found.append(
            f"It is {_a(host.installed['part'])} of a cluster and is to be {_a(host.part)}: take it off with "
            "k3s_reset.yml and --limit, then run again."
        )
    return found


def _kernel_faults(cluster: Cluster, host: Host) -> list[str]:
    survey, found = host.survey, []
    groups = survey["cgroup"]
    missing = [name for name in _NEEDED_CONTROLLERS if name not in groups["controllers"]]
    if missing and not (missing == ["memory"] and boot_command_fix(host)):
        found.append(
            f"Its control groups (version {groups['version']}) lack {', '.join(missing)}, by which pods are limited: "
            f"boot the kernel with cgroup_enable={missing[0]}, or use one that has it."
        )
    by_default = host.kubelet.get("failCgroupV1", True)
    if groups["version"] == 1 and not _up_to(cluster, _LAST_WITH_VERSION_1) and by_default:
        found.append(
            f"Its control groups are of version 1, which Kubernetes {cluster.version.kubernetes} refuses: boot it with "
            "systemd.unified_cgroup_hierarchy=1, or set k3s_kubelet to {failCgroupV1: false}."
        )
    if host.kubelet and not cluster.version.at_least(*_WITH_DROP_INS):
        found.append(
            f"k3s_kubelet is set, and K3s {cluster.version.tag} reads no files for kubelet, as 1.32 and later do: "
            "take it away, or choose a later version."
        )
    backend_needs = ["vxlan"] if cluster.flannel_backend == "vxlan" else []
    lacking = [name for name in ("overlay", "br_netfilter", *backend_needs) if survey["modules"].get(name) is False]
    if lacking:
        remedy = _PACKAGES.get(survey["distribution"], "a kernel that has it")
        found.append(f"Its kernel {survey['kernel']} lacks {', '.join(lacking)}: install {remedy} and reboot.")
    return found


def _up_to(cluster: Cluster, last: tuple[int, int]) -> bool:
    return (cluster.version.major, cluster.version.minor) <= last


def _a(part: str) -> str:
    return {"server": "a server", "agent": "an agent"}[part]
