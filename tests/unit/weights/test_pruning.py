# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as some
from module_utils.weights.pruning import CacheFile, superfluous, to_make_room

# Used at 1, 2, ... in the order of the letters.
FILES = [CacheFile(name, 10, used) for used, name in enumerate("abcdef", 1)]


def letters(files):
    return "".join(file.name for file in files)


@pytest.mark.parametrize(
    ("wanted", "oldest", "gone"),
    [("", 0, ""), ("", 1, ""), ("", 3, "ab"), ("a", 3, "b"), ("abc", 9, "def"), ("abcdef", 9, ""), ("z", 2, "a")],
)
def test_what_nobody_wants_goes_by_age(wanted, oldest, gone):
    assert letters(superfluous(FILES, set(wanted), oldest)) == gone


@pytest.mark.parametrize(
    ("wanted", "excess", "also_wanted", "gone"),
    [
        ("", -5, True, ""),
        ("", 0, True, ""),
        ("", 1, True, "a"),
        ("", 10, True, "a"),
        ("", 11, True, "ab"),
        ("", 1000, True, "abcdef"),
        ("ab", 15, False, "cd"),
        ("abcde", 15, False, "f"),
        ("abcde", 15, True, "fa"),
        ("fedc", 30, True, "abc"),
        ("abcdef", 10, False, ""),
    ],
)
def test_room_is_made_of_what_was_planned_longest_ago(wanted, excess, also_wanted, gone):
    assert letters(to_make_room(FILES[::-1], set(wanted), excess, also_wanted)) == gone


@given(
    some.lists(some.tuples(some.integers(0, 50), some.integers(0, 9), some.booleans()), max_size=6),
    some.integers(-10, 200),
    some.booleans(),
)
def test_never_more_than_needed_and_never_the_wrong_ones(drawn, excess, also_wanted):
    files = [CacheFile(str(number), size, used) for number, (size, used, _wanted) in enumerate(drawn)]
    wanted = {str(number) for number, (_size, _used, is_wanted) in enumerate(drawn) if is_wanted}
    gone = to_make_room(files, wanted, excess, also_wanted)
    left = [file for file in files if file not in gone]
    if gone:
        assert sum(file.size for file in gone[:-1]) < excess
    if sum(file.size for file in gone) < excess:
        assert not left if also_wanted else {file.name for file in left} <= wanted
    for stays, goes in itertools.product(left, gone):
        assert (goes.name in wanted, goes.used) <= (stays.name in wanted, stays.used)
