# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a worker's tensor cache stands against what it was last to have, told without reading a tensor."""

from __future__ import annotations

import os

from ..checks import from_json
from ..errors import DroverError
from ..free_space import free_bytes
from ..serving.cluster import Cluster
from ..serving.deployment import read_deployment
from .document import missing_tensors, read_weights
from .folder import cache_files, spared, tensor_sizes, wanted_names
from .pruning import CacheFile


def standing(cluster: Cluster, deployment: object) -> dict[str, int] | None:
    """``spread``, as the cache of ``deployment`` (as it lies there) was last filled, and ``lacking_bytes``, what of it
    is missing and has room; None without a cache, and where nothing was ever placed."""
    try:
        cache = read_deployment(deployment)["cache"]
    except DroverError:
        return None
    if cache is None or not os.path.exists(cluster.weights_path):
        return None
    try:
        with open(cluster.weights_path, encoding="utf-8") as file:
            weights = read_weights(from_json(file.read()))
    except (OSError, ValueError, DroverError):
        return {"spread": 0, "lacking_bytes": 0}  # one that was cut off: no spread is so
    files = cache_files(cache["directory"])
    room = _room(files, free_bytes(cache["directory"]), cache.get("bytes"))
    lacking = 0
    for tensor in missing_tensors(weights, tensor_sizes(files)):
        if lacking + tensor["bytes"] <= room:
            lacking += tensor["bytes"]
    return {"spread": weights["spread"], "lacking_bytes": lacking}


def _room(files: list[CacheFile], free: int, most_bytes: int | None) -> int:
    """Bytes that may still come to ``files``, on a disk with ``free`` bytes, when all goes that nobody wants."""
    wanted = wanted_names()
    going = sum(file.size for file in files if file.name not in wanted)
    room = free - spared(free) + going
    return room if most_bytes is None else min(room, most_bytes + going - sum(file.size for file in files))
