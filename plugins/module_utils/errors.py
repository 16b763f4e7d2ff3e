# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one family of errors that the brain raises on purpose."""

from __future__ import annotations

from .text import printable


class DroverError(Exception):
    """Bad input or a failed step, told in one sentence: the value, what was expected, what to do.

    Modules hand the text to ``fail_json`` as it is; anything else that escapes the brain is a bug. Values in it may be
    anybody's, a hostile file's among them: what a terminal would not show on one line is escaped, and a long one cut.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


class NotYet(DroverError):
    """Something is missing that may come by itself, as an address does while a machine starts."""
