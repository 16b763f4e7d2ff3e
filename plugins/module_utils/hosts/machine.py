# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine this is, so that one with two names in an inventory does not lend its memory twice."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

from ..errors import DroverError
from .interfaces import CARDS_FOLDER, has_card, kind_of
from .tree import Tree

# machine-id(5): the id itself is confidential and "must not be exposed in untrusted environments, in particular on the
# network"; a keyed hash of it with an application's own constant may be.
APPLICATION = b"drover.llama machine 1"
NO_ADDRESS = "00:00:00:00:00:00"


def machine_digest(tree: Tree) -> str | None:
    """A hexadecimal digest that two machines do not share, or None where the machine has no id.

    Made of /etc/machine-id, the firmware's UUID where it may be read (root only), and the hardware addresses of all
    cards. The id alone will not do: SD cards and disks that were cloned bring it along. Nor will the addresses alone:
    a cloned virtual machine may keep them. Where no interface is hardware (a container), the addresses of its virtual
    ones count, but for bridges and tunnels, which come and go.
    """
    identity = tree.text("/etc/machine-id")
    if not identity or identity == "uninitialized":
        return None
    uuid = tree.text("/sys/class/dmi/id/product_uuid") or ""
    parts = [identity, uuid.lower(), *_hardware_addresses(tree)]
    return hmac.new(APPLICATION, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def refuse_twins(tallies: Iterable[dict[str, Any]]) -> None:
    """Raise DroverError when two of ``tallies`` are of one machine."""
    names: dict[str, str] = {}
    for tally in tallies:
        machine, host = tally["machine"], tally["host"]
        if machine and names.setdefault(machine, host) != host:
            raise DroverError(
                f"{names[machine]} and {host} are one machine, which would lend its memory twice: keep one of the "
                "names, or set placement_exclude to true on the other."
            )


def _hardware_addresses(tree: Tree) -> list[str]:
    names = tree.names(CARDS_FOLDER)
    cards = [name for name in names if has_card(tree, name)]
    chosen = cards or [name for name in names if kind_of(tree, name) == "virtual"]
    found = {tree.text(f"{CARDS_FOLDER}/{name}/address") or NO_ADDRESS for name in chosen}
    return sorted(found - {NO_ADDRESS})
