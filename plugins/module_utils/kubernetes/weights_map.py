# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ConfigMap that says what each worker's tensor cache is to have. A worker's pod reads it when it starts, so that
what was placed there is not pruned; and a run finds in it what the caches were filled for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..serving.cluster import WEIGHTS
from .names import PLACED_ANNOTATION, Names, host_label
from .pods import metadata
from .quantities import MOST_CONFIG_MAP_BYTES


def weights_map(names: Names, weights: Mapping[str, Mapping[str, Any]], mark: str) -> dict[str, Any]:
    """The ConfigMap of ``weights`` (host -> its document), which were placed for what ``mark`` stands for (see
    ``placing``).

    Of more documents than it can hold it has none: then what no RPC server reads, as copies for a lost worker, goes
    when it was not used for long.
    """
    texts = {
        _key(host): json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n"
        for host, document in weights.items()
    }
    if sum(map(len, texts.values())) > MOST_CONFIG_MAP_BYTES:
        texts = {}
    about = metadata(names, names.weights, names.labels(), annotations={PLACED_ANNOTATION: mark})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, **({"data": texts} if texts else {})}


def weights_source(names: Names, node: str) -> dict[str, Any]:
    """Of the documents of the pod of the worker on ``node``, the one that says this of it; it need not be there."""
    items = [{"key": _key(node), "path": WEIGHTS}]
    return {"configMap": {"name": names.weights, "optional": True, "items": items}}


def mark_in(config_map: Mapping[str, Any] | None) -> str:
    """What the caches were filled for, by the ConfigMap as it is there; empty where nothing tells."""
    annotations = ((config_map or {}).get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(PLACED_ANNOTATION, ""))


def _key(host: str) -> str:
    return f"{host_label(host)}.json"
