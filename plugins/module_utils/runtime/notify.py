# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the service manager how a service is, where there is one that listens: ``systemctl status`` shows it."""

from __future__ import annotations

import contextlib
import os
import socket


def tell_status(sentence: str) -> None:
    """What the service does now, on one line."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.sendto(f"STATUS={sentence}".encode(), address)
