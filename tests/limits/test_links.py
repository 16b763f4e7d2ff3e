# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of the network, against the limits that the lab puts on a host's cable."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("rate", [16, 100])
def test_a_slow_cable_is_seen_as_slow(fleet, rate):
    fleet.slow_down("second", rate * 10**6)
    try:
        measured = {"from": fleet.link("second", "first"), "to": fleet.link("first", "second")}
    finally:
        fleet.slow_down("second", None)
    print(f"\n{rate} Mbit/s: {measured}")
    # The lab's limit saves up 32 kB of an echo's 60 each way, whenever the machine is busy elsewhere.
    for link in measured.values():
        assert 0.7 * rate < link["speed_mbps"] < 3 * rate


def test_a_cable_without_a_limit_is_fast_and_near(fleet):
    measured = fleet.link("first", "third")
    print(f"\nno limit: {measured}")
    assert measured["speed_mbps"] > 500
    assert 0 < measured["round_trip_seconds"] < 0.01
