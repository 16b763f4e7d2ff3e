# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions check what they are given as modules do, hand the brain plain values, and fail with its sentence."""

from __future__ import annotations

import datetime
import re

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from unit.plugins.actions import PLAIN, act, action_class, decorated, types_in

# Any action knows the base, which itself can be imported only where the collection is.
_PLACEMENT = action_class("placement")
BrainAction = _PLACEMENT.__mro__[1]
DroverError = BrainAction.run.__globals__["DroverError"]


class Echo(BrainAction):
    arguments = ArgumentSpecValidator(
        {
            "name": {"type": "str", "required": True},
            "count": {"type": "int", "default": 3},
            "share": {"type": "float"},
            "really": {"type": "bool"},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "kind": {"type": "str", "choices": ["red", "blue"], "default": "red"},
            "document": {"type": "dict"},
            "folder": {"type": "path"},
            "parts": {
                "type": "list",
                "elements": "dict",
                "options": {"size": {"type": "int", "required": True}, "whole": {"type": "bool", "default": True}},
            },
            "other": {"type": "str"},
        },
        mutually_exclusive=[("document", "other")],
        required_by={"folder": ["other"]},
    )

    def answer(self, given):
        return {"given": given}


class Refuses(Echo):
    def answer(self, given):
        raise DroverError(f"{given['name']} is not what it should be: give something else.")


def test_text_becomes_what_the_spec_says():
    args = {"name": 7, "count": "8192", "share": "0.5", "really": "no", "hosts": "a,b", "document": "{'a': 1}"}
    result = act(Echo, {**args, "parts": [{"size": "12"}]})
    assert result["changed"] is False
    assert "failed" not in result
    assert result["given"] == {
        "name": "7",
        "count": 8192,
        "share": 0.5,
        "really": False,
        "hosts": ["a", "b"],
        "kind": "red",
        "document": {"a": 1},
        "folder": None,
        "parts": [{"size": 12, "whole": True}],
        "other": None,
    }


def test_a_path_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert act(Echo, {"name": "a", "folder": "~/x", "other": "b"})["given"]["folder"] == "/home/somebody/x"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({}, "missing required arguments: name"),
        ({"name": "a", "count": "many"}, "argument 'count' is of type .*unable to convert to int"),
        ({"name": "a", "really": "perhaps"}, "argument 'really' is of type .*unable to convert to bool"),
        ({"name": "a", "document": [1]}, "argument 'document' is of type .*unable to convert to dict"),
        ({"name": "a", "kind": "green"}, "value of kind must be one of: red, blue, got: green"),
        (
            {"name": "a", "nme": "b"},
            r"Unsupported parameters for \(drover.llama.it\) module: nme. Supported .*: count, ",
        ),
        ({"name": "a", "parts": [{"size": 1, "siz": 2}]}, r"Unsupported parameters for .*: parts.siz. Supported "),
        ({"name": "a", "parts": [{}]}, "missing required arguments: size found in parts"),
        ({"name": "a", "document": {}, "other": "b"}, "parameters are mutually exclusive: document.other"),
        ({"name": "a", "folder": "/x"}, "missing parameter.s. required by 'folder': other"),
    ],
)
def test_what_the_spec_does_not_allow_is_refused(args, sentence):
    for check_mode in (False, True):
        result = act(Echo, args, check_mode)
        assert result.keys() == {"failed", "msg"}
        assert result["failed"] is True
        assert re.search(sentence, result["msg"]), result["msg"]


def test_an_error_of_the_brain_is_the_message():
    result = act(Refuses, {"name": "it"})
    assert result == {"failed": True, "msg": "it is not what it should be: give something else."}


def test_an_error_in_the_brain_is_not_taken_for_one():
    with pytest.raises(ZeroDivisionError):
        act(type("Broken", (Echo,), {"answer": lambda self, given: 1 / 0}), {"name": "it"})


def test_check_mode_is_no_different():
    assert act(Echo, {"name": "a"}, check_mode=True) == act(Echo, {"name": "a"})


def test_the_brain_sees_plain_values():
    document = decorated({"a": ["text", 1, 2.5, True, None, {"b": "c"}]})
    assert types_in(document) - PLAIN, "there is nothing to take off"
    # Numbers as keys, and dates, come to modules as text, too.
    document = {**document, 1: datetime.date(2026, 1, 2)}
    given = act(Echo, {"name": decorated("a"), "document": document, "hosts": decorated(["x"])})["given"]
    assert given["document"] == {"a": ["text", 1, 2.5, True, None, {"b": "c"}], "1": "2026-01-02"}
    assert types_in(given) == PLAIN


def test_what_the_brain_does_to_a_document_is_not_done_to_a_fact():
    fact = {"a": []}
    act(
        type("Changes", (Echo,), {"answer": lambda self, given: given["document"]["a"].append(1) or {}}),
        {
            "name": "a",
            "document": fact,
        },
    )
    assert fact == {"a": []}
