# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hostile GGUF header goes through all that reads one, up to the plan and what a person sees of it: it makes a plan
or one sentence that a terminal can show, in little time and memory."""

from __future__ import annotations

import json
import time

import pytest
from fuzz.guided import chance_of, fuzz
from fuzz.headers import changed, sound_ones, split, split_changed
from module_utils.errors import DroverError
from module_utils.gguf import cursor, remote
from module_utils.gguf.document import read_gguf
from module_utils.gguf.profile import model_profile
from module_utils.gguf.reader import read_header, read_remote_header
from module_utils.placement.document import read_plan
from module_utils.telling.page import plan_page
from module_utils.telling.table import plan_lines
from module_utils.weights import manifest
from tier import LONG
from unit.gguf.test_gguf_hostile import address_space
from unit.gguf.web_site import Page, serve
from unit.placement.fleets import GIB, plan_of, tally

HEADERS = 20_000 if LONG else 600
# What one header may take, watched and beside other work.
SECONDS = 5.0
MOST_BYTES = 256 << 20
POLICIES = [
    {},
    {"flash_attention": "off"},
    {"context_size": 131_072, "parallel": 4, "cache_type_k": "q8_0", "cache_type_v": "q4_0"},
]
FLEET = [tally("a", GIB), tally("b", GIB // 3), tally("c", 40 * GIB, gpus=(8 * GIB,))]


def is_sentence(said):
    """Whether a terminal shows it as it is, on one line, and a person reads it to its end."""
    return said.isprintable() and 0 < len(said) <= 2_000


def planned(path, policy):
    """Read, place and show the model at ``path``; None where that is refused in one sentence."""
    try:
        header = read_header(str(path))
        gguf = read_gguf(json.loads(json.dumps(model_profile(header))))
        assert manifest.takes_long(str(path)) in (True, False)
        plan = read_plan(json.loads(json.dumps(plan_of(gguf, FLEET, **policy))))
    except DroverError as refused:
        assert is_sentence(str(refused)), str(refused)
        return None
    assert all(line.isprintable() for line in plan_lines(plan)), plan_lines(plan)
    assert "<script" not in plan_page(plan)
    return plan


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    """Those that a test can walk to in no time; what is tested is that nothing gets past them."""
    monkeypatch.setattr(cursor, "HEADER_LIMIT", 1 << 20)
    monkeypatch.setattr(remote, "RETRY_DELAYS", (0.0, 0.0))
    monkeypatch.setattr(manifest, "is_slow", lambda: True)
    monkeypatch.setenv("no_proxy", "*")


def test_hostile_headers(tmp_path):
    path, outcomes, slowest = tmp_path / "model.gguf", {True: 0, False: 0}, [0.0]

    def attempt(made):
        made.write(path)
        began = time.process_time()
        outcomes[planned(path, POLICIES[len(made.header) % len(POLICIES)]) is not None] += 1
        slowest.append(time.process_time() - began)
        assert slowest[-1] < SECONDS

    with address_space(MOST_BYTES):
        kept, lines = fuzz("headers", sound_ones(tmp_path), changed, attempt, HEADERS)
    print(f"{outcomes[True]} planned, {outcomes[False]} refused, {len(kept)} kept, {len(lines.seen)} lines, ", end="")
    print(f"the slowest took {max(slowest):.2f} s")
    # It gets deep, and is refused at many places.
    assert min(outcomes.values()) > HEADERS // 10


def test_hostile_shards(tmp_path):
    paths = [tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    outcomes = {True: 0, False: 0}

    def attempt(parts):
        for made, path in zip(parts, paths):
            made.write(path)
        outcomes[planned(paths[0], {}) is not None] += 1

    with address_space(MOST_BYTES):
        fuzz("shards", [split(made) for made in sound_ones(tmp_path)[:8]], split_changed, attempt, HEADERS // 4)
    print(f"{outcomes[True]} planned, {outcomes[False]} refused")
    assert min(outcomes.values()) > HEADERS // 100


def a_page(chance, made):
    """A server's way to give what was ``made``, right or wrong."""
    if chance.random() < 0.3:
        return Page(made.header, total=str(1 << 40))
    return Page(
        made.header + bytes(chance.choice((0, 64))),
        ranges=chance.random() < 0.8,
        length=chance.random() < 0.8,
        total=chance.choice((str(1 << 40), str(1 << 40), "*", "0", "x", "9" * 30, "-1")),
        shift=chance.choice((0, 0, 0, 0, 1, -1, 1 << 40)),
        range_limit=chance.choice((1 << 62, 1 << 62, 100, 4096)),
        extra_headers=chance.choice(({}, {}, {}, {"Content-Encoding": "gzip"}, {"Content-Range": "bytes 0-9/\xb2"})),
        faults=chance.choice(([], [], [503], [("drop", 100)], [("drop", 0)] * 9, [404], [(200, {"X": "x" * 70_000})])),
    )


def test_hostile_servers(tmp_path):
    sound, outcomes = sound_ones(tmp_path), {True: 0, False: 0}
    with serve() as site:
        for number in range(HEADERS // 4):
            chance = chance_of("servers", number)
            made = chance.choice(sound)
            if chance.random() < 0.5:
                made = changed(chance, made, sound)
            site.pages["/m.gguf"] = a_page(chance, made)
            site.requests.clear()
            began = time.process_time()
            try:
                model_profile(read_remote_header(site.url("/m.gguf")))
                outcomes[True] += 1
            except DroverError as refused:
                assert is_sentence(str(refused)), (number, str(refused))
                outcomes[False] += 1
            assert time.process_time() - began < SECONDS, number
            # Nothing is asked for without end.
            assert len(site.requests) < 5_000, number
    print(f"{outcomes[True]} read, {outcomes[False]} refused")
    assert min(outcomes.values()) > HEADERS // 100
