# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that one run consists of: started, watched, and ended with it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time

_DEATH_SIGNAL = 1  # prctl(2): PR_SET_PDEATHSIG
_SECONDS = 5  # for one program to end by itself


class Children:
    """What this process has started. Pods are none of it: containerd's shims go on when all of this is ended."""

    def __init__(self) -> None:
        self._running: list = []
        self._ending = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ending.set())

    def start(self, *command, **environment: str) -> None:
        """Start a program, which gets SIGKILL when this process is gone."""
        library = ctypes.CDLL(None)
        self._running.append(
            subprocess.Popen(
                [str(word) for word in command],
                env={**os.environ, **environment},
                preexec_fn=lambda: library.prctl(_DEATH_SIGNAL, signal.SIGKILL),
            )
        )

    def check(self) -> None:
        """End everything when one has ended by itself, or when that was asked for."""
        ended = [child for child in self._running if child.poll() is not None]
        if ended or self._ending.is_set():
            for child in ended:
                print(f"{child.args[0]} has ended with {child.returncode}", file=sys.stderr)
            self.end()
            sys.exit(1 if ended else 0)

    def wait(self, ready, what: str, seconds: float = 180) -> None:
        """Wait until ``ready()`` is true."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                print(f'level=fatal msg="{what} is not there within {seconds:g} s"', file=sys.stderr)
                self.end()
                sys.exit(1)
            self._ending.wait(0.3)

    def watch(self, work) -> None:
        """Go on until all is to end, and do ``work()`` every few seconds."""
        while True:
            self.check()
            work()
            for _ in range(6):
                self.check()
                self._ending.wait(0.5)

    def end(self) -> None:
        """End all, one after another, the last started first: each still finds those that it needs."""
        for child in reversed(self._running):
            child.terminate()
            try:
                child.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def tell_systemd(said: str = "READY=1") -> None:
    """Say to the service manager what sd_notify(3) says."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect("\0" + address[1:] if address.startswith("@") else address)
            out.send(said.encode())
