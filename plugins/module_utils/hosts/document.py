# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``tally``: what one host can lend. Made by ``tally.take_tally``, read here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from .. import checks
from ..errors import DroverError
from .address import is_name
from .interfaces import KINDS

SCHEMA = 1
# No machine comes near it; it keeps hostile numbers out of the arithmetic.
MOST = 1 << 60
REMEDY = "use what memory_info returned"
BY_USER = "excluded by placement_exclude"
GPU_KINDS = ("cuda", "rocm", "vulkan", "metal")

# Takes a value and what its reader knows it by; raises DroverError.
Check = Callable[[Any, str], Any]


def exclusion(value: Any) -> str:
    """Why a host takes no part, by what its user wrote: empty if it does, BY_USER for a bare yes, else a reason of the
    user's own. Booleans, numbers and the words that YAML and INI have for them are understood."""
    word = str("" if value is None else value).strip()
    if word.lower() in ("", "false", "no", "off", "n", "f", "0"):
        return ""
    return BY_USER if word.lower() in ("true", "yes", "on", "y", "t", "1") else word


def read_tally(value: Any) -> dict[str, Any]:
    """Check that ``value`` is a tally of this schema and return it as it is; unknown fields are kept.

    Raises DroverError with the host, the field, its value and what was expected.
    """
    name = value.get("host") if isinstance(value, dict) else None
    what = f"The tally of {name}" if isinstance(name, str) and name else "One of the tallies"
    checks.document(value, what, SCHEMA, {}, REMEDY)
    _check(value, what, TALLY)
    if [device["kind"] for device in value["devices"]][:1] != ["cpu"]:
        raise DroverError(f"{what}: devices has no CPU in the first place, which every host has: {REMEDY}.")
    for field, check in MEASURED.items():
        check(value["network"].get(field), f"{what}: network: {field}")
    for field, check in MEASURED_CARD.items():
        for index, gpu in enumerate(value["gpus"]):
            check(gpu.get(field), f"{what}: gpus[{index}]: {field}")
    return value


def _check(value: Any, name: str, fields: Mapping[str, Check]) -> None:
    section = checks.dictionary(value, name, REMEDY)
    missing = [field for field in fields if field not in section]
    if missing:
        raise DroverError(f"{name} has no {', '.join(missing)}: {REMEDY}.")
    for field, check in fields.items():
        check(section[field], f"{name}: {field}")


def _section(fields: Mapping[str, Check]) -> Check:
    return lambda value, name: _check(value, name, fields)


def _list(check: Check) -> Check:
    def checked(value: Any, name: str) -> None:
        if not isinstance(value, list):
            raise DroverError(f"{name} is {value!r} but must be a list: {REMEDY}.")
        for index, item in enumerate(value):
            check(item, f"{name}[{index}]")

    return checked


def _or_null(check: Check) -> Check:
    return lambda value, name: None if value is None else check(value, name)


def _whole(least: int = 0, most: int = MOST) -> Check:
    return lambda value, name: checks.whole(value, name, least, most, REMEDY)


def _choice(choices: tuple[str, ...]) -> Check:
    return lambda value, name: checks.choice(value, name, choices, REMEDY)


def _number(value: Any, name: str) -> Any:
    return checks.number(value, name, 0, MOST, REMEDY)


def _text(value: Any, name: str) -> Any:
    return checks.text(value, name, REMEDY)


def _any_text(value: Any, name: str) -> None:
    if not isinstance(value, str):
        raise DroverError(f"{name} is {value!r} but must be a text: {REMEDY}.")


def _boolean(value: Any, name: str) -> None:
    if not isinstance(value, bool):
        raise DroverError(f"{name} is {value!r} but must be true or false: {REMEDY}.")


def _address(value: Any, name: str) -> None:
    _parsed(IPv4Address, value, name, "an IPv4 address")


def _address_or_name(value: Any, name: str) -> None:
    if not is_name(checks.text(value, name, REMEDY)):
        _parsed(IPv4Address, value, name, "an IPv4 address or a name in the DNS such as pi-2.lan")


