# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that is used as K3s is: see ../README.md for what of it there is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import agent
import paths
import server
import settings
import snapshots
import unpack

USAGE = """\
NAME:
   k3s - Kubernetes, but small and simple (a stand-in of Drover's lab)

USAGE:
   k3s [global options] command [command options]

COMMANDS:
   server, agent, kubectl, ctr, token, etcd-snapshot
"""


def main() -> int:
    called = Path(sys.argv[0]).name
    command, *arguments = ([called] if called in ("kubectl", "ctr") else []) + sys.argv[1:] or ["help"]
    if command in ("--version", "-v"):
        print(f"k3s version {unpack.version()} (5ad10ab5)\ngo version go1.24.0")
        return 0
    if command in ("server", "agent"):
        os.environ["KUBECACHEDIR"] = str(paths.AGENT / "kubectl")
        wished = settings.read(command, arguments)
        return (server if command == "server" else agent).run(wished)
    if command == "kubectl":
        os.environ.setdefault("KUBECONFIG", str(paths.KUBECONFIG))
        program = unpack.programs() / "kubectl"
        os.execv(program, [str(program), *arguments])
    if command == "ctr":
        os.environ.setdefault("CONTAINERD_NAMESPACE", "k8s.io")
        os.execv("/usr/bin/ctr", ["ctr", f"--address={paths.CONTAINERD_SOCKET}", *arguments])
    if command == "etcd-snapshot":
        return snapshots.run(arguments)
    if command == "token" and arguments == ["generate"]:
        print(f"{os.urandom(3).hex()}.{os.urandom(8).hex()}")
        return 0
    print(USAGE, end="", file=sys.stdout if command in ("help", "--help", "-h") else sys.stderr)
    return 0 if command in ("help", "--help", "-h") else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (settings.Refused, subprocess.CalledProcessError) as error:
        # As K3s ends: one line that says fatal.
        print(f'level=fatal msg="{error}"', file=sys.stderr)
        sys.exit(1)
