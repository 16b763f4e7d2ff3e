# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``k3s server``: etcd and the control plane, what hosts join by, and then what every node runs."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import subprocess
from ipaddress import ip_network

import agent
import certificates
import etcd
import network
import paths
import supervisor
import unpack
from children import Children, tell_systemd
from settings import Refused

_DEFAULTS = {"cluster-cidr": "10.42.0.0/16", "service-cidr": "10.43.0.0/16", "flannel-backend": "vxlan"}
# Alike on all servers, or one may not join.
CRITICAL = ("cluster-cidr", "service-cidr", "flannel-backend")


def run(wished: dict) -> int:
    """Run until it is ended, or one of its programs ends."""
    wished = {**_DEFAULTS, **wished}
    node, address = agent.identity(wished)
    children = Children()
    if wished.get("cluster-reset"):
        etcd.reset(children, wished, node, address)
        children.end()
        print("Managed etcd cluster membership has been reset, restart without --cluster-reset flag now.")
        return 0
    joins = "server" in wished and not etcd.is_member()
    if joins:
        _take_shared(wished)
    certificates.make(wished, node, address)
    _write_tokens(wished)
    etcd.start(children, wished, node, address, joined=joins)
    _start_api(children, wished, address)
    children.wait(_is_ready, "the API")
    _start_controllers(children, wished)
    _deploy(wished)
    _write_kubeconfig(wished)
    supervisor.serve(wished, node, address)
    agent.join(children, {**wished, "server": f"https://{address}:{paths.API_PORT}", "token": _own_token()})
    children.wait(lambda: _has_node(node), "the server's own node")
    kubectl("label", "node", node, "--overwrite", "node-role.kubernetes.io/control-plane=true")
    tell_systemd()
    known: set = set()

    def work() -> None:
        agent.keep_network(wished, node)
        _forget_members(known)

    children.watch(work)
    return 0


def _forget_members(known: set) -> None:
    """Let etcd forget a server whose node was deleted; ``known`` has the nodes that there were at the last look."""
    now = network.names()
    for name in (known - now) if now else ():
        etcd.remove_member(name)
    if now:
        known.clear()
        known.update(now)


