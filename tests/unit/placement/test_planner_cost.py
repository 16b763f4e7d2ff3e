# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.placement import cost
from module_utils.placement.fleet import read_fleet
from module_utils.placement.layout import Layout, Segment
from module_utils.placement.policy import Policy
from module_utils.placement.problem import Problem
from module_utils.placement.request import ONE_TOKEN
from unit.placement.fleets import GIB, MIB, model, plan_of, tally


def test_layouts_rank_as_they_were_measured():
    """968 MB of F16 in 8 blocks on a leader and a worker of one core and a worker of half a core: 14.5 tokens/s alone,
    11.6 with blocks 0 to 4 on the leader and the rest on the first worker, 9.9 over RPC servers on all three, 9.3 over
    both workers."""
    gguf = model(block_bytes=104 * MIB, embedding_bytes=62 * MIB, output_bytes=62 * MIB)
    # The same machine twice: its CPU as the leader's, and behind an RPC server of its own.
    hosts = [
        tally("a-leader", 4 * GIB, 19e9),
        tally("b-leader-rpc", 4 * GIB, 19e9),
        tally("c-worker", 4 * GIB, 19e9),
        tally("d-half", 4 * GIB, 9.5e9),
    ]
    problem = Problem(gguf, Policy(leader="a-leader"), read_fleet(hosts, 0.05).hosts)
    _leader, own_rpc, worker, half = (host.cpu for host in problem.fleet)
    layouts = {
        "alone": (9, []),
        "leader first": (5, [(worker, 5, 9)]),
        "everywhere": (0, [(own_rpc, 0, 3), (worker, 3, 6), (half, 6, 9)]),
        "workers only": (0, [(worker, 0, 5), (half, 5, 9)]),
    }
    seconds = {
        name: problem.judge.seconds(
            Layout(problem.fleet[0], blocks, tuple(Segment(*part) for part in parts)), ONE_TOKEN
        )
        for name, (blocks, parts) in layouts.items()
    }
    assert sorted(seconds, key=seconds.get) == ["alone", "leader first", "everywhere", "workers only"]
    measured = {"alone": 1 / 14.5, "leader first": 1 / 11.6, "everywhere": 1 / 9.9, "workers only": 1 / 9.3}
    for name, value in seconds.items():
        assert value == pytest.approx(measured[name], rel=0.15)


def test_seconds_are_reading_and_visits():
    gguf = model()
    hosts = [tally("a", 600 * MIB, 8e9), tally("b", 600 * MIB, 6e9, speed_mbps=100)]
    plan = plan_of(gguf, hosts, leader="a")
    work = Problem(gguf, Policy(), read_fleet(hosts, 0.05).hosts).layers.work
    blocks = plan["leader_blocks"]
    here = sum(work.read_bytes[:blocks]) / (8e9 * cost.DECODE_EFFICIENCY)
    there = sum(work.read_bytes[blocks:]) / (6e9 * cost.DECODE_EFFICIENCY * cost.RPC_EFFICIENCY)
    # 4 bytes for each of 512 values in and 4000 logits out, at 100 Mbit/s.
    wire = 4 * (512 + 4000) / (100e6 / 8 * cost.LINK_EFFICIENCY)
    visit = cost.VISIT_SECONDS + cost.ROUND_TRIPS_A_VISIT * cost.DEFAULT_ROUND_TRIP_SECONDS + wire
    seconds = here + there + visit + cost.HANDOVER_SECONDS
    assert plan["predicted"]["seconds_per_token"] == pytest.approx(seconds)
    assert plan["predicted"]["tokens_per_second"] == pytest.approx(1 / seconds)


def test_a_part_of_the_layers_on_the_leaders_cpu_must_be_worth_the_handover():
    """A leader with room for some blocks: an equal worker counts for less, but by less than a handover. (In a prompt
    there is none.)"""
    hosts = [tally("a", 200 * MIB, 100e9), tally("b", 4 * GIB, 100e9)]
    assert plan_of(model(), hosts, leader="a", prompt_tokens=0)["leader_blocks"] == 0
    slower = [hosts[0], tally("b", 4 * GIB, 5e9)]
    assert plan_of(model(), slower, leader="a", prompt_tokens=0)["leader_blocks"] > 0


@pytest.mark.parametrize("far", ["a", "b"])
def test_the_longer_round_trip_of_the_two_counts(far):
    gguf = model()

    def seconds(**measured):
        hosts = [tally(name, 600 * MIB) for name in ("a", "b")]
        next(one for one in hosts if one["host"] == far)["network"].update(measured)
        return plan_of(gguf, hosts, leader="a")["predicted"]["seconds_per_token"]

    longer = seconds(round_trip_seconds=0.01) - seconds()
    assert longer == pytest.approx(cost.ROUND_TRIPS_A_VISIT * (0.01 - cost.DEFAULT_ROUND_TRIP_SECONDS))


