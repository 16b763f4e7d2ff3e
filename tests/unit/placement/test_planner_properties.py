# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of every plan, for fleets and models of all shapes."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from module_utils.placement.fleet import read_fleet
from module_utils.placement.layout import Layout, Segment
from module_utils.placement.policy import Policy
from module_utils.placement.problem import AS_GOOD_WITHIN, Problem
from module_utils.placement.running import places_the_same
from module_utils.serving.command_line import plan_arguments
from unit.placement.fleets import MIB, lend, lends, model, plan_of, tally

MARGIN = 0.05
SAME = 1 + 1e-9
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def models(draw, most_blocks=12):
    """Dense models with unequal blocks, and mixtures of experts."""
    blocks = draw(st.lists(st.integers(5, 60).map(lambda size: size * MIB), min_size=1, max_size=most_blocks))
    experts, used = draw(st.sampled_from([(0, 0), (0, 0), (8, 2)]))
    output = draw(st.integers(1, 80)) * MIB
    return model(block_bytes=blocks, output_bytes=output, experts=experts, used=used)


@st.composite
def fleets(draw, least=1, most=5, gpus=True):
    count = draw(st.integers(least, most))
    return [draw(tallies(f"host-{number}", gpus)) for number in range(count)]


@st.composite
def tallies(draw, name, gpus=True):
    return tally(
        name,
        draw(st.integers(0, 700)) * MIB,
        bandwidth=draw(st.sampled_from([None, 2, 5, 10, 11, 40])) and draw(st.integers(2, 40)) * 10**9,
        gpus=draw(st.lists(st.integers(0, 300).map(lambda size: size * MIB), max_size=2)) if gpus else (),
        unified=draw(st.booleans()) if gpus else False,
        speed_mbps=draw(st.sampled_from([None, 100, 1000, 2500])),
    )


def assert_sound(plan, gguf, hosts):
    """What a plan that says it is feasible must be."""
    by_name = {one["host"]: one for one in hosts}
    spare = [one["host"] for one in plan["spare"]]
    if not plan["feasible"]:
        assert plan["leader"] is None and plan["devices"] == [] and plan["endpoints"] == []
        assert plan["shortfall"]["kind"] in ("memory", "leader", "layer") and plan["shortfall"]["text"].endswith(".")
        return
    layers = gguf["block_count"] + 1
    end = plan["leader_blocks"] + plan["host"]["holds_output"]
    on_leader = end
    for device in plan["devices"]:
        assert device["first_block"] == end
        count = device["block_count"] + device["holds_output"]
        assert count >= 1
        end += count
        assert device["total_bytes"] == device["weight_bytes"] + device["kv_bytes"] + device["compute_bytes"]
        assert device["total_bytes"] <= device["usable_bytes"] * (1 - MARGIN)
        assert device["weight_bytes"] >= 0 and device["kv_bytes"] >= 0 and device["compute_bytes"] > 0
    assert end == layers
    assert_shared_memory_counts_once(plan, by_name)
    assert plan["host"]["total_bytes"] <= by_name[plan["leader"]]["memory"]["usable_bytes"] * (1 - MARGIN)
    taking_part = {plan["leader"], *(device["host"] for device in plan["devices"])}
    assert sorted([*taking_part, *spare]) == sorted(by_name)
    assert len(plan["devices"]) <= 16
    assert_arguments(plan, layers - on_leader)


def assert_shared_memory_counts_once(plan, by_name):
    """What a host's CPU and its unified GPUs hold together is within what the host lends."""
    for name, one in by_name.items():
        parts = [plan["host"]] if name == plan["leader"] else []
        parts += [device for device in plan["devices"] if device["host"] == name]
        used = {device["id"] for device in plan["devices"] if device["host"] == name}
        if parts and any(device["unified"] for device in one["devices"] if device["id"] in used):
            assert sum(part["total_bytes"] for part in parts) <= lends(one)


