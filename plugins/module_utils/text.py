# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence

# What a person reads to its end.
MOST_LETTERS = 2_000
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


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """A line for each of ``rows``, in columns two blanks apart and no wider than they need; those numbered in ``right``
    stand at their right edge."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = zip(row, widths)
        lines.append("  ".join(c.rjust(w) if at in right else c.ljust(w) for at, (c, w) in enumerate(cells)).rstrip())
    return lines


def printable(said: str, most: int = MOST_LETTERS) -> str:
    """``said`` as a terminal shows it, whoever has said it: on one line, without what would move its cursor or set its
    title (that as Python escapes it), and where it has more than ``most`` characters, without its middle."""
    if len(said) > most:
        said = f"{said[: most // 2]}...{said[len(said) - most // 4 :]}"
    if said.isprintable():
        return said
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in said)
