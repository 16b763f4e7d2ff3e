# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists and dictionaries that were given as text: by an AWX survey, which has no other, after ``-e``, or in INI."""

from __future__ import annotations

import re

import yaml
from ansible_collections.drover.llama.plugins.module_utils.errors import DroverError


def as_list(value):
    """The list that ``value`` is or means: JSON or YAML in brackets, or entries between commas or on lines."""
    if not isinstance(value, str):
        return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]
    if value.lstrip().startswith("["):
        return _loaded(value, list, "a list, such as [pi-1, pi-2], or pi-1,pi-2")
    return [entry for entry in map(str.strip, re.split(r"[,\n]", value)) if entry]


def as_dictionary(value):
    """The dictionary that ``value`` is or means: JSON or YAML."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return {}
    return _loaded(value, dict, "a dictionary, such as {pi-1: 10}")


def _loaded(value, kind, expected):
    try:
        found = yaml.safe_load(value) if isinstance(value, str) else value
    except yaml.YAMLError:
        found = None
    if not isinstance(found, kind):
        raise DroverError(f"{value!r} is given where {expected}, was expected; write it as JSON or YAML.")
    return found
