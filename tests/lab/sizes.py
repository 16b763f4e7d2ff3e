# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of memory and rates of links, as people write them."""

from __future__ import annotations

import re

from .errors import LabError

_MEMORY_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_RATE_UNITS = {"kbit": 10**3, "mbit": 10**6, "gbit": 10**9}


def parse_memory(value) -> int:
    """Bytes of ``1GiB``, ``512MiB`` or a plain number of bytes; LabError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]iB|)", str(value).strip())
    if isinstance(value, bool) or not match:
        raise LabError(f"memory {value!r} is not a size: write it like 1GiB or 512MiB.")
    size = int(float(match[1]) * _MEMORY_UNITS[match[2]])
    if size < 64 << 20:
        raise LabError(f"memory {value!r} is too small: systemd needs at least 64MiB to boot.")
    return size


def parse_rate(value) -> int:
    """Bits per second of ``100mbit`` or ``1gbit``; LabError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]bit)", str(value).strip())
    rate = int(float(match[1]) * _RATE_UNITS[match[2]]) if match else 0
    if rate < 8000:
        raise LabError(f"link {value!r} is not a rate: write it like 100mbit or 1gbit (at least 8kbit).")
    return rate


def parse_cpu(value) -> float:
    """A share of the machine's cores: 1.0 is one whole core; LabError for anything else."""
    try:
        share = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        share = float("nan")
    if not 0.01 <= share <= 1024:
        raise LabError(f"cpu {value!r} is not a share of cores: write a number like 0.5 or 1.0 (at least 0.01).")
    return share


def show_memory(size: int) -> str:
    """``1 GiB`` for 1073741824."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size >= _MEMORY_UNITS[unit]:
            return f"{size / _MEMORY_UNITS[unit]:.4g} {unit}"
    return f"{size} B"


def show_rate(rate: int) -> str:
    """``100mbit`` for 100000000."""
    for unit in ("gbit", "mbit"):
        if rate >= _RATE_UNITS[unit]:
            return f"{rate / _RATE_UNITS[unit]:.4g}{unit}"
    return f"{rate / 1000:.4g}kbit"
