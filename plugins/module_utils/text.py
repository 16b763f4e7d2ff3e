# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as a person reads them."""

from __future__ import annotations

UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def size_text(size: int) -> str:
    """Bytes for a person: ``1.9 GiB``, ``224 MiB``, ``512 B``."""
    for unit, name in UNITS:
        if size >= unit:
            number = size / unit
            return f"{number:.1f} {name}" if number < 99.95 else f"{number:.0f} {name}"
    return f"{size} B"


def counted(number: int, noun: str) -> str:
    """``1 slot``, ``4 slots``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
