# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module carries to every host whatever it imports, and what that imports in turn; so that is little."""

from __future__ import annotations

import ast
from functools import cache

import pytest
from unit.plugins.actions import NAMES, ROOT

BRAIN = ROOT / "plugins" / "module_utils"
OURS = "ansible_collections.drover.llama.plugins.module_utils"
MODULES = sorted({path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")} - set(NAMES))
# It imports every command, within functions, which Ansible's packer looks into, too.
WHOLE_RUNTIME = BRAIN / "runtime" / "command.py"


@cache
def imported(path):
    """The files of the brain that the one at ``path`` imports itself."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        name = node.module or ""
        if node.level:
            folder = path.parents[node.level - 1]
        elif name.startswith(OURS):
            folder, name = BRAIN, name[len(OURS) :].lstrip(".")
        else:
            continue
        place = folder.joinpath(*filter(None, name.split(".")))
        for each in [place, *(place / alias.name for alias in node.names)]:
            if each.with_suffix(".py").is_file():
                found.add(each.with_suffix(".py"))
    return frozenset(found)


def carried(module):
    """All files of the brain that a module carries."""
    known, left = set(), [ROOT / "plugins" / "modules" / f"{module}.py"]
    while left:
        new = imported(left.pop()) - known
        known |= new
        left += new
    return known


def test_what_is_imported_is_seen():
    assert {BRAIN / "hosts" / "tally.py", BRAIN / "hosts" / "tree.py"} <= carried("memory_info")
    assert imported(WHOLE_RUNTIME) > {BRAIN / "runtime" / "watch.py"}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_carries_the_whole_runtime(module):
    assert WHOLE_RUNTIME not in carried(module)


@pytest.mark.parametrize("module", MODULES)
def test_no_module_carries_the_planner(module):
    assert BRAIN / "placement" / "planner.py" not in carried(module)
