# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kubeadm is told of the cluster, as it is on a machine of a lab."""

from __future__ import annotations

from pathlib import Path

import yaml

from .. import state
from ..spec import LabSpec
from . import images, programs

FILE = "/etc/kubernetes/kubeadm.yaml"
_PATCHES = "/etc/kubernetes/patches"

# Bytes that the control plane holds at most when idle: asked for, or pods would be promised them, too.
_MEMORY = {"etcd": "96Mi", "kube-apiserver": "320Mi", "kube-controller-manager": "96Mi", "kube-scheduler": "64Mi"}


def documents(lab: LabSpec) -> list:
    """The configuration of ``kubeadm init``, from which it also makes that of every kubelet."""
    return [
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": lab.hosts[lab.kubernetes.control_plane].address},
            "nodeRegistration": {"taints": []},  # it works, too
            "patches": {"directory": _PATCHES},
        },
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "clusterName": lab.name,
            "kubernetesVersion": f"v{programs.VERSION}",
            "imageRepository": images.REGISTRY,
            "networking": {"podSubnet": str(lab.kubernetes.pods), "serviceSubnet": str(lab.kubernetes.services)},
            # Each node's pods have the addresses that the lab's routes lead to it.
            "controllerManager": {"extraArgs": [{"name": "allocate-node-cidrs", "value": "false"}]},
            # A power cut in the lab takes nothing from the machine that keeps the files.
            "etcd": {"local": {"extraArgs": [{"name": "unsafe-no-fsync", "value": "true"}]}},
        },
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "cgroupDriver": "systemd",
            "failSwapOn": False,  # hosts have no swap, and see the machine's
            # The machine's disk may be rather full, and an image that was brought cannot be pulled again.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "memory.available": "100Mi",
                **{f"{file_system}.available": "1%" for file_system in ("nodefs", "imagefs")},
            },
            "systemReserved": {"memory": "150Mi"},  # what systemd, containerd and kubelet hold
        },
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "conntrack": {"maxPerCore": 0},  # the size of the table is the machine's to set
        },
    ]


def lay_out(lab: LabSpec, folder: Path) -> None:
    """Write the configuration into ``/etc/kubernetes`` of the control plane."""
    state.write(folder / Path(FILE).name, yaml.safe_dump_all(documents(lab), sort_keys=False))
    for name, memory in _MEMORY.items():
        patch = {"spec": {"containers": [{"name": name, "resources": {"requests": {"memory": memory}}}]}}
        state.write(folder / Path(_PATCHES).name / f"{name}+strategic.yaml", yaml.safe_dump(patch))
