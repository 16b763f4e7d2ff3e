# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from unit.plugins.actions import filter_function

LISTED, MAPPED = filter_function("listed"), filter_function("mapped")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["pi-1", "pi-2"], ["pi-1", "pi-2"]),
        ("pi-1,pi-2", ["pi-1", "pi-2"]),
        (" pi-1 ,\n\n pi-2\n", ["pi-1", "pi-2"]),
        ('["pi-1", "pi-2"]', ["pi-1", "pi-2"]),
        ("[pi-1, pi-2]", ["pi-1", "pi-2"]),
        ('[{"key": "gpu"}]', [{"key": "gpu"}]),
        ("pi-1", ["pi-1"]),
        ("", []),
        (None, []),
        (7, [7]),
    ],
)
def test_a_list_is_what_it_means(given, meant):
    assert LISTED(given) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"pi-1": 10}, {"pi-1": 10}),
        ('{"pi-1": 10}', {"pi-1": 10}),
        ("pi-1: 10\npi-2: 4", {"pi-1": 10, "pi-2": 4}),
        ("  ", {}),
        (None, {}),
    ],
)
def test_a_dictionary_is_what_it_means(given, meant):
    assert MAPPED(given) == meant


@pytest.mark.parametrize(
    ("read", "given", "told"),
    [
        (LISTED, "[pi-1", r"'\[pi-1' is given where a list, such as \[pi-1, pi-2\], or pi-1,pi-2, was expected; "),
        (MAPPED, "pi-1", "'pi-1' is given where a dictionary, such as {pi-1: 10}, was expected; write it as JSON"),
        (MAPPED, "[1]", "was expected"),
        (MAPPED, ["pi-1"], "was expected"),
        (MAPPED, "{a: [", "was expected"),
    ],
)
def test_what_is_neither_is_refused(read, given, told):
    with pytest.raises(AnsibleFilterError, match=told):
        read(given)
