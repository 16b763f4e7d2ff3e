# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import time

import pytest
from module_utils.weights import folder
from unit.weights.pieces import content, weights_of

DAY = 86400
SHARDS, TENSORS = content()
WANTED = weights_of(SHARDS, TENSORS, spare=2)


def put(directory, name, size=10, days=0.0):
    (directory / name).write_bytes(bytes(size))
    used = time.time() - days * DAY
    os.utime(directory / name, (used, used))


def want(clusters, name="main", weights=WANTED):
    (clusters / name).mkdir()
    (clusters / name / "weights.json").write_text(json.dumps(weights))


def test_what_is_there(tmp_path):
    put(tmp_path, "0" * 16, 5)
    put(tmp_path, "f" * 16, 7)
    put(tmp_path, f"{'f' * 16}.part", 3)
    put(tmp_path, ".lock", 1)
    found = folder.cached_document(str(tmp_path))
    assert found.pop("free_bytes") > 0
    assert found == {
        "schema": 1,
        "directory": str(tmp_path),
        "tensors": {"0" * 16: 5, "f" * 16: 7},
        "other_bytes": 3,
        "most_bytes": None,
    }


def test_nothing_is_there(tmp_path):
    found = folder.cached_document(str(tmp_path / "none" / "rpc"))
    assert (found["tensors"], found["other_bytes"]) == ({}, 0)
    assert found["free_bytes"] > 0


def test_wanted_by_all_clusters(clusters):
    assert folder.wanted_names() == set()
    want(clusters)
    want(clusters, "other", weights_of(SHARDS, [(0, 0, b"theirs")]))
    (clusters / "a file").write_text("")
    (clusters / "empty").mkdir()
    want(clusters, "newer", {**WANTED, "schema": 2})
    expected = {tensor["hash"] for tensor in (*WANTED["held"], *WANTED["spare"])}
    assert folder.wanted_names() == expected | {weights_of(SHARDS, [(0, 0, b"theirs")])["held"][0]["hash"]}


@pytest.mark.parametrize(
    ("most", "left"),
    [
        (None, {"wanted", "new", "newer"}),
        (30, {"wanted", "new", "newer"}),
        (29, {"wanted", "newer"}),
        (10, {"wanted"}),
        (9, set()),
    ],
)
def test_what_is_wanted_goes_last(tmp_path, clusters, most, left):
    """A worker that ran for a year and starts anew finds what it needs."""
    want(clusters)
    names = {"wanted": WANTED["held"][0]["hash"], "old": "a" * 16, "new": "b" * 16, "newer": "c" * 16}
    for name, days in (("wanted", 365), ("old", 31), ("new", 5), ("newer", 4)):
        put(tmp_path, names[name], days=days)
    folder.prune_cache(str(tmp_path), 30, most)
    assert {name for name, hash_ in names.items() if (tmp_path / hash_).exists()} == left
