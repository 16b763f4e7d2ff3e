# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mixture of experts on a machine with a small card: attention on the card, experts on the CPU."""

from __future__ import annotations

import pytest
from module_utils.placement.document import places_the_same
from module_utils.serving.command_line import plan_arguments
from module_utils.telling.table import plan_lines
from unit.placement.fleets import GIB, MIB, model, plan_of, tally

# Of each block, a tenth is attention and the rest experts, of which a token reads an eighth.
MIXTURE = model(blocks=20, block_bytes=300 * MIB, experts=16, used=2)
OVERHEAD = 710 * MIB
ALL = MIXTURE["weight_bytes"]


def box(card, memory=64 * GIB, **more):
    return tally("box", memory, gpus=[card], overhead=OVERHEAD, **more)


@pytest.mark.parametrize("gib", [2, 3, 4, 6])
def test_the_card_is_filled_and_the_cpu_keeps_what_is_too_much(gib):
    plan = plan_of(MIXTURE, [box(gib * GIB)])
    (card,) = plan["devices"]
    assert (card["first_block"], card["block_count"], card["holds_output"], plan["leader_blocks"]) == (0, 20, True, 0)
    kept = card["experts_on_cpu"]
    assert 0 < kept < 20 and plan["host"]["weight_bytes"] == MIXTURE["embedding_bytes"] + kept * 270 * MIB
    assert card["weight_bytes"] + plan["host"]["weight_bytes"] == ALL
    # It fits into the card with the margin kept free, and the experts of one block more would not. Where tensors are
    # sent for prompts, there is room for one, and for a block's cache.
    room = gib * GIB * 0.95 - card["total_bytes"] - (90 * MIB + card["kv_bytes"] // 20 if card["streams"] else 0)
    assert 0 <= room < 270 * MIB


def test_it_is_faster_than_whole_blocks_on_the_cpu():
    mixed = plan_of(MIXTURE, [box(3 * GIB)])
    split = plan_of(MIXTURE, [box(3 * GIB)], split={"box": 21})
    assert split["devices"][0]["experts_on_cpu"] == 0 and split["leader_blocks"] > 0
    assert mixed["predicted"]["request_seconds"] < split["predicted"]["request_seconds"]


@pytest.mark.parametrize(
    ("gguf", "hosts", "policy"),
    [
        (model(blocks=20, block_bytes=300 * MIB), [box(3 * GIB)], {}),  # no experts
        (MIXTURE, [box(9 * GIB)], {}),  # all of it fits on the card
        (MIXTURE, [box(OVERHEAD + 500 * MIB)], {}),  # not even attention fits
        (MIXTURE, [box(3 * GIB), tally("pi", 64 * GIB)], {"spread": "all"}),
        (MIXTURE, [tally("apu", 64 * GIB, gpus=[3 * GIB], unified=True)], {}),
    ],
)
def test_experts_stay_with_their_blocks(gguf, hosts, policy):
    plan = plan_of(gguf, hosts, **policy)
    assert plan["feasible"] and not any(device["experts_on_cpu"] for device in plan["devices"])
    assert "--n-cpu-moe" not in plan_arguments(plan)


def test_a_cpu_without_the_memory_for_experts_keeps_none():
    """4 GiB of experts are too much for the CPU beside a card that holds 2 GiB; a worker helps."""
    small = box(3 * GIB, memory=3 * GIB)
    assert not plan_of(MIXTURE, [small])["feasible"]
    plan = plan_of(MIXTURE, [small, tally("pi", 8 * GIB, disk=0)])
    assert plan["feasible"] and not any(device["experts_on_cpu"] for device in plan["devices"])


def test_a_card_without_room_has_nothing_sent():
    """Attention and caches leave less than a tensor."""
    for extra in range(0, 400, 20):
        plan = plan_of(MIXTURE, [box(int((OVERHEAD + (720 + extra) * MIB) / 0.95))])
        (card,) = plan["devices"]
        if card["experts_on_cpu"] == 20 and not card["streams"]:
            break
    assert "--no-op-offload" in plan_arguments(plan)
    assert any("it computes them for prompts, too" in reason for reason in plan["reasons"])


def test_the_plan_says_it():
    plan = plan_of(MIXTURE, [box(3 * GIB)])
    kept = plan["devices"][0]["experts_on_cpu"]
    arguments = plan_arguments(plan)
    assert arguments[arguments.index("--n-cpu-moe") + 1] == str(kept) and "--no-op-offload" not in arguments
    (reason,) = [reason for reason in plan["reasons"] if "experts" in reason]
    assert reason.startswith(
        f"CUDA0 of box is too small for the model, so its CPU keeps the experts of {kept} blocks ("
    )
    assert "of which a token reads 2 of 16; for prompts they are sent to CUDA0, at a rate that is a guess." in reason
    assert any(f"embedding + experts of blocks 0-{kept - 1}" in line for line in plan_lines(plan))


def test_a_second_run_keeps_it():
    gguf = model(blocks=60, block_bytes=100 * MIB, experts=16, used=2)
    before = plan_of(gguf, [box(3 * GIB)])
    # A little more is free, with which one would plan otherwise.
    after = plan_of(gguf, [box(3 * GIB + 100 * MIB)], previous=[before])
    assert places_the_same(before, after) and "The running plan is kept" in " ".join(after["reasons"])
    assert not places_the_same(before, plan_of(gguf, [box(3 * GIB + 100 * MIB)]))
    # Less than it needs is a reason for another.
    assert not places_the_same(before, plan_of(gguf, [box(2 * GIB)], previous=[before]))


def test_whether_weights_are_sent_is_kept_with_the_plan():
    """Else the arguments would change with every megabyte."""
    gguf = model(blocks=20, block_bytes=300 * MIB)
    plan = plan_of(gguf, [box(3 * GIB)])
    streams = plan["devices"][0]["streams"]
    for more in range(-40, 320, 40):
        later = plan_of(gguf, [box(3 * GIB + more * MIB)], previous=[plan])
        if places_the_same(plan, later):
            assert later["devices"][0]["streams"] == streams
