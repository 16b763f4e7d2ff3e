# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``k3s agent``, and what of it a server has, too: containerd, kubelet, kube-proxy, pods' network, policies."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
from pathlib import Path

import certificates
import network
import paths
import supervisor
import unpack
from children import Children, tell_systemd
from settings import Refused

_CONTAINERD = f"""\
version = 2
root = "{paths.AGENT}/containerd"
state = "/run/k3s/containerd"

[grpc]
address = "{paths.CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
path = "{paths.AGENT}/containerd"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "lab.invalid/pause:3.10.1"
# A host of the lab may lack the right to make its processes less likely to be killed than others.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{paths.AGENT}/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
"""


def run(wished: dict) -> int:
    """Run until it is ended, or one of its programs ends."""
    for needed in ("server", "token"):
        if not wished.get(needed):
            raise Refused(f"--{needed} is required")
    children = Children()
    node, _address = identity(wished)
    wished = join(children, wished)
    tell_systemd()
    children.watch(lambda: keep_network(wished, node))
    return 0


def identity(wished: dict) -> tuple[str, str]:
    """The node's name and address."""
    name = wished.get("node-name") or socket.gethostname().lower()
    if wished.get("node-ip"):
        return name, wished["node-ip"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent: only the route is looked up
        return name, probe.getsockname()[0]


def join(children: Children, wished: dict) -> dict:
    """Become a node of the cluster, and start what one runs; returns the settings with those of the cluster."""
    node, address = identity(wished)
    cluster = _certify(wished, node)
    wished = {**wished, **{key: value for key, value in cluster.items() if value}}
    _start_containerd(children)
    _import_images()
    _configure_kubelet(wished)
    programs, labels = unpack.programs(), ",".join(wished.get("node-label", []))
    children.start(
        programs / "kubelet",
        f"--config={paths.AGENT}/etc/kubelet.conf.d/00-k3s-defaults.conf",
        f"--config-dir={paths.AGENT}/etc/kubelet.conf.d",
        f"--kubeconfig={paths.AGENT}/kubelet.kubeconfig",
        f"--hostname-override={node}",
        f"--node-ip={address}",
        *([f"--node-labels={labels}"] if labels else []),
        *([f"--register-with-taints={','.join(wished['node-taint'])}"] if wished.get("node-taint") else []),
        *(f"--{argument}" for argument in wished.get("kubelet-arg", [])),
    )
    children.start(
        programs / "kube-proxy",
        f"--kubeconfig={paths.AGENT}/kubeproxy.kubeconfig",
        f"--cluster-cidr={wished['cluster-cidr']}",
        f"--hostname-override={node}",
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",  # the size of the table is the machine's to set
        "--healthz-bind-address=127.0.0.1:10256",
    )
    children.wait(lambda: network.lay_out(node, wished), "the node's network")
    children.start(
        programs / "kube-router",
        f"--kubeconfig={paths.AGENT}/k3scontroller.kubeconfig",
        "--run-firewall=true",
        *(f"--run-{other}=false" for other in ("loadbalancer", "router", "service-proxy")),
        f"--service-cluster-ip-range={wished['service-cidr']}",
        f"--hostname-override={node}",
        "--health-port=0",
        NODE_NAME=node,
    )
    return wished


def keep_network(wished: dict, node: str) -> None:
    """Follow nodes that come and go."""
    network.route(node, wished)


def _certify(wished: dict, node: str) -> dict:
    """Have the node's certificates made by the server; returns the cluster's settings."""
    if not paths.NODE_PASSWORD.exists():
        paths.write(paths.NODE_PASSWORD, secrets.token_hex(16) + "\n")
    own = paths.AGENT
    answer = supervisor.ask(
        wished["server"],
        wished["token"],
        "node",
        {
            "name": node,
            "password": paths.NODE_PASSWORD.read_text().strip(),
            "kubelet": certificates.request(own / "client-kubelet.key", f"system:node:{node}", "system:nodes"),
            "proxy": certificates.request(own / "client-kube-proxy.key", "system:kube-proxy"),
            "controller": certificates.request(own / "client-k3s-controller.key", "system:k3s-controller"),
        },
    )
    paths.write(own / "server-ca.crt", answer["authority"])
    for key, name, kubeconfig in (
        ("kubelet", "client-kubelet", "kubelet"),
        ("proxy", "client-kube-proxy", "kubeproxy"),
        ("controller", "client-k3s-controller", "k3scontroller"),
    ):
        paths.write(own / f"{name}.crt", answer["certificates"][key])
        certificates.kubeconfig(
            own / f"{kubeconfig}.kubeconfig",
            wished["server"],
            own / "server-ca.crt",
            own / f"{name}.crt",
            own / f"{name}.key",
        )
    return answer["settings"]


def _start_containerd(children: Children) -> None:
    file = paths.AGENT / "etc/containerd/config.toml"
    paths.write(file, _CONTAINERD)
    children.start("/usr/bin/containerd", f"--config={file}")
    asked = ["ctr", f"--address={paths.CONTAINERD_SOCKET}", "version"]
    children.wait(lambda: subprocess.run(asked, capture_output=True).returncode == 0, "containerd", 60)


def _import_images() -> None:
    """Import what lies in the folder of images; what is noted as imported, where K3s is told to note it, only once."""
    folder = paths.AGENT / "images"
    cache = folder / ".cache.json"
    noted = json.loads(cache.read_text() or "{}") if cache.exists() else {}
    for file in sorted(folder.glob("*.tar*")):
        status = file.stat()
        seen = [status.st_size, int(status.st_mtime)]
        if noted.get(file.name) != seen:
            command = [
                "ctr",
                f"--address={paths.CONTAINERD_SOCKET}",
                "--namespace=k8s.io",
                "images",
                "import",
                str(file),
            ]
            subprocess.run(command, check=True, capture_output=True)
            noted[file.name] = seen
    if cache.exists():
        cache.write_text(json.dumps(noted))


def _configure_kubelet(wished: dict) -> None:
    document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{paths.AGENT}/server-ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "systemd",
        "clusterDNS": [wished.get("cluster-dns") or "10.43.0.10"],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{paths.CONTAINERD_SOCKET}",
        "failSwapOn": False,
        "healthzBindAddress": "127.0.0.1",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "resolvConf": str(_name_servers()),
    }
    paths.write(paths.AGENT / "etc/kubelet.conf.d/00-k3s-defaults.conf", json.dumps(document))


def _name_servers() -> Path:
    """The file that tells pods of name servers; where the host knows none, one is made up, as K3s does."""
    own = Path("/etc/resolv.conf")
    if own.exists() and any(line.startswith("nameserver") for line in own.read_text().splitlines()):
        return own
    made = paths.AGENT / "etc/resolv.conf"
    paths.write(made, "nameserver 8.8.8.8\n", 0o644)
    return made
