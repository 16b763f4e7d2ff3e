# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines to tally: trees of /proc and /sys, each recorded or written in one file of trees/."""

from __future__ import annotations

import pathlib

import pytest
from module_utils.hosts.tree import Tree

TREES = pathlib.Path(__file__).parent / "trees"


def plant(root, files):
    """Write ``files`` (path on the machine -> text) below ``root``."""
    for path, text in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return Tree(str(root))


def read_tree(name):
    """Path -> text of one recorded machine: ``=== PATH`` begins a file, and what stands before the first is a note."""
    files = {}
    for part in (TREES / f"{name}.tree").read_text().split("=== ")[1:]:
        path, _newline, text = part.partition("\n")
        files[path] = text
    return files


@pytest.fixture
def machine(tmp_path):
    """Plant a recorded machine (by name, or none) with some files changed, added, or left out (None)."""

    def build(name=None, **changes):
        files = read_tree(name) if name else {}
        files.update(changes.get("files", {}))
        return plant(tmp_path, {path: text for path, text in files.items() if text is not None})

    return build
