# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the search counts is what the plan says: nothing that fits is refused, and nothing else is let through.

With models of the oracle's corpus, whose compute buffers are as large as real ones: of one kind of block and of
several, with blocks that read the caches of others, and small enough that buffers decide.
"""

from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from module_utils.placement.fleet import read_fleet
from module_utils.placement.layers import FIRST_LAYER
from module_utils.placement.layout import Layout, Segment
from module_utils.placement.plan import feasible_plan
from module_utils.placement.policy import Policy
from module_utils.placement.problem import AS_GOOD_WITHIN, Problem
from oracle import cases
from unit.placement.fleets import GIB, plan_of, tally

MODELS = ["llama-1b-tied", "gemma4-e4b", "deepseek2-lite-old", "lfm2-8b-a1b", "nemotron-h-8b"]
CONTEXT = 16384
relaxed = settings(deadline=None, max_examples=15)


@pytest.fixture(scope="module")
def problems(tmp_path_factory):
    """``problem(name, sizes)``: a model of the corpus on three hosts that lend so many bytes, no margin."""
    profiles = {name: gguf for name, (_path, _bytes, gguf) in cases.profiles(tmp_path_factory.mktemp("corpus")).items()}
    layers = {}

    def problem(name, sizes, leader=None):
        hosts = [tally(f"host-{number}", size) for number, size in enumerate(sizes)]
        policy = Policy(context_size=CONTEXT, leader=leader)
        made = Problem(profiles[name], policy, read_fleet(hosts, 0).hosts, layers=layers.get(name))
        layers[name] = made.layers
        return made, profiles[name], hosts

    return problem


def every_split(count, hosts):
    """All ways to share out so many layers: ``(leader's blocks, counts of the workers)``."""
    for cuts in product(range(count + 1), repeat=hosts - 1):
        if list(cuts) == sorted(cuts):
            ends = [*cuts, count]
            yield ends[0], [end - first for first, end in zip(ends, ends[1:])]


def every_layout(problem):
    """All layouts of three hosts without GPUs."""
    for leader, *workers in permutations(problem.takers):
        for blocks, counts in every_split(problem.layers.count, len(problem.takers)):
            end, segments = blocks, []
            for host, count in zip(workers, counts):
                if count:
                    segments.append(Segment(host.cpu, end, end + count))
                    end += count
            yield Layout(leader, blocks, tuple(segments))


@pytest.mark.parametrize("name", MODELS)
def test_the_search_counts_the_bytes_of_the_plan(problems, name):
    """Device by device, for every split over three hosts."""
    problem, _gguf, _hosts = problems(name, [64 * GIB] * 3)
    layers = problem.layers
    leader, *workers = problem.takers
    for blocks, counts in every_split(layers.count, 3):
        end, segments = blocks, []
        for host, count in zip(workers, counts):
            if count:
                segments.append(Segment(host.cpu, end, end + count))
                end += count
        layout = Layout(leader, blocks, tuple(segments))
        plan = feasible_plan(problem, layout)
        assert layers.leader_bytes(blocks, len(segments)) == plan["host"]["total_bytes"]
        for segment, device in zip(segments, plan["devices"]):
            held = segment.end - segment.first
            loading = device["weight_bytes"] + layers.memory.device_loading_bytes(segment.first, held)
            searched = layers.device_bytes(segment.first, segment.end, blocks)
            assert searched == max(device["total_bytes"], loading)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("feed", FIRST_LAYER)
def test_a_segment_reaches_as_far_as_it_fits(problems, name, feed):
    problem, _gguf, _hosts = problems(name, [GIB] * 3)
    layers = problem.layers
    needed = layers.device_bytes(0, layers.count, 0)
    for part in range(1, 24):
        capacity = needed * part // 20
        for first, end in enumerate(layers.reaches(capacity, feed)):
            ends = []
            if first >= FIRST_LAYER[feed]:
                leader_blocks = {"leader": first, "device": 1, "pipeline": 0}[feed]
                ends = [
                    after
                    for after in range(first + 1, layers.count + (first > 0))
                    if layers.device_bytes(first, after, leader_blocks) <= capacity
                ]
            assert [*range(first + 1, end + 1)] == ends


@pytest.mark.parametrize("name", MODELS)
@relaxed
@given(shares=st.lists(st.integers(5, 60), min_size=3, max_size=3))
def test_what_fits_is_found_and_is_the_fastest(problems, name, shares):
    whole, _gguf, _hosts = problems(name, [GIB] * 3)
    needed = whole.layers.leader_bytes(whole.layers.count)
    problem, gguf, hosts = problems(name, [needed * share // 100 for share in shares])
    possible = [layout for layout in every_layout(problem) if problem.judge.fits(layout)]
    plan = plan_of(gguf, hosts, context_size=CONTEXT, margin=0)
    assert plan["feasible"] == problem.fits() == bool(possible)
    if possible:
        least = min(map(problem.judge.seconds, possible)) * (1 + 1e-9)
        assert problem.judge.seconds(problem.layouts()[0]) <= least
        assert plan["predicted"]["request_seconds"] <= least * (1 + AS_GOOD_WITHIN)
