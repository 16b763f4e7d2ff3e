# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start of the leader has sent, against what the plan predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..text import size_text


def loading_text(plan: Mapping[str, Any], received: Sequence[int | None]) -> str:
    """One line for people, right after a start; empty where nothing is sent or a worker cannot tell.

    ``received``: bytes that came over each worker's connections with the leader since then.
    """
    if not received or None in received:
        return ""
    predicted = plan["predicted"]
    sent = predicted["load_bytes_over_network"]
    least = predicted.get("load_bytes_once_cached", sent)
    told = size_text(sent)
    if least < sent:
        told = f"{size_text(least)} of weights where workers have cached the rest, else {told}"
    return f"Loading   sent {size_text(sum(each or 0 for each in received))} to the workers (predicted: {told})"
