# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service counts as running by what is written only if it was started after that."""

from __future__ import annotations

import os
import time

import pytest
from module_utils.hosts.tree import Tree
from module_utils.runtime import running
from module_utils.runtime.installed import FILES
from module_utils.runtime.running import WANTED, complete, runs
from module_utils.serving.cluster import Cluster
from module_utils.serving.deployment import read_deployment
from module_utils.serving.drop_ins import drop_ins
from unit.documents import worker_deployment

MAIN = Cluster("main")
MODEL = "/var/lib/drover/models/model.gguf"
UP = 5000.0  # seconds that the machine has been up
TICKS = os.sysconf("SC_CLK_TCK")
WORKER = worker_deployment()
LEADER = {**WORKER, "part": "leader", "files": [{"path": MODEL, "bytes": 1}]}
MEMORY = {"total_bytes": 8 << 30, "limit_bytes": None, "reserve_bytes": 1 << 30}


@pytest.fixture
def written(monkeypatch):
    """When files are said to have been written, by their paths: nothing sets a file's real one."""
    dates = {}
    monkeypatch.setattr(running, "_written", lambda path: dates.get(path, 0.0))
    return dates


@pytest.fixture
def host(tmp_path, written, monkeypatch):
    """A machine with a service that was started a hundred seconds ago, after all that it needs had been written."""

    def make(unit):
        for path in (MAIN.deployment_path, MODEL, *FILES.values()):
            file = tmp_path / path[1:]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("")
            monkeypatch.setitem(written, str(file), time.time() - 200)
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
def test_what_was_written_since_is_not_in_force(host, written, path):
    root = host(MAIN.server_unit)
    written[str(root / path[1:])] = time.time() - 50
    assert not runs(Tree(str(root)), MAIN, LEADER, now=UP)


def test_a_file_that_was_put_there_with_an_old_date_is_new(tmp_path):
    before = time.time() - 1
    file = tmp_path / "model.gguf"
    file.write_text("")
    os.utime(file, (0, 0))
    assert running._written(str(file)) >= before
    assert running._written(str(tmp_path / "nothing")) == 0


def test_a_service_that_is_down_and_one_of_another_part_do_not_run(host):
    root = host(MAIN.rpc_unit)
    assert not runs(Tree(str(root)), MAIN, LEADER, now=UP)
    assert not runs(Tree(str(root)), Cluster("coder"), WORKER, now=UP)
    assert not runs(Tree(str(root)), MAIN, None, now=UP)
    (root / "proc/77/stat").write_text("")
    assert not runs(Tree(str(root)), MAIN, WORKER, now=UP)


@pytest.fixture
def prepared(tmp_path):
    """A machine where the services of ``main`` start after a boot, and which has a key."""
    wanted = tmp_path / WANTED[1:]
    wanted.mkdir(parents=True)
    for unit in (MAIN.rpc_unit, MAIN.server_unit):
        (wanted / unit).symlink_to("/etc/systemd/system/nowhere.service")
    key = tmp_path / MAIN.api_key_path[1:]
    key.parent.mkdir(parents=True)
    key.write_text("secret\n")
    key.chmod(0o640)
    (tmp_path / "etc/group").write_text(f"root:x:0:\ndrover:x:{os.getgid()}:\n")
    for deployment in (WORKER, LEADER):
        add(tmp_path, deployment)
    return tmp_path


def add(root, deployment, memory=MEMORY):
    """Have the units of ``deployment`` what is added to them, as the role host does."""
    for each in drop_ins(read_deployment(deployment), memory):
        path = root / each["path"][1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if each["text"]:
            path.write_text(each["text"])


def is_complete(root, deployment, cluster=MAIN):
    return complete(Tree(str(root)), cluster, deployment, MEMORY, owner=os.getuid())


@pytest.mark.parametrize(("deployment", "unit"), [(WORKER, MAIN.rpc_unit), (LEADER, MAIN.server_unit)])
def test_a_service_that_does_not_start_after_a_boot_is_not_complete(prepared, deployment, unit):
    assert is_complete(prepared, deployment)
    assert not is_complete(prepared, None)
    assert not is_complete(prepared, deployment, Cluster("coder"))
    (prepared / WANTED[1:] / unit).unlink()
    assert not is_complete(prepared, deployment)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key, _group: key.unlink(),
        lambda key, _group: key.write_text(""),
        lambda key, _group: key.chmod(0o644),
        lambda key, _group: key.chmod(0o600),
        lambda _key, group: group.write_text("root:x:0:\n"),
        lambda _key, group: group.write_text(f"drover:x:{os.getgid() + 1}:\n"),
    ],
)
def test_a_leader_whose_key_is_not_the_services_is_not_complete(prepared, spoil):
    spoil(prepared / MAIN.api_key_path[1:], prepared / "etc/group")
    assert not is_complete(prepared, LEADER)
    # A worker has no key.
    assert is_complete(prepared, WORKER)


