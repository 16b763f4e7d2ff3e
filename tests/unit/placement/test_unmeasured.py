# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan says which of its speeds rest on no measurement."""

from __future__ import annotations

import pytest
from unit.placement.fleets import GIB, model, plan_of, tally


def box(name, bandwidth, **more):
    made = tally("box", 8 * GIB, gpus=[4 * GIB], **more)
    made["devices"][1].update(name=name, bandwidth_bytes_per_second=bandwidth)
    return made


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (
            box("NVIDIA GeForce RTX 3060", 360_000_000_000),
            "The speed of CUDA0 on box is its maker's figure for NVIDIA GeForce RTX 3060, 360 GB/s, and was not "
            "measured.",
        ),
        (
            box("Some Laptop GPU", None),
            "The speed of CUDA0 on box is a low guess, 220 GB/s, since no figure for Some Laptop GPU is known.",
        ),
        # It reads the memory that the CPU reads.
        (box("NVIDIA GB10", 200_000_000_000, unified=True), None),
        (
            box("NVIDIA GB10", None, unified=True, bandwidth_bytes_per_second=None),
            "The speed of CUDA0 on box is a low guess, 50 GB/s, since no figure for NVIDIA GB10 is known.",
        ),
    ],
)
def test_what_was_not_measured_is_said(host, said):
    plan = plan_of(model(), [host], prompt_tokens=4000)
    assert [device["id"] for device in plan["devices"]] == ["CUDA0"]
    assert [reason for reason in plan["reasons"] if reason.startswith("The speed of")] == ([said] if said else [])


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("NVIDIA GeForce RTX 3060", "its maker's figure"),
        ("NVIDIA GeForce RTX 3060 Laptop GPU", "a low guess"),
        ("Some GPU", "a low guess"),
    ],
)
def test_a_card_whose_memory_was_measured_is_not_measured_on_prompts(name, source):
    host = box(name, 350_000_000_000)
    host["gpus"][0]["bandwidth_bytes_per_second"] = 350_000_000_000
    reasons = plan_of(model(), [host], prompt_tokens=4000)["reasons"]
    assert f"How fast prompts are read was not measured: CUDA0 on box ({source})." in reasons
    assert not [reason for reason in reasons if reason.startswith("The speed of")]


def test_of_processors_there_is_nothing_to_say():
    reasons = plan_of(model(), [tally("a", 8 * GIB), tally("b", 8 * GIB)], spread="all")["reasons"]
    assert not [reason for reason in reasons if "not measured" in reason]


def test_a_gpu_without_layers_is_not_spoken_of():
    plan = plan_of(model(), [box("Some GPU", None), tally("other", 8 * GIB)], split={"other": 9})
    assert not [reason for reason in plan["reasons"] if reason.startswith(("The speed of", "How fast prompts"))]
