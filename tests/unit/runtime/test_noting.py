# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent has noted what came into the cache, once nothing more comes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from module_utils.errors import DroverError
from module_utils.runtime import noting
from module_utils.runtime.noting import Noting
from module_utils.serving.cluster import Cluster
from module_utils.weights.noted import note_whole

NAMES = ["0" * 16, "1" * 16]


@pytest.fixture
def pruned(monkeypatch):
    """How often it was pruned."""
    clusters = []
    monkeypatch.setattr(noting, "prune", lambda cluster: clusters.append(cluster.name))
    return clusters


@pytest.fixture
def noter(tmp_path, monkeypatch):
    """Its cache is ``cache``."""
    found = Noting(Cluster("main"))
    found.cache = {"directory": str(tmp_path), "days": 30}
    monkeypatch.setattr(noting, "load_deployment", lambda _cluster: {"cache": found.cache})
    return found


def test_nothing_is_run_where_all_is_noted(tmp_path, noter, pruned):
    (tmp_path / NAMES[0]).write_bytes(b"tensor")
    (tmp_path / "readme").write_bytes(b"mine")
    note_whole(str(tmp_path), [NAMES[0]])
    for _time in range(3):
        noter.look()
    assert pruned == []


def test_what_has_come_is_noted_when_nothing_more_comes(tmp_path, noter, pruned):
    noter.look()
    for size, name in enumerate(NAMES, 1):
        (tmp_path / name).write_bytes(bytes(size))
        noter.look()
        assert pruned == []
    with open(tmp_path / NAMES[1], "ab") as file:
        file.write(b"more")
    noter.look()
    assert pruned == []
    noter.look()
    assert pruned == ["main"]


def test_what_cannot_be_noted_is_tried_again_when_it_changes(tmp_path, noter, pruned):
    (tmp_path / NAMES[0]).write_bytes(b"tensor")
    for _time in range(5):
        noter.look()
    assert pruned == ["main"]
    (tmp_path / NAMES[1]).write_bytes(b"tensor")
    for _time in range(5):
        noter.look()
    assert pruned == ["main", "main"]


@pytest.mark.parametrize("why", ["no cache", "no folder", "read only", "a damaged deployment"])
def test_where_there_is_nothing_to_note(tmp_path, noter, pruned, monkeypatch, why):
    (tmp_path / NAMES[0]).write_bytes(b"tensor")
    if why == "no cache":
        noter.cache = None
    elif why == "no folder":
        noter.cache["directory"] += "/none"
    elif why == "read only":
        monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    else:

        def damaged(_cluster):
            raise DroverError("It is damaged: mend it.")

        monkeypatch.setattr(noting, "load_deployment", damaged)
    for _time in range(3):
        noter.look()
    assert pruned == []


def test_pruning_is_a_command_of_its_own(monkeypatch):
    ran = []

    def run(command, **_more):
        ran.append(command)
        raise OSError("no room")

    monkeypatch.setattr(subprocess, "run", run)
    noting.prune(Cluster("main"))
    assert ran == [[sys.executable, sys.argv[0], "prune", "--cluster", "main"]]