def _network(value: Any, name: str) -> None:
    _parsed(IPv4Network, value, name, "an IPv4 network such as 10.0.0.0/24")


def _parsed(kind: Callable[[str], Any], value: Any, name: str, expected: str) -> None:
    try:
        kind(checks.text(value, name, REMEDY))
    except ValueError as error:
        raise DroverError(f"{name} is {value!r} but must be {expected}: {REMEDY}.") from error


def _files(value: Any, name: str) -> None:
    for file, size in checks.dictionary(value, name, REMEDY).items():
        checks.whole(size, f"{name}[{file!r}]", 0, MOST, REMEDY)


NODE: Mapping[str, Check] = {"path": _text, "group": _or_null(_text)}
GPU: Mapping[str, Check] = {
    "id": _text,
    "name": _text,
    "kind": _choice(GPU_KINDS),
    "unified": _boolean,
    "compute_capability": _or_null(_text),
    "nodes": _list(_section(NODE)),
    "total_bytes": _whole(),
    "held_bytes": _whole(),
    "usable_bytes": _whole(),
}
DEVICE: Mapping[str, Check] = {
    "id": _text,
    "kind": _choice(("cpu", *GPU_KINDS)),
    "name": _text,
    "gpu": _or_null(_text),
    "unified": _boolean,
    "total_bytes": _whole(),
    "usable_bytes": _whole(),
    "overhead_bytes": _whole(),
    "bandwidth_bytes_per_second": _or_null(_number),
}
PASSED_OVER: Mapping[str, Check] = {
    "id": _text,
    "kind": _choice(GPU_KINDS),
    "gpu": _or_null(_text),
    "reason": _or_null(_text),
}
ADDRESS: Mapping[str, Check] = {
    "address": _address,
    "prefix": _whole(0, 32),
    "network": _network,
    "interface": _text,
    "kind": _choice(KINDS),
    "speed_mbps": _or_null(_number),
    "mtu": _or_null(_whole()),
    "private": _boolean,
}
TALLY: Mapping[str, Check] = {
    "host": _text,
    "machine": _or_null(_text),
    "exclude": _any_text,
    "obstacles": _list(_text),
    "architecture": _text,
    "os": _section({"id": _or_null(_text), "version_id": _or_null(_text)}),
    "cpu": _section(
        {
            "model": _any_text,
            "cores": _whole(1),
            "physical_cores": _whole(1),
            "fast_cores": _whole(1),
            "isa": _list(_text),
        }
    ),
    "memory": _section(
        {
            "total_bytes": _whole(),
            "available_bytes": _whole(),
            "arc_bytes": _whole(),
            "limit_bytes": _or_null(_whole()),
            "limit_used_bytes": _or_null(_whole()),
            "held_bytes": _whole(),
            "others_bytes": _whole(),
            "huge_pages_bytes": _whole(),
            "reserve_bytes": _whole(),
            "usable_bytes": _whole(),
        }
    ),
    "bandwidth_bytes_per_second": _or_null(_number),
    "gpus": _list(_section(GPU)),
    "gpu_problem": _or_null(_text),
    "devices": _list(_section(DEVICE)),
    "passed_over": _list(_section(PASSED_OVER)),
    "disk": _section({"path": _text, "free_bytes": _whole(), "models": _files}),
    "network": _section(
        {
            "address": _or_null(_address_or_name),
            "addresses": _list(_section(ADDRESS)),
            "arrived_at": _or_null(_text),
            "default_interface": _or_null(_text),
        }
    ),
    "threads": _or_null(_whole(1)),
    "lend": _list(_text),
    "port": _whole(1, 65535),
}
# What link_info puts into the network of a tally,
MEASURED: Mapping[str, Check] = {"speed_mbps": _or_null(_number), "round_trip_seconds": _or_null(_number)}
# and what take_tally puts beside what a driver tells of a card.
MEASURED_CARD: Mapping[str, Check] = {"bandwidth_bytes_per_second": _or_null(_number)}
