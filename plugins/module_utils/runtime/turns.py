# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which a host keeps whose turn it is to change it, see ``serving.turn``."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable
from typing import Any

from ..errors import DroverError
from ..hosts.tree import Tree
from ..serving.cluster import Cluster
from ..serving.turn import read_turn
from .decisions import read_document

Turn = dict[str, Any]


def kept_turn(tree: Tree, cluster: Cluster) -> Turn | None:
    """Whose turn it is, or was last, on the machine in ``tree``; None where it was nobody's."""
    return read_turn(read_document(tree.path(cluster.turn_path)))


def change_turn(tree: Tree, cluster: Cluster, change: Callable[[Turn | None, float], Turn | None]) -> None:
    """Keep what ``change`` makes of the turn and the moment, unless that is None; two at a time wait for each other."""
    path = tree.path(cluster.turn_path)
    try:
        with open(path, "a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            changed = change(kept_turn(tree, cluster), time.clock_gettime(time.CLOCK_BOOTTIME))
            if changed is not None:
                file.truncate(0)
                json.dump(changed, file)
    except OSError as error:
        raise DroverError(f"{path} cannot be written ({error.strerror}): run it as root.") from error
