# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``weights``: what the tensor cache of one worker is to have for one cluster. Dictionary of

- ``schema`` (1), ``cluster`` and ``host``,
- ``files``: ``name`` and ``file_bytes`` of each shard of the model,
- ``held``: the tensors that the worker is going to hold, of each ``hash``, ``sha256``, ``shard``, ``offset`` and
  ``bytes``; ``spare``: tensors of other workers, for when one of them is lost.

Where the bytes come from is not in it: that is another place each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..checks import Fields, dictionary, document, text
from ..gguf.profile import CACHE_THRESHOLD_BYTES
from ..serving.cluster import Cluster
from .holdings import Tensor, cached_tensors
from .manifest import read_files, read_piece_fields
from .spread import spare_copies

SCHEMA = 1
_REMEDY = "run site.yml again, which writes it anew"
_FIELDS: Fields = {"cluster": str, "host": str, "files": list, "held": list, "spare": list}
_PIECE = ("hash", "sha256", "shard", "offset", "bytes")


def weights_documents(
    plan: Mapping[str, Any],
    manifest: Mapping[str, Any],
    spread: int = 1,
    room: Mapping[str, int] | None = None,
    threshold: int = CACHE_THRESHOLD_BYTES,
) -> dict[str, dict[str, Any]]:
    """Host -> its ``weights``, for each worker of ``plan``, also those that are to have nothing.

    ``spread``: on how many workers each tensor is to be; ``room``: see ``spread.spare_copies``. Raises DroverError when
    the manifest is not of the plan's model.
    """
    held = cached_tensors(plan, manifest, threshold)
    spare = spare_copies(plan, manifest, spread, room or {}, threshold)
    return {
        host: {
            "schema": SCHEMA,
            "cluster": plan["cluster"],
            "host": host,
            "files": [{"name": file["name"], "file_bytes": file["file_bytes"]} for file in manifest["files"]],
            "held": [_piece(tensor) for tensor in held.get(host, [])],
            "spare": [_piece(tensor) for tensor in spare.get(host, [])],
        }
        for host in plan["addresses"]
        if host != plan["leader"]
    }


def read_weights(value: object) -> dict[str, Any]:
    """``value`` as a ``weights`` document. Raises DroverError, one sentence, for what is none."""
    found = document(value, "The weights", SCHEMA, _FIELDS, _REMEDY)
    Cluster(found["cluster"])
    text(found["host"], "The host of the weights", _REMEDY)
    sizes = read_files(found["files"], "the weights", _REMEDY)
    for name in ("held", "spare"):
        for number, each in enumerate(found[name]):
            what = f"{name}[{number}] of the weights"
            read_piece_fields(dictionary(each, what, _REMEDY), what, sizes, _REMEDY)
    return found


def missing_tensors(weights: Mapping[str, Any], there: Mapping[str, int]) -> list[Tensor]:
    """What is still to be fetched, what the worker is going to hold before spare copies, when the cache has files of
    these sizes (by hash) ``there``. A file of another size is not the tensor, whatever its name says."""
    return [tensor for tensor in (*weights["held"], *weights["spare"]) if there.get(tensor["hash"]) != tensor["bytes"]]


def _piece(tensor: Tensor) -> Tensor:
    return {field: tensor[field] for field in _PIECE}
