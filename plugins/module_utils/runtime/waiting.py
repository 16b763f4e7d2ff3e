# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``drover await``: an init step of a pod, which ends when what the pod's own program needs is there.

Without it a pod would end for want of it, and Kubernetes starts a pod that ends again and again up to five minutes later.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from ..serving.cluster import Cluster
from .command import NotYet
from .part import Unfinished, check_file, load_deployment
from .workers import with_addresses

SECONDS = 2.0


def wait(name: str) -> None:
    """Wait until the files of this host's deployment in the cluster called ``name`` are there, whole (somebody may be
    copying the model in), and the workers that it names have addresses. What is missing is told once, and anew when
    something else is. Raises DroverError for what waiting does not mend, such as a file that may not be read."""
    deployment = load_deployment(Cluster(name))
    told = None
    while (missing := _missing(deployment)) is not None:
        if missing != told:
            print(f"drover: {missing}", file=sys.stderr, flush=True)
            told = missing
        time.sleep(SECONDS)


def _missing(deployment: dict[str, Any]) -> str | None:
    try:
        for file in deployment["files"]:
            check_file(file["path"], file["bytes"])
        with_addresses(deployment["arguments"])
    except (NotYet, Unfinished) as error:
        return str(error)
    return None
