# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds all tests to their tier, and property tests to as many examples as their tier has time for."""

from hypothesis import settings
from tier import LONG, pytest_collection_modifyitems  # noqa: F401

# For those tests that give no number of their own. Hypothesis remembers what has failed in .hypothesis/.
settings.register_profile("quick", max_examples=25)
settings.register_profile("long", max_examples=300)
settings.load_profile("long" if LONG else "quick")
