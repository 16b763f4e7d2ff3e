# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the service manager how a service is, where there is one that listens: ``systemctl status`` shows it."""

from __future__ import annotations

import contextlib
import os
import socket

SOCKET = "NOTIFY_SOCKET"


def tell_status(sentence: str) -> None:
    """What the service does now, on one line."""
    notify(f"STATUS={sentence}")


def notify(line: str) -> None:
    """Say ``line`` as sd_notify(3) has it."""
    path = os.environ.get(SOCKET, "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.sendto(line.encode(), address)
