# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from module_utils.errors import DroverError
from module_utils.telling.table import layers_text, plan_lines
from module_utils.text import size_text
from unit.placement.fleets import GIB, MIB, model, plan_of, tally


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (100 * 1024, "100 KiB"),
        (1536 * 1024, "1.5 MiB"),
        (224 * MIB, "224 MiB"),
        (GIB, "1.0 GiB"),
        (int(99.94 * GIB), "99.9 GiB"),
        (1500 * GIB, "1.5 TiB"),
    ],
)
def test_sizes_are_for_people(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ((0, 5, True), "blocks 0-4 + output"),
        ((7, 1, False), "block 7"),
        ((8, 0, True), "output"),
        ((0, 0, False), ""),
        ((3, 4, False), "blocks 3-6"),
    ],
)
def test_layers_are_named(layers, text):
    assert layers_text(*layers) == text


def lines_of(hosts, **arguments):
    return plan_lines(plan_of(model(), hosts, **arguments))


def test_the_table_says_what_goes_where():
    lines = lines_of([tally("pi-1", 600 * MIB), tally("pi-2", 600 * MIB)], leader="pi-1")
    assert lines[0] == "Small Q8_0, 4096 tokens of context in 1 slot: led by pi-1, with 1 worker"
    assert lines[2].split() == ["HOST", "DEVICE", "LAYERS", "TOTAL", "USABLE"]
    leader, parts, worker = lines[3:6]
    assert re.match(r"pi-1  CPU     embedding \+ blocks 0-\d ", leader)
    assert re.match(r"pi-2  RPC0    blocks \d-7 \+ output ", worker)
    assert re.search(r"  600Mi  \d\d%$", worker)
    assert re.fullmatch(r" {6}weights [\d.]+Mi, KV [\d.]+Mi, compute [\d.]+Mi", parts)
    assert any(
        re.match(r"Loading sends \S+ MiB of weights over the network, \S+ MiB once workers", line) for line in lines
    )


def test_the_table_fits_a_terminal():
    """80 columns, of which Ansible takes 11 around a line: eight blanks, two quotation marks and a comma."""
    hosts = [tally("machine-no-1", 600 * MIB), tally("machine-no-2", 600 * MIB)]
    lines = lines_of(hosts)
    assert max(map(len, lines[2 : lines.index("", 2)])) <= 80 - 11


def test_one_machine_is_said_to_be_alone():
    lines = lines_of([tally("pi-1", 2 * GIB), tally("pi-2", 600 * MIB)])
    assert lines[0].endswith("on pi-1 alone")
    assert "  - pi-2: not needed: the plan is faster without it" in lines
    assert not any("over the network" in line for line in lines if line.startswith("Loading"))


def test_what_does_not_fit_comes_with_the_shortfall_and_the_remedies():
    plan = plan_of(model(), [tally("pi-1", 800 * MIB), tally("pi-2", 700 * MIB)], context_size=65536)
    lines = plan_lines(plan)
    assert lines[0].endswith("no plan")
    shortfall = f"  - {size_text(plan['missing_bytes'])} of memory are missing; what would help: A context of at most"
    assert any(line.startswith(shortfall) for line in lines)
    at = lines.index("What would help, the cheapest first:")
    assert lines[at + 1].startswith("  - A context of at most")
    assert all(f"  - {reason}" in lines for reason in plan["reasons"])


@pytest.mark.parametrize("plan", [None, {}, [], "plan"])
def test_what_is_no_plan_is_refused(plan):
    with pytest.raises(DroverError, match=r"The plan (is|has no)"):
        plan_lines(plan)


def test_a_plan_that_fails_for_another_cause_than_memory_says_it():
    plan = plan_of(model(), [tally("pi-1", 2 * GIB, disk=10 * MIB)])
    lines = plan_lines(plan)
    at = lines.index("Does not fit:")
    assert lines[at + 1].startswith(
        "  - pi-1 cannot lead: the model's file takes 870 MiB and its disk has 10.0 MiB free"
    )
    assert lines[at + 1].endswith("free some space there, or set gguf_model_directory to a larger disk.")


def test_warnings_are_told():
    plan = plan_of({**model(), "warnings": ["Nobody tried this architecture."]}, [tally("pi-1", 2 * GIB)])
    lines = plan_lines(plan)
    assert lines[lines.index("Warnings:") + 1] == "  - Nobody tried this architecture."
    assert "Warnings:" not in plan_lines(plan_of({**model(), "warnings": []}, [tally("pi-1", 2 * GIB)]))


def test_the_time_of_the_request_is_told():
    hosts = [tally("pi-1", 2 * GIB)]
    line = plan_lines(plan_of(model(), hosts, prompt_tokens=100, answer_tokens=20))[7]
    assert re.fullmatch(r"An answer of 20 tokens to a prompt of 100: \d\.\d s", line)
    line = plan_lines(plan_of(model(), hosts, prompt_tokens=100, answer_tokens=20000))[7]
    assert re.fullmatch(r"An answer of 20000 tokens to a prompt of 100: \d+ min", line)
