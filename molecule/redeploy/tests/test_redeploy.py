# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the second deployment: fewer hosts, another context, the same answers, nothing left on the dropped worker."""

from __future__ import annotations

import json

import pytest
from cluster import LEADER, address, answers, host


def test_the_plan_leaves_the_excluded_worker_out(plan):
    assert plan["leader"] == LEADER
    assert [device["host"] for device in plan["devices"]] == ["pi-1"]
    assert "pi-2" in [spare if isinstance(spare, str) else spare["host"] for spare in plan["spare"]]


@pytest.mark.parametrize(("name", "peer"), [(LEADER, "pi-1"), ("pi-1", LEADER)])
def test_the_links_of_those_that_take_part_were_measured(name, peer):
    kept = json.loads(host(name).file("/run/drover/links.json").content_string)
    assert kept["identity"] == [address(name), address(peer)]
    assert 0 < kept["figure"]["round_trip_seconds"] < 0.1
    assert kept["figure"]["speed_mbps"] > 100


def test_the_server_runs_with_the_new_context(api):
    status, reply = api.request("/props")
    assert status == 200
    assert reply["default_generation_settings"]["n_ctx"] == 1024


def test_the_answers_are_the_same(api):
    for question, answer in answers():
        assert api.ask(question) == answer


def test_nothing_of_the_rpc_server_is_left_on_the_excluded_worker():
    dropped = host("pi-2")
    assert not dropped.file("/etc/systemd/system/drover-rpc@.service").exists
    assert not dropped.file("/etc/drover/main/deployment.json").exists
    assert not dropped.socket(f"tcp://{address('pi-2')}:50052").is_listening
    assert "drover" not in dropped.check_output("nft list tables")
