# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory model against what llama.cpp itself said, as tests/oracle/compare.py recorded it.

This needs no llama.cpp; tests/oracle/test_memory_oracle.py holds the record against the real programs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from module_utils.footprint.model import VERIFIED_ARCHITECTURES
from oracle import cases, errors

RECORDED = json.loads((Path(__file__).parents[2] / "oracle" / "recorded.json").read_text())
MODELS = sorted({answer["model"] for answer in RECORDED["answers"]})


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    return {name: gguf for name, (_path, _bytes, gguf) in cases.profiles(tmp_path_factory.mktemp("corpus")).items()}


@pytest.mark.parametrize("model", MODELS)
def test_within_limits_of_every_recorded_answer(profiles, model):
    found = [
        error
        for answer in RECORDED["answers"]
        if answer["model"] == model
        for error in errors.errors_of(answer, profiles[model])
    ]
    assert {error.part for error in found} == {*errors.PARTS, "total", errors.SERVER}
    assert [error for error in found if not error.is_allowed] == []


@pytest.mark.parametrize("model", MODELS)
def test_weights_and_context_are_exact_to_the_mib(profiles, model):
    found = [
        error
        for answer in RECORDED["answers"]
        if answer["model"] == model
        for error in errors.errors_of(answer, profiles[model])
        if error.part in ("weights", "context")
    ]
    assert found and [error for error in found if error.off] == []


def test_every_model_has_been_asked_every_case(profiles):
    asked = [(cases.Case.from_record(answer), "mib" in answer) for answer in RECORDED["answers"]]
    wanted = []
    for name, gguf in profiles.items():
        wanted += [(case, True) for case in cases.fit_cases(name, gguf["block_count"])]
        wanted += [(case, True) for case in cases.expert_cases(name, gguf)]
        wanted += [(case, False) for case in cases.server_cases(name, gguf["block_count"])]
    assert asked == wanted


def test_verified_architectures_are_those_of_the_corpus(profiles):
    assert {gguf["architecture"] for gguf in profiles.values()} == VERIFIED_ARCHITECTURES
