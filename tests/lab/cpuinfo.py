# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processor as a host with a CPU share is to see it: with as many cores as its share is worth."""

from __future__ import annotations

import math


def shown(text: str, share: float | None) -> str:
    """The text of a machine's /proc/cpuinfo with the first processors only, as many as the share, rounded up.

    The kernel shows all processors under a quota: without this, services would start too many threads.
    """
    kept, processors = [], 0
    for block in text.strip("\n").split("\n\n"):
        if block.startswith("processor"):
            processors += 1
            if share is not None and processors > math.ceil(share):
                continue
        kept.append(block)
    return "\n\n".join(kept) + "\n\n"
