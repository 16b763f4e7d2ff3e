# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json

import pytest
from module_utils.errors import DroverError
from module_utils.weights.assigning import weights_documents
from module_utils.weights.document import missing_tensors, read_weights
from unit.documents import parent_of
from unit.placement.fleets import MIB
from unit.weights.plans import BLOCKS, big, gguf_of, hash_of, manifest_of, planned, sizes

OUTPUT = {"output.weight": BLOCKS, "output_norm.weight": BLOCKS}
MANIFEST = manifest_of(sizes(), OUTPUT)
BY_HASH = {tensor["hash"]: tensor for tensor in MANIFEST["tensors"]}


def made(split, **more):
    return weights_documents(planned(gguf_of(sizes()), split), MANIFEST, **more)


def named(tensors):
    return [BY_HASH[tensor["hash"]]["name"] for tensor in tensors]


def test_one_for_each_worker():
    found = made({"leader": 7, "w1": 1, "w2": 1}, spread=2, room={"w3": 0})
    assert {host: (named(one["held"]), named(one["spare"])) for host, one in found.items()} == {
        "w1": (big(7), ["output.weight"]),
        "w2": (["output.weight"], big(7)),
        "w3": ([], []),
    }
    for host, one in found.items():
        assert (one["cluster"], one["host"], one["files"]) == (
            "main",
            host,
            [{"name": "m.gguf", "file_bytes": 4096 + sum(sizes().values())}],
        )
        assert read_weights(json.loads(json.dumps(one))) == one
    first = found["w1"]["held"][0]
    assert first == {field: BY_HASH[first["hash"]][field] for field in ("hash", "sha256", "shard", "offset", "bytes")}


def test_without_wishes_there_are_no_copies():
    assert [one["spare"] for one in made({"leader": 7, "w1": 1, "w2": 1}).values()] == [[], [], []]


@pytest.mark.parametrize(
    ("there", "left"),
    [
        ({}, [*big(7), "output.weight"]),
        ({"blk.7.attn_q.weight": 12 * MIB}, ["blk.7.ffn_up.weight", "output.weight"]),
        ({"output.weight": 40 * MIB}, big(7)),
        # Cut off, or another content of this name.
        ({"blk.7.attn_q.weight": 12 * MIB - 1, "output.weight": 0}, [*big(7), "output.weight"]),
        ({"blk.7.attn_q.weight": 12 * MIB, "blk.7.ffn_up.weight": 20 * MIB, "output.weight": 40 * MIB}, []),
    ],
)
def test_only_what_is_missing_moves(there, left):
    weights = made({"leader": 7, "w1": 1, "w2": 1}, spread=2)["w1"]
    assert named(missing_tensors(weights, {hash_of(name): size for name, size in there.items()})) == left


def test_a_changed_plan_moves_the_difference():
    before, after = made({"leader": 2, "w1": 3, "w2": 4}), made({"leader": 2, "w1": 5, "w2": 2})
    for host, moved in (("w1", big(5, 6)), ("w2", [])):
        there = {tensor["hash"]: tensor["bytes"] for tensor in before[host]["held"]}
        assert named(missing_tensors(after[host], there)) == moved


SOUND = made({"leader": 7, "w1": 1, "w2": 1}, spread=2)["w1"]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["schema"], 0, "schema 0 where schema 1"),
        (["cluster"], "Main", "'Main'"),
        (["host"], "", "The host of the weights"),
        (["files"], None, "files None"),
        (["files", 0, "name"], "a/b", "without folders"),
        (["files", 0, "file_bytes"], 5, "of a file with 5 bytes"),
        (["held", 0], [], "held[0] of the weights is []"),
        (["held", 0, "hash"], "x", "16 hexadecimal digits"),
        (["spare", 0, "sha256"], "", "64 hexadecimal digits"),
        (["spare", 0, "bytes"], "5", "bytes of spare[0]"),
        (["spare"], "", "spare ''"),
    ],
)
def test_what_is_wrong_in_one_sentence(path, value, words):
    found = copy.deepcopy(SOUND)
    parent_of(found, path)[path[-1]] = value
    with pytest.raises(DroverError) as caught:
        read_weights(found)
    assert words in str(caught.value)


@pytest.mark.parametrize("field", ["schema", "cluster", "host", "spread", "files", "held", "spare"])
def test_missing_fields(field):
    with pytest.raises(DroverError, match=field):
        read_weights({name: value for name, value in SOUND.items() if name != field})