def assert_arguments(plan, offloaded):
    written = plan_arguments(plan)
    arguments = dict(zip(written, written[1:]))
    assert arguments["--n-gpu-layers"] == str(offloaded)
    assert arguments["--fit"] == "off"
    workers = list(dict.fromkeys(device["endpoint"] for device in plan["devices"] if device["endpoint"]))
    assert plan["mode"] == ("rpc" if workers else "single")
    assert arguments.get("--rpc", "") == ",".join(workers)
    if offloaded:
        split = [int(share) for share in arguments["--tensor-split"].split(",")]
        assert sum(split) == offloaded
        held = [device["block_count"] + device["holds_output"] for device in plan["devices"]]
        assert [share for share in split if share] == held
    else:
        assert "--tensor-split" not in arguments and arguments["--device"] == "none"


@relaxed
@given(models(), fleets(most=7), st.sampled_from(["auto", "all"]))
def test_a_plan_is_sound(gguf, hosts, spread):
    assert_sound(plan_of(gguf, hosts, spread=spread, margin=MARGIN), gguf, hosts)


@relaxed
@given(models(), fleets(most=7), st.sampled_from(["auto", "all"]), st.randoms(use_true_random=False))
def test_the_order_of_the_hosts_does_not_matter(gguf, hosts, spread, random):
    shuffled = list(hosts)
    random.shuffle(shuffled)
    assert plan_of(gguf, hosts, spread=spread) == plan_of(gguf, shuffled, spread=spread)


@relaxed
@given(models(), fleets(most=6), st.data())
def test_another_host_never_makes_it_slower(gguf, hosts, data):
    before = plan_of(gguf, hosts)
    after = plan_of(gguf, [*hosts, data.draw(tallies("another"))])
    if before["feasible"]:
        assert after["feasible"]
        # A plan may take longer than the best by what a machine less is worth.
        longest = before["predicted"]["request_seconds"] * (1 + AS_GOOD_WITHIN) * SAME
        assert after["predicted"]["request_seconds"] <= longest


@relaxed
@given(models(), fleets(), st.integers(1, 10**9), st.data())
def test_more_memory_never_makes_it_slower_or_infeasible(gguf, hosts, extra, data):
    before = plan_of(gguf, hosts)
    one = data.draw(st.sampled_from(hosts))
    lend(one, lends(one) + extra)
    after = plan_of(gguf, hosts)
    if before["feasible"]:
        assert after["feasible"]
        # A plan may take longer than the best by what a machine less is worth.
        longest = before["predicted"]["request_seconds"] * (1 + AS_GOOD_WITHIN) * SAME
        assert after["predicted"]["request_seconds"] <= longest


def every_layout(problem, leader):
    """All layouts under a leader: every subset and order of the others, every count on every device."""
    layers = problem.layers
    others = [host for host in problem.takers if host.name != leader.name]
    for size in range(len(others) + 1):
        for order in permutations(others, size):
            devices = [device for host in order for device in host.lent] + list(leader.gpus)
            for blocks in range(layers.count + 1):
                for segments in every_split(layers, devices, blocks, blocks):
                    if layers.leader_bytes(blocks, len(segments)) <= leader.cpu.capacity:
                        yield Layout(leader, blocks, segments)


def every_split(layers, devices, first, leader_blocks):
    if first == layers.count:
        yield ()
    elif devices:
        device, *rest = devices
        yield from every_split(layers, rest, first, leader_blocks)
        for end in range(first + 1, layers.count + 1):
            if layers.device_bytes(first, end, leader_blocks) <= device.capacity:
                for segments in every_split(layers, rest, end, leader_blocks):
                    yield (Segment(device, first, end), *segments)


def assert_optimal(gguf, hosts, leader=None):
    """The search finds the fastest; the plan is one of the fewest machines among those nearly as fast."""
    problem = Problem(gguf, Policy(leader=leader, margin=MARGIN), read_fleet(hosts, MARGIN).hosts)
    found = [
        (problem.judge.seconds(layout), len(layout.worker_names))
        for host in problem.leaders
        for layout in every_layout(problem, host)
    ]
    plan = plan_of(gguf, hosts, leader=leader, margin=MARGIN)
    assert plan["feasible"] == bool(found)
    if found:
        least = min(seconds for seconds, _workers in found)
        assert problem.judge.seconds(problem.layouts()[0]) <= least * SAME
        assert plan["predicted"]["request_seconds"] <= least * (1 + AS_GOOD_WITHIN) * SAME
        fewest = min(workers for seconds, workers in found if seconds <= least * (1 + AS_GOOD_WITHIN) / SAME)
        assert len(plan["endpoints"]) <= fewest
    assert problem.fits() == bool(found)


