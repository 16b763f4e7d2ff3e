# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a cluster: its authorities by kubeadm, those of nodes by openssl."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import paths
import unpack

# What every server of a cluster has alike.
SHARED = (
    *("ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub"),
    *("etcd/ca.crt", "etcd/ca.key"),
)


def make(wished: dict, node: str, address: str) -> None:
    """Make what is missing of a server's certificates, and the kubeconfigs of its programs."""
    names = ["127.0.0.1", "localhost", address, node, *wished.get("tls-san", [])]
    documents = [
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": address, "bindPort": paths.API_PORT},
            "nodeRegistration": {"name": node},
        },
        {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "certificatesDir": str(paths.TLS),
            "imageRepository": "lab.invalid",
            "kubernetesVersion": unpack.version().partition("+")[0],
            "networking": {"podSubnet": wished["cluster-cidr"], "serviceSubnet": wished["service-cidr"]},
            "apiServer": {"certSANs": names},
            "etcd": {"local": {"dataDir": "/none", "serverCertSANs": names, "peerCertSANs": names}},
            "dns": {"imageTag": "v1.12.1"},
        },
    ]
    file = paths.SERVER / "etc/kubeadm.yaml"
    paths.write(file, "\n---\n".join(json.dumps(document) for document in documents))
    if not (paths.TLS / "etcd/peer.crt").exists() or not (paths.TLS / "apiserver.crt").exists():
        kubeadm("init", "phase", "certs", "all", f"--config={file}")
    for name in ("super-admin", "controller-manager", "scheduler"):
        if not (paths.CREDENTIALS / f"{name}.conf").exists():
            kubeadm("init", "phase", "kubeconfig", name, f"--config={file}", f"--kubeconfig-dir={paths.CREDENTIALS}")
    shutil.copyfile(paths.TLS / "ca.crt", paths.TLS / "server-ca.crt")
    for path in [paths.TLS, *paths.TLS.rglob("*.key")]:
        path.chmod(0o700 if path.is_dir() else 0o600)


def coredns() -> str:
    """The objects of the cluster's name server, as kubeadm would apply them."""
    return kubeadm("init", "phase", "addon", "coredns", "--print-manifest", f"--config={paths.SERVER}/etc/kubeadm.yaml")


def kubeadm(*arguments: str) -> str:
    done = subprocess.run([unpack.programs() / "kubeadm", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, "kubeadm", done.stdout, done.stderr)
    return done.stdout


def request(key: Path, name: str, group: str = "") -> str:
    """A request for a client's certificate, with a key that is made when it is missing."""
    if not key.exists():
        paths.write(key, _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    subject = f"/CN={name}" if not group else f"/O={group}/CN={name}"
    return _openssl("req", "-new", "-key", str(key), "-subj", subject)


def sign(wanted: str) -> str:
    """The certificate that the cluster's authority makes of a request."""
    with tempfile.TemporaryDirectory() as folder:
        extensions = Path(folder) / "extensions"
        extensions.write_text("extendedKeyUsage=clientAuth\nkeyUsage=critical,digitalSignature\n")
        authority = ["-CA", str(paths.TLS / "ca.crt"), "-CAkey", str(paths.TLS / "ca.key")]
        command = ["x509", "-req", *authority, "-days", "365", "-extfile", str(extensions)]
        return _openssl(*command, given=wanted)


def subject(wanted: str) -> str:
    """The subject of a request, as openssl writes it."""
    return _openssl("req", "-noout", "-subject", "-nameopt", "RFC2253", given=wanted).strip()


def kubeconfig(path: Path, address: str, authority: Path, certificate: Path, key: Path) -> None:
    """Write a kubeconfig that names files."""
    paths.write(
        path,
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "local", "cluster": {"server": address, "certificate-authority": str(authority)}}
                ],
                "users": [{"name": "user", "user": {"client-certificate": str(certificate), "client-key": str(key)}}],
                "contexts": [{"name": "Default", "context": {"cluster": "local", "user": "user"}}],
                "current-context": "Default",
            }
        ),
    )


def _openssl(*arguments: str, given: str = "") -> str:
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, text=True)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, "openssl", done.stdout, done.stderr)
    return done.stdout