def test_a_service_that_does_not_see_its_gpus_is_not_complete(prepared):
    deployment = {**WORKER, "nodes": ["/dev/dri/renderD128"], "groups": ["render"]}
    assert not is_complete(prepared, deployment)
    add(prepared, deployment)
    assert is_complete(prepared, deployment)
    add(prepared, {**deployment, "nodes": ["/dev/sda"]})
    assert not is_complete(prepared, deployment)
    # Left from when it had a GPU.
    assert not is_complete(prepared, WORKER)


def test_an_agent_that_does_not_see_the_gpus_is_not_complete(prepared):
    """It tells of them."""
    deployment = {**WORKER, "nodes": ["/dev/nvidia0"], "healing": {"port": 51052}}
    (prepared / WANTED[1:] / MAIN.agent_unit).symlink_to("/etc/systemd/system/nowhere.service")
    secret = prepared / MAIN.secret_path[1:]
    secret.write_text("s" * 48)
    secret.chmod(0o640)
    listens(prepared, 51052, MAIN.agent_unit)
    add(prepared, deployment)
    assert is_complete(prepared, deployment)
    (prepared / f"etc/systemd/system/{MAIN.agent_unit}.d/10-limits.conf").unlink()
    assert not is_complete(prepared, deployment)


@pytest.mark.parametrize("changes", [{"total_bytes": 4 << 30}, {"reserve_bytes": 3 << 30}, {"limit_bytes": 1 << 30}])
@pytest.mark.parametrize("deployment", [WORKER, LEADER])
def test_a_service_that_may_take_more_or_less_than_the_host_can_bear_is_not_complete(prepared, deployment, changes):
    add(prepared, deployment, {**MEMORY, **changes})
    assert not is_complete(prepared, deployment)
    add(prepared, deployment)
    assert is_complete(prepared, deployment)
    add(prepared, deployment, memory=None)
    assert not is_complete(prepared, deployment)


def test_an_rpc_server_that_may_talk_to_others_is_not_complete(prepared):
    assert not is_complete(prepared, {**WORKER, "allow": ["10.0.0.7"]})


@pytest.mark.parametrize("spoilt", [{"nodes": 7}, {"nodes": ["/etc/passwd"]}, {"part": "nothing"}, {"schema": 9}])
def test_a_deployment_that_was_edited_is_not_complete(prepared, spoilt):
    assert not is_complete(prepared, {**WORKER, **spoilt})


def test_one_from_before_there_were_gpus_is_complete(prepared):
    assert is_complete(prepared, {name: value for name, value in WORKER.items() if name not in ("nodes", "groups")})


def test_a_key_of_another_owner_is_not_complete(prepared):
    assert not complete(Tree(str(prepared)), MAIN, LEADER, MEMORY, owner=os.getuid() + 1)


def listens(root, port, unit):
    """Have a process of ``unit`` listen on ``port``."""
    process = root / "proc" / "88"
    (process / "fd").mkdir(parents=True, exist_ok=True)
    (process / "cgroup").write_text(f"0::/system.slice/{unit}\n")
    if not (process / "fd" / "3").is_symlink():
        (process / "fd" / "3").symlink_to("socket:[9001]")
    (root / "proc/net").mkdir(exist_ok=True)
    line = f"0: 0B00000A:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 997 0 9001 1"
    (root / "proc/net/tcp").write_text(f"head\n{line}\n")


@pytest.mark.parametrize(
    ("deployment", "unit"),
    [
        ({**WORKER, "healing": {"port": 51052}}, MAIN.agent_unit),
        ({**LEADER, "healing": {"port": 9080, "drain_seconds": 60}}, MAIN.watch_unit),
    ],
)
def test_what_heals_itself_needs_who_heals_answering_and_its_secret(prepared, deployment, unit):
    add(prepared, deployment)
    assert not is_complete(prepared, deployment)
    (prepared / WANTED[1:] / unit).symlink_to("/etc/systemd/system/nowhere.service")
    assert not is_complete(prepared, deployment)
    secret = prepared / MAIN.secret_path[1:]
    secret.write_text("s" * 48)
    secret.chmod(0o640)
    assert not is_complete(prepared, deployment)
    listens(prepared, deployment["healing"]["port"], "another.service")
    assert not is_complete(prepared, deployment)
    listens(prepared, deployment["healing"]["port"], unit)
    assert is_complete(prepared, deployment)
    secret.chmod(0o644)
    assert not is_complete(prepared, deployment)
