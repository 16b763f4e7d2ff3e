# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Mac's part in a cluster as a job of launchd, made from the deployment that a unit of systemd would run.

NOT RUN on a Mac yet: written from the manual pages of launchd.plist(5) and pf.conf(5). No role puts a Mac into service.
"""

from __future__ import annotations

import plistlib
from typing import Any

from ..errors import DroverError

# The system's own daemons have users with such names. It has to be made beforehand.
USER = "_drover"
# macOS keeps /etc, /var and /usr to itself, but for /usr/local. Where a host of Linux has it -> where a Mac does.
FOLDERS = {
    "/etc/drover": "/usr/local/etc/drover",
    "/var/lib/drover": "/usr/local/var/drover",
    "/var/cache/drover": "/usr/local/var/drover/cache",
}
LOGS = "/usr/local/var/log/drover"
# The build there has no RPC.
HOMEBREW = ("/opt/homebrew/", "/usr/local/Cellar/")
# Seconds between two starts of a program that ends, as in the units.
THROTTLE = 10


def label(deployment: dict[str, Any]) -> str:
    """The name of the job, and of its file in /Library/LaunchDaemons."""
    return f"io.github.drover.{deployment['part']}.{deployment['cluster']}"


def launchd_plist(deployment: dict[str, Any]) -> bytes:
    """The property list of the job that runs ``deployment`` from the start of the Mac on, as a user of its own.

    Raises DroverError for what a Mac cannot do: heal, learn its address from a pod, use nodes of /dev, or run a build
    of Homebrew's.
    """
    host, program = deployment["host"], deployment["program"]
    if deployment["healing"]:
        raise DroverError(
            f"{host} is to heal itself, which takes the kernel's own tables of Linux: set llama_server_heals to false "
            "for a cluster with a Mac."
        )
    if deployment["listen"]["address"] is None or deployment["nodes"]:
        raise DroverError(f"{host} is a pod or has nodes of /dev, and so is no Mac: give the deployment of one.")
    if program.startswith(HOMEBREW):
        raise DroverError(
            f"{host} would run {program}, and Homebrew's build of llama.cpp has no RPC: take the archive that "
            "llama.cpp publishes for macOS, or compile it with -DGGML_RPC=ON."
        )
    name = label(deployment)
    return plistlib.dumps(
        {
            "Label": name,
            "ProgramArguments": [program, *map(_at_home, deployment["arguments"])],
            "EnvironmentVariables": {key: _at_home(value) for key, value in deployment["environment"].items()},
            "UserName": USER,
            "GroupName": USER,
            "WorkingDirectory": FOLDERS["/var/lib/drover"],
            "Umask": 0o077,
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": THROTTLE,
            # Else the system slows it down as work that nobody waits for.
            "ProcessType": "Interactive",
            "StandardOutPath": f"{LOGS}/{name}.log",
            "StandardErrorPath": f"{LOGS}/{name}.log",
        },
        sort_keys=False,
    )


def pf_rules(deployment: dict[str, Any]) -> str:
    """The rules of an anchor of pf that let in whom ``deployment`` allows, and nobody else; empty where it allows all.
    The RPC server knows no passwords, so it must not run without them."""
    if deployment["allow"] is None:
        return ""
    port = deployment["listen"]["port"]
    allowed = " ".join(["127.0.0.1", *deployment["allow"]])
    return (
        f"pass in quick proto tcp from {{ {allowed} }} to any port {port}\n"
        f"block in quick proto tcp from any to any port {port}\n"
    )


def _at_home(text: str) -> str:
    for folder, own in FOLDERS.items():
        if text == folder or text.startswith(f"{folder}/"):
            return own + text[len(folder) :]
    return text
