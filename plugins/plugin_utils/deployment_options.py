# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the actions which make deployments have in common."""

from __future__ import annotations

from dataclasses import fields

from ansible_collections.drover.llama.plugins.module_utils.serving.settings import Settings

KINDS = {bool: {"type": "bool"}, int: {"type": "int"}, str: {"type": "str"}, tuple: {"type": "list", "elements": "str"}}


def settings_spec():
    """One option for each setting of a host, with its default."""
    spec = {"host": {"type": "str", "required": True}}
    return {**spec, **{field.name: option_of(field) for field in fields(Settings)}}


def option_of(field):
    """The option for a setting, a field of a dataclass with a default."""
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return {**KINDS[type(field.default)], "default": default}


MODEL = {
    "path": {"type": "str", "required": True},
    "alias": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "dict", "required": True},
}
SETTINGS = {"type": "list", "elements": "dict", "default": [], "options": settings_spec()}
