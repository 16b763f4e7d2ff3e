# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of a spec as they come from YAML: each is checked, and refused in one sentence."""

from __future__ import annotations

import ipaddress
import re

from .errors import LabError

NAME = re.compile(r"[a-z][a-z0-9-]{0,29}(?<!-)")


def subnet(value) -> ipaddress.IPv4Network:
    try:
        subnet = ipaddress.IPv4Network(value)
    except (ValueError, TypeError):
        raise LabError(f"subnet {value!r} is not an IPv4 network: write it like 10.213.7.0/24.") from None
    if not subnet.is_private:
        raise LabError(f"subnet {subnet} is not private: choose one within 10.0.0.0/8 or 192.168.0.0/16.")
    return subnet


def mapping(value, what: str) -> dict:
    if not isinstance(value, dict):
        raise LabError(f"{what} must be a mapping of names to values, not {value!r}.")
    return value


def refuse_unknown(values: dict, known: set, what: str) -> None:
    for key in values:
        if key not in known:
            raise LabError(f"{what}: {key!r} is not known: the keys are {', '.join(sorted(known))}.")


def text(value, pattern, what: str, expected: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise LabError(f"{what} {value!r} is not right: expected {expected}.")
    return value


def list_of(value, pattern, what: str, expected: str) -> list:
    if not isinstance(value, list):
        raise LabError(f"{what} must be a list of {expected}, not {value!r}.")
    return [text(item, pattern, what, expected) for item in value]


def at(where: str, parse_value, value):
    try:
        return parse_value(value)
    except LabError as error:
        raise LabError(f"{where}: {error}") from None
