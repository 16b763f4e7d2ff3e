# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check returns what is right, and says in one sentence what is wrong."""

from __future__ import annotations

import pytest
from module_utils import checks
from module_utils.errors import DroverError
from module_utils.text import printable


@pytest.mark.parametrize(
    ("check", "values"),
    [
        (lambda value: checks.whole(value, "slots", 1, 8), [1, 8]),
        (lambda value: checks.whole(value, "slots"), [-5, 0]),
        (lambda value: checks.number(value, "margin", 0, 1), [0, 0.5, 1]),
        (lambda value: checks.choice(value, "spread", ["auto", "all"]), ["auto", "all"]),
        (lambda value: checks.text(value, "host"), ["pi-1"]),
        (lambda value: checks.dictionary(value, "split"), [{}]),
    ],
)
def test_what_is_right_comes_back(check, values):
    assert [check(value) for value in values] == values


@pytest.mark.parametrize(
    ("check", "value", "sentence"),
    [
        (lambda value: checks.whole(value, "slots", 1), 0, "slots is 0 but must be a whole number from 1 up."),
        (lambda value: checks.whole(value, "slots", 1, 8), 9, "slots is 9 but must be a whole number from 1 to 8."),
        (lambda value: checks.whole(value, "slots", most=8), 9, "slots is 9 but must be a whole number of at most 8."),
        (lambda value: checks.whole(value, "slots"), True, "slots is True but must be a whole number."),
        (lambda value: checks.whole(value, "slots"), "4", "slots is '4' but must be a whole number."),
        (lambda value: checks.whole(value, "slots"), 4.0, "slots is 4.0 but must be a whole number."),
        (
            lambda value: checks.number(value, "margin", 0),
            float("nan"),
            "margin is nan but must be a number from 0 up.",
        ),
        (lambda value: checks.number(value, "margin"), float("inf"), "margin is inf but must be a number."),
        (lambda value: checks.number(value, "margin"), False, "margin is False but must be a number."),
        (
            lambda value: checks.choice(value, "spread", ["auto", "all"], "set placement_spread to one of them"),
            "none",
            "spread is 'none' but must be one of auto, all: set placement_spread to one of them.",
        ),
        (
            lambda value: checks.choice(value, "spread", ["auto"]),
            ["auto"],
            "spread is ['auto'] but must be one of auto.",
        ),
        (lambda value: checks.text(value, "host"), "", "host is '' but must be a text that is not empty."),
        (lambda value: checks.dictionary(value, "split"), [1], "split is [1] but must be a dictionary."),
    ],
)
def test_what_is_wrong_is_named_with_what_was_expected(check, value, sentence):
    with pytest.raises(DroverError) as error:
        check(value)
    assert str(error.value) == sentence


FIELDS = {"host": str, "port": int, "speed": (float, type(None)), "idle": bool}
GOOD = {"schema": 2, "host": "pi-1", "port": 50052, "speed": None, "idle": True}


def read(value):
    return checks.document(value, "The tally", 2, FIELDS, "make it anew")


def test_a_document_comes_back_whole():
    more = {**GOOD, "speed": 5, "added": "later"}
    assert read(more) is more


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "The tally is [] but must be a dictionary: make it anew."),
        ({}, "The tally has no schema where schema 2 was expected: make it anew."),
        ({**GOOD, "schema": 3}, "The tally has schema 3 where schema 2 was expected: make it anew."),
        ({**GOOD, "schema": True}, "The tally has schema True where schema 2 was expected: make it anew."),
        ({"schema": 2, "idle": False}, "The tally has no host, port, speed: make it anew."),
        ({**GOOD, "port": "1"}, "The tally has port '1' where a whole number was expected: make it anew."),
        ({**GOOD, "port": True}, "The tally has port True where a whole number was expected: make it anew."),
        ({**GOOD, "speed": "x"}, "The tally has speed 'x' where a number or null was expected: make it anew."),
    ],
)
def test_a_document_that_is_none_says_why(value, sentence):
    with pytest.raises(DroverError) as error:
        read(value)
    assert str(error.value) == sentence


@pytest.mark.parametrize("said", ["", "{", "[" * 100_000, b'{"a":' * 100_000, b"\xff"])
def test_what_is_no_json_is_a_value_error_however_deep(said):
    with pytest.raises(ValueError):
        checks.from_json(said)


def test_json_comes_back():
    assert checks.from_json(b'{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Zürich, 你好", "Zürich, 你好"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\u202eb\ud800", "a\\u202eb\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("a" * 50 + "b" * 100, "a" * 20 + "..." + "b" * 10),
    ],
)
def test_what_anybody_has_said_is_one_line_that_a_terminal_shows(said, shown):
    assert printable(said, 40) == shown


def test_an_error_is_a_sentence_whatever_is_in_it():
    error = str(DroverError(f"{checks.__name__} is \x1b[2J{'x' * 1_000_000}: give another one."))
    assert error.isprintable() and len(error) < 2_000 and error.endswith(": give another one.")
