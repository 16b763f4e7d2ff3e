# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab calls its things on the machine. Names follow from lab and host alone: `down` needs no other record."""

from __future__ import annotations

import hashlib

CGROUP = "drover-lab"
_INTERFACE_NAME_MAX = 15


def bridge(lab: str, number: int = 0) -> str:
    """The bridge of one of a lab's networks, counted from 0."""
    return short(f"dl-{lab}{_number(number)}")


def table(lab: str) -> str:
    return f"drover-lab-{lab}"


def interface(lab: str, host: str, number: int = 0) -> str:
    """The bridge's end of one of a host's cables; systemd-nspawn names the first ``vb-`` and the machine's name."""
    return short(f"vb-{lab}-{host}{_number(number)}")


def machine(lab: str, host: str) -> str:
    """What systemd-nspawn calls the host: two labs may both have a ``pi-1``."""
    return interface(lab, host)[len("vb-") :]


def group(lab: str, host: str = "") -> str:
    return f"{CGROUP}/{lab}/{host}".rstrip("/")


def _number(number: int) -> str:
    # No name of a lab or a host has an underscore.
    return f"_{number}" if number else ""


def short(name: str) -> str:
    """The name, or a digest of it where it is longer than the kernel allows an interface's name to be."""
    if len(name) <= _INTERFACE_NAME_MAX:
        return name
    prefix = name.split("-", 1)[0] + "-"
    return prefix + hashlib.sha256(name.encode()).hexdigest()[: _INTERFACE_NAME_MAX - len(prefix)]
