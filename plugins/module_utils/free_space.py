# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a disk can still take."""

from __future__ import annotations

import os


def free_bytes(path: str) -> int:
    """Bytes that are free, for everyone but root, where the folder ``path`` is or will be: its nearest parent that
    exists is measured."""
    folder = os.path.abspath(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
