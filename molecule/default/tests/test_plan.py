# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan.yml and recommend.yml on a running cluster: they tell, and change nothing on it."""

from __future__ import annotations

import re

from cluster import LEADER, ROOT, WORKERS
from playbook import play

MODEL = ROOT / "tests" / "assets" / "drover-demo.gguf"


def test_the_same_plan_moves_nothing():
    run = play("plan", diff=True)
    assert run.status == 0, run.said
    assert set(run.changed.values()) == {0}
    assert "Nothing would change." in run.said


def test_another_plan_says_what_would_move():
    run = play("plan", settings={"placement_spread": "auto", "llama_server_context_size": 1024}, diff=True)
    assert run.status == 0, run.said
    assert f"on {LEADER} alone" in run.said
    assert "context_size: 2048 -> 1024" in run.said
    assert re.search(rf"output: pi-\d -> {LEADER}, [\d.]+ [KM]iB", run.said)


def test_the_report_is_one_page_with_every_host_and_relative_paths_are_from_where_one_stands(tmp_path):
    page = tmp_path / "plan.html"
    (tmp_path / MODEL.name).symlink_to(MODEL)
    run = play("plan", settings={"placement_report": page.name, "gguf_model_path": MODEL.name}, directory=tmp_path)
    assert run.status == 0, run.said
    assert f"The plan as a page: {page}" in run.said
    text = page.read_text(encoding="utf-8")
    assert all(name in text for name in [LEADER, *WORKERS])
    assert "<svg" in text
    assert not re.search(r"(?:src|href)\s*=|@import|url\(", text), "the page must need nothing from elsewhere"


def test_recommend_names_models_that_fit_and_the_next_bigger_one():
    run = play("recommend", settings={"recommend_tokens_per_second": 0})
    assert run.status == 0, run.said
    assert set(run.changed.values()) == {0}
    assert re.search(r"1\. .+? \(\d+(?:\.\d)? [MG]iB\): about [\d.]+ tokens/s on ", run.said)
    assert re.search(r"Next bigger: .+? lacks [\d.]+ [MG]iB", run.said)
