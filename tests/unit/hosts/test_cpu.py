# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processor, on x86 and ARM."""

from __future__ import annotations

import pytest
from module_utils.hosts.cpu import read_cpu
from module_utils.hosts.tally import UNITS

AVX2 = ["sse3", "ssse3", "avx", "avx2", "fma", "f16c"]
BIG_LITTLE = """processor : 0
Features : fp asimd crc32 atomics asimdhp asimddp
CPU implementer : 0x41
CPU part : 0xd05

processor : 1
Features : fp asimd crc32 atomics asimdhp asimddp i8mm bf16 sve
CPU implementer : 0x41
CPU part : 0xd0b
"""


@pytest.mark.parametrize(
    ("name", "online", "expected"),
    [
        (
            "pi5",
            4,
            {
                "model": "Raspberry Pi 5 Model B Rev 1.0 (Cortex-A76)",
                "cores": 4,
                "physical_cores": 4,
                "fast_cores": 4,
                "isa": ["neon", "dotprod", "fp16"],
            },
        ),
        (
            "server_v2",
            4,
            {
                "model": "AMD EPYC 7302P 16-Core Processor",
                "cores": 2,  # a quota of 1.5 CPUs
                "physical_cores": 2,
                "fast_cores": 2,
                "isa": AVX2,
            },
        ),
        (
            "container_lxcfs",
            2,
            {
                "model": "Intel(R) Xeon(R) Processor",
                "cores": 2,
                "physical_cores": 2,
                "fast_cores": 2,
                "isa": [*AVX2, "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"],
            },
        ),
    ],
)
def test_read_cpu(machine, name, online, expected):
    assert read_cpu(machine(name), UNITS, online) == expected


def test_only_what_every_core_has_counts(machine):
    cpu = read_cpu(machine(files={"/proc/cpuinfo": BIG_LITTLE}), UNITS, 2)
    assert cpu["isa"] == ["neon", "dotprod", "fp16"]
    assert cpu["model"] == "Cortex-A55 + Cortex-A76"


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 4), ("10000 100000", 1), ("150000 100000", 2), ("200000 100000", 2), ("900000 100000", 4)],
)
def test_a_quota_bounds_the_cores(machine, quota, cores):
    files = {"/sys/fs/cgroup/system.slice/cpu.max": quota}
    cpu = read_cpu(machine("pi5", files=files), UNITS, 4)
    assert (cpu["cores"], cpu["physical_cores"]) == (cores, cores)


def test_a_container_that_is_shown_fewer_processors_than_it_may_run_on_has_so_many(machine):
    cpu = read_cpu(machine(files={"/proc/cpuinfo": BIG_LITTLE}), UNITS, 8)
    assert (cpu["cores"], cpu["physical_cores"]) == (2, 2)


def test_fewer_cores_online_than_the_processor_has(machine):
    cpu = read_cpu(machine("container_lxcfs"), UNITS, 1)
    assert (cpu["cores"], cpu["physical_cores"]) == (1, 1)


def test_a_machine_without_cpuinfo_has_cores_and_no_features(machine):
    cpu = read_cpu(machine(), UNITS, 3)
    assert (cpu["cores"], cpu["physical_cores"], cpu["isa"]) == (3, 3, [])


def arm(*parts):
    """/proc/cpuinfo of a board with these cores."""
    return "\n\n".join(
        f"processor\t: {number}\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: {part}"
        for number, part in enumerate(parts)
    )


def intel(*cores):
    """/proc/cpuinfo of an x86 processor whose threads are on these cores."""
    return "\n\n".join(
        f"processor\t: {number}\nmodel name\t: i5\nphysical id\t: 0\ncore id\t\t: {core}\nflags\t\t: avx2"
        for number, core in enumerate(cores)
    )


def readings(name, *numbers):
    return {f"/sys/devices/system/cpu/cpu{cpu}/{name}": str(number) for cpu, number in enumerate(numbers)}


RK3588 = arm(*["0xd05"] * 4, *["0xd0b"] * 4)
# Two P cores with two threads each, and four E cores.
HYBRID = intel(0, 0, 4, 4, 8, 9, 10, 11)


@pytest.mark.parametrize(
    ("cpuinfo", "files", "fast"),
    [
        pytest.param(RK3588, readings("cpu_capacity", *[414] * 4, 1008, 1008, 1024, 1024), 4, id="capacities"),
        pytest.param(RK3588, {}, 4, id="parts"),
        pytest.param(arm(*["0xd03"] * 4), {}, 4, id="small cores alone"),
        pytest.param(
            arm(*["0xfff"] * 8),
            readings("cpufreq/cpuinfo_max_freq", *[1800000] * 6, *[2400000] * 2),
            8,
            id="near frequencies",
        ),
        pytest.param(
            arm(*["0xfff"] * 8),
            readings("cpufreq/cpuinfo_max_freq", *[1400000] * 6, *[2400000] * 2),
            2,
            id="frequencies",
        ),
        pytest.param(arm(*["0xd0b"] * 4), readings("cpu_capacity", *[1024] * 4), 4, id="all alike"),
        pytest.param(RK3588, readings("cpu_capacity", 414, 414), 4, id="capacities of some"),
        pytest.param(
            HYBRID, {"/sys/devices/cpu_core/cpus": "0-3", "/sys/devices/cpu_atom/cpus": "4-7"}, 2, id="P and E cores"
        ),
        pytest.param(HYBRID, {"/sys/devices/cpu_core/cpus": "0-3"}, 6, id="no E cores named"),
        pytest.param(
            HYBRID, readings("cpufreq/cpuinfo_max_freq", *[5000000] * 4, *[3600000] * 4), 6, id="bursts of x86"
        ),
        pytest.param(HYBRID, readings("cpu_capacity", *[1024] * 4, *[620] * 4), 2, id="hybrid capacities"),
    ],
)
def test_fast_cores(machine, cpuinfo, files, fast):
    cpu = read_cpu(machine(files={"/proc/cpuinfo": cpuinfo, **files}), UNITS, 8)
    assert cpu["fast_cores"] == fast


def test_fast_cores_are_no_more_than_a_quota_is_worth(machine):
    files = {"/sys/fs/cgroup/system.slice/cpu.max": "200000 100000", "/proc/cpuinfo": RK3588}
    assert read_cpu(machine("pi5", files=files), UNITS, 8)["fast_cores"] == 2
