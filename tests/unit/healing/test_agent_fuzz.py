# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a leader that was taken over may ask of an agent. (10,000 requests to the handler: see test_agent; to the real
service on loopback, by those who know the secret and those who do not: see tests/unit/attack.)"""

from __future__ import annotations

import json
import os
import random

from module_utils.healing import seal
from module_utils.hosts.tree import Tree
from module_utils.runtime import decisions
from module_utils.serving.cluster import Cluster
from tier import LONG
from unit.healing import worker
from unit.healing.hostile import VALUES, as_json, mutated, places
from unit.healing.test_agent import converse, handler, host, killed  # noqa: F401

MAIN = Cluster("main")
DEPLOYMENTS = 20_000 if LONG else 400
NONCE = b"GET /nonce HTTP/1.1\r\n\r\n"


def put(handler, body):  # noqa: F811
    """The status and the words that a deployment of somebody who knows the secret is answered with."""
    request = seal.request_seal(worker.SECRET, "pi-1", "n", "a", "PUT", "/deployment", body)
    head = (
        f"PUT /deployment HTTP/1.1\r\nContent-Length: {len(body)}\r\nDrover-Asked: a\r\nDrover-Seal: {request}\r\n\r\n"
    )
    heard = converse(handler, NONCE + head.encode() + body)
    last, _blank, said = heard.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    return int(last[:3]), said


def test_hostile_deployments_are_refused_in_one_sentence_and_grant_nothing(request, monkeypatch):
    handler, folder = request.getfixturevalue("handler"), request.getfixturevalue("host")  # noqa: F811
    ended = request.getfixturevalue("killed")
    monkeypatch.setattr(seal, "new_nonce", lambda: "n")
    chance, known = random.Random(11), list(places({"deployment": worker.DEPLOYMENT}))
    bodies = [as_json({"deployment": value}) for value in VALUES] + [as_json(value) for value in VALUES]
    bodies += [b"[" * 100_000, b'{"deployment":' * 5_000, b"1" * 100_000, b"\xff\xfe", b"", b"NaN", b'"\xed\xa0\x80"']
    bodies += [
        as_json(mutated(chance, {"deployment": worker.DEPLOYMENT, "fresh": False}, known)) for _ in range(DEPLOYMENTS)
    ]
    taken = 0
    for body in bodies:
        status, said = put(handler, body)
        assert status in (200, 400, 403), body[:200]
        assert status == 200 or said.count(b"\n") == 1, body[:200]
        taken += status == 200
        decided = decisions.in_force(MAIN, worker.DEPLOYMENT, Tree(str(folder)))
        assert {**decided, "arguments": 0, "memory_bytes": 0} == {
            **worker.DEPLOYMENT,
            "arguments": 0,
            "memory_bytes": 0,
        }, body[:200]
    assert 0 < taken < len(bodies)
    assert set(ended) <= {4711}
    assert os.listdir(folder / MAIN.running_path[1:].rpartition("/")[0]) == ["running.json"]
    # What it keeps is what root can read again.
    assert (
        json.loads((folder / MAIN.running_path[1:]).read_text())["deployment"]["program"]
        == worker.DEPLOYMENT["program"]
    )
