# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from module_utils.errors import DroverError
from module_utils.telling.page import plan_page
from unit.placement.fleets import MIB, model, plan_of, tally


class Page(HTMLParser):
    """The tags and texts of a page, and whether every tag that was opened was closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self._open = [], [], []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in {"meta"}:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def page_of(hosts, gguf=None, **arguments):
    plan = plan_of(gguf or model(), hosts, **arguments)
    return plan, Page(plan_page(plan))


def test_the_page_draws_every_layer_and_every_device():
    plan, page = page_of([tally("pi-1", 600 * MIB), tally("pi-2", 600 * MIB)], leader="pi-1")
    titles = [text for text in page.texts if re.match(r"(block \d|output): ", text)]
    assert len(titles) == 9 and titles[0] == "block 0: 100 MiB on pi-1" and titles[-1] == "output: 50.0 MiB on pi-2"
    assert any(text.startswith("pi-2 RPC0: ") and "free of 600 MiB" in text for text in page.texts)
    assert any(reason in page.texts for reason in plan["reasons"])


def test_the_layers_fill_the_width():
    _plan, page = page_of([tally("pi-1", 600 * MIB), tally("pi-2", 600 * MIB)])
    layers = [attributes for tag, attributes in page.tags if attributes.get("stroke") == "var(--paper)"]
    assert sum(float(attributes["width"]) for attributes in layers) == pytest.approx(960, abs=0.1)


def test_the_page_loads_nothing():
    plan = plan_of(model(), [tally("pi-1", 600 * MIB), tally("pi-2", 600 * MIB)])
    assert not re.search(r"<script|<link|<img|src=|href=|url\(|@import|http", plan_page(plan))


def test_what_does_not_fit_says_what_would_help():
    plan, page = page_of([tally("pi-1", 800 * MIB)], context_size=65536)
    assert not plan["feasible"]
    for remedy in plan["remedies"]:
        assert remedy["text"] in page.texts


def test_the_page_says_what_was_wished_for():
    _plan, page = page_of([tally("pi-1", 900 * MIB), tally("pi-2", 900 * MIB)], split={"pi-1": 4, "pi-2": 5})
    texts = page.texts
    assert texts[texts.index("context_size") + 1] == "4096"
    assert texts[texts.index("split") + 1] == "pi-1: 4, pi-2: 5"
    assert "leader" not in texts  # nobody wished for one


def test_names_cannot_break_out():
    nasty = "<script>alert('x')</script>\"&"
    hosts = [tally(nasty, 600 * MIB), tally("pi-2", 600 * MIB, exclude=""), tally("pi-3" + nasty, 0)]
    plan = plan_of({**model(), "name": nasty, "quantization": nasty}, hosts)
    assert "<script" not in plan_page(plan)
    assert any(nasty in text for text in Page(plan_page(plan)).texts)


@pytest.mark.parametrize("plan", [None, {}, "plan"])
def test_what_is_no_plan_is_refused(plan):
    with pytest.raises(DroverError, match=r"The plan (is|has no)"):
        plan_page(plan)
