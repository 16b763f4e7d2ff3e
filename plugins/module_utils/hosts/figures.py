# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures that took time to measure, kept on the host while what they were measured on stays the same."""

from __future__ import annotations

import json
import os
from typing import Any

from ..checks import from_json


def recall(path: str, identity: Any) -> Any:
    """The figure that was kept in the file ``path`` for this ``identity`` (JSON types), or None."""
    try:
        with open(path, encoding="utf-8") as file:
            content = from_json(file.read())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("identity") != identity:
        return None
    return content.get("figure")


def keep(path: str, identity: Any, figure: Any) -> None:
    """Keep a figure (JSON types) for the next run. Best effort: without it the next run measures again, which is slower
    and not wrong."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"identity": identity, "figure": figure}, file)
        os.replace(temporary, path)
    except OSError:
        pass
