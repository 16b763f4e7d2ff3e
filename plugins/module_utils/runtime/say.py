# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command says, at once: somebody may be waiting for it, or the next step may replace this process."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(sentence: str) -> None:
    """Write a line to standard error, with the name of the command that is not content."""
    sys.stderr.write(f"drover: {sentence}\n")
    sys.stderr.flush()
