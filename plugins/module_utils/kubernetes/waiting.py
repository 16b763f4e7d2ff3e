# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for pods, no longer than there is hope."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Optional, TypeVar

from ..errors import DroverError

Found = TypeVar("Found")
# What is waited for (None: not there yet); what is in the way, a sentence by whom it is about; and what to say if time
# runs out and nothing is in the way.
Seen = tuple[Optional[Found], Mapping[str, str], str]

POLL_SECONDS = 1.0
# What mends itself within it is no fault: a pod that finds no place while another one ends, a registry that stumbles.
PATIENCE_SECONDS = 60.0


def wait_for(
    look: Callable[[], Seen[Found]],
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Found:
    """What ``look`` finds in the end. Times are in seconds.

    Raises DroverError with what has been in the way of somebody for as long as patience lasts, in whatever words (an
    image that cannot be pulled is told of in two that take turns), and with what there is to say at the ``timeout``.
    """
    began, since = clock(), dict[str, float]()
    while True:
        found, faults, late = look()
        if found is not None:
            return found
        now = clock()
        since = {who: since.get(who, now) for who in faults}
        if now - began >= timeout:
            raise DroverError(" ".join(faults.values()) or late)
        lasting = [faults[who] for who, first in since.items() if now - first >= PATIENCE_SECONDS]
        if lasting:
            raise DroverError(" ".join(lasting))
        sleep(POLL_SECONDS)
