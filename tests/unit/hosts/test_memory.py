# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that a host can lend."""

from __future__ import annotations

import pytest
from module_utils.hosts import cgroups, memory
from module_utils.hosts.tally import UNITS

KIB, MIB, GIB = 1024, 1024**2, 1024**3
UNLIMITED_V1 = str(0x7FFFFFFFFFFFF000)


def tallied(tree, reserve=0):
    return memory.read_memory(tree, UNITS, reserve)


def test_a_pi_lends_what_is_free_and_what_drover_holds(machine):
    tally = tallied(machine("pi5"))
    assert tally == {
        "total_bytes": 8256256 * KIB,
        "available_bytes": 4 * GIB,
        "limit_bytes": None,
        "limit_used_bytes": None,
        "arc_bytes": 0,
        "held_bytes": (2096128 + 1024) * KIB,
        "others_bytes": 0,
        "huge_pages_bytes": 0,
        "reserve_bytes": 0,
        "usable_bytes": 4 * GIB + (2096128 + 1024) * KIB,
    }


def test_a_second_run_sees_the_same_host(machine):
    before = tallied(machine("pi5", files={"/proc/811/cgroup": None, "/proc/811/status": None}))
    meminfo = "MemTotal: 8256256 kB\nMemAvailable: {} kB\n"
    after = tallied(machine("pi5", files={"/proc/meminfo": meminfo.format(4 * 1024 * 1024 - 2096128 - 1024)}))
    assert after["held_bytes"] > 0
    assert after["usable_bytes"] == before["usable_bytes"]


def test_swap_and_zram_are_never_lent(machine):
    with_swap = tallied(machine("pi5"))["usable_bytes"]
    meminfo = "MemTotal: 8256256 kB\nMemAvailable: 4194304 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"
    assert tallied(machine("pi5", files={"/proc/meminfo": meminfo}))["usable_bytes"] == with_swap


def test_huge_pages_are_told_and_not_lent(machine):
    tally = tallied(machine("server_v2"))
    assert tally["huge_pages_bytes"] == 16 * GIB
    assert tally["available_bytes"] == 30000000 * KIB


def test_a_limit_on_services_binds_and_others_use_is_taken_off(machine):
    tally = tallied(machine("server_v2"))
    # 11 GiB are charged, 4 GiB of them page cache; 4 GiB are Drover's and 3 GiB PostgreSQL's.
    assert (tally["limit_bytes"], tally["limit_used_bytes"], tally["held_bytes"]) == (16 * GIB, 7 * GIB, 4 * GIB)
    assert tally["usable_bytes"] == 13 * GIB


def test_the_limit_of_the_session_we_come_by_does_not_bind_services(machine):
    without = machine("server_v2", files={"/sys/fs/cgroup/user.slice/memory.max": "1048576"})
    assert tallied(without)["limit_bytes"] == 16 * GIB


@pytest.mark.parametrize("name", ["memory.max", "memory.high"])
def test_a_tighter_limit_of_the_unit_itself_counts(machine, name):
    path = f"/sys/fs/cgroup/system.slice/system-drover\\x2dserver.slice/drover-server@main.service/{name}"
    tally = tallied(machine("server_v2", files={path: str(6 * GIB)}))
    assert tally["limit_bytes"] == 6 * GIB
    assert tally["usable_bytes"] == 5 * GIB  # its own 4 GiB come back, 1 GiB of its charge is no anonymous memory


def test_the_level_with_the_least_room_is_told_not_the_lowest_number(machine):
    unit = "system-drover\\x2drpc.slice/drover-rpc@main.service"
    files = {f"/sys/fs/cgroup/system.slice/{unit}/memory.max": str(15 * GIB)}
    tally = tallied(machine("server_v2", files=files))
    assert tally["limit_bytes"] == 16 * GIB


def test_a_container_of_v1_sees_the_limit_above_it(machine):
    tally = tallied(machine("docker_v1"))
    assert tally["limit_bytes"] == 4 * GIB
    assert tally["limit_used_bytes"] == GIB
    assert tally["usable_bytes"] == 3 * GIB


