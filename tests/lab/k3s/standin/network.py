# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of pods, in place of flannel: a bridge on each node, and routes to the others' pods as host-gw sets them.

Whatever backend was asked for, packets take the same way; with vxlan there is its interface, and nothing goes by it.
"""

from __future__ import annotations

import json
import subprocess

import paths
import unpack

_CHAIN = "FLANNEL-POSTRTG"
_FORWARD = "FLANNEL-FWD"


def lay_out(node: str, wished: dict) -> bool:
    """Give pods on this node their network, once the cluster has said which addresses are theirs."""
    own = _nodes().get(node)
    if not own or not own["pods"]:
        return False
    addresses = {"type": "host-local", "ranges": [[{"subnet": own["pods"]}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    conflist = {"cniVersion": "1.0.0", "name": "cbr0", "plugins": [bridge, ports]}
    paths.write(paths.AGENT / "etc/cni/net.d/10-flannel.conflist", json.dumps(conflist))
    if wished["flannel-backend"] == "vxlan":
        subprocess.run(["ip", "link", "add", "flannel.1", "type", "dummy"], capture_output=True)
    _masquerade(wished["cluster-cidr"])
    _forward(wished["cluster-cidr"])
    return True


def route(node: str, wished: dict) -> None:
    """Lead to the pods of every other node by that node, and nowhere for those that are gone."""
    nodes = _nodes()
    wanted = {one["pods"]: one["address"] for name, one in nodes.items() if name != node and one["pods"]}
    shown = subprocess.run(["ip", "-json", "route"], capture_output=True, text=True).stdout
    known = {one["dst"]: one["gateway"] for one in json.loads(shown or "[]") if one.get("gateway")}
    prefix = wished["cluster-cidr"].rpartition(".0.0/")[0] + "."
    for pods, address in wanted.items():
        if known.get(pods) != address:
            subprocess.run(["ip", "route", "replace", pods, "via", address], capture_output=True)
    for pods in known:
        if pods.startswith(prefix) and pods not in wanted and nodes:
            subprocess.run(["ip", "route", "del", pods], capture_output=True)


def names() -> set:
    """The cluster's nodes; none while the API cannot be asked."""
    return set(_nodes())


def _nodes() -> dict:
    """Name -> the node's address and the network of its pods; empty while the API cannot be asked."""
    config = paths.AGENT / "k3scontroller.kubeconfig"
    command = [unpack.programs() / "kubectl", f"--kubeconfig={config}", "get", "nodes", "--output=json"]
    done = subprocess.run([*command, "--request-timeout=5s"], capture_output=True, text=True)
    if done.returncode:
        return {}
    return {
        one["metadata"]["name"]: {
            "address": next(
                (each["address"] for each in one["status"].get("addresses", []) if each["type"] == "InternalIP"), None
            ),
            "pods": one["spec"].get("podCIDR"),
        }
        for one in json.loads(done.stdout)["items"]
    }


def _masquerade(pods: str) -> None:
    """Let pods go out under their node's address."""
    nat = ["iptables", "-w", "-t", "nat"]
    if subprocess.run([*nat, "-N", _CHAIN], capture_output=True).returncode:
        return
    subprocess.run([*nat, "-A", _CHAIN, "-s", pods, "-d", pods, "-j", "RETURN"], check=True)
    subprocess.run([*nat, "-A", _CHAIN, "-s", pods, "!", "-d", "224.0.0.0/4", "-j", "MASQUERADE"], check=True)
    subprocess.run([*nat, "-A", "POSTROUTING", "-m", "comment", "--comment", "flanneld masq", "-j", _CHAIN], check=True)


def _forward(pods: str) -> None:
    """Have what comes from pods or goes to them passed on, whatever the host does with the rest."""
    if subprocess.run(["iptables", "-w", "-N", _FORWARD], capture_output=True).returncode:
        return
    for end in ("-s", "-d"):
        subprocess.run(["iptables", "-w", "-A", _FORWARD, end, pods, "-j", "ACCEPT"], check=True)
    comment = ["-m", "comment", "--comment", "flanneld forward"]
    subprocess.run(["iptables", "-w", "-A", "FORWARD", *comment, "-j", _FORWARD], check=True)
