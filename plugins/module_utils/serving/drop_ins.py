# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is added to the units of one host by its deployment and its memory, as files that systemd reads (drop-ins).

- Which GPUs a service sees, and nothing else of /dev.
- Whom an RPC server and its agent may talk to. Whoever may connect is their leader, or may be; they connect to nobody
  themselves. The firewall says the same of those who come; this also holds while somebody has emptied that, and for
  what goes out.
- How much memory a service may take, see ``hosts.ceiling``.
"""

from __future__ import annotations

from typing import Any

from ..errors import DroverError
from ..hosts.ceiling import DROP_IN, ceiling_drop_in
from .cluster import Cluster
from .deployment import REMEDY, source_network
from .tunnel import reached_at

# With CUDA's first use after a boot this node is made by a program with the setuid bit, which services may not run.
# What the service may use is settled before that program runs for it: by name, known once the module is loaded.
UVM = "/dev/nvidia-uvm"
UVM_MODULE = "modprobe@nvidia_uvm.service"
# They sort before what "systemctl set-property" and "systemctl edit" write, so that the owner has the last word.
LIMITS = "/etc/systemd/system/{}.d/10-limits.conf"


def drop_ins(deployment: dict[str, Any], memory: dict[str, Any] | None) -> list[dict[str, Any]]:
    """``path`` and ``text`` of each, and whether a running service ``restarts`` by it. What has no text is not there.

    ``memory`` is that of the host's tally; empty or None for a host of which there is none. Raises DroverError for a
    node that is not below /dev.
    """
    cluster = Cluster(deployment["cluster"])
    if deployment["part"] == "leader":
        unit, limits = cluster.server_unit, {cluster.server_unit: limits_drop_in(deployment)}
    else:
        unit, text = cluster.rpc_unit, limits_drop_in(deployment, _addresses(deployment))
        # An agent answers the same, and tells of the GPUs.
        limits = {unit: text, cluster.agent_unit: text if deployment["healing"] else ""}
    return [
        *({"path": LIMITS.format(name), "text": text, "restarts": True} for name, text in limits.items()),
        # systemd holds a running service to another one, too.
        {"path": DROP_IN.format(unit), "text": ceiling_drop_in(memory) if memory else "", "restarts": False},
    ]


def limits_drop_in(deployment: dict[str, Any], addresses: list[str] | None = None) -> str:
    """The text of a drop-in for a unit that sees the GPUs of ``deployment``, and with ``addresses`` talks to these
    alone; empty where there is neither.

    The private /dev of the hardening stays, and the nodes are put into it.
    """
    nodes = deployment["nodes"]
    for node in nodes:
        if not node.startswith("/dev/") or set(node) & set(" \t\n\\\"'%") or "/.." in node:
            raise DroverError(f"The deployment has the node {node!r}, which is no file of /dev: {REMEDY}.")
    lines = []
    if addresses is not None:
        lines += ["IPAddressDeny=any", f"IPAddressAllow={' '.join(['localhost', *addresses])}"]
    if nodes:
        lines += ["DevicePolicy=closed"]
        lines += [line for node in nodes for line in (f"DeviceAllow={node} rw", f"BindPaths=-{node}")]
        lines += [f"SupplementaryGroups={group}" for group in deployment["groups"]]
    if UVM in nodes:
        lines += ["DeviceAllow=char-nvidia-uvm rw", "ExecStartPre=+-/usr/bin/nvidia-modprobe -u -c 0"]
    if not lines:
        return ""
    module = ["[Unit]", f"Wants={UVM_MODULE}", f"After={UVM_MODULE}"] if UVM in nodes else []
    return "\n".join(["# By /etc/drover/CLUSTER/deployment.json.", *module, "[Service]", *lines]) + "\n"


def _addresses(deployment: dict[str, Any]) -> list[str] | None:
    """Whom a worker may talk to besides what runs on its host: those who may connect, and itself by its own address;
    None where that is anybody. Who reaches it through the tunnel comes from there."""
    if deployment["allow"] is None:
        return None
    if reached_at(deployment) is not None:
        return []
    told = {str(source_network(address, "An address that may connect")) for address in deployment["allow"]}
    return sorted(told | {f"{deployment['listen']['address']}/32"})