def test_no_limit_in_v1_is_a_large_number(machine):
    files = {
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
        "/sys/fs/cgroup/memory/memory.stat": f"hierarchical_memory_limit {UNLIMITED_V1}",
    }
    tally = tallied(machine("docker_v1", files=files))
    assert tally["limit_bytes"] is None
    assert tally["usable_bytes"] == 28000000 * KIB


def test_lxcfs_tells_a_limit_that_no_cgroup_shows(machine):
    tally = tallied(machine("container_lxcfs"))
    assert tally["total_bytes"] == 2 * GIB
    assert tally["limit_bytes"] is None
    assert tally["held_bytes"] == 512 * MIB
    assert tally["usable_bytes"] == 2062472 * KIB + 512 * MIB


def test_a_machine_without_meminfo_lends_nothing(machine):
    assert tallied(machine())["usable_bytes"] == 0


def test_the_reserve_is_taken_off_and_never_below_nothing(machine):
    tree = machine("pi5")
    assert tallied(tree, 5 * GIB)["usable_bytes"] == GIB
    assert tallied(tree, 500 * GIB)["usable_bytes"] == 0


@pytest.mark.parametrize(
    ("total", "reserve"),
    [(512 * MIB, 192 * MIB), (GIB, 192 * MIB), (8 * GIB, 8 * GIB // 10), (64 * GIB, 4 * GIB), (512 * GIB, 4 * GIB)],
)
def test_default_reserve(total, reserve):
    assert memory.default_reserve(total) == reserve


def test_an_idle_pi_of_1_gib_lends_600_mib(machine):
    meminfo = "MemTotal: 948304 kB\nMemFree: 600000 kB\nMemAvailable: 812000 kB\n"
    tree = machine("pi5", files={"/proc/meminfo": meminfo, "/proc/811/cgroup": None})
    assert memory.read_memory(tree, UNITS)["usable_bytes"] >= 600 * 1000**2


def test_the_default_reserve_goes_by_the_limit(machine):
    assert memory.read_memory(machine("docker_v1"), UNITS)["reserve_bytes"] == 4 * GIB // 10


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0::/system.slice/drover-rpc.service", "drover-rpc.service"),
        ("0::/system.slice/system-drover\\x2dagent.slice/drover-agent@1.service", "drover-agent@1.service"),
        ("9:name=systemd:/system.slice/ssh.service\n4:memory:/elsewhere.service\n0::/", "ssh.service"),
        ("0::/user.slice/user-0.slice/session-3.scope", "session-3.scope"),
        ("0::/", None),
        ("", None),
    ],
)
def test_unit_of(machine, text, unit):
    assert cgroups.unit_of(machine(files={"/proc/7/cgroup": text}), 7) == unit


def test_a_limit_on_all_instances_of_a_unit_counts(machine):
    files = {"/sys/fs/cgroup/system.slice/system-drover\\x2drpc.slice/memory.max": str(6 * GIB)}
    assert tallied(machine("server_v2", files=files))["limit_bytes"] == 6 * GIB


def test_without_units_what_bounds_every_service_counts(machine):
    tally = memory.read_memory(machine("server_v2"), (), 0)
    assert (tally["limit_bytes"], tally["held_bytes"]) == (16 * GIB, 0)


# As OpenZFS prints it: name, type, value.
ARCSTATS = """13 1 0x01 147 39984 8734523642 172346511233
name                            type data
hits                            4    98765432
c_min                           4    {c_min}
c_max                           4    17179869184
size                            4    {size}
mru_evictable_data              4    {data}
mru_evictable_metadata          4    268435456
mfu_evictable_data              4    0
mfu_evictable_metadata          4    268435456
"""
LXCFS = "95 30 0:46 / /proc/meminfo rw,nosuid,nodev,relatime - fuse.lxcfs lxcfs rw"


