# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from module_utils.advice.catalogue import SHAPES, catalogue
from module_utils.advice.recommend import recommend, recommendation_lines
from module_utils.errors import DroverError
from unit.placement.fleets import GIB, MIB, tally

CATALOGUE = catalogue()


def test_the_catalogue_spans_what_people_run():
    sizes = sorted({entry["model"]: entry["gguf"]["parameter_count"] for entry in CATALOGUE}.values())
    assert len(sizes) >= 20 and sizes[0] < 0.6e9 and sizes[-1] > 670e9
    assert {entry["model"] for entry in CATALOGUE} == set(SHAPES)
    assert len({entry["file"] for entry in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.parametrize("model", sorted(SHAPES))
def test_a_shape_has_the_parameters_that_its_name_says(model):
    """Names round, and leave the embedding out at times; 8x7B shares its attention, "mini" is 3.8B."""
    named = {"Mixtral 8x7B": 46.7, "Phi 4 mini": 3.84, "Gemma 3 4B": 3.88, "gpt-oss 120B": 116.8}.get(model)
    billions = named or float(re.search(r"([\d.]+)B", model).group(1))
    entry = next(entry for entry in CATALOGUE if entry["model"] == model)
    assert entry["gguf"]["parameter_count"] / 1e9 == pytest.approx(billions, rel=0.25 if billions < 4 else 0.09)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry["file"])
def test_a_file_has_the_bits_that_its_quantisation_has(entry):
    bits = 8 * entry["bytes"] / entry["gguf"]["parameter_count"]
    expected = {
        "Q2_K": (2.6, 3.3),
        "Q2_K_XL": (2.6, 3.3),
        "Q4_K_M": (4.4, 5.3),
        "Q8_0": (8.4, 8.7),
        "MXFP4": (4.2, 4.8),
    }
    low, high = expected[entry["quantization"]]
    small = entry["gguf"]["parameter_count"] < 1.1e9  # where the embedding, of more bits, is a large part
    assert low <= bits <= (high * 1.6 if small else high)
    assert entry["gguf"]["weight_bytes"] <= entry["bytes"]
    assert all(block["weight_bytes"] > 0 for block in entry["gguf"]["blocks"])


def test_the_strongest_that_are_fast_enough_come_first():
    answer = recommend([tally("box", 16 * GIB, 50e9)], minimum_tokens_per_second=5)
    assert len(answer["best"]) == 3
    assert len({one["model"] for one in answer["best"]}) == 3
    assert all(one["tokens_per_second"] >= 5 for one in answer["best"])
    strengths = [one["strength"] for one in answer["best"]]
    assert strengths == sorted(strengths, reverse=True)
    fast = [one for one in answer["fits"] if one["tokens_per_second"] >= 5]
    assert answer["best"][0]["strength"] == max(one["strength"] for one in fast)


def test_the_next_bigger_one_comes_with_what_is_missing():
    answer = recommend([tally("box", 16 * GIB, 50e9)])
    following = answer["next"]
    assert following["missing_bytes"] > 0 and following["remedies"]
    assert following["model"] not in {one["model"] for one in answer["fits"]}
    more = recommend([tally("box", 16 * GIB + following["missing_bytes"], 50e9)])
    assert following["file"] in {one["file"] for one in more["fits"]}


def test_more_hosts_run_more():
    one = recommend([tally("pi-1", 7 * GIB)])
    three = recommend([tally(f"pi-{number}", 7 * GIB) for number in (1, 2, 3)])
    assert {found["file"] for found in one["fits"]} < {found["file"] for found in three["fits"]}
    assert any(len(found["hosts"]) > 1 for found in three["fits"])


def test_nothing_fits_on_a_wristwatch():
    answer = recommend([tally("watch", 64 * MIB)])
    assert answer["best"] == [] and answer["fits"] == []
    lines = recommendation_lines(answer)
    assert lines[0] == "No model of the catalogue both fits and is fast enough."
    assert any(line.startswith("Next bigger: Qwen 2.5 0.5B Q4_K_M") for line in lines)


def test_the_lines_name_the_file_to_take():
    answer = recommend([tally("box", 16 * GIB, 50e9)])
    lines = recommendation_lines(answer)
    assert lines[0].startswith(f"1. {answer['best'][0]['model']}") and lines[0].endswith("tokens/s on box")
    assert lines[1] == f"   {answer['best'][0]['repository']}: {answer['best'][0]['file']}"
    at = lines.index("All that fits:")
    assert lines[at + 1].split() == ["MODEL", "QUANTISATION", "FILE", "CONTEXT", "TOKENS/S", "HOSTS"]


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf"), "fast", True])
def test_a_speed_must_be_a_number(speed):
    with pytest.raises(DroverError, match="minimum_tokens_per_second"):
        recommend([tally("box", GIB)], minimum_tokens_per_second=speed)


def test_bad_hosts_and_leaders_are_refused_like_in_a_plan():
    with pytest.raises(DroverError, match="no hosts to plan for"):
        recommend([])
    with pytest.raises(DroverError, match="leader other is not among the hosts"):
        recommend([tally("box", GIB)], leader="other")