def test_a_token_reads_only_the_experts_it_uses():
    dense, mixture = (
        plan_of(model(), [tally("a", 2 * GIB)]),
        plan_of(model(experts=8, used=2), [tally("a", 2 * GIB)]),
    )
    assert mixture["predicted"]["seconds_per_token"] < dense["predicted"]["seconds_per_token"] * 0.5


def test_a_token_reads_half_of_one_slots_cache():
    def seconds(**arguments):
        return plan_of(model(), [tally("a", 8 * GIB)], **arguments)["predicted"]["seconds_per_token"]

    cache = 8 * 4 * 2 * 64 * 2 * 32768  # blocks, KV heads, keys and values, their length, f16, tokens
    grown = (seconds(context_size=32768) - seconds(context_size=256)) * 10e9 * cost.DECODE_EFFICIENCY
    assert grown == pytest.approx(cache / 2, rel=0.02)
    assert seconds(context_size=65536, parallel=2) == pytest.approx(seconds(context_size=32768))


def test_a_host_that_was_not_measured_counts_as_slow():
    plan = plan_of(model(), [tally("known", 2 * GIB, 5e9), tally("unknown", 2 * GIB, None)])
    assert plan["leader"] == "known"


def test_a_gpu_is_faster_than_any_cpu():
    plan = plan_of(model(), [tally("cpu", 2 * GIB, 60e9), tally("gpu", 2 * GIB, 5e9, gpus=[2 * GIB])])
    assert plan["leader"] == "gpu" and plan["leader_blocks"] == 0 and plan["mode"] == "single"


def test_the_output_layer_stays_off_a_slow_link():
    """With 128 thousand tokens to choose from, the logits are half a megabyte for every token."""
    gguf = {**model(blocks=12), "vocab_size": 128_000}
    hosts = [
        tally("a", 500 * MIB),
        tally("b", 600 * MIB, speed_mbps=1000),
        tally("c", 600 * MIB, speed_mbps=10),
    ]
    plan = plan_of(gguf, hosts, leader="a")
    assert [device["host"] for device in plan["devices"]] == ["c", "b"]


CPU = {"model": "CPU", "cores": 4, "physical_cores": 4, "fast_cores": 4, "isa": []}


@pytest.mark.parametrize(
    ("cpu", "operations"),
    [
        ({"cores": 8, "isa": ["avx2", "avx512f"]}, 240e9),
        ({"isa": ["avx2"]}, 140e9),
        ({"isa": ["dotprod"]}, 120e9),
        ({"cores": 1, "physical_cores": 1, "fast_cores": 1}, 5e9),
        ({"cores": 8, "physical_cores": 8, "isa": ["dotprod"]}, 120e9),
    ],
)
def test_arithmetic_follows_threads_and_instructions(cpu, operations):
    one = tally("a", GIB, cpu={**CPU, **cpu})
    assert 1 / cost.seconds_per_operation(one["devices"][0], one) == pytest.approx(operations)


@pytest.mark.parametrize(
    ("cpu", "wish", "threads"),
    [
        ({"cores": 8, "physical_cores": 4, "fast_cores": 4}, None, 4),  # SMT
        ({"cores": 8, "physical_cores": 8, "fast_cores": 4}, None, 4),  # RK3588: four fast ones and four slow ones
        ({"cores": 2, "physical_cores": 16, "fast_cores": 16}, None, 2),  # a container that may use two
        ({"cores": 8, "physical_cores": 4, "fast_cores": 4}, 7, 7),
        ({"cores": 8, "physical_cores": 8, "fast_cores": 8}, 1, 1),
    ],
)
def test_a_host_computes_with_its_fast_cores_unless_its_owner_says_otherwise(cpu, wish, threads):
    plan = plan_of(model(), [tally("a", 2 * GIB, cpu={**CPU, **cpu}, threads=wish)])
    assert plan["threads"] == {"a": threads}


def test_a_prompt_is_computed_batch_by_batch():
    """A worker is visited once a batch and once a token; the rest grows with the tokens alone."""
    hosts = [tally("a", 600 * MIB), tally("b", 600 * MIB)]

    def seconds(prompt):
        plan = plan_of(model(), hosts, leader="a", split={"a": 5, "b": 4}, prompt_tokens=prompt, ubatch_size=100)
        return plan["predicted"]["request_seconds"]

    wait = cost.VISIT_SECONDS + cost.ROUND_TRIPS_A_VISIT * cost.DEFAULT_ROUND_TRIP_SECONDS
    logits = 4 * 4000 / cost.link_bytes_per_second(1000)
    within = seconds(200) - seconds(199)
    assert seconds(201) - seconds(200) == pytest.approx(within + wait + logits)
    assert seconds(300) - seconds(201) == pytest.approx(99 * within)


def test_a_request_is_its_prompt_and_its_answer():
    hosts = [tally("a", 600 * MIB), tally("b", 600 * MIB)]
    plan = plan_of(model(), hosts, prompt_tokens=512, answer_tokens=100)
    told = plan["predicted"]
    prompt, answer = 512 / told["prompt_tokens_per_second"], 100 * told["seconds_per_token"]
    assert told["request_seconds"] == pytest.approx(prompt + answer)
