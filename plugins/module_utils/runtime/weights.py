# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover manifest``, ``cached``, ``prune`` and ``place``: weights are in a worker's tensor cache before it starts.

Secrets come by standard input, since a process list shows arguments to everyone.
"""

from __future__ import annotations

import os
import sys
from typing import IO, Any

from ..checks import from_json
from ..errors import DroverError
from ..hosts.listener import find_listeners
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from ..serving.deployment import REMEDY
from ..telling.placed import placed_sentences
from ..telling.progress import Progress
from ..weights.document import read_weights
from ..weights.folder import cached_document
from ..weights.manifest import find_manifest, keep_manifest, takes_long
from ..weights.placing import place
from ..weights.sources import read_sources
from .cache import keep_in_order
from .documents import load_document, print_document
from .fetch import TOLD_SECONDS
from .part import load_deployment
from .say import complain


def print_manifest(path: str, processes: int | None, directory: str | None, quickly: bool) -> None:
    """Print the manifest of the model at ``path``, which is kept in ``directory`` (None: beside the model); with
    ``quickly`` an empty one where there is none yet and making it would take long."""
    if quickly and find_manifest(path, directory) is None and takes_long(path):
        print_document({})
        return
    tell = Progress(f"{os.path.basename(path)}, hashed", complain, TOLD_SECONDS)
    print_document(keep_manifest(path, processes, tell, directory))


def print_cached(name: str) -> None:
    """Print what is in the tensor cache of the worker of the cluster called ``name``."""
    cache = cache_of(Cluster(name))
    print_document(cached_document(cache["directory"], cache.get("bytes")))


def prune(name: str) -> None:
    """Bring the tensor cache of the worker of the cluster called ``name``, if it has one, within its bounds, and note
    what of it is whole."""
    deployment = load_deployment(Cluster(name))
    if deployment["cache"]:
        ended = not find_listeners(Tree(), [deployment["listen"]["port"]])
        keep_in_order(deployment["cache"], ended, starts=False)


def print_placed(name: str, parallel: int, verify: bool, stream: IO[str] | None = None) -> None:
    """Place the tensors that the cluster called ``name`` wants here, from the sources that are on standard input, as
    JSON in one line, and print what was done, with what people ought to know of it in ``told``."""
    cluster = Cluster(name)
    cache = cache_of(cluster)
    weights = read_weights(load_document(cluster.weights_path, REMEDY))
    if weights["cluster"] != cluster.name:
        raise DroverError(
            f"{cluster.weights_path} is for the cluster {weights['cluster']}: run site.yml again, which writes it anew."
        )
    sources = read_sources(_json(stream or sys.stdin), len(weights["files"]))
    tell = Progress(f"Tensors of {weights['files'][0]['name']}", complain, TOLD_SECONDS)
    done = place(weights, cache["directory"], sources, cache.get("bytes"), parallel, verify, tell)
    print_document({**done, "told": placed_sentences(done)})


def cache_of(cluster: Cluster) -> dict[str, Any]:
    """What this host's deployment in ``cluster`` says of its tensor cache."""
    cache = load_deployment(cluster)["cache"]
    if not cache:
        raise DroverError(
            f"This host has no tensor cache for the cluster {cluster.name}: set rpc_server_cache to true and run "
            "site.yml again."
        )
    return dict(cache)


def _json(stream: IO[str]) -> Any:
    try:
        # Whoever runs this in a pod cannot close it.
        return from_json(stream.readline())
    except ValueError as error:
        # What was read may hold a token.
        raise DroverError(f"The sources are not JSON (line {getattr(error, 'lineno', 1)}): give a list.") from None
