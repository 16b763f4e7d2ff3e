# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service's unit must be given so that it sees the GPUs of its deployment, and nothing else of /dev."""

from __future__ import annotations

from typing import Any

from ..errors import DroverError
from .deployment import REMEDY

# With CUDA's first use after a boot this node is made by a program with the setuid bit, which services may not run.
# What the service may use is settled before that program runs for it: by name, known once the module is loaded.
UVM = "/dev/nvidia-uvm"
UVM_MODULE = "modprobe@nvidia_uvm.service"


def device_drop_in(deployment: dict[str, Any]) -> str:
    """The text of a drop-in for the unit that runs ``deployment``; empty for one that uses no GPU with nodes in /dev.

    The private /dev of the hardening stays, and the nodes are put into it. Raises DroverError for a path that is not
    below /dev.
    """
    nodes = deployment["nodes"]
    for node in nodes:
        if not node.startswith("/dev/") or set(node) & set(" \t\n\\\"'%") or "/.." in node:
            raise DroverError(f"The deployment has the node {node!r}, which is no file of /dev: {REMEDY}.")
    if not nodes:
        return ""
    lines = ["# The GPUs of /etc/drover/CLUSTER/deployment.json."]
    if UVM in nodes:
        lines += ["[Unit]", f"Wants={UVM_MODULE}", f"After={UVM_MODULE}"]
    lines += ["[Service]", "DevicePolicy=closed"]
    for node in nodes:
        lines += [f"DeviceAllow={node} rw", f"BindPaths=-{node}"]
    lines += [f"SupplementaryGroups={group}" for group in deployment["groups"]]
    if UVM in nodes:
        lines += ["DeviceAllow=char-nvidia-uvm rw", "ExecStartPre=+-/usr/bin/nvidia-modprobe -u -c 0"]
    return "\n".join(lines) + "\n"
