# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be placed where, what of it is there already, and what a start then still sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..checks import Fields, document, whole
from ..errors import DroverError
from ..gguf.profile import CACHE_THRESHOLD_BYTES
from .assigning import nothing_for, weights_documents
from .document import missing_tensors
from .fnv import is_cache_name
from .folder import SCHEMA, spared
from .holdings import bytes_over_network

_REMEDY = "give what tensor_cache_info or drover cached returned"
_FIELDS: Fields = {
    "directory": str,
    "tensors": dict,
    "other_bytes": int,
    "free_bytes": int,
    "most_bytes": (int, type(None)),
}


def outlook(
    plan: Mapping[str, Any],
    manifest: Mapping[str, Any],
    caches: Mapping[str, object],
    spread: int = 1,
    threshold: int = CACHE_THRESHOLD_BYTES,
) -> dict[str, Any]:
    """What to do so that each worker of ``plan`` has what it is going to hold, and copies as ``spread`` says.

    Without a ``manifest`` (empty, where none could be made) they are to have nothing: their documents say so, and take
    the place of those for another model.

    ``caches``: host -> what ``folder.cached_document`` tells; one that is not there has none, and is sent everything.

    Returns ``weights`` (host -> its document), ``missing_bytes`` (host -> bytes to fetch) and
    ``load_bytes_over_network``: what the leader sends at a start, ``now``, once all is ``placed``, and with ``empty``
    caches.
    """
    whole(spread, "spread", 1, remedy="1 places what each worker holds, 2 a copy of it on one more")
    if not plan["feasible"]:
        raise DroverError(f"There is nothing to place, since the plan says: {plan['shortfall']['text']}")
    there = {host: read_cached(cache, host) for host, cache in caches.items()}
    if not manifest:
        return {
            "weights": {host: nothing_for(plan, host, spread) for host in there},
            "missing_bytes": dict.fromkeys(there, 0),
            "load_bytes_over_network": dict.fromkeys(
                ("now", "placed", "empty"), plan["predicted"]["load_bytes_over_network"]
            ),
        }
    room = {host: _room(cache) for host, cache in there.items()}
    workers = [host for host in plan["addresses"] if host != plan["leader"]]
    hashes = {host: cache["tensors"] for host, cache in there.items()}
    documents = weights_documents(plan, manifest, spread, {**dict.fromkeys(workers, 0), **room}, hashes, threshold)
    documents = {host: weights for host, weights in documents.items() if host in there}
    missing = {host: missing_tensors(weights, there[host]["tensors"]) for host, weights in documents.items()}
    held = {host: _whole(weights, there[host]["tensors"]) for host, weights in documents.items()}
    placed = {host: [tensor["hash"] for tensor in weights["held"]] for host, weights in documents.items()}

    def sent(hashes: Mapping[str, list[str]]) -> int:
        return sum(bytes_over_network(plan, manifest, hashes, threshold).values())

    return {
        "weights": documents,
        "missing_bytes": {host: sum(tensor["bytes"] for tensor in tensors) for host, tensors in missing.items()},
        "load_bytes_over_network": {"now": sent(held), "placed": sent(placed), "empty": sent({})},
    }


def read_cached(value: object, host: str) -> dict[str, Any]:
    """``value`` as what tells of the cache of ``host``. Raises DroverError, one sentence, for what is none."""
    what = f"The tensor cache of {host}"
    found = document(value, what, SCHEMA, _FIELDS, _REMEDY)
    for name, size in found["tensors"].items():
        if not is_cache_name(name):
            raise DroverError(f"{what} has a tensor {name!r}, expected 16 hexadecimal digits: {_REMEDY}.")
        whole(size, f"The size of {name} in the tensor cache of {host}", 0, remedy=_REMEDY)
    whole(found["free_bytes"], f"free_bytes of the tensor cache of {host}", 0, remedy=_REMEDY)
    whole(found["most_bytes"] or 0, f"most_bytes of the tensor cache of {host}", 0, remedy=_REMEDY)
    return found


def _room(cache: Mapping[str, Any]) -> int:
    """Bytes that all tensors in a cache may take."""
    bears = sum(cache["tensors"].values()) + cache["free_bytes"] - spared(cache["free_bytes"])
    return int(bears) if cache["most_bytes"] is None else min(int(bears), int(cache["most_bytes"]))


def _whole(weights: Mapping[str, Any], sizes: Mapping[str, int]) -> list[str]:
    return [tensor["hash"] for tensor in weights["held"] if sizes.get(tensor["hash"]) == tensor["bytes"]]
