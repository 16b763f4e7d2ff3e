# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.weights.holdings import cached_tensors
from module_utils.weights.spread import spare_copies
from unit.placement.fleets import MIB
from unit.weights.plans import BLOCKS, big, gguf_of, hash_of, manifest_of, planned, sizes

OUTPUT = {"output.weight": BLOCKS, "output_norm.weight": BLOCKS}
MANIFEST = manifest_of(sizes(), OUTPUT)
THREE = {"leader": 2, "w1": 2, "w2": 4, "w3": 1}
OF_BLOCK = 32 * MIB  # what is cached of one


def copies(split, spread, room=None, hosts=("leader", "w1", "w2", "w3"), there=None):
    plan = planned(gguf_of(sizes()), split, hosts)
    made = spare_copies(plan, MANIFEST, spread, room or {}, there or {})
    return {host: sorted(tensor["name"] for tensor in tensors) for host, tensors in made.items()}


def sorted_names(**of_host):
    return {host: sorted(names) for host, names in of_host.items()}


@pytest.mark.parametrize(
    ("split", "hosts", "expected"),
    [
        # Each half of w2's goes to the neighbour that it is nearer to; the ends of the chain have one neighbour.
        (
            THREE,
            ("leader", "w1", "w2", "w3"),
            {"w1": big(4, 5), "w2": [*big(2, 3), "output.weight"], "w3": big(6, 7)},
        ),
        # A worker without layers takes what nobody nearer can.
        ({"leader": 8, "w1": 1}, ("leader", "w1", "w2"), {"w2": ["output.weight"]}),
        (
            {"leader": 6, "w1": 1, "w2": 2},
            ("leader", "w1", "w2", "w3"),
            {"w2": big(6), "w1": [*big(7), "output.weight"]},
        ),
        ({"leader": 8, "w1": 1}, ("leader", "w1"), {}),
        ({"leader": 9}, ("leader", "w1"), {}),
    ],
)
def test_each_on_one_more_worker(split, hosts, expected):
    assert copies(split, 2, hosts=hosts) == sorted_names(**expected)


def test_no_spread():
    assert copies(THREE, 1) == {}


@pytest.mark.parametrize("spread", [3, 4])
def test_on_all_workers_that_there_are(spread):
    everything = {*big(*range(2, 8)), "output.weight"}
    own = {"w1": {*big(2, 3)}, "w2": {*big(4, 5, 6, 7)}, "w3": {"output.weight"}}
    assert copies(THREE, spread) == sorted_names(**{host: everything - own[host] for host in own})


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        # w1 is full with its own, so that w3 takes all of w2's.
        ({"w1": 2 * OF_BLOCK}, {"w2": [*big(2, 3), "output.weight"], "w3": big(4, 5, 6, 7)}),
        ({"w1": 0}, {"w2": [*big(2, 3), "output.weight"], "w3": big(4, 5, 6, 7)}),
        # Room for one block: the nearest that come first in the layers' order.
        ({"w1": 3 * OF_BLOCK}, {"w1": big(4), "w2": [*big(2, 3), "output.weight"], "w3": big(5, 6, 7)}),
        ({"w1": 0, "w2": 0, "w3": 0}, {}),
        # What is large may find no room where what is small does.
        (
            {"w1": 2 * OF_BLOCK, "w2": 4 * OF_BLOCK + 12 * MIB, "w3": 40 * MIB},
            {"w2": ["blk.2.attn_q.weight"]},
        ),
    ],
)
def test_room(room, expected):
    assert copies(THREE, 2, room) == sorted_names(**expected)


@pytest.mark.parametrize(
    ("there", "room", "expected"),
    [
        # Farther than the neighbour, but there.
        ({"w3": big(4, 5)}, {}, {"w2": [*big(2, 3), "output.weight"], "w3": big(4, 5, 6, 7)}),
        # It keeps its room, and what was nearer goes elsewhere.
        ({"w1": big(7)}, {"w1": 3 * OF_BLOCK}, {"w1": big(7), "w2": [*big(2, 3), "output.weight"], "w3": big(4, 5, 6)}),
        # What a worker holds itself is no copy.
        ({"w2": big(4, 5)}, {}, {"w1": big(4, 5), "w2": [*big(2, 3), "output.weight"], "w3": big(6, 7)}),
    ],
)
def test_copies_that_are_there_stay(there, room, expected):
    hashes = {host: {hash_of(name) for name in names} for host, names in there.items()}
    assert copies(THREE, 2, room, there=hashes) == sorted_names(**expected)


@pytest.mark.parametrize("spread", [2, 3])
@pytest.mark.parametrize("split", [THREE, {"w1": 3, "w2": 3, "w3": 3}, {"leader": 3, "w3": 2, "w1": 4}])
def test_losing_any_worker_costs_no_transfer(split, spread):
    """As many workers as there are copies less one may go, and whatever the next plan puts where, it is somewhere."""
    plan = planned(gguf_of(sizes()), split)
    own, spare = cached_tensors(plan, MANIFEST), spare_copies(plan, MANIFEST, spread, {}, {})
    have = {host: {t["hash"] for t in (*own.get(host, []), *spare.get(host, []))} for host in ("w1", "w2", "w3")}
    for hash_ in {tensor["hash"] for tensors in own.values() for tensor in tensors}:
        assert sum(hash_ in hashes for hashes in have.values()) == spread
    for host in own:
        assert not {t["hash"] for t in own[host]} & {t["hash"] for t in spare.get(host, [])}
