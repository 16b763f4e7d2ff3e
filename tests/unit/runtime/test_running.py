# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service counts as running by what is written only if it was started after that."""

from __future__ import annotations

import os
import time

import pytest
from module_utils.hosts.tree import Tree
from module_utils.runtime.installed import FILES
from module_utils.runtime.running import runs
from module_utils.serving.cluster import Cluster

MAIN = Cluster("main")
MODEL = "/var/lib/drover/models/model.gguf"
UP = 5000.0  # seconds that the machine has been up
TICKS = os.sysconf("SC_CLK_TCK")
WORKER = {"part": "worker", "files": []}
LEADER = {"part": "leader", "files": [{"path": MODEL, "bytes": 1}]}


@pytest.fixture
def host(tmp_path):
    """A machine with a service that was started a hundred seconds ago, after all that it needs had been written."""

    def make(unit):
        for path in (MAIN.deployment_path, MODEL, *FILES.values()):
            file = tmp_path / path[1:]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("")
            os.utime(file, (time.time() - 200, time.time() - 200))
        process = tmp_path / "proc" / "77"
        process.mkdir(parents=True)
        (process / "cgroup").write_text(f"0::/system.slice/{unit}\n")
        before = " ".join(["0"] * 18)
        (process / "stat").write_text(f"77 (a (b) c) S {before} {int((UP - 100) * TICKS)} 0 0\n")
        return tmp_path

    return make


@pytest.mark.parametrize(("deployment", "unit"), [(WORKER, MAIN.rpc_unit), (LEADER, MAIN.server_unit)])
def test_what_was_started_last_runs_by_what_is_written(host, deployment, unit):
    assert runs(Tree(str(host(unit))), MAIN, deployment, now=UP)


@pytest.mark.parametrize("path", [MAIN.deployment_path, MODEL, *FILES.values()])
def test_what_was_written_since_is_not_in_force(host, path):
    root = host(MAIN.server_unit)
    os.utime(root / path[1:], (time.time() - 50, time.time() - 50))
    assert not runs(Tree(str(root)), MAIN, LEADER, now=UP)


def test_a_service_that_is_down_and_one_of_another_part_do_not_run(host):
    root = host(MAIN.rpc_unit)
    assert not runs(Tree(str(root)), MAIN, LEADER, now=UP)
    assert not runs(Tree(str(root)), Cluster("coder"), WORKER, now=UP)
    assert not runs(Tree(str(root)), MAIN, None, now=UP)
    (root / "proc/77/stat").write_text("")
    assert not runs(Tree(str(root)), MAIN, WORKER, now=UP)
