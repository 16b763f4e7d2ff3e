# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running plan is taken as it is, or not at all."""

from __future__ import annotations

import pytest
from module_utils.placement.running import running_plan
from module_utils.serving import cluster


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
