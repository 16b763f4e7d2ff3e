# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is room for where something is to be put."""

from __future__ import annotations

import os
from typing import Any

from ..free_space import free_bytes
from ..gguf.store import PART
from .tree import Tree


def read_disk(tree: Tree, path: str) -> dict[str, Any]:
    """``path``; ``free_bytes`` there; ``models``: name -> size of the GGUF files that are there, or of what has come of
    them."""
    folder = os.path.abspath(path)
    models: dict[str, int] = {}
    for name in sorted(tree.names(folder)):
        file = tree.path(f"{folder}/{name}")
        part = PART.search(name)
        if (part or name.endswith(".gguf")) and os.path.isfile(file):
            models.setdefault(name[: part.start()] if part else name, os.path.getsize(file))
    return {"path": path, "free_bytes": free_bytes(tree.path(folder)), "models": models}
