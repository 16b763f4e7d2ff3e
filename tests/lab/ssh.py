# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH into the hosts: one key pair a lab, known to all of its hosts and to nobody else."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from . import names, state
from .command import run
from .errors import LabError
from .limits import Group

# Hosts come and go at the same addresses, so their keys are not remembered. A pulled cable ends a connection in time.
OPTIONS = (
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
)


def ensure_key(lab: str) -> None:
    key = state.key_path(lab)
    if not key.with_suffix(".pub").exists():
        key.unlink(missing_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"drover-lab-{lab}", "-f", key)


def authorize(lab: str, directory: Path) -> None:
    """Let the lab's key in: ``directory`` is root's ``.ssh`` on the host's disk."""
    directory.mkdir(parents=True)
    for private in (directory.parent, directory):
        private.chmod(0o700)
    state.write(directory / "authorized_keys", state.key_path(lab).with_suffix(".pub").read_text(), 0o600)


def command(lab: str, address: str, *arguments: str, connect_timeout: int = 10) -> list:
    """The ssh command that runs something on a host as root."""
    options = [f"-o{option}" for option in (*OPTIONS, f"ConnectTimeout={connect_timeout}", "BatchMode=yes")]
    return ["ssh", *options, "-i", str(state.key_path(lab)), f"root@{address}", *arguments]


def run_in_group(lab: str, arguments: list, given=b"", seconds: float | None = None) -> subprocess.CompletedProcess:
    """Run an SSH client in a control group of the lab, so that `down` ends it too when `up` was cut off.

    ``given`` is its standard input: bytes, or an open file.
    """
    group = Group(names.group(lab, ".ssh"))
    group.create()
    source = {"input": given} if isinstance(given, bytes) else {"stdin": given}
    return subprocess.run(group.command(arguments), capture_output=True, timeout=seconds, **source)


def on_host(lab: str, host: str, address: str, line: str, given=b"", seconds: float = 60) -> str:
    """What a line of shell, run as root on a host, printed; LabError with its last words when it fails."""
    try:
        done = run_in_group(lab, command(lab, address, line), given, seconds)
    except subprocess.TimeoutExpired:
        raise LabError(f"Host {host} did not finish within {seconds:g} s: {line!r}.") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or b"nothing").decode(errors="replace").splitlines()
        raise LabError(f"On host {host} {line!r} failed ({done.returncode}): {said[-1]}")
    return done.stdout.decode()


def wait_until_up(lab: str, host: str, address: str, seconds: float, patience: int, alive) -> str:
    """Wait for SSH and for systemd to have finished booting; one attempt waits ``patience`` seconds for an answer.

    Returns "" when everything on the host is well, else the names of the units that failed. ``alive`` tells whether
    the host still runs, so that one that died is not waited for.
    """
    deadline = time.monotonic() + seconds
    asked = command(lab, address, "systemctl is-system-running --wait", connect_timeout=patience)
    while time.monotonic() < deadline:
        answer = run_in_group(lab, asked).stdout.decode().strip()
        if answer == "running":
            return ""
        if answer == "degraded":
            failed = on_host(lab, host, address, "systemctl list-units --failed --plain --no-legend")
            return ", ".join(line.split()[0] for line in failed.splitlines() if line.strip())
        if not alive():
            raise LabError(f"Host {host} has stopped while booting: `lab up` again shows whether that was chance.")
        time.sleep(0.1)
    raise LabError(f"Host {host} ({address}) did not answer on SSH with a booted system within {seconds:g} s.")
