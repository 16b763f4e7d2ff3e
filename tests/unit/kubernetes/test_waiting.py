# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for pods, by a clock that the test turns."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.kubernetes.waiting import PATIENCE_SECONDS, wait_for

LATE = "It did not become ready."


class Watch:
    """A clock that goes on only while somebody sleeps."""

    now = 1000.0

    def read(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def waited(seen, timeout=180):
    """What comes of ``seen`` (seconds that have passed -> found, faults), and after how many seconds."""
    watch = Watch()

    def look():
        return (*seen(watch.now - 1000), LATE)

    try:
        return wait_for(look, timeout, watch.read, watch.sleep), watch.now - 1000
    except DroverError as error:
        return str(error), watch.now - 1000


def test_what_is_there_is_not_waited_for():
    assert waited(lambda _passed: ("ready", {"a": "A is slow."})) == ("ready", 0)


def test_it_waits_until_it_is_there():
    assert waited(lambda passed: ("ready" if passed >= 7 else None, {})) == ("ready", 7)


def test_nothing_in_the_way_is_waited_for_until_the_time_is_up():
    assert waited(lambda _passed: (None, {})) == (LATE, 180)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(lambda _passed: "A has no image.", id="the same all the time"),
        pytest.param(lambda passed: f"A has no image ({'now' if passed % 20 < 10 else 'later'}).", id="taking turns"),
    ],
)
def test_what_lasts_is_told_of_before_the_time_is_up(words):
    said, passed = waited(lambda passed: (None, {"a": words(passed)}))
    assert said.startswith("A has no image")
    assert passed == PATIENCE_SECONDS


def test_only_who_is_stuck_is_told_of():
    assert waited(lambda passed: (None, {"a": "A is stuck.", **({"b": "B is, too."} if passed > 30 else {})})) == (
        "A is stuck.",
        PATIENCE_SECONDS,
    )


def test_what_mends_itself_is_no_fault():
    def seen(passed):
        return ("ready" if passed >= 150 else None, {} if 50 < passed < 60 else {"a": "A finds no place."})

    assert waited(seen) == ("A finds no place.", 120)
    assert waited(lambda passed: ("ready" if passed >= 100 else None, seen(passed)[1])) == ("ready", 100)


def test_what_is_in_the_way_is_told_of_where_time_is_short():
    assert waited(lambda _passed: (None, {"a": "A is stuck.", "b": "B is, too."}), timeout=10) == (
        "A is stuck. B is, too.",
        10,
    )
