# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host that is a node of Kubernetes has, and other hosts have not."""

from __future__ import annotations

import json
from pathlib import Path

from .. import state
from ..limits import Group
from ..spec import HostSpec, LabSpec
from . import containers, images, kubeadm, programs

_PROGRAMS = "/usr/local/lib/kubernetes"

_KUBELET_UNIT = """\
[Unit]
Description=Kubernetes on this node
After=network.target containerd.service
# Written by kubeadm, which then starts this.
ConditionPathExists=/var/lib/kubelet/config.yaml
StartLimitIntervalSec=0

[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --config=/var/lib/kubelet/config.yaml --kubeconfig=/etc/kubernetes/kubelet.conf \\
    --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf $KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=2
"""
_CONTAINERD = f"""\
version = 2

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{images.PAUSE}"
# A host may lack the right to make its processes less likely to be killed than others.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
"""


def lay_out(lab: LabSpec, spec: HostSpec, folder: Path, layer: Path) -> None:
    """Fill a node's own layer over its image; ``folder`` is the host's on the machine."""
    containers.lay_out(folder, layer)
    state.write(folder / "programs", str(programs.folder()))
    containers.write_unit(layer, "kubelet.service", _KUBELET_UNIT, "multi-user.target")
    for name in ("kubeadm", "kubectl", "kubelet"):
        containers.link(layer / "usr/local/bin" / name, f"{_PROGRAMS}/{name}")
    state.write(layer / "etc/containerd/config.toml", _CONTAINERD)
    state.write(layer / "etc/cni/net.d/10-lab.conflist", json.dumps(network(spec), indent=2))
    state.write(layer / "etc/systemd/network/10-lab-0.network.d/pods.conf", routes(lab, spec))
    (layer / "etc/kubernetes/manifests").mkdir(parents=True)
    if spec.name == lab.kubernetes.control_plane:
        kubeadm.lay_out(lab, layer / "etc/kubernetes")


def network(spec: HostSpec) -> dict:
    """How containerd gives a pod on this node its address and its cable, as CNI calls it a network configuration."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": str(spec.pods)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "lab", "plugins": [bridge, ports]}


def routes(lab: LabSpec, spec: HostSpec) -> str:
    """The way from a node to the pods of the others, for its network file."""
    return "".join(
        f"[Route]\nDestination={node.pods}\nGateway={node.address}\n" for node in lab.nodes if node.name != spec.name
    )


def start_command(folder: Path, group: Group, command: list) -> list:
    """The command that boots a node's host, from the one that boots any host."""
    made = Path((folder / "programs").read_text())
    bound = [*command, f"--bind-ro={made}:{_PROGRAMS}"]
    return containers.start_command(folder, group, bound, "/var/lib/containerd")


def fingerprint(lab: LabSpec) -> dict:
    """What a node is made from besides what every host is made from: the whole cluster, since it is in it for life."""
    cluster = lab.kubernetes
    return {
        "programs": programs.key(),
        "control_plane": cluster.control_plane,
        "pods": str(cluster.pods),
        "services": str(cluster.services),
        "nodes": {node.name: str(node.pods) for node in lab.nodes},
    }
