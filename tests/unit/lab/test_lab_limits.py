# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups of both versions: where they are, and what is written in which order."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab.errors import LabError
from lab.limits import Group, Layout, cpu_writes, layout, memory_writes

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
LEGACY = """\
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory
"""
UNIFIED = "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


@pytest.mark.parametrize(
    ("mountinfo", "version", "memory", "cpu", "others"),
    [
        (HYBRID, 1, "memory", "cpu", ["cpuset", "systemd", "unified"]),
        (LEGACY, 1, "memory", "cpu,cpuacct", []),
        (UNIFIED, 2, "", "", []),
    ],
)
def test_layout(mountinfo, version, memory, cpu, others):
    root = Path("/sys/fs/cgroup")
    assert layout(mountinfo) == Layout(version, root / memory, root / cpu, tuple(root / other for other in others))


@pytest.mark.parametrize("mountinfo", ["", LEGACY.splitlines()[0], HYBRID.splitlines()[3] + "\n" + UNIFIED])
def test_a_machine_without_both_controllers_is_refused(mountinfo):
    with pytest.raises(LabError, match="No control groups for memory and cpu"):
        layout(mountinfo)


@pytest.mark.parametrize(
    ("version", "limit", "writes"),
    [
        (
            1,
            1 << 30,
            {
                "memory.memsw.limit_in_bytes": "1073741824",
                "memory.limit_in_bytes": "1073741824",
                "memory.swappiness": "0",
            },
        ),
        (
            1,
            None,
            {"memory.memsw.limit_in_bytes": "-1", "memory.limit_in_bytes": "-1", "memory.swappiness": "60"},
        ),
        (2, 1 << 30, {"memory.max": "1073741824", "memory.swap.max": "0"}),
        (2, None, {"memory.max": "max", "memory.swap.max": "max"}),
    ],
)
def test_memory_limits_count_swap(version, limit, writes):
    assert {file: value for file, value, _ in memory_writes(version, limit)} == writes