@pytest.mark.parametrize(
    ("c_min", "size", "data", "comes_back"),
    [
        (GIB, 12 * GIB, 11 * GIB, 11 * GIB),  # down to the floor
        (GIB, 12 * GIB, 8 * GIB, 8 * GIB + 512 * MIB),  # what is in use stays
        (2 * GIB, GIB, GIB // 4, 0),
        (0, 60 * GIB, 60 * GIB, 28 * GIB),  # never more than there is
    ],
)
def test_what_zfs_caches_comes_back(machine, c_min, size, data, comes_back):
    files = {
        "/proc/meminfo": f"MemTotal: {32 * GIB // KIB} kB\nMemAvailable: {4 * GIB // KIB} kB\n",
        "/proc/spl/kstat/zfs/arcstats": ARCSTATS.format(c_min=c_min, size=size, data=data),
    }
    tally = tallied(machine(files=files))
    assert tally["arc_bytes"] == comes_back
    assert tally["available_bytes"] == tally["usable_bytes"] == 4 * GIB + comes_back


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/proc/self/mountinfo", LXCFS),
        ("/proc/spl/kstat/zfs/arcstats", "name type data\nsize 4 many\n"),
        ("/proc/spl/kstat/zfs/arcstats", None),
    ],
)
def test_a_cache_of_another_machine_or_none_does_not_count(machine, path, text):
    files = {
        "/proc/meminfo": f"MemTotal: {32 * GIB // KIB} kB\nMemAvailable: {4 * GIB // KIB} kB\n",
        "/proc/spl/kstat/zfs/arcstats": ARCSTATS.format(c_min=GIB, size=12 * GIB, data=11 * GIB),
    }
    tally = tallied(machine(files={**files, path: text}))
    assert (tally["arc_bytes"], tally["usable_bytes"]) == (0, 4 * GIB)


@pytest.mark.parametrize(
    ("status", "kib"),
    [
        ("VmLck: 0 kB\nVmRSS: 900 kB\nRssAnon: 200 kB\nRssFile: 600 kB\nRssShmem: 100 kB", 300),
        ("VmLck: 500 kB\nVmRSS: 900 kB\nRssAnon: 200 kB\nRssFile: 600 kB\nRssShmem: 100 kB", 800),  # of a file
        ("VmLck: 300 kB\nVmRSS: 310 kB\nRssAnon: 300 kB\nRssFile: 10 kB\nRssShmem: 0 kB", 310),  # its own
        ("RssAnon: 200 kB\nRssShmem: 100 kB", 300),
        ("", 0),
    ],
)
def test_what_a_process_has_locked_is_held(machine, status, kib):
    assert memory.held_bytes(machine(files={"/proc/7/status": status}), [7]) == kib * 1024


def test_what_others_planned_and_what_a_gpu_took(machine):
    tally = memory.read_memory(machine("server_v2"), UNITS, 0, others=3 * GIB, held_by_gpu=GIB)
    assert (tally["others_bytes"], tally["held_bytes"]) == (3 * GIB, 5 * GIB)
    # The limit binds: 16 GiB, of which 3 GiB are PostgreSQL's and 1 GiB is counted as Drover's after all.
    assert tally["usable_bytes"] == 14 * GIB - 3 * GIB


@pytest.mark.parametrize(
    ("name", "quota"), [("server_v2", 1.5), ("docker_v1", 2.5), ("pi5", None), ("container_lxcfs", None)]
)
def test_cpu_quota(machine, name, quota):
    assert cgroups.cpu_quota(machine(name), UNITS) == quota


def test_a_namespace_root_outside_the_mount_is_taken_as_the_mount(machine):
    files = {
        "/proc/1/cgroup": "0::/../..",
        "/proc/self/cgroup": "0::/../..",
        "/proc/self/mountinfo": "30 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
        "/proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 8388608 kB",
        "/sys/fs/cgroup/cgroup.controllers": "memory",
        "/sys/fs/cgroup/memory.max": str(GIB),
        "/sys/fs/cgroup/memory.current": str(256 * MIB),
        "/sys/fs/cgroup/memory.stat": f"inactive_file {128 * MIB}",
    }
    tally = tallied(machine(files=files))
    assert tally["limit_bytes"] == GIB
    assert tally["usable_bytes"] == GIB - 128 * MIB
