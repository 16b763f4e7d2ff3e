# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.footprint.settings import Settings
from module_utils.placement import cost
from module_utils.placement.fleet import read_fleet
from module_utils.placement.layout import Layout, Segment
from module_utils.placement.planner import make_plan
from module_utils.placement.problem import Problem
from unit.placement.fleets import GIB, MIB, model, tally


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
    problem = Problem(gguf, Settings(), read_fleet(hosts, 0.05), leader="a-leader")
    _leader, own_rpc, worker, half = (host.cpu for host in problem.fleet)
    layouts = {
        "alone": (9, []),
        "leader first": (5, [(worker, 5, 9)]),
        "everywhere": (0, [(own_rpc, 0, 3), (worker, 3, 6), (half, 6, 9)]),
        "workers only": (0, [(worker, 0, 5), (half, 5, 9)]),
    }
    seconds = {
        name: problem.judge.seconds(Layout(problem.fleet[0], blocks, tuple(Segment(*part) for part in parts)))
        for name, (blocks, parts) in layouts.items()
    }
    assert sorted(seconds, key=seconds.get) == ["alone", "leader first", "everywhere", "workers only"]
    measured = {"alone": 1 / 14.5, "leader first": 1 / 11.6, "everywhere": 1 / 9.9, "workers only": 1 / 9.3}
    for name, value in seconds.items():
        assert value == pytest.approx(measured[name], rel=0.15)


def test_seconds_are_reading_and_visits():
    gguf = model()
    hosts = [tally("a", 600 * MIB, 8e9), tally("b", 600 * MIB, 6e9, network={"speed_mbps": 100})]
    plan = make_plan(gguf, hosts, leader="a")
    work = Problem(gguf, Settings(), read_fleet(hosts, 0.05)).layers.work
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
    """A leader with room for some blocks: an equal worker counts for less, but by less than a handover."""
    hosts = [tally("a", 200 * MIB, 100e9), tally("b", 4 * GIB, 100e9)]
    assert make_plan(model(), hosts, leader="a")["leader_blocks"] == 0
    slower = [hosts[0], tally("b", 4 * GIB, 5e9)]
    assert make_plan(model(), slower, leader="a")["leader_blocks"] > 0


@pytest.mark.parametrize("far", ["a", "b"])
def test_the_longer_round_trip_of_the_two_counts(far):
    gguf = model()

    def seconds(**network):
        hosts = [tally(name, 600 * MIB, network=network if name == far else {}) for name in ("a", "b")]
        return make_plan(gguf, hosts, leader="a")["predicted"]["seconds_per_token"]

    longer = seconds(round_trip_seconds=0.01) - seconds()
    assert longer == pytest.approx(cost.ROUND_TRIPS_A_VISIT * (0.01 - cost.DEFAULT_ROUND_TRIP_SECONDS))


def test_a_token_reads_only_the_experts_it_uses():
    dense, mixture = (
        make_plan(model(), [tally("a", 2 * GIB)]),
        make_plan(model(experts=8, used=2), [tally("a", 2 * GIB)]),
    )
    assert mixture["predicted"]["seconds_per_token"] < dense["predicted"]["seconds_per_token"] * 0.5


def test_a_token_reads_half_of_one_slots_cache():
    def seconds(**arguments):
        return make_plan(model(), [tally("a", 8 * GIB)], **arguments)["predicted"]["seconds_per_token"]

    cache = 8 * 4 * 2 * 64 * 2 * 32768  # blocks, KV heads, keys and values, their length, f16, tokens
    grown = (seconds(context_size=32768) - seconds(context_size=256)) * 10e9 * cost.DECODE_EFFICIENCY
    assert grown == pytest.approx(cache / 2, rel=0.02)
    assert seconds(context_size=65536, parallel=2) == pytest.approx(seconds(context_size=32768))


def test_a_host_that_was_not_measured_counts_as_slow():
    plan = make_plan(model(), [tally("known", 2 * GIB, 5e9), tally("unknown", 2 * GIB, None)])
    assert plan["leader"] == "known"


def test_a_gpu_is_faster_than_any_cpu():
    plan = make_plan(model(), [tally("cpu", 2 * GIB, 60e9), tally("gpu", 2 * GIB, 5e9, gpus=[2 * GIB])])
    assert plan["leader"] == "gpu" and plan["leader_blocks"] == 0 and plan["mode"] == "single"


def test_the_output_layer_stays_off_a_slow_link():
    """With 128 thousand tokens to choose from, the logits are half a megabyte for every token."""
    gguf = {**model(blocks=12), "vocab_size": 128_000}
    hosts = [
        tally("a", 500 * MIB),
        tally("b", 600 * MIB, network={"speed_mbps": 1000}),
        tally("c", 600 * MIB, network={"speed_mbps": 10}),
    ]
    plan = make_plan(gguf, hosts, leader="a")
    assert [device["host"] for device in plan["devices"]] == ["c", "b"]


@pytest.mark.parametrize(
    ("cpu", "operations"),
    [
        ({"cores": 8, "physical_cores": 4, "isa": ["avx2", "avx512f"]}, 240e9),
        ({"cores": 4, "isa": ["avx2"]}, 140e9),
        ({"cores": 4, "physical_cores": 4, "isa": ["dotprod"]}, 120e9),
        ({}, 5e9),
    ],
)
def test_arithmetic_follows_cores_and_instructions(cpu, operations):
    assert 1 / cost.cpu_seconds_per_operation({"cpu": cpu}) == pytest.approx(operations)
