# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is good at: the whole of a request, on as few machines as that takes."""

from __future__ import annotations

import pytest
from module_utils.advice.catalogue import catalogue
from module_utils.placement.fleet import read_fleet
from module_utils.placement.policy import Policy
from module_utils.placement.problem import AS_GOOD_WITHIN, Problem
from unit.placement.fleets import GIB, MIB, model, plan_of, tally


def gguf_of(name, quantization):
    return next(one["gguf"] for one in catalogue() if (one["model"], one["quantization"]) == (name, quantization))


SIX_SLOW_AND_ONE_FAST = [
    *(tally(f"pi-{number}", int(2.9 * GIB), 4.2e9) for number in range(1, 7)),
    tally("pi-7", int(6.8 * GIB), 9e9),
]


def eight_billion(**policy):
    return plan_of(gguf_of("Llama 3.1 8B", "Q8_0"), SIX_SLOW_AND_ONE_FAST, context_size=8192, **policy)


def test_the_fast_one_leads_though_a_slow_one_would_generate_a_little_faster():
    plan = eight_billion()
    told = plan["predicted"]
    assert plan["leader"] == "pi-7" and len(plan["endpoints"]) == 2
    assert told["tokens_per_second"] == pytest.approx(0.53, abs=0.005)
    assert told["prompt_tokens_per_second"] == pytest.approx(6.2, abs=0.05)
    assert told["load_bytes_over_network"] == pytest.approx(2.6e9, rel=0.02)


def test_for_answers_alone_the_slow_one_is_no_reason_to_send_more_than_twice_the_bytes():
    """0.55 instead of 0.53 tokens/s: by more than 3 %, so it is what somebody gets who asks for nothing but speed."""
    plan = eight_billion(prompt_tokens=0)
    assert plan["leader"] == "pi-1"
    assert plan["predicted"]["tokens_per_second"] == pytest.approx(0.55, abs=0.005)
    assert plan["predicted"]["prompt_tokens_per_second"] == pytest.approx(4.3, abs=0.05)
    assert plan["predicted"]["load_bytes_over_network"] == pytest.approx(6.1e9, rel=0.01)


def test_why_names_whom_a_reader_would_think_of():
    (why,) = [reason for reason in eight_billion()["reasons"] if "leads" in reason]
    # The six are twins: one stands for them all.
    assert why.startswith(
        "pi-7 leads: 0.53 tokens/s generated and 6.2 of prompt; led by pi-1, the fastest of the others"
    )
    assert why.count("led by") == 1 and why.endswith("0.55 tokens/s generated and 4.3 of prompt.")


def test_why_names_the_fastest_and_the_largest():
    hosts = [tally("fast", 600 * MIB, 20e9), tally("large", 700 * MIB, 4e9), tally("pinned", 600 * MIB, 10e9)]
    (why,) = [reason for reason in plan_of(model(), hosts)["reasons"] if " leads" in reason]
    assert why.startswith("fast leads: ") and "; led by large, the largest, it would be " in why
    assert "; led by pinned, the fastest of the others, it would be " in why
    (why,) = [reason for reason in plan_of(model(), hosts, leader="pinned")["reasons"] if " leads" in reason]
    assert why == "pinned leads because it is pinned."


def test_equals_are_not_held_against_each_other():
    plan = plan_of(model(), [tally(name, 2 * GIB) for name in ("a", "b", "c")])
    assert "a leads: it is the first by name among its equals." in plan["reasons"]


def test_a_machine_less_is_worth_a_little_time():
    """A worker that is as fast as its hop is dear: the request is over sooner by less than 3 %, and it is left out."""
    gguf = model(blocks=8, block_bytes=200 * MIB)
    for bandwidth in range(11, 40):
        hosts = [tally("a", 4 * GIB, 10e9), tally("b", 4 * GIB, bandwidth * 1e9, disk=0)]
        problem = Problem(gguf, Policy(), read_fleet(hosts, 0.05).hosts)
        fastest = problem.layouts()[0]
        alone = next(layout for layout in problem.layouts() if not layout.worker_names)
        gained = problem.judge.seconds(alone) / problem.judge.seconds(fastest) - 1
        plan = plan_of(gguf, hosts)
        assert plan["mode"] == ("rpc" if gained > AS_GOOD_WITHIN else "single")
        if 0 < gained <= AS_GOOD_WITHIN:
            assert plan["spare"] == [{"host": "b", "reason": "not needed: with it the plan is faster by less than 3%"}]
            assert any(reason.startswith("With 1 machine more it would be") for reason in plan["reasons"])
            return
    pytest.fail("no worker was of so little use")


def test_many_workers_are_thinned_where_orders_are_not_all_tried():
    """Nine workers are too many for all orders; those that hardly help are left out all the same."""
    gguf = model(blocks=24, block_bytes=50 * MIB)
    hosts = [tally("a", GIB, 10e9), *(tally(f"w-{number}", GIB, 10e9) for number in range(9))]
    assert len(plan_of(gguf, hosts, leader="a")["endpoints"]) == 1


def test_prompts_have_a_say_in_who_holds_what():
    """Reading alone, the worker with the faster memory is worth more; for long prompts the one that computes faster."""
    isa = {"model": "CPU", "cores": 4, "physical_cores": 4, "fast_cores": 4, "isa": []}
    reads = tally("reads", 900 * MIB, 30e9, cpu=isa, disk=0)
    computes = tally("computes", 900 * MIB, 12e9, cpu={**isa, "isa": ["avx512f"]}, disk=0)
    hosts = [tally("lead", 400 * MIB, 10e9), reads, computes]

    def layers(**tokens):
        devices = plan_of(model(), hosts, leader="lead", **tokens)["devices"]
        return {device["host"]: device["block_count"] for device in devices}

    assert layers(prompt_tokens=0).get("reads", 0) > layers(prompt_tokens=0).get("computes", 0)
    long = layers(prompt_tokens=4000, answer_tokens=1)
    assert long.get("computes", 0) > long.get("reads", 0)
