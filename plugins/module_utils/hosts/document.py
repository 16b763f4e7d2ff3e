# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict reader of the document ``tally``."""

from __future__ import annotations

from typing import Any

from .. import checks

SCHEMA = 1
# No machine comes near it; it keeps hostile numbers out of the arithmetic.
MOST_BYTES = 1 << 60
REMEDY = "use what memory_info returned"
NULL = type(None)
FIELDS: checks.Fields = {
    "host": str,
    "machine": (str, NULL),
    "exclude": str,
    "obstacles": list,
    "cpu": dict,
    "memory": dict,
    "devices": list,
    "gpus": list,
    "disk": dict,
    "network": dict,
    "threads": (int, NULL),
    "port": int,
}


def read_tally(value: object) -> dict[str, Any]:
    """Return the tally in ``value``. Raises DroverError, one sentence, for what is none."""
    tally = checks.dictionary(value, "The tally of a host", REMEDY)
    name = checks.text(tally.get("host"), "The field host of a tally", REMEDY)
    what = f"The tally of {name}"
    checks.document(tally, what, SCHEMA, FIELDS, REMEDY)
    _bytes(tally["memory"].get("usable_bytes"), f"{what}: memory.usable_bytes")
    checks.whole(tally["port"], f"{what}: port", 1, 65535, "set rpc_server_port")
    for key in ("cores", "physical_cores"):
        checks.whole(tally["cpu"].get(key), f"{what}: cpu.{key}", 1, remedy=REMEDY)
    for number, device in enumerate(tally["devices"]):
        one = checks.dictionary(device, f"{what}: devices[{number}]", REMEDY)
        checks.text(one.get("kind"), f"{what}: devices[{number}].kind", REMEDY)
        _bytes(one.get("usable_bytes"), f"{what}: devices[{number}].usable_bytes")
    for section, key in ((tally, "bandwidth_bytes_per_second"), (tally["network"], "speed_mbps")):
        if section.get(key) is not None:
            checks.number(section[key], f"{what}: {key}", 0, MOST_BYTES, REMEDY)
    if not tally["devices"]:
        checks.whole(0, f"{what}: number of devices", 1, remedy=REMEDY)
    return tally


def _bytes(value: object, name: str) -> int:
    return checks.whole(value, name, 0, MOST_BYTES, REMEDY)
