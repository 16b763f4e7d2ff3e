# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what comes from outside: each returns the value, or raises one sentence with it and what was expected.

``name`` is what the reader of the sentence knows the value by (``context_size``, ``The port of pi-1``), ``remedy`` what
to do about it, without a full stop.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any, Union

from .errors import DroverError

# A field of a document: the type of its value, or several of them; ``type(None)`` among them means that it may be null.
Fields = Mapping[str, Union[type[Any], tuple[type[Any], ...]]]

_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a dictionary",
    type(None): "null",
}


def from_json(said: str | bytes) -> Any:
    """What is in the JSON that was ``said``. Raises ValueError for what is none, or nested deeper than any of ours."""
    try:
        return json.loads(said)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def whole(value: object, name: str, least: int | None = None, most: int | None = None, remedy: str = "") -> int:
    """A whole number (no boolean, no text) from ``least`` to ``most``, both inclusive and None for no bound."""
    if not isinstance(value, int) or isinstance(value, bool) or not _within(value, least, most):
        raise _unfit(value, name, f"a whole number{_range(least, most)}", remedy)
    return value


def number(
    value: object, name: str, least: float | None = None, most: float | None = None, remedy: str = ""
) -> int | float:
    """A finite number (no boolean, no text) from ``least`` to ``most``, both inclusive and None for no bound."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not _within(value, least, most):
        raise _unfit(value, name, f"a number{_range(least, most)}", remedy)
    return value


def choice(value: object, name: str, choices: Collection[str], remedy: str = "") -> str:
    """One of ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise _unfit(value, name, f"one of {', '.join(choices)}", remedy)
    return value


def text(value: object, name: str, remedy: str = "") -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise _unfit(value, name, "a text that is not empty", remedy)
    return value


def dictionary(value: object, name: str, remedy: str = "") -> dict:
    """A dictionary."""
    if not isinstance(value, dict):
        raise _unfit(value, name, "a dictionary", remedy)
    return value


def document(value: object, what: str, schema: int, fields: Fields, remedy: str = "") -> dict:
    """A document called ``what`` (``The plan``): a dictionary of this ``schema`` with at least these ``fields``.

    A document of a later schema is refused, since what it means is not known here; fields that are not named are kept.
    """
    found = dictionary(value, what, remedy)
    if found.get("schema") != schema or isinstance(found["schema"], bool):
        told = f"schema {found['schema']!r}" if "schema" in found else "no schema"
        raise DroverError(f"{what} has {told} where schema {schema} was expected{_remedy(remedy)}.")
    return record(found, what, fields, remedy)


def record(value: object, what: str, fields: Fields, remedy: str = "") -> dict:
    """A dictionary called ``what``, such as one within a document, with at least these ``fields``."""
    found = dictionary(value, what, remedy)
    missing = [name for name in fields if name not in found]
    if missing:
        raise DroverError(f"{what} has no {', '.join(missing)}{_remedy(remedy)}.")
    for name, kinds in fields.items():
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        item = found[name]
        # To Python true is a number, and a whole number will do where any is wanted.
        fits = isinstance(item, kinds) or (float in kinds and isinstance(item, int))
        if not fits or (isinstance(item, bool) and bool not in kinds):
            expected = " or ".join(_NAMES[kind] for kind in kinds)
            raise DroverError(f"{what} has {name} {item!r} where {expected} was expected{_remedy(remedy)}.")
    return found


def _within(value: int | float, least: float | None, most: float | None) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return (least is None or value >= least) and (most is None or value <= most)


def _range(least: float | None, most: float | None) -> str:
    if least is None:
        return f" of at most {most}" if most is not None else ""
    return f" from {least} up" if most is None else f" from {least} to {most}"


def _unfit(value: object, name: str, expected: str, remedy: str) -> DroverError:
    return DroverError(f"{name} is {value!r} but must be {expected}{_remedy(remedy)}.")


def _remedy(remedy: str) -> str:
    return f": {remedy}" if remedy else ""
