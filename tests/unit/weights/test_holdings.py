# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.weights.holdings import bytes_over_network, cached_tensors
from unit.placement.fleets import MIB
from unit.weights.plans import BIG, BLOCKS, SMALL, big, gguf_of, hash_of, manifest_of, planned, sizes

OUTPUT = {"output.weight": BLOCKS, "output_norm.weight": BLOCKS}
OF_BLOCK = sum(BIG.values()) + sum(SMALL.values())
SMALL_OF_BLOCK = sum(SMALL.values())


def names(tensors):
    return {host: [tensor["name"] for tensor in of_host] for host, of_host in tensors.items()}


# The split, and what each worker caches.
SPLITS = [
    ({"leader": 9}, {}),
    ({"w1": 9}, {"w1": [*big(*range(8)), "output.weight"]}),
    ({"leader": 8, "w1": 1}, {"w1": ["output.weight"]}),
    ({"leader": 1, "w1": 8}, {"w1": [*big(*range(1, 8)), "output.weight"]}),
    ({"w1": 3, "w2": 6}, {"w1": big(0, 1, 2), "w2": [*big(3, 4, 5, 6, 7), "output.weight"]}),
    ({"w2": 1, "w1": 8}, {"w2": big(0), "w1": [*big(*range(1, 8)), "output.weight"]}),
    (
        {"leader": 2, "w1": 2, "w2": 4, "w3": 1},
        {"w1": big(2, 3), "w2": big(4, 5, 6, 7), "w3": ["output.weight"]},
    ),
]


@pytest.mark.parametrize(("split", "expected"), SPLITS)
def test_who_caches_what(split, expected):
    tensors = sizes()
    gguf = gguf_of(tensors)
    plan = planned(gguf, split)
    cached = cached_tensors(plan, manifest_of(tensors, OUTPUT))
    assert names(cached) == expected
    for device in plan["devices"]:
        blocks = range(device["first_block"], device["first_block"] + device["block_count"])
        size = sum(gguf["blocks"][block]["cacheable_bytes"] for block in blocks) + 40 * MIB * device["holds_output"]
        assert sum(tensor["bytes"] for tensor in cached[device["host"]]) == size


def test_tied_embeddings_go_to_the_output():
    tensors = sizes(without=["output.weight"])
    layers = {"token_embd.weight": BLOCKS, "output_norm.weight": BLOCKS}
    plan = planned(gguf_of(tensors), {"leader": 7, "w1": 1, "w2": 1})
    assert names(cached_tensors(plan, manifest_of(tensors, layers))) == {"w1": big(7), "w2": ["token_embd.weight"]}


def test_what_goes_with_the_first_block_and_what_is_everywhere():
    loose = {"per_layer_model_proj.weight": 16 * MIB, "rope_freqs.weight": 256}
    tensors = sizes(loose)
    layers = {**OUTPUT, "per_layer_model_proj.weight": 0, "rope_freqs.weight": None}
    plan = planned(gguf_of(tensors), {"w1": 1, "w2": 7, "w3": 1})
    manifest = manifest_of(tensors, layers)
    assert names(cached_tensors(plan, manifest)) == {
        "w1": ["per_layer_model_proj.weight", *big(0)],
        "w2": big(*range(1, 8)),
        "w3": ["output.weight"],
    }
    everything = {host: [tensor["hash"] for tensor in manifest["tensors"]] for host in ("w1", "w2", "w3")}
    assert bytes_over_network(plan, manifest, everything) == {
        "w1": SMALL_OF_BLOCK + 256,
        "w2": 7 * SMALL_OF_BLOCK + 256,
        "w3": 4096,
    }


def test_blocks_that_are_not_loaded():
    """The last blocks of a model that predicts further tokens hold nothing (nextn_predict_layers)."""
    tensors = sizes()
    plan = planned(gguf_of(tensors, **{"llama.nextn_predict_layers": 1}), {"leader": 5, "w1": 4})
    assert names(cached_tensors(plan, manifest_of(tensors, OUTPUT))) == {"w1": [*big(5, 6), "output.weight"]}


def test_two_devices_of_one_server_share_its_cache():
    tensors = sizes()
    plan = planned(gguf_of(tensors), None, ("leader", "w1"), {"w1": (100 * MIB, 200 * MIB)}, spread="all")
    devices = [device for device in plan["devices"] if device["host"] == "w1"]
    assert len(devices) > 1
    held = names(cached_tensors(plan, manifest_of(tensors, OUTPUT)))
    assert list(held) == ["w1"]
    assert held["w1"] == [*big(*range(plan["leader_blocks"], 8)), "output.weight"]


