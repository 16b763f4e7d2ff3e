# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making one cluster of a lab's nodes, once their hosts are up. What is done already is left alone."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .. import ssh, state
from ..spec import HostSpec, LabSpec
from . import images, kubeadm, policies, programs

_KUBECONFIG = "/etc/kubernetes/admin.conf"
_KUBECTL = f"kubectl --kubeconfig={_KUBECONFIG}"
_SECONDS = 300  # for any one step

# What is written when a node has the cluster's images, and when it is in the cluster.
_HAS_IMAGES = "/var/lib/containerd/lab-images"
_IS_IN = "/etc/kubernetes/lab-done"

# What was cut off is begun anew: nothing is there to be reset on a fresh host.
_BEGIN = f"""
test ! -e /etc/kubernetes/pki || kubeadm reset --force < /dev/null
kubeadm init --config={kubeadm.FILE} < /dev/null
{_KUBECTL} apply --server-side --filename=-
touch {_IS_IN}
"""
_JOIN = f"""
test ! -e /etc/kubernetes/pki || kubeadm reset --force
{{join}}
touch {_IS_IN}
"""
_WAIT = f"""
{_KUBECTL} wait node --all --for=condition=Ready --timeout={_SECONDS}s
{_KUBECTL} --namespace=kube-system rollout status --timeout={_SECONDS}s \\
    daemonset/kube-proxy daemonset/kube-router deployment/coredns
"""


def prepare(lab: LabSpec, say) -> tuple[str, Path]:
    """Have all that a cluster is made from; returns the key and the archive of its images."""
    return images.ensure(lab.name, programs.ensure(lab.name, say), say)


def up(lab: LabSpec, key: str, archive: Path, say) -> None:
    """Bring the cluster up and wait until all of it is ready; ``archive`` with this key has its images."""
    control_plane, *others = lab.nodes
    with ThreadPoolExecutor(max_workers=len(lab.nodes)) as pool:
        begun = pool.submit(_begin, lab, key, archive)
        for step in [begun, *(pool.submit(_join, lab, node, key, archive, begun) for node in others)]:
            step.result()
    state.write(state.kubeconfig_path(lab.name), _on(lab, control_plane, f"cat {_KUBECONFIG}"), 0o600)
    _on(lab, control_plane, _WAIT)
    _on(lab, control_plane, "; ".join(map(_tell_pods, lab.nodes)))
    say(f"Kubernetes: all of {len(lab.nodes)} nodes are ready")


def _tell_pods(node: HostSpec) -> str:
    """The command that tells the API which addresses a node's pods have, as the controller that gives them would."""
    patch = json.dumps({"spec": {"podCIDR": str(node.pods), "podCIDRs": [str(node.pods)]}})
    return f"{_KUBECTL} patch node {node.name} --patch='{patch}' >&2"


def load(lab: LabSpec, node: HostSpec, archive: Path) -> None:
    """Give a node the images of an OCI archive."""
    with archive.open("rb") as content:
        _on(lab, node, "ctr --namespace=k8s.io images import -", content)


def _begin(lab: LabSpec, key: str, archive: Path) -> None:
    control_plane = lab.nodes[0]
    if not _have_images(lab, control_plane, key, archive):
        _on(lab, control_plane, _BEGIN, policies.manifests(lab).encode())


def _join(lab: LabSpec, node: HostSpec, key: str, archive: Path, begun: Future) -> None:
    is_in = _have_images(lab, node, key, archive)
    begun.result()
    if not is_in:
        # An earlier host of that name may have been in the cluster.
        removed = f"{_KUBECTL} delete node {node.name} --ignore-not-found >&2"
        join = _on(lab, lab.nodes[0], f"{removed}; kubeadm token create --ttl=10m --print-join-command")
        _on(lab, node, _JOIN.format(join=join.strip()))


def _have_images(lab: LabSpec, node: HostSpec, key: str, archive: Path) -> bool:
    """Give a node the cluster's own images, unless it has them; returns whether it is in the cluster already."""
    found = _on(lab, node, f"cat {_HAS_IMAGES} 2>/dev/null || true; ls {_IS_IN} 2>/dev/null || true").split()
    if key not in found:
        load(lab, node, archive)
        _on(lab, node, f"echo {key} > {_HAS_IMAGES}")
    return _IS_IN in found


def _on(lab: LabSpec, node: HostSpec, script: str, given=b"") -> str:
    """What a script of shell printed on a node; LabError with its last words when it fails."""
    return ssh.on_host(lab.name, node.name, node.address, f"set -e; {script}", given, _SECONDS)
