# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making one cluster of a lab's nodes, once their hosts are up. What is done already is left alone."""

from __future__ import annotations

import json
import shlex
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .. import ssh, state
from ..spec import HostSpec, LabSpec
from . import images, kubeadm, policies, programs

_KUBECONFIG = "/etc/kubernetes/admin.conf"
_KUBECTL = f"kubectl --kubeconfig={_KUBECONFIG}"
_SECONDS = 300  # for any one step

# Each ends with a mark, so that what was cut off is begun anew. Nothing is there to be reset on a fresh host.
_INIT = f"""\
cd /etc/kubernetes
test -e lab-done && exit
test ! -e pki || kubeadm reset --force
kubeadm init --config={kubeadm.FILE}
touch lab-done
"""
_JOIN = """\
cd /etc/kubernetes
test ! -e pki || kubeadm reset --force
{join}
touch lab-done
"""


def prepare(lab: LabSpec, say) -> tuple[str, Path]:
    """Have all that a cluster is made from; returns the key and the archive of its images."""
    return images.ensure(lab.name, programs.ensure(lab.name, say), say)


def up(lab: LabSpec, key: str, archive: Path, say) -> None:
    """Bring the cluster up and wait until all of it is ready; ``archive`` with this key has its images."""
    with ThreadPoolExecutor(max_workers=len(lab.nodes)) as pool:
        first, *others = lab.nodes
        begun = pool.submit(_begin, lab, first, key, archive)
        for joined in [pool.submit(_join, lab, node, key, archive, begun) for node in others]:
            joined.result()
        begun.result()
    control_plane = lab.nodes[0]
    state.write(state.kubeconfig_path(lab.name), _on(lab, control_plane, f"cat {_KUBECONFIG}"), 0o600)
    for node in lab.nodes:
        addresses = json.dumps({"spec": {"podCIDR": str(node.pods), "podCIDRs": [str(node.pods)]}})
        _on(lab, control_plane, f"{_KUBECTL} patch node {node.name} --patch={shlex.quote(addresses)}")
    _on(lab, control_plane, f"{_KUBECTL} apply --server-side --filename=-", policies.manifests(lab).encode())
    wait = [f"{_KUBECTL} wait node --all --for=condition=Ready --timeout={_SECONDS}s"]
    for what in ("daemonset/kube-proxy", "daemonset/kube-router", "deployment/coredns"):
        wait.append(f"{_KUBECTL} --namespace=kube-system rollout status {what} --timeout={_SECONDS}s")
    _on(lab, control_plane, " && ".join(wait))
    say(f"Kubernetes has {len(lab.nodes)} nodes: kubeconfig {state.kubeconfig_path(lab.name)}")


def load(lab: LabSpec, node: HostSpec, archive: Path) -> None:
    """Give a node the images of an OCI archive."""
    with archive.open("rb") as content:
        _on(lab, node, "ctr --namespace=k8s.io images import -", content)


def _begin(lab: LabSpec, node: HostSpec, key: str, archive: Path) -> None:
    _load_own(lab, node, key, archive)
    _on(lab, node, _INIT)


def _join(lab: LabSpec, node: HostSpec, key: str, archive: Path, begun: Future) -> None:
    _load_own(lab, node, key, archive)
    begun.result()
    if _on(lab, node, "test ! -e /etc/kubernetes/lab-done || echo done"):
        return
    # An earlier host of that name may have been in the cluster.
    control_plane = lab.nodes[0]
    _on(lab, control_plane, f"{_KUBECTL} delete node {node.name} --ignore-not-found")
    join = _on(lab, control_plane, "kubeadm token create --ttl=10m --print-join-command")
    _on(lab, node, _JOIN.format(join=join.strip()))


def _load_own(lab: LabSpec, node: HostSpec, key: str, archive: Path) -> None:
    """Give a node the cluster's own images, unless it has them."""
    mark = "/var/lib/containerd/lab-images"
    if _on(lab, node, f"cat {mark} 2>/dev/null || true").strip() != key:
        load(lab, node, archive)
        _on(lab, node, f"echo {key} > {mark}")


def _on(lab: LabSpec, node: HostSpec, line: str, given=b"") -> str:
    """What a line of shell printed on a node; LabError with its last words when it fails."""
    return ssh.on_host(lab.name, node.name, node.address, f"set -e; {line}", given, _SECONDS)