def test_the_leaders_own_cards_cache_nothing():
    tensors = sizes()
    plan = planned(gguf_of(tensors), {"leader": 9}, ("leader", "w1"), {"leader": (2 << 30,)})
    assert [device["host"] for device in plan["devices"]] == ["leader"]
    assert cached_tensors(plan, manifest_of(tensors, OUTPUT)) == {}


def test_equal_tensors_lie_there_once():
    tensors = sizes()
    manifest = manifest_of(tensors, OUTPUT, same=[("blk.7.attn_q.weight", "blk.6.attn_q.weight")])
    plan = planned(gguf_of(tensors), {"leader": 6, "w1": 3})
    expected = ["blk.6.attn_q.weight", "blk.6.ffn_up.weight", "blk.7.ffn_up.weight", "output.weight"]
    assert names(cached_tensors(plan, manifest)) == {"w1": expected}
    # Of two that are sent, the second one is found.
    assert bytes_over_network(plan, manifest, {}) == {"w1": 2 * OF_BLOCK + 40 * MIB + 4096 - 12 * MIB}


@pytest.mark.parametrize("threshold", [10 * MIB, 10 * MIB - 1, 4095])
def test_another_threshold(threshold):
    tensors = sizes()
    plan = planned(gguf_of(tensors), {"leader": 7, "w1": 2})
    held = names(cached_tensors(plan, manifest_of(tensors, OUTPUT), threshold))["w1"]
    of_worker = [name for name in tensors if name.startswith(("blk.7.", "output"))]
    assert sorted(held) == sorted(name for name in of_worker if tensors[name] > threshold)


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({}, {"w1": OF_BLOCK, "w2": OF_BLOCK + 40 * MIB + 4096}),
        ({"w1": big(6)}, {"w1": SMALL_OF_BLOCK, "w2": OF_BLOCK + 40 * MIB + 4096}),
        ({"w2": ["output.weight", *big(6)]}, {"w1": OF_BLOCK, "w2": OF_BLOCK + 4096}),
        ({"w1": ["blk.6.attn_q.weight"]}, {"w1": OF_BLOCK - 12 * MIB, "w2": OF_BLOCK + 40 * MIB + 4096}),
        ({"w1": ["blk.6.attn_k.weight"]}, {"w1": OF_BLOCK, "w2": OF_BLOCK + 40 * MIB + 4096}),
        ({"leader": big(6)}, {"w1": OF_BLOCK, "w2": OF_BLOCK + 40 * MIB + 4096}),
    ],
)
def test_what_is_left_on_the_wire(there, expected):
    tensors = sizes()
    plan = planned(gguf_of(tensors), {"leader": 6, "w1": 1, "w2": 2})
    hashes = {host: [hash_of(name) for name in of_host] for host, of_host in there.items()}
    sent = bytes_over_network(plan, manifest_of(tensors, OUTPUT), hashes)
    assert sent == expected
    if not there:
        assert sum(sent.values()) == plan["predicted"]["load_bytes_over_network"]


@pytest.mark.parametrize("split", [split for split, _cached in SPLITS])
@pytest.mark.parametrize("metadata", [{}, {"llama.nextn_predict_layers": 1}])
def test_the_plan_says_what_is_sent_at_every_start(split, metadata):
    """It knows the model by its header alone."""
    tensors = sizes()
    plan = planned(gguf_of(tensors, **metadata), split)
    manifest = manifest_of(tensors, OUTPUT)
    everything = {
        host: [tensor["hash"] for tensor in of_host] for host, of_host in cached_tensors(plan, manifest).items()
    }
    left = sum(bytes_over_network(plan, manifest, everything).values())
    assert plan["predicted"]["load_bytes_once_cached"] == left


def smaller(tensors):
    return {**tensors, "blk.7.attn_norm.weight": 4064}


@pytest.mark.parametrize(
    "other", [smaller(sizes()), sizes(without=["blk.7.ffn_up.weight"]), sizes({"extra.weight": 32})]
)
def test_a_manifest_of_another_model(other):
    plan = planned(gguf_of(sizes()), {"leader": 5, "w1": 4})
    with pytest.raises(DroverError, match=r"on RPC0 of w1 where the plan has \d+: make the manifest and the plan of"):
        cached_tensors(plan, manifest_of(other, {**OUTPUT, "extra.weight": BLOCKS}))


def test_a_manifest_of_fewer_blocks():
    plan = planned(gguf_of(sizes()), {"leader": 5, "w1": 4})
    with pytest.raises(DroverError, match="of the same model"):
        cached_tensors(plan, {**manifest_of(sizes(), OUTPUT), "block_count": 7})
