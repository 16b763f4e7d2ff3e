# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of K3s as the tests see it: kubectl on its first server, and what a host has on it."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import yaml
from cluster import INVENTORY, host
from k3s_releases import found
from playbook import Run, play, succeeded

SERVER = "server-1"
OWN = Path(os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY", "/tmp"))

# What there is on a host: files, mounts, interfaces, routes, rules, control groups, programs that run.
_UNLIKE = (
    *("/proc", "/sys", "/run", "/tmp", "/root/.ansible", "/var/cache", "/var/lib/apt", "/var/lib/systemd"),
    *("/var/log/journal", "/var/tmp"),
)
_LOOK = rf"""
find / -xdev \( {" -o ".join(f"-path {path}" for path in _UNLIKE)} \) -prune -o -print
find /var/lib/rancher
awk '{{print $2, $3}}' /proc/mounts | sort
ip -oneline link | sed 's/^[0-9]*: //; s/[:@].*//'
ip route | sed 's/ src .*//'
nft list ruleset
ipset list -name
find /sys/fs/cgroup -maxdepth 3 -type d -name '*kube*'
ls /run
ps -eo comm= | sed 's,/.*,,'
systemctl list-unit-files --no-legend --state=enabled | cut -d' ' -f1
"""


def traces(name: str) -> set[str]:
    """All that a host has, a line each, without its own name."""
    said = host(name).check_output(_LOOK.replace("%", "%%"))
    return {" ".join(line.replace(name, "HOST").split()) for line in said.splitlines()}


def kubectl(*arguments: str, server: str = SERVER) -> str:
    """What kubectl printed on a server."""
    return host(server).check_output("k3s kubectl --cache-dir=/run/k3s/kubectl " + " ".join(arguments))


def nodes(server: str = SERVER) -> dict:
    """The nodes by name."""
    return {node["metadata"]["name"]: node for node in json.loads(kubectl("get nodes -o json", server=server))["items"]}


def ready(node: dict) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])


@cache
def releases() -> dict:
    """Where the releases are, and which there are."""
    return found()


def settings(**more) -> dict:
    """What the scenario sets, with ``more``."""
    return {
        "k3s_url": releases()["address"],
        "k3s_images": True,
        "k3s_cache": str(OWN / "k3s"),
        "k3s_kubeconfig": str(OWN / "kubeconfig"),
        "k3s_kubeconfig_context": "scenario",
        **more,
    }


def inventory_of(folder: Path, servers: list[str], agents: list[str], **variables: dict) -> Path:
    """The lab's inventory with these groups, and these variables of hosts."""
    known = yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))["all"]
    for name, own in variables.items():
        known["hosts"][name.replace("_", "-")].update(own)
    groups = {"k3s_servers": servers, "k3s_agents": agents}
    known["children"] = {group: {"hosts": dict.fromkeys(names)} for group, names in groups.items()}
    path = folder / "inventory.yml"
    path.write_text(yaml.safe_dump({"all": known}), encoding="utf-8")
    return path


def backup_of(inventory: Path, folder: Path) -> Path:
    """The folder, below ``folder``, in which the playbook has put the cluster's state."""
    told = done("k3s_backup", inventory, k3s_backup_directory=str(folder / "backups"))
    (kept,) = (folder / "backups").iterdir()
    assert str(kept) in told.said
    assert kept.stat().st_mode & 0o777 == 0o700
    return kept


def run(
    playbook: str, inventory: Path = INVENTORY, limit: str = "", check: bool = False, diff: bool = False, **more
) -> Run:
    """Run a playbook on the cluster's hosts."""
    return play(playbook, inventories=(inventory,), settings=settings(**more), limit=limit, check=check, diff=diff)


def done(playbook: str, inventory: Path = INVENTORY, limit: str = "", **more) -> Run:
    """Run a playbook that must end well."""
    return succeeded(run(playbook, inventory, limit, **more))
