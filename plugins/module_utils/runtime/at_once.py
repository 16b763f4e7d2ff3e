# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several calls at once, none of which is waited for longer than all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from ..errors import DroverError

Made = TypeVar("Made")


def all_at_once(calls: Mapping[str, Callable[[], Made]], seconds: float) -> dict[str, Made | DroverError | None]:
    """What each of ``calls`` returned or raised, by name; None for one that was not done within ``seconds``."""
    done: dict[str, Made | DroverError | None] = dict.fromkeys(calls)

    def run(name: str, call: Callable[[], Made]) -> None:
        try:
            done[name] = call()
        except DroverError as error:
            done[name] = error

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in calls.items()]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(done)
