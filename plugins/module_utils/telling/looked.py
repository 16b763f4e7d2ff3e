# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found of a tensor cache, in sentences for the journal."""

from __future__ import annotations

from ..text import counted, size_text
from ..weights.looking import Look

# Names that a person reads.
MOST = 3


def reading_sentence(size: int) -> str:
    """That ``size`` bytes are read now, which may take a while."""
    return f"{size_text(size)} of the tensor cache may not be whole, and are read."


def looked_sentence(look: Look) -> str:
    """What of it was known, and what had to be read."""
    return f"Of the tensor cache {look.noted} are as noted, {look.new} are new, and {look.read} were read."


def gone_sentence(look: Look) -> str:
    """What went, or was to go."""
    reasons = []
    if look.damaged:
        reasons.append(f"{counted(len(look.damaged), 'file')} had other bytes than planned or named")
    if look.untold:
        reasons.append(f"{counted(len(look.untold), 'file')} may have, and nothing here can tell")
    return f"Of the tensor cache {', '.join(reasons)}: deleted, for the right bytes to be sent or fetched anew."


def stuck_sentence(look: Look, directory: str) -> str:
    """What could not go, and what follows from that."""
    return (
        f"{counted(len(look.stuck), 'file')} that may be damaged cannot be deleted from {directory}, so the RPC server "
        f"runs without a cache: make that folder writable, or delete {', '.join(look.stuck[:MOST])}."
    )