@relaxed
@given(models(most_blocks=12), fleets(most=3))
def test_no_layout_of_three_hosts_is_better(gguf, hosts):
    assert_optimal(gguf, hosts)


@settings(relaxed, max_examples=30)
@given(models(most_blocks=6), fleets(least=4, most=6, gpus=False))
def test_no_layout_of_five_workers_is_better(gguf, hosts):
    assert_optimal(gguf, hosts, leader="host-0")


@settings(relaxed, max_examples=3)
@given(st.lists(st.integers(30, 50).map(lambda size: size * MIB), min_size=12, max_size=12), st.data())
def test_no_layout_of_twelve_blocks_on_five_workers_is_better(blocks, data):
    """Tight on purpose: brute force stops early where memory does."""
    hosts = [tally(f"host-{number}", data.draw(st.integers(200, 230)) * MIB) for number in range(6)]
    assert_optimal(model(block_bytes=blocks), hosts, leader="host-0")


@relaxed
@given(models(), fleets())
def test_the_shortfall_is_exact(gguf, hosts):
    plan = plan_of(gguf, hosts)
    memory = [one for one in plan["remedies"] if one["kind"] == "memory"]
    for remedy in memory:
        host = next(one for one in hosts if one["host"] == remedy["host"])
        places = [0, 1] if host["gpus"] else [0]
        assert any(fits_with(gguf, hosts, host, place, remedy["bytes"]) for place in places)
        assert not any(fits_with(gguf, hosts, host, place, remedy["bytes"] - 1) for place in places)
        assert remedy["bytes"] == plan["missing_bytes"]


def test_a_device_is_worth_it_for_what_the_next_one_is_fed():
    """The leader could keep as much by itself; but after a device, and not after the leader, the next one has room."""
    blocks = [57, 56, 46, 5, 5, 46, 5, 5, 5]
    gguf = model(block_bytes=[size * MIB for size in blocks], output_bytes=MIB, experts=8, used=2)
    hosts = [
        tally("host-0", 0, gpus=[76159730, 56 * MIB]),
        tally("host-1", 0, gpus=[0, 46 * MIB]),
        tally("host-2", 256 * MIB),
    ]
    problem = Problem(gguf, Policy(), read_fleet(hosts, MARGIN).hosts)
    assert problem.fits() and plan_of(gguf, hosts, margin=MARGIN)["feasible"]


def fits_with(gguf, hosts, host, place, extra):
    """Whether the model fits when a device lends so much more; a GPU that works in the CPU's memory grows with it."""
    grown = [0, 1] if place and host["gpus"][0]["unified"] else [place]
    before = {device: lends(host, device) for device in grown}
    for device, size in before.items():
        lend(host, size + extra, device)
    try:
        return plan_of(gguf, hosts)["feasible"]
    finally:
        for device, size in before.items():
            lend(host, size, device)


@relaxed
@given(models(), fleets(), st.data())
def test_a_running_plan_is_kept_unless_it_is_worse_by_more_than_5_percent(gguf, hosts, data):
    running = plan_of(gguf, hosts)
    for one in hosts:
        lend(one, max(0, lends(one) + data.draw(st.integers(-50, 50)) * MIB))
    best = plan_of(gguf, hosts)
    plan = plan_of(gguf, hosts, previous=[running])
    assert_sound(plan, gguf, hosts)
    assert plan["feasible"] == best["feasible"]
    if plan["feasible"]:
        assert plan["predicted"]["request_seconds"] <= best["predicted"]["request_seconds"] * 1.05 * SAME
        assert places_the_same(plan, plan_of(gguf, hosts, previous=[None, plan]))


@pytest.mark.parametrize("spread", ["auto", "all"])
@relaxed
@given(gguf=models(), hosts=fleets(least=2))
def test_all_means_all_that_can(spread, gguf, hosts):
    plan = plan_of(gguf, hosts, spread=spread)
    if plan["feasible"] and spread == "all":
        reasons = [one["reason"] for one in plan["spare"]]
        assert all("one layer" in reason or "only" in reason or "limit" in reason for reason in reasons)