@pytest.mark.parametrize("before", [None, 1 << 28, 1 << 32])
@pytest.mark.parametrize("after", [None, 1 << 28, 1 << 30, 1 << 33])
def test_version_1_never_sees_less_with_swap_than_without(before, after):
    """The kernel refuses such a write, whether the limit goes up or down."""
    endless = 1 << 63
    now = dict.fromkeys(("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), before or endless)
    for file, value, _ in memory_writes(1, after):
        if file in now:
            now[file] = endless if value == "-1" else int(value)
            assert now["memory.memsw.limit_in_bytes"] >= now["memory.limit_in_bytes"]
    assert set(now.values()) == {after or endless}


@pytest.mark.parametrize(
    ("version", "share", "expected"),
    [
        (1, 0.5, [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")]),
        (1, None, [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "-1")]),
        (2, 1.5, [("cpu.max", "150000 100000")]),
        (2, None, [("cpu.max", "max 100000")]),
    ],
)
def test_cpu_limits(version, share, expected):
    assert [(file, value) for file, value, _ in cpu_writes(version, share)] == expected


@pytest.fixture
def version_1(tmp_path):
    return Layout(1, tmp_path / "memory", tmp_path / "cpu", (tmp_path / "systemd", tmp_path / "unified"))


@pytest.fixture
def version_2(tmp_path):
    for path in (".", "drover-lab", "drover-lab/demo"):
        (tmp_path / path).mkdir(exist_ok=True)
        (tmp_path / path / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    return Layout(2, tmp_path, tmp_path, ())


def test_a_group_is_made_in_every_hierarchy_of_version_1(version_1, tmp_path):
    Group("drover-lab/demo/pi-1", version_1).create()
    made = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/drover-lab/demo/pi-1"))
    assert made == [f"{tree}/drover-lab/demo/pi-1" for tree in ("cpu", "memory", "systemd", "unified")]
    assert not list(tmp_path.rglob("cgroup.subtree_control"))


def test_a_cpuset_of_version_1_has_what_its_parent_has(version_1, tmp_path):
    given = {"": "0-3", "drover-lab": "0-3", "drover-lab/demo": "0-1\n", "drover-lab/demo/pi-1": "\n"}
    for path, processors in given.items():
        (tmp_path / "systemd" / path).mkdir(exist_ok=True)
        (tmp_path / "systemd" / path / "cpuset.cpus").write_text(processors)
    Group("drover-lab/demo/pi-1", version_1).create()
    assert (tmp_path / "systemd/drover-lab/demo/pi-1/cpuset.cpus").read_text() == "0-1\n"
    assert not list(tmp_path.rglob("cpuset.mems"))


def test_version_2_hands_the_controllers_down_to_the_group_but_not_into_it(version_2, tmp_path):
    Group("drover-lab/demo/pi-1", version_2).create()
    handed = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("cgroup.subtree_control")}
    assert handed == {".", "drover-lab", "drover-lab/demo"}
    assert (tmp_path / "drover-lab/cgroup.subtree_control").read_text() == "+cpuset +cpu +memory +pids"


def test_limits_are_written_where_the_controller_is(version_1, tmp_path):
    group = Group("drover-lab/demo/pi-1", version_1)
    group.create()
    group.limit_memory(1 << 30)
    group.limit_cpu(0.5)
    assert (tmp_path / "memory/drover-lab/demo/pi-1/memory.limit_in_bytes").read_text() == "1073741824"
    assert (tmp_path / "cpu/drover-lab/demo/pi-1/cpu.cfs_quota_us").read_text() == "50000"
    # This kernel has no swap accounting, so there are no files for it.
    assert not (tmp_path / "memory/drover-lab/demo/pi-1/memory.memsw.limit_in_bytes").exists()
    assert group.limits() == {"memory": 1 << 30, "cpu": 0.5}


@pytest.mark.parametrize("memory", [None, 1 << 30])
@pytest.mark.parametrize("cpu", [None, 0.25])
def test_what_was_written_is_read_back(version_2, memory, cpu):
    group = Group("drover-lab/demo/pi-1", version_2)
    group.create()
    group.limit_memory(memory)
    group.limit_cpu(cpu)
    assert group.limits() == {"memory": memory, "cpu": cpu}


def test_no_limit_on_version_1_is_the_largest_number(version_1, tmp_path):
    group = Group("g", version_1)
    group.create()
    (tmp_path / "memory/g/memory.limit_in_bytes").write_text("9223372036854771712\n")
    group.limit_cpu(None)
    assert group.limits() == {"memory": None, "cpu": None}


def test_a_group_knows_the_processes_below_it(version_2, tmp_path):
    group = Group("drover-lab/demo/pi-1", version_2)
    (tmp_path / "drover-lab/demo/pi-1/payload/init.scope").mkdir(parents=True)
    (tmp_path / "drover-lab/demo/pi-1/cgroup.procs").write_text("11\n")
    (tmp_path / "drover-lab/demo/pi-1/payload/init.scope/cgroup.procs").write_text("12\n13\n")
    (tmp_path / "drover-lab/demo/cgroup.procs").write_text("99\n")
    assert sorted(group.processes()) == [11, 12, 13]


def test_a_command_joins_the_group_before_it_runs(version_1, tmp_path):
    group = Group("drover-lab/demo/pi-1", version_1)
    shell, flags, script, *rest = group.command(["systemd-nspawn", "--boot"])
    assert [shell, flags] == ["/bin/sh", "-ec"]
    joins, last = script.rsplit("; ", 1)
    assert last == 'exec "$@"'
    assert sorted(joins.split("; ")) == sorted(
        f"echo $$ > {tmp_path / tree}/drover-lab/demo/pi-1/cgroup.procs"
        for tree in ("cpu", "memory", "systemd", "unified")
    )
    assert rest == ["sh", "systemd-nspawn", "--boot"]


@pytest.mark.parametrize(
    ("version", "file", "content"),
    [
        (1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        (2, "memory.events", "low 0\nhigh 0\nmax 17\noom 4\noom_kill 3\noom_group_kill 0\n"),
    ],
)
def test_kills_for_want_of_memory_are_counted(tmp_path, version, file, content):
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / file).write_text(content)
    assert Group("host", Layout(version, tmp_path, tmp_path, ())).memory_kills() == 3


def test_version_1_counts_the_kills_among_a_nodes_pods(tmp_path):
    for path, kills in (("host", 1), ("host/kubepods/pod7", 2)):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "memory.oom_control").write_text(f"under_oom 0\noom_kill {kills}\n")
    assert Group("host", Layout(1, tmp_path, tmp_path, ())).memory_kills() == 3
