# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory of a lab."""

from __future__ import annotations

import yaml

from . import ssh, state
from .requirements import own_architecture
from .spec import HostSpec, LabSpec

# An emulated host on a busy machine takes longer than Ansible's 10 s until it greets.
EMULATED_TIMEOUT = 60


def render(lab: LabSpec) -> str:
    """The inventory as YAML: every host in its groups, and how to reach it."""
    arguments = " ".join(f"-o {option}" for option in ssh.OPTIONS)
    groups = {}
    for host in lab.hosts.values():
        for group in host.groups or ("ungrouped",):
            groups.setdefault(group, {"hosts": {}})["hosts"][host.name] = {}
    hosts = {host.name: {"ansible_host": host.address, **_patience(host), **host.vars} for host in lab.hosts.values()}
    everyone = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(state.key_path(lab.name)),
        "ansible_ssh_common_args": arguments,
    }
    return yaml.safe_dump({"all": {"vars": everyone, "hosts": hosts, "children": groups}}, sort_keys=False)


def _patience(host: HostSpec) -> dict:
    return {} if host.architecture == own_architecture() else {"ansible_timeout": EMULATED_TIMEOUT}


def write(lab: LabSpec) -> None:
    state.write(state.inventory_path(lab.name), f"# Written by the lab for {lab.name}.\n---\n{render(lab)}")
