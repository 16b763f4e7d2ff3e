# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded numbers, and with them the memory model, against the real llama.cpp.

Fails where no llama.cpp is configured: a test that is not run holds nothing. Every third question is put in ``make
test``, of every model some, and all of them in the long tier.
"""

from __future__ import annotations

import json

import pytest
from oracle import cases, compare, errors
from oracle.host import OracleError, configured
from tier import LONG

STEP = 1 if LONG else 3


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What llama.cpp says now: ``{"build": number, "answers": [...], "profiles": {name: gguf}}``."""
    try:
        oracle = configured()
    except OracleError as error:
        pytest.fail(str(error))
    profiles = cases.profiles(tmp_path_factory.mktemp("corpus"))
    with oracle:
        asked = compare.ask(oracle, profiles, STEP)
    return {**asked, "profiles": {name: gguf for name, (_path, _bytes, gguf) in profiles.items()}}


def test_the_record_is_what_llama_cpp_says(answers):
    recorded = json.loads(compare.RECORDED.read_text())
    if answers["build"] != recorded["build"]:
        pytest.fail(
            f"The numbers were recorded with build {recorded['build']} but this is build {answers['build']}: run "
            "tests/oracle/compare.py --live, and --record when the table is good."
        )
    assert answers["answers"] == recorded["answers"][::STEP]


def test_every_model_is_asked_about(answers):
    assert {answer["model"] for answer in answers["answers"]} == set(answers["profiles"])


def test_the_memory_model_is_within_limits(answers):
    found = [
        error
        for answer in answers["answers"]
        for error in errors.errors_of(answer, answers["profiles"][answer["model"]])
    ]
    assert found and [error for error in found if not error.is_allowed] == []
