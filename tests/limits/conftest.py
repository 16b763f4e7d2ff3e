# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the hosts up, and makes the writer of random models known to the tests."""

import sys
from pathlib import Path

import pytest
from lab.fleet import Fleet

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "assets"))


@pytest.fixture(scope="session")
def fleet():
    """Three hosts whose memory and cables the tests limit."""
    with Fleet("limits") as up:
        yield up
