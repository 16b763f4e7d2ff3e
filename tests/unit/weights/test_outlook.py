# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.weights.document import missing_tensors, read_weights
from module_utils.weights.outlook import outlook, read_cached
from unit.placement.fleets import GIB, MIB
from unit.weights.plans import BIG, BLOCKS, SMALL, big, gguf_of, hash_of, manifest_of, planned, sizes

MANIFEST = manifest_of(sizes(), {"output.weight": BLOCKS, "output_norm.weight": BLOCKS})
PLAN = planned(gguf_of(sizes()), {"leader": 6, "w1": 1, "w2": 2})  # w1: block 6; w2: block 7 and the output
BY_HASH = {tensor["hash"]: tensor["name"] for tensor in MANIFEST["tensors"]}
LITTLE = 2 * sum(SMALL.values()) + 4096
CACHED = 2 * sum(BIG.values()) + 40 * MIB


def cache(*names, free=GIB, most=None, **more):
    tensors = {hash_of(name): sizes()[name] for name in names}
    found = {"schema": 1, "directory": "/c", "tensors": {**tensors, **more}, "other_bytes": 0, "free_bytes": free}
    return {**found, "most_bytes": most}


def look(w1=None, w2=None, w3=None, **more):
    caches = {"w1": w1, "w2": w2, "w3": w3}
    return outlook(PLAN, MANIFEST, {host: one for host, one in caches.items() if one}, **more)


@pytest.mark.parametrize(
    ("w1", "w2", "missing", "now", "placed"),
    [
        (cache(), cache(), {"w1": 32 * MIB, "w2": 72 * MIB}, CACHED, 0),
        (cache(*big(6)), cache(*big(6)), {"w1": 0, "w2": 72 * MIB}, 72 * MIB, 0),
        (cache(*big(6)), cache(*big(7), "output.weight"), {"w1": 0, "w2": 0}, 0, 0),
        # What has another size is not the tensor.
        (cache(**{hash_of("blk.6.attn_q.weight"): 5}), cache(), {"w1": 32 * MIB, "w2": 72 * MIB}, CACHED, 0),
        # A worker without a cache is sent everything.
        (cache(), None, {"w1": 32 * MIB}, CACHED, 72 * MIB),
        (None, None, {}, CACHED, CACHED),
    ],
)
def test_what_is_left_to_do(w1, w2, missing, now, placed):
    found = look(w1, w2)
    assert found["missing_bytes"] == missing
    wire = {"now": LITTLE + now, "placed": LITTLE + placed, "empty": LITTLE + CACHED}
    assert found["load_bytes_over_network"] == wire
    assert wire["empty"] == PLAN["predicted"]["load_bytes_over_network"]
    assert set(found["weights"]) == set(missing)


@pytest.mark.parametrize("spread", [1, 2])
def test_without_a_manifest_there_is_nothing_to_have(spread):
    """Each run would be due otherwise, for want of a document of this spread, or by one of another model."""
    found = outlook(PLAN, {}, {"w1": cache(*big(6)), "w2": cache()}, spread)
    assert set(found["weights"]) == {"w1", "w2"}
    for host, weights in found["weights"].items():
        assert read_weights(weights) == weights
        assert (weights["host"], weights["cluster"], weights["spread"]) == (host, PLAN["cluster"], spread)
        assert missing_tensors(weights, {}) == []
    assert found["missing_bytes"] == {"w1": 0, "w2": 0}
    assert set(found["load_bytes_over_network"].values()) == {PLAN["predicted"]["load_bytes_over_network"]}


@pytest.mark.parametrize(
    ("w3", "more", "copies"),
    [
        (cache(), {}, []),
        # w1 and w2 are full with their own, and w3 takes copies of what it has room for.
        (cache(most=72 * MIB), {"spread": 2}, big(6, 7)),
        (cache(free=0), {"spread": 2}, []),
        (cache("output.weight", free=0), {"spread": 2}, ["output.weight"]),
        (None, {"spread": 2}, []),
    ],
)
def test_room_for_copies(w3, more, copies):
    found = look(cache(*big(6), free=0), cache(*big(7), "output.weight", free=0), w3, **more)
    spare = [BY_HASH[tensor["hash"]] for tensor in found["weights"].get("w3", {"spare": []})["spare"]]
    assert spare == copies


@pytest.mark.parametrize("spread", [0, -1, True, "2"])
def test_spreads_that_are_none(spread):
    with pytest.raises(DroverError, match=f"spread is {spread!r}"):
        look(spread=spread)


def test_no_plan():
    plan = planned(gguf_of(sizes()), None, ("leader",), leader_bytes=MIB)
    with pytest.raises(DroverError, match="There is nothing to place, since the plan says"):
        outlook(plan, MANIFEST, {})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "The tensor cache of w1 has schema 2"),
        ({"tensors": []}, "tensors []"),
        ({"tensors": {"x": 5}}, "a tensor 'x'"),
        ({"tensors": {"0" * 16: -1}}, "from 0 up"),
        ({"free_bytes": -1}, "free_bytes of the tensor cache of w1"),
        ({"free_bytes": None}, "free_bytes None"),
        ({"most_bytes": -1}, "most_bytes of the tensor cache of w1"),
        ({"most_bytes": "5"}, "most_bytes '5'"),
    ],
)
def test_what_is_no_cache(change, words):
    with pytest.raises(DroverError) as caught:
        read_cached({**cache(), **change}, "w1")
    assert words in str(caught.value)
