# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model on the controller is read within Ansible's own process, and any other where it is."""

from __future__ import annotations

import hashlib

import pytest
from module_utils.gguf.look import look
from unit.plugins.actions import PLAIN, ROOT, act, action_class, decorated, types_in

DEMO = ROOT / "tests" / "assets" / "drover-demo.gguf"
URL = "http://127.0.0.1:9/m.gguf"


class Module(Exception):
    """The module was asked to run, with these options."""


@pytest.fixture
def kind(monkeypatch):
    def execute(_self, **options):
        raise Module(options)

    found = action_class("gguf_info")
    monkeypatch.setattr(found, "_execute_module", execute)
    return found


def test_a_file_on_the_controller_is_read_here(kind):
    told = act(kind, decorated({"path": str(DEMO)}), transport="local")
    assert types_in(told) <= PLAIN
    assert told == {"changed": False, **look(str(DEMO), None, None, {})}
    assert told["gguf"]["architecture"]
    assert told["files"][0]["file_bytes"] == DEMO.stat().st_size


def test_its_checksum_is_held_against_it(kind):
    right = hashlib.sha256(DEMO.read_bytes()).hexdigest()
    given = {"path": str(DEMO), "sha256": {DEMO.name: right}}
    assert act(kind, given, transport="local")["gguf"]
    refused = act(kind, {**given, "sha256": {DEMO.name: "0" * 64}}, transport="local")
    assert refused["failed"] and right in refused["msg"]


def test_what_is_not_there_is_refused_in_a_sentence(kind, tmp_path):
    refused = act(kind, {"path": str(tmp_path / "m.gguf")}, transport="local")
    assert refused["failed"] and str(tmp_path / "m.gguf") in refused["msg"]


@pytest.mark.parametrize(
    ("args", "where"),
    [
        ({"path": str(DEMO)}, {"transport": "ssh"}),
        ({"path": str(DEMO)}, {"transport": "local", "become": "sudo"}),
        # A proxy may be said in the task's environment, and a token is hidden.
        ({"url": URL}, {"transport": "local"}),
        ({"url": URL, "token": "hf_secret"}, {"transport": "local"}),
        ({"path": str(DEMO), "token": "hf_secret"}, {"transport": "local"}),
    ],
)
def test_all_else_is_the_modules(kind, args, where):
    with pytest.raises(Module):
        act(kind, args, **where)
