# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the devices are there that a plan was made for."""

from __future__ import annotations

from typing import Any

from ..errors import DroverError
from ..hosts.matching import same_size
from ..text import size_text


def require_devices(plan: dict[str, Any], planned: dict[str, dict[str, Any]], hosts: dict[str, dict[str, Any]]) -> None:
    """Refuse hosts (name -> tally, driven by the build that is there) whose llama.cpp does not drive what ``plan`` puts
    layers on and lends, as the tallies ``planned`` have it; only once it is installed one knows.

    Raises DroverError for a device that is not there, or that is other hardware under the same name.
    """
    holding = [(device["host"], device["id"]) for device in plan["devices"]]
    for host, name in [*holding, *((each["host"], name) for each in plan["endpoints"] for name in each["devices"])]:
        offered = {one["id"]: one for one in hosts[host]["devices"]}
        if name not in offered:
            raise DroverError(
                f"{host} was planned with {name}, and llama.cpp there offers {', '.join(offered)} "
                'alone: see with "llama-server --list-devices" on it what keeps the driver from working, or set '
                "rpc_server_devices to what there is. No service was touched."
            )
        meant = next((one for one in planned[host]["devices"] if one["id"] == name), None)
        if meant and (host, name) in holding and not _same(offered[name], meant):
            raise DroverError(
                f"{host} was planned with {_told(meant)} as {name}, which llama.cpp there says is "
                f"{_told(offered[name])}: run it again, which plans for what llama.cpp says now that it is installed. "
                "No service was touched."
            )


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both are one piece of hardware. What is free of it changes, and so may its name, which drivers tell."""
    return one["kind"] == "cpu" or bool(
        (one["gpu"] or one["name"]) == (other["gpu"] or other["name"])
        and one["unified"] == other["unified"]
        and same_size(one, other)
    )


def _told(device: dict[str, Any]) -> str:
    return f"{device['name']} ({size_text(device['total_bytes'])})"
