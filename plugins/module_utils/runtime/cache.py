# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tensor cache is kept in order: before an RPC server uses it, after a load, and before its server is stopped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..free_space import free_bytes
from ..gguf.profile import CACHE_THRESHOLD_BYTES
from ..hosts.process import boot
from ..hosts.tree import Tree
from ..telling.looked import gone_sentence, looked_sentence, reading_sentence, stuck_sentence
from ..weights.folder import prune_cache, wanted_tensors
from ..weights.looking import look_over
from .say import complain, say


def keep_in_order(cache: Mapping[str, Any], ended: bool, starts: bool) -> bool:
    """Bring a deployment's ``cache`` within its bounds, delete what is not whole, note the rest, and say so.

    ``ended``: whether its RPC server runs no more; ``starts``: whether one is about to. Returns whether that may use
    it: nothing that is wrong with a cache is a reason for a worker not to start.
    """
    directory = cache["directory"]
    if not starts and not os.path.isdir(directory):
        return True
    try:
        # What comes into a folder that was looked at, empty as it was, has come in this boot.
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        complain(f"The tensor cache {directory} cannot be made ({error.strerror}), so nothing is cached.")
        return False
    try:
        full = free_bytes(directory) < CACHE_THRESHOLD_BYTES
        prune_cache(directory, cache["days"], cache.get("bytes"))
        look = look_over(
            directory, wanted_tensors(), boot(Tree()), ended, starts, full, lambda size: say(reading_sentence(size))
        )
    except OSError as error:
        complain(f"The tensor cache {directory} cannot be looked at ({error.strerror}), so it is not used.")
        return False
    say(looked_sentence(look))
    if look.damaged or look.untold:
        complain(gone_sentence(look))
    if look.stuck:
        complain(stuck_sentence(look, directory))
    if look.problem:
        complain(
            f"What is whole of the tensor cache {directory} cannot be noted ({look.problem}), so it is read again at "
            "the next start: make room there."
        )
    return not look.stuck
