# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The allocator's rules, one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from module_utils.footprint.graph_memory import ALIGNMENT, Graph

UNIT = 1024


def chain(sizes, in_place=False):
    graph = Graph()
    tensor = graph.input(sizes[0] * UNIT)
    for size in sizes[1:]:
        tensor = graph.node(size * UNIT, tensor, in_place=in_place)
    return graph


def test_nothing_takes_nothing():
    assert Graph().peak_bytes() == 0


def test_a_result_lives_beside_its_source():
    assert chain([2, 3]).peak_bytes() == 5 * UNIT


def test_what_is_used_up_is_free_again():
    assert chain([2, 2, 2, 2]).peak_bytes() == 4 * UNIT


def test_in_place_takes_over_the_memory_of_the_same_size():
    assert chain([2, 2, 2], in_place=True).peak_bytes() == 2 * UNIT
    assert chain([2, 3], in_place=True).peak_bytes() == 5 * UNIT


def test_not_in_place_while_another_still_needs_the_source():
    graph = Graph()
    source = graph.input(2 * UNIT)
    first = graph.node(2 * UNIT, source, in_place=True)
    graph.node(2 * UNIT, source, first)
    assert graph.peak_bytes() == 6 * UNIT


def test_a_kept_tensor_is_neither_freed_nor_taken_over():
    graph = Graph()
    kept = graph.input(2 * UNIT, kept=True)
    graph.node(2 * UNIT, graph.node(2 * UNIT, kept, in_place=True), in_place=True)
    assert graph.peak_bytes() == 4 * UNIT


def test_holes_that_are_too_small_are_left():
    graph = Graph()
    first, second = graph.input(2 * UNIT), graph.input(UNIT)
    graph.use(first)
    wide = graph.node(3 * UNIT, second)
    graph.use(wide)
    # first's 2 units are free, second lies behind them, wide comes after both
    assert graph.peak_bytes() == 6 * UNIT


def test_the_best_fitting_hole_is_taken():
    graph = Graph()
    four, wall, two, end = (graph.input(size * UNIT) for size in (4, 1, 2, 1))
    graph.use(four)
    graph.use(two)
    filler = graph.node(2 * UNIT)
    last = graph.node(4 * UNIT)
    graph.use(filler, last, wall, end)
    assert graph.peak_bytes() == 8 * UNIT


def test_neighbouring_holes_become_one():
    graph = Graph()
    pieces = [graph.input(UNIT) for _piece in range(4)]
    wall = graph.input(UNIT)
    for piece in (pieces[0], pieces[2], pieces[1], pieces[3]):
        graph.use(piece)
    graph.use(graph.node(4 * UNIT), wall)
    assert graph.peak_bytes() == 5 * UNIT


@pytest.mark.parametrize(
    "size, taken", [(0, 0), (1, ALIGNMENT), (ALIGNMENT, ALIGNMENT), (ALIGNMENT + 1, 2 * ALIGNMENT)]
)
def test_sizes_are_aligned(size, taken):
    graph = Graph()
    graph.input(size)
    assert graph.peak_bytes() == taken


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.data()), max_size=12))
def test_never_less_than_what_is_alive_nor_more_than_everything(steps):
    graph = Graph()
    tensors = [graph.input(UNIT)]
    uses = {tensors[0]: 0}
    sizes = {tensors[0]: 1}
    alive_at_once = 1
    for size, in_place, data in steps:
        source = data.draw(st.sampled_from(tensors))
        tensor = graph.node(size * UNIT, source, in_place=in_place)
        alive_at_once = max(alive_at_once, size)
        uses[source] += 1
        uses[tensor] = 0
        sizes[tensor] = size
        tensors.append(tensor)
    unused = sum(sizes[tensor] for tensor, count in uses.items() if not count)
    assert max(unused, alive_at_once) * UNIT <= graph.peak_bytes() <= sum(sizes.values()) * UNIT
