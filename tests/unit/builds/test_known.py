# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds that are known not to work."""

from __future__ import annotations

import pytest
from module_utils.builds.known import known_problem


@pytest.mark.parametrize(
    ("build", "endpoints", "bad"),
    [
        (10619, 3, False),
        (10620, 3, True),
        (10700, 2, False),
        (10700, 16, True),
        (10819, 3, True),
        (10820, 3, False),
        (11669, 4, False),
        (None, 9, False),
        (0, 9, False),
    ],
)
def test_hanging_builds(build, endpoints, bad):
    problem = known_problem(build, endpoints)
    assert (problem is not None) is bad
    if problem:
        for part in (f"build {build}", "28487", f"there are {endpoints}", "a build after 10819"):
            assert part in problem
        assert problem.endswith(".")
