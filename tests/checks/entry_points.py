#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold roles to their entry points: whatever a playbook or another role takes ``tasks_from`` has an argument spec.

Ansible checks the arguments of an entry point that has one, and of no other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "drover.llama."
# Where roles are included, or imported.
FOLDERS = ("playbooks", "playbooks/tasks", "roles/*/tasks", "roles/*/handlers")


def included(node: object) -> Iterator[tuple[str, str]]:
    """(role, entry point) for every role that is included or imported anywhere in a YAML document."""
    if isinstance(node, list):
        for item in node:
            yield from included(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if str(key).rpartition(".")[2] in ("include_role", "import_role") and isinstance(value, dict):
                entry = str(value.get("tasks_from", "main"))
                yield str(value["name"]).removeprefix(COLLECTION), entry.removesuffix(".yml")
            yield from included(value)


def used(root: Path) -> dict[tuple[str, str], str]:
    """(role, entry point) of all that playbooks, and roles of other roles, include, and one file that does."""
    found = {}
    for path in sorted(path for folder in FOLDERS for path in root.glob(f"{folder}/*.yml")):
        where = path.relative_to(root)
        own = where.parts[1] if where.parts[0] == "roles" else None
        for role, entry in included(yaml.safe_load(path.read_text(encoding="utf-8"))):
            if role != own:
                found.setdefault((role, entry), str(where))
    return found


def faults(root: Path) -> list[str]:
    """One sentence for each entry point that lacks its spec, and for each spec of something that is none."""
    specs = {
        path.parts[-3]: set(yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"])
        for path in sorted(root.glob("roles/*/meta/argument_specs.yml"))
    }
    uses = used(root)
    found = []
    for (role, entry), where in sorted(uses.items()):
        if "{{" in role + entry:
            found.append(f"{where}: which entry point {entry} of {role} is cannot be read; write it out")
        elif entry not in specs.get(role, ()):
            found.append(f"{where} uses {entry} of role {role}, which has no spec in its meta/argument_specs.yml")
    for role, entries in sorted(specs.items()):
        for entry in sorted(entries):
            if not (root / "roles" / role / "tasks" / f"{entry}.yml").is_file():
                found.append(f"roles/{role}: the spec {entry} is of no file in tasks/")
            elif entry != "main" and (role, entry) not in uses:
                found.append(f"roles/{role}: {entry} has a spec, but no playbook and no other role uses it")
    return found


def main() -> int:
    """Print every fault and return 1 when there is one."""
    found = faults(ROOT)
    print("\n".join(found) or f"all {len(used(ROOT))} entry points that are used have a spec")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
