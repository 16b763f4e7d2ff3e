# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What K3s leaves behind when its service is stopped, told from what was there before: which of it is to be taken off.

Pods go on when K3s stops, by design, and with them their mounts, network interfaces, routes, firewall rules and control
groups. Source: K3s's documentation, "Stopping K3s", whose script does more and less than this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network

_SOCKET = "/run/k3s/containerd/containerd.sock"
_MOUNTS = ("/run/k3s", "/var/lib/kubelet", "/run/netns/cni-")
_INTERFACES = re.compile(r"cni0|flannel\.1|flannel-v6\.1|flannel-wg|flannel-wg-v6|kube-ipvs0|kube-bridge")
# Chains of kube-proxy, kube-router, flannel and the CNI plugins.
_CHAINS = re.compile(r"(?:KUBE|CNI|FLANNEL)-")
_SETS = re.compile(r"(?:inet6:)?(?:KUBE-|kube-router-)")


def processes(running: Mapping[int, tuple[int, Sequence[str]]]) -> list[int]:
    """Ids of the pods' processes: K3s's shims, and all that they have started.

    ``running`` is process id -> (its parent's id, its command line).
    """
    shims = {
        pid for pid, (_parent, words) in running.items() if words and "containerd-shim" in words[0] and _SOCKET in words
    }
    found, level = set(shims), shims
    while level:
        level = {pid for pid, (parent, _words) in running.items() if parent in level} - found
        found |= level
    return sorted(found)


def runtime_state(others: bool) -> str:
    """The folder with what the runtime notes of its containers; ``others`` tells whether there is a containerd besides,
    whose own lies beside K3s's."""
    return "/run/containerd/runc/k8s.io" if others else "/run/containerd"


def mounts(mounted: Iterable[str]) -> list[str]:
    """Of the mount points, in the order in which they were mounted, those that go: the last first."""
    return [
        point
        for point in reversed(list(mounted))
        if any(point == own or point.startswith(own if own.endswith("-") else own + "/") for own in _MOUNTS)
    ]


def interfaces(links: Iterable[Mapping[str, str]]) -> list[str]:
    """Names of the network interfaces that go, of ``links`` with ``ifname`` and, if they have one, ``master``."""
    found = list(links)
    on_bridge = [link["ifname"] for link in found if link.get("master") == "cni0"]
    return sorted({*on_bridge, *(link["ifname"] for link in found if _INTERFACES.fullmatch(link["ifname"]))})


def routes(known: Iterable[Mapping[str, str]], pods: str) -> list[str]:
    """Destinations of the routes to other nodes' pods, which flannel sets when it needs no tunnel."""
    network = IPv4Network(pods)
    found = []
    for route in known:
        destination = route.get("dst", "default")
        if destination != "default" and IPv4Network(destination).subnet_of(network):
            found.append(destination)
    return found


def without_rules(saved: str) -> str | None:
    """What ``iptables-restore`` is to be given so that none of K3s's rules and chains is left, and all others stay as
    they are; None when there are none of K3s's. ``saved`` is what ``iptables-save`` printed."""
    kept, gone = [], False
    for line in saved.splitlines():
        words = line.split()
        chain = words[0][1:] if line.startswith(":") else ""
        if _CHAINS.match(chain) or (line.startswith("-A") and _is_ours(words)):
            gone = True
        else:
            kept.append(line)
    return "\n".join(kept) + "\n" if gone else None


def empty_tables(saved: str) -> list[str]:
    """Names of the tables of iptables that hold no rule, no chain of somebody's, and no policy but to accept."""
    found = []
    for table in re.split(r"^\*", saved, flags=re.MULTILINE)[1:]:
        name, *lines = table.splitlines()
        if all(line.split()[1] == "ACCEPT" for line in lines if line.startswith(":")) and not any(
            line.startswith("-A") for line in lines
        ):
            found.append(name)
    return found


def sets(known: Iterable[str]) -> list[str]:
    """Names of the sets of addresses that go, those that name others first."""
    found = [name for name in known if _SETS.match(name)]
    return sorted(found)


def _is_ours(words: Sequence[str]) -> bool:
    """A rule in one of the chains, one that leads to one, or one that the CNI plugins or flannel have marked."""
    targets = [words[number + 1] for number, word in enumerate(words[:-1]) if word in ("-A", "-j", "-g")]
    if any(_CHAINS.match(target) for target in targets):
        return True
    text = " ".join(words)
    return '"flanneld' in text or "flanneld masq" in text or "flanneld forward" in text
