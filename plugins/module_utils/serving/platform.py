# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml serves on: hosts as they are, or a cluster of K3s that it makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLATFORMS = ("hosts", "k3s")


def platform_of(groups: Mapping[str, list[str]], hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What an inventory asks for by ``drover_platform``: ``platform``, one of ``PLATFORMS`` (the first where it says
    nothing), and ``faults``, a sentence for each thing that it cannot be gone by.

    ``groups``: group -> its hosts; ``hosts``: host -> all variables that Ansible knows of it.
    """
    wished = {name: str(hosts[name].get("drover_platform", PLATFORMS[0])) for name in groups.get("all") or []}
    different = sorted({*wished.values()})
    found = [
        f"drover_platform is {value!r} but must be {' or '.join(PLATFORMS)}; correct it, or run kubernetes.yml for a "
        "cluster that is there."
        for value in different
        if value not in PLATFORMS
    ]
    if not found and len(different) > 1:
        found.append(
            f"drover_platform is {' for one host and '.join(different)} for another, and a run serves on one of them; "
            "set it for the group all."
        )
    if not found and different == ["k3s"]:
        return {"platform": "k3s", "faults": _k3s_faults(groups, hosts)}
    return {"platform": PLATFORMS[0], "faults": found}


def _k3s_faults(groups: Mapping[str, list[str]], hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"k3s_kubeconfig of {name} is empty, and by that file site.yml reaches the cluster; name one."
        for name in groups.get("k3s_servers") or []
        if hosts[name].get("k3s_kubeconfig", "its default") == ""
    ]
