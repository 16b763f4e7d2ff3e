# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents as somebody who means harm, or a failing disk, would have them: of a sound one, some values are others."""

from __future__ import annotations

import json


def deep(depth=900):
    value = []
    for _ in range(depth):
        value = [value]
    return value


VALUES = [
    None, True, False, 0, 1, -1, 2, 1 << 31, 1 << 63, -(1 << 63), 10**4000, 1.5, -0.0, 1e308, float("inf"),
    float("nan"), "", " ", "0", "-1", "no", "x" * 10_000, "\0", "\n", "\ud800", "../../etc/shadow", "/etc/shadow",
    "/dev/zero", "--help", "0.0.0.0", "::", "${x}", "%s%n", "{address}", "²", [], {}, [[]], [None], [0], [""],
    {"": None}, {"schema": 1}, {"a": {"a": {}}}, deep(),
]  # fmt: skip


def places(value, path=()):
    """Where there is anything in ``value``."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def mutated(chance, document, known):
    """``document`` with one to three of its values, at ``known`` places, replaced, left out or added."""
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        document = changed(chance, document, chance.choice(known))
    return document


def changed(chance, value, path):
    """``value`` with another one at ``path``, where there is such a place; what it has around it is shared."""
    if not path:
        return chance.choice(VALUES)
    key, *rest = path
    there = key in value if isinstance(value, dict) else isinstance(value, list) and key in range(len(value))
    if not there:
        return value
    found = value.copy()
    kind = chance.random()
    if not rest and kind < 0.2:
        del found[key]
    elif not rest and kind < 0.3 and isinstance(found, dict):
        found[chance.choice(["", "x", "schema", "part", "\0"])] = chance.choice(VALUES)
    else:
        found[key] = changed(chance, value[key], rest)
    return found


def as_json(value):
    """The bytes of ``value``, as a client without scruples writes them."""
    return json.dumps(value).encode()
