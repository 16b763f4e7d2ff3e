# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of /dev that a program needs to use a GPU, and the group that it must be in."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Collection, Iterable
from typing import Any

from .tree import Tree


def read_nodes(tree: Tree, paths: Iterable[str], also_missing: Collection[str] = ()) -> list[dict[str, Any]]:
    """Those of ``paths`` that are there or are among ``also_missing``, each with its ``path`` and ``group``: the name
    of the group whose members may do more with it than everybody, if there is one. Root's is none to be in."""
    return [
        {"path": path, "group": _group(tree.path(path))} for path in paths if path in also_missing or tree.has(path)
    ]


def _group(path: str) -> str | None:
    try:
        found = os.stat(path)
        of_others = found.st_mode & (stat.S_IROTH | stat.S_IWOTH)
        of_group = (found.st_mode & (stat.S_IRGRP | stat.S_IWGRP)) >> 3
        return grp.getgrgid(found.st_gid).gr_name if found.st_gid and of_group & ~of_others else None
    except (OSError, KeyError):
        return None
