#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold every role's defaults against its argument specs: same variables, same defaults, a type, a comment, a prefix."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
PYTHON_TYPES = {"bool": bool, "int": int, "float": float, "str": str, "list": list, "dict": dict}


def faults(role: Path) -> list[str]:
    """Return one sentence for each way in which a role's defaults and its specs differ."""
    text = (role / "defaults" / "main.yml").read_text(encoding="utf-8")
    defaults = yaml.safe_load(text) or {}
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    found = []
    for entry_point, spec in specs.items():
        options = spec.get("options", {})
        if entry_point == "main":
            found += [f"{name} has a default but no spec" for name in defaults.keys() - options.keys()]
        for name in options.keys() - defaults.keys():
            # What another role or a playbook hands over has no default to fall back on, and must be said to be needed.
            if not options[name].get("required"):
                found.append(f"{name} has a spec ({entry_point}) but no default, and is not required")
            if not name.startswith(f"{role.name}_"):
                found.append(f"{name} ({entry_point}) does not carry the role's name")
        for name, option in options.items():
            if option.get("type") not in PYTHON_TYPES:
                found.append(f"{name}: the spec has no known type")
            if not option.get("description"):
                found.append(f"{name}: the spec has no description")
        for name in options.keys() & defaults.keys():
            option, value = options[name], defaults[name]
            if "{{" in str(value):
                # Documentation and validation cannot evaluate it; the page of the role shows it from the defaults.
                if "default" in option:
                    found.append(f"{name}: its default is worked out, so the spec must not repeat it")
            elif "default" not in option or option["default"] != value:
                found.append(f"{name}: the spec says default {option.get('default')!r}, the defaults say {value!r}")
            if not isinstance(value, PYTHON_TYPES.get(option.get("type"), object)) and "{{" not in str(value):
                found.append(f"{name}: {value!r} is not of the type {option['type']}")
    for name in defaults:
        if not name.startswith(f"{role.name}_"):
            found.append(f"{name} does not carry the role's name")
        if not re.search(rf"(?m)^# .*\n(?:# .*\n|[a-z]\w*:.*\n)*{name}:", text):
            found.append(f"{name} has no comment in the defaults")
    return [f"roles/{role.name}: {sentence}" for sentence in found]


def borrowed_faults(roles: list[Path]) -> list[str]:
    """Return one sentence for each default that falls back, for another role's variable, to another value than its."""
    defaults = {}
    for role in roles:
        defaults.update(yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8")) or {})
    found = []
    for name, value in defaults.items():
        for borrowed, fallback in re.findall(r"\{\{ (\w+) \| default\(([^)]*)\) \}\}", str(value)):
            if borrowed in defaults and yaml.safe_load(fallback) != defaults[borrowed]:
                found.append(f"{name} falls back to {fallback}, but {borrowed} defaults to {defaults[borrowed]!r}")
    return found


def main() -> int:
    """Print every fault of every role and return 1 when there is one."""
    roles = sorted(path.parent.parent for path in ROLES.glob("*/defaults/main.yml"))
    found = [sentence for role in roles for sentence in faults(role)] + borrowed_faults(roles)
    print("\n".join(found) or f"argument specs and defaults agree in {len(roles)} roles")
    return 1 if found or not roles else 0


if __name__ == "__main__":
    sys.exit(main())
