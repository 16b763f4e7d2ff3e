# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover keep``: runs a part, and starts it anew whenever it has ended, as systemd does on hosts.

Where a cluster heals itself its programs are ended for good reasons. A container that ends is started anew by
Kubernetes, too, but ever later, up to five minutes. It also ends a program that is stuck, if that has asked for it, as
a service manager does (its watchdog, see sd_notify(3)).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from .command import EX_CONFIG, EX_TEMPFAIL
from .notify import SOCKET
from .say import complain

RESTART_SECONDS = 2.0
# A program that ends by itself so often in a row, each time within so long of its start, will do so again: Kubernetes
# tells of that, and waits longer.
FAILURES = 3
FAILURE_SECONDS = 30.0
LOOK_SECONDS = 0.2


def keep(part: str, cluster: str) -> int:
    """Run the ``part`` (``leader`` or ``worker``) of the ``cluster`` until this process is told to end, or there is no
    hope: the exit code of this process."""
    return keep_running([sys.executable, sys.argv[0], part, "--cluster", cluster])


def keep_running(command: Sequence[str]) -> int:
    """The same of any ``command``."""
    kept = _Kept(command)
    signal.signal(signal.SIGTERM, kept.end)
    failures = 0
    while True:
        began = time.monotonic()
        code = kept.run()
        if kept.ending:
            return 128 + signal.SIGTERM
        # Whoever ends it by a signal, and what is waited for, is no failure of its own.
        failed = code > 0 and code != EX_TEMPFAIL and time.monotonic() - began < FAILURE_SECONDS
        failures = failures + 1 if failed else 0
        if code == EX_CONFIG or failures >= FAILURES:
            return code
        how = f"ended with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        complain(f"{command[-3]} {how}, and is started anew")
        kept.rest(RESTART_SECONDS)


class _Kept:
    """The process that is kept running."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.ending = False

    def run(self) -> int:
        """Run it once: its exit code, or less than 0 for the signal that has ended it."""
        if self.ending:
            return 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
            # A name that the kernel gives, with no file, for which a full disk has no room (see unix(7)).
            heard.bind("")
            place = f"@{heard.getsockname()[1:].decode()}"
            # With all that it starts it can be ended at once, as a service is.
            self.process = subprocess.Popen(self.command, env={**os.environ, SOCKET: place}, start_new_session=True)
            if self.ending:  # told so in between
                self.process.terminate()
            return self.attend(self.process, heard)

    def attend(self, process: subprocess.Popen[bytes], heard: socket.socket) -> int:
        """Wait for the end of ``process``, and bring it about when that is stuck for longer than it has said."""
        patience, last = float("inf"), time.monotonic()
        while process.poll() is None:
            if select.select([heard], [], [], LOOK_SECONDS)[0]:
                for line in heard.recv(1 << 16).decode("utf-8", "replace").splitlines():
                    name, _equals, value = line.partition("=")
                    if name == "WATCHDOG_USEC":
                        with contextlib.suppress(ValueError):
                            patience = int(value) / 1e6
                    if name in ("WATCHDOG", "WATCHDOG_USEC"):
                        last = time.monotonic()
            if time.monotonic() - last >= patience:
                complain(f"{self.command[-3]} is stuck, and is ended")
                os.killpg(process.pid, signal.SIGKILL)
                return process.wait()
        return process.wait()

    def rest(self, seconds: float) -> None:
        """Wait, unless it is to end."""
        until = time.monotonic() + seconds
        while not self.ending and time.monotonic() < until:
            time.sleep(0.1)

    def end(self, _number: int, _frame: object) -> None:
        """Have it end, and not be started anew."""
        self.ending = True
        if self.process and self.process.poll() is None:
            self.process.terminate()
