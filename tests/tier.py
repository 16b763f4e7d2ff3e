# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two tiers of the tests: ``make test`` leaves out what is marked ``long``, ``make test-long`` leaves out nothing.

A test is marked so when a quicker one holds the same promise, and says which. The conftest.py of tests/ and that of
molecule/ import the hook below.
"""

from __future__ import annotations

import os

LONG = os.environ.get("DROVER_TIER") == "long"


def pytest_collection_modifyitems(config, items):
    """Take out what is marked ``long``, unless the tier is the long one."""
    if LONG:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
