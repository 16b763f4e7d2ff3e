# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``weights``: what the tensor cache of one worker is to have for one cluster. Dictionary of

- ``schema`` (1), ``cluster`` and ``host``,
- ``spread``: on how many workers each tensor was to be,
- ``files``: ``name`` and ``file_bytes`` of each shard of the model,
- ``held``: the tensors that the worker is going to hold, of each ``hash``, ``sha256``, ``shard``, ``offset`` and
  ``bytes``; ``spare``: tensors of other workers, for when one of them is lost.

Where the bytes come from is not in it: that is another place each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..checks import Fields, document, text
from ..serving.cluster import Cluster
from .pieces import Tensor, read_files, read_tensor

SCHEMA = 1
_REMEDY = "run site.yml again, which writes it anew"
_FIELDS: Fields = {"cluster": str, "host": str, "spread": int, "files": list, "held": list, "spare": list}


def read_weights(value: object) -> dict[str, Any]:
    """``value`` as a ``weights`` document. Raises DroverError, one sentence, for what is none."""
    found = document(value, "The weights", SCHEMA, _FIELDS, _REMEDY)
    Cluster(found["cluster"])
    text(found["host"], "The host of the weights", _REMEDY)
    sizes = read_files(found["files"], "the weights", _REMEDY)
    for name in ("held", "spare"):
        for number, each in enumerate(found[name]):
            read_tensor(each, f"{name}[{number}] of the weights", sizes, _REMEDY)
    return found


def missing_tensors(weights: Mapping[str, Any], there: Mapping[str, int]) -> list[Tensor]:
    """What is still to be fetched, what the worker is going to hold before spare copies, when the cache has files of
    these sizes (by hash) ``there``. A file of another size is not the tensor, whatever its name says."""
    return [tensor for tensor in (*weights["held"], *weights["spare"]) if there.get(tensor["hash"]) != tensor["bytes"]]
