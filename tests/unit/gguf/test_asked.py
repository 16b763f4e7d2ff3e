# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that cannot be had as it is asked for, and one that cannot be served, are refused in one sentence."""

from __future__ import annotations

import pytest
from module_utils.gguf.asked import header_faults, source_faults

SHA = "ab" * 32


def sources(**given):
    return {"gguf_model_path": "", "gguf_model_url": "", "gguf_model_repo": "", "gguf_model_leader_path": "", **given}


@pytest.mark.parametrize(
    ("given", "sha256"),
    [
        ({"gguf_model_path": "/srv/model.gguf"}, []),
        ({"gguf_model_path": "/srv/model.gguf"}, [SHA]),
        ({"gguf_model_url": "https://models.example/model.gguf"}, [SHA]),
        ({"gguf_model_leader_path": "/srv/model.gguf"}, []),
        ({"gguf_model_repo": "maker/model-GGUF"}, []),
    ],
)
def test_a_model_that_is_well_asked_for_has_no_faults(given, sha256):
    assert source_faults(sources(**given), sha256) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["No model is set; set exactly one of gguf_model_path"]),
        (
            {"gguf_model_path": "a", "gguf_model_leader_path": "b"},
            ["More than one model is set (gguf_model_path, gguf_model_leader_path); set exactly one of"],
        ),
        (
            {"gguf_model_url": "https://me:word@models.example/m.gguf?signature=1"},
            [
                "gguf_model_url is set to https://models.example/m.gguf without gguf_model_sha256",
                "set gguf_model_sha256",
            ],
        ),
        (
            {"gguf_model_leader_path": "models/m.gguf"},
            ["gguf_model_leader_path is set to models/m.gguf, which leaves open where", "beginning with a slash"],
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence_without_secrets(given, words):
    (told,) = source_faults(sources(**given), [])
    for word in words:
        assert word in told
    assert "word@" not in told
    assert "signature" not in told


GGUF = {"unservable": [], "shards": ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"]}
ON_LEADER = sources(gguf_model_leader_path="/srv/m.gguf")


@pytest.mark.parametrize("sha256", [[], [SHA, SHA]])
def test_a_model_that_can_be_served_has_no_faults(sha256):
    assert header_faults({"gguf": GGUF}, ON_LEADER, sha256, "pi-1") == []


@pytest.mark.parametrize(
    ("header", "given", "told"),
    [
        (
            {"msg": "/srv/m.gguf does not exist: correct it.", "failed": True},
            ON_LEADER,
            "/srv/m.gguf does not exist: correct it (this is gguf_model_leader_path, looked for on pi-1). Nothing was "
            "changed.",
        ),
        (
            {"msg": "m.gguf is cut off"},
            sources(gguf_model_path="m.gguf"),
            "m.gguf is cut off (this is gguf_model_path, looked for on this controller). Nothing was changed.",
        ),
        (
            {},
            sources(gguf_model_url="https://models.example/m.gguf?key=1"),
            "The header could not be read (this is gguf_model_url). Nothing was changed.",
        ),
        (
            {"gguf": {**GGUF, "unservable": ["It is an embedding model.", "It has no output."]}},
            sources(gguf_model_url="https://models.example/m.gguf?key=1"),
            "https://models.example/m.gguf (this is gguf_model_url) cannot be served. It is an embedding model. It has "
            "no output. Nothing was changed.",
        ),
    ],
)
def test_why_it_is_not_served_is_told_with_where_it_was_looked_for(header, given, told):
    assert header_faults(header, given, [], "pi-1") == [told]


def test_there_is_one_checksum_a_file():
    (told,) = header_faults({"gguf": GGUF}, ON_LEADER, [SHA], "pi-1")
    assert told.startswith("gguf_model_sha256 has 1 entries, but the model has 2 shards; give one sha256 for each")
