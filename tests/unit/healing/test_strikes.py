# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose RPC server ends again and again, and how long it rests."""

from __future__ import annotations

import pytest
from module_utils.healing.strikes import MOST_REST_SECONDS, REST_SECONDS, STRIKE_SECONDS, counted, resting


@pytest.mark.parametrize(
    ("found", "started", "expected"),
    [
        ({"a": "new"}, 0.0, 2),
        ({"a": None}, 0.0, 2),
        ({"a": "old"}, 0.0, 1),
        ({}, 0.0, None),
        ({"a": "new"}, 100.0 - STRIKE_SECONDS, None),
    ],
    ids=["started anew", "none there", "still there", "does not answer", "after a long run"],
)
def test_one_run(found, started, expected):
    strikes = counted({"a": {"count": 1, "until": 0.0}}, started, {"a": "old"}, found, 100.0)
    assert strikes.get("a", {}).get("count") == expected


def test_who_held_no_layers_is_as_before():
    before = {"b": {"count": 2, "until": 0.0}}
    assert counted(before, 0.0, {"a": "old"}, {"a": "old", "b": "new"}, 100.0) == before


def test_it_rests_longer_each_time_and_not_for_ever():
    strikes, rests = {}, []
    for _ in range(30):
        strikes = counted(strikes, 0.0, {"a": "old"}, {"a": "new"}, 0.0)
        rests.append(strikes["a"]["until"])
    assert rests[:5] == [0.0, 0.0, REST_SECONDS, 2 * REST_SECONDS, 4 * REST_SECONDS]
    assert max(rests) == rests[-1] == MOST_REST_SECONDS


def test_why_is_told_until_it_has_rested():
    strikes = {"a": {"count": 3, "until": 600.0}, "b": {"count": 1, "until": 0.0}}
    assert resting(strikes, 0.0) == {"a": "its RPC server has ended 3 times in a row, and it rests for 10 minutes"}
    assert resting(strikes, 600.0) == {}
