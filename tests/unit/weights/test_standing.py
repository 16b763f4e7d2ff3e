# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from module_utils.serving import cluster
from module_utils.serving.cluster import Cluster
from module_utils.weights import standing as module
from module_utils.weights.standing import standing
from unit.documents import worker_deployment
from unit.weights.pieces import weights_of

ONE, TWO = b"one" * 100, b"two" * 50
WEIGHTS = weights_of([ONE + TWO], [(0, 0, ONE), (0, len(ONE), TWO)])
NAMES = [tensor["hash"] for tensor in WEIGHTS["held"]]
TEXT = json.dumps(WEIGHTS)
BOTH = len(ONE) + len(TWO)


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Says how a worker stands, whose cache has ``files`` and may take ``most`` bytes, with so many free."""
    monkeypatch.setattr(cluster, "CLUSTERS_FOLDER", str(tmp_path))
    monkeypatch.setattr(module, "spared", lambda _free: 0)
    (tmp_path / "main").mkdir()

    def stands(content=TEXT, files=None, most=None, free=BOTH, cached=True):
        monkeypatch.setattr(module, "free_bytes", lambda _directory: free)
        if content is not None:
            (tmp_path / "main" / "weights.json").write_text(content)
        (tmp_path / "rpc").mkdir()
        for name, data in (files or {}).items():
            (tmp_path / "rpc" / name).write_bytes(data)
        cache = {"directory": str(tmp_path / "rpc"), "days": 30, **({"bytes": most} if most is not None else {})}
        deployment = worker_deployment(cache=cache if cached else None)
        return standing(Cluster("main"), deployment)

    return stands


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        ({}, BOTH),
        ({"files": {NAMES[0]: ONE}}, len(TWO)),
        ({"files": {NAMES[0]: ONE, NAMES[1]: TWO}}, 0),
        # One that was cut off is no tensor.
        ({"files": {NAMES[0]: ONE[:-1], NAMES[1]: TWO}}, len(ONE)),
        # What has no room is not lacking: it would be tried at every run.
        ({"free": 0}, 0),
        ({"free": len(TWO)}, len(TWO)),
        ({"most": len(ONE)}, len(ONE)),
        # What nobody wants goes for it.
        ({"free": 0, "files": {"0" * 16: bytes(BOTH)}}, BOTH),
        ({"most": BOTH, "files": {"0" * 16: bytes(BOTH)}}, BOTH),
    ],
)
def test_what_is_missing_and_has_room(worker, given, lacking):
    assert worker(**given) == {"spread": 1, "lacking_bytes": lacking}


def test_where_nothing_was_ever_placed(worker):
    assert worker(content=None) is None


def test_a_worker_without_a_cache(worker):
    assert worker(cached=False) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}'])
def test_what_was_cut_off_is_placed_anew(worker, content):
    assert worker(content=content) == {"spread": 0, "lacking_bytes": 0}


def test_a_deployment_that_is_none():
    assert standing(Cluster("main"), None) is None
    assert standing(Cluster("main"), {"cache": 5}) is None
