# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that a service is to have and another program holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..checks import text, whole


def held_ports(listeners: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]], host: str) -> list[str]:
    """One sentence, with the remedy, for each of the ports ``wanted`` that another program of ``host`` holds; none is
    good.

    ``listeners`` are as ``listener.find_listeners`` has them. Each port has ``port``, ``unit`` and maybe ``tunnel``
    (who may hold it already) and ``variable`` (by which its owner sets another). Raises DroverError for what is no
    port.
    """
    held = []
    for each in wanted:
        port = whole(each["port"], text(each["variable"], "The variable"), 1, 65535)
        own = {each["unit"], each.get("tunnel") or each["unit"]}
        for listener in listeners:
            if listener["port"] == port and listener["unit"] not in own:
                held.append(
                    f"Port {port} on {host} is held by {listener['command'] or 'an unknown program'} (process "
                    f"{listener['pid'] or 'unknown'}, unit {listener['unit'] or 'none'}); stop it, or set "
                    f"{each['variable']} to a free port."
                )
                break
    return held
