# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where K3s has its files. Source: K3s's documentation, "Directories" and what its commands say."""

from __future__ import annotations

from pathlib import Path

CONFIG = Path("/etc/rancher/k3s/config.yaml")
KUBECONFIG = Path("/etc/rancher/k3s/k3s.yaml")
NODE_PASSWORD = Path("/etc/rancher/node/password")
DATA = Path("/var/lib/rancher/k3s")
SERVER = DATA / "server"
AGENT = DATA / "agent"
TLS = SERVER / "tls"
CREDENTIALS = SERVER / "cred"
CONTAINERD_SOCKET = Path("/run/k3s/containerd/containerd.sock")
ADMIN = CREDENTIALS / "super-admin.conf"

API_PORT = 6443
# The real one answers its agents on the API's own port.
SUPERVISOR_PORT = 9345


def write(path: Path, text: str | bytes, mode: int = 0o600) -> None:
    """Write a whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.touch(mode)
    temporary.chmod(mode)
    temporary.write_bytes(text if isinstance(text, bytes) else text.encode())
    temporary.rename(path)
