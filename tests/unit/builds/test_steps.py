# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ninja says of what is still to be done."""

from __future__ import annotations

import pytest
from module_utils.builds.steps import steps_left


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("[1/3] Building C object a.o\n[2/3] Building C object b.o\n[3/3] Linking C executable x\n", 3),
        ("[0/1] Re-running CMake...\n[1/412] Building CXX object src/[1/7].o\n", 412),
        ("ninja: no work to do.\n", 0),
        ("ninja: error: loading 'build.ninja': No such file or directory\n", None),
        ("", None),
    ],
)
def test_the_last_step_tells_how_many_there_are(said, left):
    assert steps_left(said) == left
