# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of wishes, each by the name of the role's variable: ``kubernetes_namespace``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from ipaddress import ip_address
from typing import Any, TypeVar, cast

from .. import checks
from ..errors import DroverError
from .quantities import bytes_of

# Takes a value and what its reader knows it by; raises DroverError.
Check = Callable[[Any, str], Any]
Record = TypeVar("Record")

_DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_DNS_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\Z")
_LABEL_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_LABEL_NAME = re.compile(rf"(?:[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_LABEL_PART}\Z")
_LABEL_VALUE = re.compile(rf"(?:{_LABEL_PART})?\Z")
# A tag may be moved to another build while the plan is for this one.
_IMAGE = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}\Z")
_PATH = re.compile(r"/(?:[^\s/:,]+/)*[^\s/:,]+\Z")


def record(kind: type[Record], value: object, name: str, rules: Mapping[str, Check]) -> Record:
    """``value``, a dictionary, as the dataclass ``kind``; what it leaves out has its default, and an unknown key, a key
    that is missing or a value against its rule raises DroverError. ``name`` is that of the whole: of a nested one
    ``kubernetes_model``, of all of them empty."""
    given = checks.dictionary(value, name or "The Kubernetes settings")
    needed = {
        field.name: field.default is MISSING and field.default_factory is MISSING for field in fields(cast(Any, kind))
    }
    told = name or "The Kubernetes settings"
    for key in given:
        if key not in needed:
            raise DroverError(f"{told}: {key!r} is unknown; use {', '.join(sorted(needed))}.")
    missing = [key for key, must in needed.items() if must and given.get(key) in (None, "")]
    if missing:
        raise DroverError(f"{told}: {', '.join(missing)} must be set.")
    separator = "." if name else "kubernetes_"
    found = {key: rules[key](given[key], f"{name}{separator}{key}") for key in given}
    return kind(**found)


def recorded(kind: type[Record], rules: Mapping[str, Check]) -> Check:
    """A dictionary as a dataclass, see ``record``."""
    return lambda value, name: record(kind, value, name, rules)


def optional(check: Check) -> Check:
    """The check, where nothing and an empty text stand for no wish: None."""
    return lambda value, name: None if value in (None, "") else check(value, name)


def listed(check: Check) -> Check:
    """A list, as a tuple, of what passes the check."""

    def checked(value: Any, name: str) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise DroverError(f"{name} is {value!r} but must be a list.")
        return tuple(check(item, f"{name}[{index}]") for index, item in enumerate(value))

    return checked


def mapped(check: Check, key_check: Check | None = None) -> Check:
    """A dictionary of what passes the check, whose keys pass another one."""

    def checked(value: Any, name: str) -> dict[str, Any]:
        given = checks.dictionary(value, name)
        key_check_ = key_check or some_text
        return {key_check_(key, f"A key of {name}"): check(item, f"{name}[{key!r}]") for key, item in given.items()}

    return checked


def boolean(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise DroverError(f"{name} is {value!r} but must be true or false.")
    return value


def some_text(value: Any, name: str) -> str:
    return checks.text(value, name)


def any_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise DroverError(f"{name} is {value!r} but must be a text.")
    return value


def one_of(*choices: str) -> Check:
    return lambda value, name: checks.choice(value, name, choices)


def whole(least: int, most: int | None = None) -> Check:
    return lambda value, name: checks.whole(value, name, least, most)


def size(value: Any, name: str) -> int:
    """Bytes, given as a number of them or as a quantity of Kubernetes."""
    return bytes_of(value, name)


def _matching(pattern: re.Pattern[str], expected: str) -> Check:
    def checked(value: Any, name: str) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise DroverError(f"{name} is {value!r} but must be {expected}.")
        return value

    return checked


dns_label = _matching(_DNS_LABEL, "a name of at most 63 lower-case letters, digits and hyphens")
dns_name = _matching(_DNS_NAME, "a name of lower-case letters, digits, hyphens and dots")
label_name = _matching(_LABEL_NAME, "the name of a label such as example.com/team")
label_value = _matching(_LABEL_VALUE, "the value of a label, a text of at most 63 letters, digits and _.-")
image = _matching(_IMAGE, "an image by its digest, as images.yml prints it: NAME@sha256:...")
path = _matching(_PATH, "an absolute path without spaces, colons and commas")


def address(value: Any, name: str) -> str:
    try:
        return str(ip_address(checks.text(value, name)))
    except ValueError as error:
        raise DroverError(f"{name} is {value!r} but must be an IP address.") from error


def anything(value: Any, _name: str) -> Any:
    return value
