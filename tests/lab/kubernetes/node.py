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
from . import images, kubeadm, programs

_PROGRAMS = "/usr/local/lib/kubernetes"

# nspawn shows a host control groups that it cannot divide, and settings of the kernel that it cannot change. The
# machine's own stay as they are: kubelet is satisfied when it reads the values that it wants.
_PREPARE = """\
#!/bin/sh -e
while read -r _ where kind _; do
    [ "$kind" != cgroup ] || mount -o remount,bind,rw "$where"
done < /proc/self/mounts
mount --make-rshared /
mkdir -p /run/lab
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1; do
    file="/run/lab/${setting##*/}"
    echo "${setting#*=}" > "${file%=*}"
    mount --bind "${file%=*}" "/proc/sys/${setting%=*}"
done
"""
_PREPARE_UNIT = """\
[Unit]
Description=Let this host run containers
DefaultDependencies=no
Before=sysinit.target
After=lab-limits.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/lab-node
"""
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
_SYSCTL = """\
net.ipv4.ip_forward = 1
-net.bridge.bridge-nf-call-iptables = 1
"""


def lay_out(lab: LabSpec, spec: HostSpec, folder: Path, layer: Path) -> None:
    """Fill a node's own layer over its image; ``folder`` is the host's on the machine."""
    (folder / "containerd").mkdir()
    state.write(folder / "programs", str(programs.folder()))
    units = layer / "etc/systemd/system"
    state.write(layer / "usr/local/lib/lab-node", _PREPARE, 0o755)
    for name, text, target in (
        ("lab-node.service", _PREPARE_UNIT, "sysinit.target"),
        ("kubelet.service", _KUBELET_UNIT, "multi-user.target"),
    ):
        state.write(units / name, text)
        _link(units / f"{target}.wants" / name, f"/etc/systemd/system/{name}")
    for name in ("kubeadm", "kubectl", "kubelet"):
        _link(layer / "usr/local/bin" / name, f"{_PROGRAMS}/{name}")
    state.write(layer / "etc/sysctl.d/60-lab.conf", _SYSCTL)
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
    version_1 = group.layout.version == 1
    made = Path((folder / "programs").read_text())
    return [
        "env",
        f"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY={0 if version_1 else 1}",
        *command,
        "--capability=CAP_SYSLOG",
        "--system-call-filter=@keyring",
        "--bind=/dev/kmsg",
        f"--bind={folder / 'containerd'}:/var/lib/containerd",  # what containers are layered on cannot be an overlay
        f"--bind-ro={made}:{_PROGRAMS}",
        # Words for the host's systemd: what a node divides is divided on the machine as well.
        *(("systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1") if version_1 else ()),
    ]


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


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