def kubectl(*arguments: str, given: str | None = None) -> str:
    """What kubectl printed, as the cluster's administrator."""
    command = [unpack.programs() / "kubectl", f"--kubeconfig={paths.ADMIN}", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout


def authority_digest() -> str:
    return hashlib.sha256((paths.TLS / "server-ca.crt").read_bytes()).hexdigest()


def password_of(token: str) -> str:
    """The password in a token, whole or short."""
    return token.rpartition("::")[2].rpartition(":")[2]


def _own_token() -> str:
    return (paths.SERVER / "token").read_text().strip()


def _write_tokens(wished: dict) -> None:
    """The token of servers, which is made once and stays, and that of agents."""
    file = paths.SERVER / "token"
    given = password_of(wished.get("token", ""))
    if file.exists():
        password = password_of(file.read_text().strip())
        if given and given != password:
            raise Refused("bootstrap data already found and encrypted with different token")
    else:
        password = given or secrets.token_hex(16)
    whole = f"K10{authority_digest()}::"
    paths.write(file, f"{whole}server:{password}\n")
    own = paths.SERVER / "agent-token"
    for link in (paths.SERVER / "node-token", own):
        link.unlink(missing_ok=True)
        link.symlink_to(file)
    if wished.get("agent-token"):
        own.unlink()
        paths.write(own, f"{whole}node:{password_of(wished['agent-token'])}\n")


def _take_shared(wished: dict) -> None:
    """Fetch what all servers have alike from the one that is there, as the server's token allows."""
    shared = supervisor.ask(wished["server"], wished["token"], "server-bootstrap")
    for key in CRITICAL:
        if shared["settings"][key] != wished[key]:
            raise Refused(f"critical configuration value mismatch between servers: {key}")
    for name, content in shared["files"].items():
        paths.write(paths.TLS / name, content)


def _start_api(children: Children, wished: dict, address: str) -> None:
    tls = paths.TLS
    children.start(
        unpack.programs() / "kube-apiserver",
        f"--advertise-address={wished.get('advertise-address', address)}",
        f"--secure-port={paths.API_PORT}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={tls}/ca.crt",
        f"--tls-cert-file={tls}/apiserver.crt",
        f"--tls-private-key-file={tls}/apiserver.key",
        f"--kubelet-client-certificate={tls}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={tls}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        "--etcd-servers=https://127.0.0.1:2379",
        f"--etcd-cafile={tls}/etcd/ca.crt",
        f"--etcd-certfile={tls}/apiserver-etcd-client.crt",
        f"--etcd-keyfile={tls}/apiserver-etcd-client.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={tls}/sa.pub",
        f"--service-account-signing-key-file={tls}/sa.key",
        f"--service-cluster-ip-range={wished['service-cidr']}",
        f"--requestheader-client-ca-file={tls}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={tls}/front-proxy-client.crt",
        f"--proxy-client-key-file={tls}/front-proxy-client.key",
    )


def _start_controllers(children: Children, wished: dict) -> None:
    tls, own = paths.TLS, paths.CREDENTIALS
    children.start(
        unpack.programs() / "kube-controller-manager",
        f"--kubeconfig={own}/controller-manager.conf",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={wished['cluster-cidr']}",
        f"--service-cluster-ip-range={wished['service-cidr']}",
        "--use-service-account-credentials=true",
        f"--root-ca-file={tls}/ca.crt",
        f"--service-account-private-key-file={tls}/sa.key",
        f"--cluster-signing-cert-file={tls}/ca.crt",
        f"--cluster-signing-key-file={tls}/ca.key",
        "--bind-address=127.0.0.1",
    )
    children.start(
        unpack.programs() / "kube-scheduler", f"--kubeconfig={own}/scheduler.conf", "--bind-address=127.0.0.1"
    )


def _is_ready() -> bool:
    command = [unpack.programs() / "kubectl", f"--kubeconfig={paths.ADMIN}", "get", "--raw=/readyz"]
    return subprocess.run(command, capture_output=True).returncode == 0


def _has_node(node: str) -> bool:
    command = [unpack.programs() / "kubectl", f"--kubeconfig={paths.ADMIN}", "get", "node", node]
    return subprocess.run(command, capture_output=True).returncode == 0


def _deploy(wished: dict) -> None:
    """Apply what is in the folder of manifests, where the cluster's own are put, too, but for what is disabled."""
    folder = paths.SERVER / "manifests"
    paths.write(folder / "rolebindings.yaml", json.dumps(_rights()))
    if "coredns" not in wished.get("disable", []):
        usual = str(ip_network("10.43.0.0/16")[10])
        text = certificates.coredns().replace(usual, wished.get("cluster-dns", usual))
        paths.write(folder / "coredns.yaml", text.replace("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent"))
    for file in sorted(folder.glob("*.yaml")):
        kubectl("apply", "--server-side", "--force-conflicts", f"--filename={file}")


def _rights() -> dict:
    """What the programs of K3s itself may do in the cluster on every node, and the API on every kubelet."""
    read = ["get", "list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "namespaces", "nodes", "pods", "services"], "verbs": read},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": read},
    ]
    name = "system:k3s-controller"
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
                "subjects": [{"apiGroup": group, "kind": "User", "name": name}],
            },
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "kubeadm:cluster-admins"},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"apiGroup": group, "kind": "Group", "name": "kubeadm:cluster-admins"}],
            },
        ],
    }


def _write_kubeconfig(wished: dict) -> None:
    """The administrator's kubeconfig, as K3s writes it: all in it is called default, and the server is this host."""
    user = json.loads(kubectl("config", "view", "--raw", "--output=json"))["users"][0]["user"]
    authority = base64.b64encode((paths.TLS / "server-ca.crt").read_bytes()).decode()
    server = f"https://127.0.0.1:{paths.API_PORT}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default", "cluster": {"certificate-authority-data": authority, "server": server}}],
        "users": [{"name": "default", "user": user}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
        "current-context": "default",
        "preferences": {},
    }
    paths.write(paths.KUBECONFIG, json.dumps(document), int(str(wished.get("write-kubeconfig-mode", "0600")), 8))
