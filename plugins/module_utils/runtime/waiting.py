# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover await``: an init step of a pod, which ends when what the pod's own program needs is there.

Without it a pod would end for want of it, and what ends again and again is started anew up to five minutes later.
"""

from __future__ import annotations

import time
from typing import Any

from ..serving.cluster import Cluster
from .command import NotYet
from .part import Unfinished, check_file, load_deployment
from .say import complain
from .workers import with_addresses

SECONDS = 2.0
TOLD_SECONDS = 10.0


def wait(name: str) -> None:
    """Wait until the files of this host's deployment in the cluster called ``name`` are there, whole (somebody may be
    copying the model in), and the workers that it names have addresses. What is missing is told, and anew when that has
    changed, but a file that grows not all the time. Raises DroverError for what waiting does not mend, such as a file
    that may not be read."""
    deployment = load_deployment(Cluster(name))
    told, next_time = None, 0.0
    while (missing := _missing(deployment)) is not None:
        if missing != told and time.monotonic() >= next_time:
            complain(missing)
            told, next_time = missing, time.monotonic() + TOLD_SECONDS
        time.sleep(SECONDS)


def _missing(deployment: dict[str, Any]) -> str | None:
    try:
        for file in deployment["files"]:
            check_file(file["path"], file["bytes"])
        with_addresses(deployment["arguments"])
    except (NotYet, Unfinished) as error:
        return str(error)
    return None
