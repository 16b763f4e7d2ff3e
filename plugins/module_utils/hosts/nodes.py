# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of /dev that a program needs to use a GPU, and the group that it must be in."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterable
from typing import Any

from .tree import Tree


def read_nodes(tree: Tree, paths: Iterable[str]) -> list[dict[str, Any]]:
    """Those of ``paths`` that are there, each with its ``path`` and ``group``: the name of the group that may use it,
    or None where everybody may."""
    return [{"path": path, "group": _group(tree.path(path))} for path in paths if tree.has(path)]


def _group(path: str) -> str | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    open_to_all = stat.S_IROTH | stat.S_IWOTH
    if found.st_mode & open_to_all == open_to_all:
        return None
    try:
        return grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        return None
