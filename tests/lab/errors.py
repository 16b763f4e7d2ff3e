# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that the lab raises on purpose."""

from __future__ import annotations


class LabError(Exception):
    """Bad input or a failed step, told in one sentence that says what to do."""
