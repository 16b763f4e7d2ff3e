# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has come into a worker's tensor cache is noted once no more comes: after a heal no playbook does it, and what is
damaged before it was noted cannot be told from what is whole."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from ..errors import DroverError
from ..serving.cluster import Cluster
from ..weights.noted import State, unnoted
from .part import load_deployment

LOOK_SECONDS = 30.0


class Noting:
    """Looks at the cache of the worker of ``cluster`` now and then."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._before: dict[str, State] = {}
        self._tried: dict[str, State] = {}

    def go_on(self) -> None:
        """For ever."""
        while True:
            time.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Have noted what was there at the last look as it is now, and is not noted. What cannot be is left until it
        changes."""
        found = self._unnoted()
        if found and found == self._before and found != self._tried:
            self._tried = found
            prune(self._cluster)
        self._before = found

    def _unnoted(self) -> dict[str, State]:
        try:
            cache = load_deployment(self._cluster)["cache"]
            # A pod's agent may be allowed to read it only.
            return unnoted(cache["directory"]) if cache and os.access(cache["directory"], os.W_OK) else {}
        except (DroverError, OSError):
            return {}


def prune(cluster: Cluster) -> None:
    """Run ``drover prune``: in a process of its own, which may hash, and gives its memory back."""
    try:
        subprocess.run(
            [sys.executable, sys.argv[0], "prune", "--cluster", cluster.name], stdin=subprocess.DEVNULL, check=False
        )
    except OSError:  # no room for one more process
        return
