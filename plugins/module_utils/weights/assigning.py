# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan to what the tensor cache of every worker is to have: the documents ``weights``."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from ..gguf.profile import CACHE_THRESHOLD_BYTES
from .document import SCHEMA
from .holdings import cached_tensors
from .pieces import FIELDS, Tensor
from .spread import spare_copies


def weights_documents(
    plan: Mapping[str, Any],
    manifest: Mapping[str, Any],
    spread: int = 1,
    room: Mapping[str, int] | None = None,
    there: Mapping[str, Container[str]] | None = None,
    threshold: int = CACHE_THRESHOLD_BYTES,
) -> dict[str, dict[str, Any]]:
    """Host -> its ``weights``, for each worker of ``plan``, also those that are to have nothing.

    ``spread``: on how many workers each tensor is to be; ``room``, ``there``: see ``spread.spare_copies``. Raises
    DroverError when the manifest is not of the plan's model.
    """
    held = cached_tensors(plan, manifest, threshold)
    spare = spare_copies(plan, manifest, spread, room or {}, there or {}, threshold)
    files = [{"name": file["name"], "file_bytes": file["file_bytes"]} for file in manifest["files"]]
    return {
        host: {
            **nothing_for(plan, host, spread),
            "files": files,
            "held": [_piece(tensor) for tensor in held.get(host, [])],
            "spare": [_piece(tensor) for tensor in spare.get(host, [])],
        }
        for host in plan["addresses"]
        if host != plan["leader"]
    }


def nothing_for(plan: Mapping[str, Any], host: str, spread: int) -> dict[str, Any]:
    """The ``weights`` of a ``host`` that is to have nothing."""
    return {
        "schema": SCHEMA,
        "cluster": plan["cluster"],
        "host": host,
        "spread": spread,
        "files": [],
        "held": [],
        "spare": [],
    }


def _piece(tensor: Tensor) -> Tensor:
    return {field: tensor[field] for field in FIELDS}
