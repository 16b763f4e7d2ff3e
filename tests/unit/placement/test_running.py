# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running plan is taken as it is, or not at all."""

from __future__ import annotations

import pytest
from module_utils.placement.running import running_plan, running_plans, running_under
from module_utils.serving import cluster
from unit.placement.fleets import GIB, MIB, model, plan_of, tally


def test_a_plan_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text('{"leader": "old-server", "devices": []}', encoding="utf-8")
    assert running_plan("main", str(path)) == {"leader": "old-server", "devices": []}


@pytest.mark.parametrize("text", [b"", b'{"leader": "old-se', b"[]", b"{}", b"\xff\xfe", b"null"])
def test_what_is_no_plan_counts_as_none(tmp_path, text):
    path = tmp_path / "plan.json"
    path.write_bytes(text)
    assert running_plan("main", str(path)) is None


def test_a_host_that_leads_nothing_has_no_plan(tmp_path):
    assert running_plan("main", str(tmp_path / "plan.json")) is None


def test_every_cluster_has_its_own_plan(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CLUSTERS_FOLDER", str(tmp_path))
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "plan.json").write_text('{"leader": "pi-1"}', encoding="utf-8")
    assert running_plan("second") == {"leader": "pi-1"} and running_plan("main") is None


def test_of_what_was_found_only_plans_of_the_cluster_count():
    mine = plan_of(model(), [tally("pi-1", 2 * GIB)])
    others = plan_of(model(), [tally("pi-1", 2 * GIB)], cluster="second")
    refused = plan_of(model(), [tally("pi-1", MIB)])
    found = [None, {}, {**mine, "schema": 0}, {**mine, "devices": 7}, others, refused, mine]
    assert running_plans(found, "main") == [mine] and running_plans(found, "second") == [others]


def test_the_plan_on_the_new_leader_is_the_one_that_is_replaced():
    plans = [plan_of(model(), [tally(name, 2 * GIB)]) for name in ("pi-1", "pi-2")]
    assert running_under(plans, "pi-2") is plans[1]
    assert running_under(plans, "pi-3") is running_under(plans, None) is plans[0]
    assert running_under([], "pi-1") is None
