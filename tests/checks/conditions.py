#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold every condition of roles and playbooks to be true or false, and nothing that only counts as it.

ansible-core 2.19 ends a run at a condition that is a text, a list or a dictionary, and only when it gets there: a
``when`` that few runs reach would fail for a user. So whatever decides a condition is a comparison, a test (``is``), a
``not``, the filter ``bool``, or one of the names below.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from conversions import CONDITIONS, FOLDERS, ROOT, scalars
from jinja2 import Environment, nodes

# What Ansible and our modules return as true or false.
NAMES = {
    *("ansible_check_mode", "ansible_diff_mode", "changed", "failed", "skipped", "exists", "isdir", "islnk"),
    *("feasible", "found", "installed", "matched"),
}


def doubtful(node: nodes.Node) -> Iterator[nodes.Node]:
    """The parts that decide a condition and may be something else than true or false."""
    if isinstance(node, (nodes.And, nodes.Or)):
        yield from doubtful(node.left)
        yield from doubtful(node.right)
    elif isinstance(node, nodes.CondExpr):
        yield from doubtful(node.test)
        yield from doubtful(node.expr1)
        if node.expr2:
            yield from doubtful(node.expr2)
    elif not (
        isinstance(node, (nodes.Compare, nodes.Test, nodes.Not))
        or (isinstance(node, nodes.Const) and isinstance(node.value, bool))
        or (isinstance(node, nodes.Filter) and node.name.rpartition(".")[2] == "bool")
        or (isinstance(node, nodes.Name) and node.name in NAMES)
        or (isinstance(node, nodes.Getattr) and node.attr in NAMES)
    ):
        yield node


def is_doubtful(condition: str) -> bool:
    """Whether a condition may be something else than true or false."""
    # Filters and tests are Ansible's; only the form is of interest here.
    template = Environment().parse("{{ (" + condition + ") }}")
    (output,) = template.body
    return any(True for _ in doubtful(output.nodes[0]))


def faults(root: Path) -> list[str]:
    """One sentence for each such condition."""
    found = []
    for path in sorted(file for folder in FOLDERS for file in root.glob(f"{folder}/**/*.yml")):
        for document in yaml.compose_all(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader):
            for node, condition in scalars(document, False):
                if condition and node.tag.endswith(":str") and is_doubtful(node.value):
                    found.append(
                        f"{path.relative_to(root)}:{node.start_mark.line + 1}: `{' '.join(node.value.split())}` may be "
                        "something else than true or false; compare it, test it, or put `| bool` after it"
                    )
    return found


def main() -> int:
    """Print every fault and return 1 when there is one."""
    found = faults(ROOT)
    print("\n".join(found) or f"every {', '.join(sorted(CONDITIONS))} is true or false")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
