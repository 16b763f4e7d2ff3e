# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measured memory bandwidth and its cache."""

from __future__ import annotations

import json

import pytest
from module_utils.hosts import bandwidth as under_test
from module_utils.hosts import caches

GIB = 1024**3
CPU = {"model": "Cortex-A76", "cores": 4}
MEMORY = {"total_bytes": 8 * GIB, "available_bytes": 4 * GIB, "usable_bytes": 3 * GIB}
# Beside the caches lies a file, and each of two sockets has two caches of the last level (recorded, shortened).
UEVENT = {"/sys/devices/system/cpu/cpu0/cache/uevent": ""}


def cache(cpu, index, level, size, sharers, kind="Unified"):
    folder = f"/sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
    return {
        f"{folder}/level": str(level),
        f"{folder}/size": size,
        f"{folder}/type": kind,
        f"{folder}/shared_cpu_list": sharers,
    }


LARGE = {
    **UEVENT,
    **{path: text for cpu in range(4) for path, text in cache(cpu, 0, 1, "32K", str(cpu), "Data").items()},
    **{path: text for cpu in range(4) for path, text in cache(cpu, 1, 1, "64K", str(cpu), "Instruction").items()},
    **cache(0, 3, 3, "107520K", "0-1"),
    **cache(1, 3, 3, "107520K", "0-1"),
    **cache(2, 3, 3, "105M", "2-3"),
    **cache(3, 3, 3, "105M", "2-3"),
}


@pytest.fixture
def tree(machine):
    """A machine that does not tell its caches."""
    return machine()


@pytest.fixture
def measured(monkeypatch):
    """Replaces the measurement: returns the list of sizes and threads asked for."""
    asked = []

    def measure(size, threads, seconds):
        asked.append((size, threads))
        return 11_000_000_000 + len(asked)

    monkeypatch.setattr(under_test, "measure", measure)
    return asked


def test_it_is_measured_once(tree, tmp_path, measured):
    cache = str(tmp_path / "drover" / "bandwidth.json")
    first = under_test.bandwidth(tree, CPU, MEMORY, cache_file=cache)
    assert under_test.bandwidth(tree, CPU, MEMORY, cache_file=cache) == first
    assert len(measured) == 1


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [
        ({**CPU, "model": "Cortex-A72"}, MEMORY),
        ({**CPU, "cores": 2}, MEMORY),
        (CPU, {**MEMORY, "total_bytes": 16 * GIB}),
    ],
)
def test_other_hardware_is_measured_again(tree, tmp_path, measured, cpu, memory):
    cache = str(tmp_path / "bandwidth.json")
    under_test.bandwidth(tree, CPU, MEMORY, cache_file=cache)
    assert under_test.bandwidth(tree, cpu, memory, cache_file=cache) == 11_000_000_002


def test_nothing_is_written_when_it_may_not(tree, tmp_path, measured):
    cache = tmp_path / "drover" / "bandwidth.json"
    assert under_test.bandwidth(tree, CPU, MEMORY, cache_file=str(cache), may_write=False) == 11_000_000_001
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"identity": null, "figure": 5}'])
def test_a_damaged_cache_is_measured_over(tree, tmp_path, measured, content):
    cache = tmp_path / "bandwidth.json"
    cache.write_text(content)
    assert under_test.bandwidth(tree, CPU, MEMORY, cache_file=str(cache)) == 11_000_000_001
    assert json.loads(cache.read_text())["figure"] == 11_000_000_001


def test_a_cache_that_cannot_be_written_does_no_harm(tree, tmp_path, measured):
    (tmp_path / "file").write_text("")
    assert (
        under_test.bandwidth(tree, CPU, MEMORY, cache_file=str(tmp_path / "file" / "bandwidth.json")) == 11_000_000_001
    )


def test_a_small_host_is_measured_with_a_small_buffer(tree, tmp_path, measured):
    memory = {"total_bytes": GIB // 2, "available_bytes": 300 * 1024**2, "usable_bytes": 108 * 1024**2}
    under_test.bandwidth(tree, CPU, memory, cache_file=str(tmp_path / "bandwidth.json"))
    assert measured == [(54 * 1024**2, 4)]


def test_a_host_without_memory_to_spare_is_not_measured(tree, tmp_path, measured):
    memory = {"total_bytes": GIB, "available_bytes": 60 * 1024**2, "usable_bytes": 0}
    assert under_test.bandwidth(tree, CPU, memory, cache_file=str(tmp_path / "bandwidth.json")) is None
    assert measured == []


@pytest.mark.parametrize(
    ("files", "size"),
    [
        ({}, 0),
        (UEVENT, 0),
        (LARGE, 210 * 1024**2),
        ({**UEVENT, **cache(0, 2, 2, "2M", "0-3")}, 2 * 1024**2),
        ({**cache(0, 2, 2, "2048K", "0"), **cache(1, 2, 2, "2048K", "1")}, 4 * 1024**2),
        ({**cache(0, 3, 3, "", "0-3"), **cache(0, 2, 2, "512K", "0")}, 512 * 1024),
        ({"/sys/devices/system/cpu/cpuidle/cache/index0/size": "1M"}, 0),
    ],
)
def test_all_caches_of_the_last_level_count(machine, files, size):
    assert caches.last_level_bytes(machine(files=files)) == size


@pytest.mark.parametrize(
    ("text", "size"), [("32K", 32768), ("105M", 105 << 20), ("1G", 1 << 30), ("512", 512), ("", 0), ("K", 0), ("1X", 0)]
)
def test_sizes_as_the_kernel_prints_them(text, size):
    assert caches.size_of(text) == size


@pytest.mark.parametrize(
    ("spare", "sizes"),
    [
        (3 * GIB, [(420 * 1024**2, 4)]),  # twice the caches
        (600 * 1024**2, [(300 * 1024**2, 4)]),
        (300 * 1024**2, []),  # nothing but caches would be measured
    ],
)
def test_memory_is_measured_and_not_its_caches(machine, tmp_path_factory, measured, spare, sizes):
    cache_file = str(tmp_path_factory.mktemp("run") / "bandwidth.json")
    memory = {"total_bytes": 8 * GIB, "available_bytes": spare, "usable_bytes": spare}
    figure = under_test.bandwidth(machine(files=LARGE), CPU, memory, cache_file=cache_file)
    assert measured == sizes
    assert (figure is None) == (sizes == [])


def test_other_caches_are_measured_again(machine, tmp_path_factory, measured):
    cache_file = str(tmp_path_factory.mktemp("run") / "bandwidth.json")
    for files in ({}, LARGE):
        under_test.bandwidth(machine(files=files), CPU, MEMORY, cache_file=cache_file)
    assert len(measured) == 2


def test_a_real_measurement_is_plausible():
    assert 100_000_000 < under_test.measure(16 * 1024**2, 2, 0.02) < 10**13


@pytest.mark.parametrize(("quota", "share"), [(None, 1), (0.5, 0.125), (4, 1), (8, 1)])
def test_a_quota_takes_its_part_and_is_not_cached(tree, tmp_path, measured, quota, share):
    cache = str(tmp_path / "bandwidth.json")
    assert under_test.bandwidth(tree, CPU, MEMORY, quota, cache_file=cache) == int(11_000_000_001 * share)
    assert under_test.bandwidth(tree, CPU, MEMORY, cache_file=cache) == 11_000_000_001


def test_a_pass_that_is_held_up_does_not_count(monkeypatch):
    now, lengths = [0.0], iter([0.001, 0.05, 0.001, 0.001, 0.2])

    class Clock:
        """Advances only while memory is read: by the length of each pass in turn."""

        @staticmethod
        def perf_counter():
            return now[0]

    class Library:
        @staticmethod
        def memchr(_start, _byte, _count):
            now[0] += next(lengths)

    monkeypatch.setattr(under_test, "time", Clock)
    monkeypatch.setattr(under_test.ctypes, "CDLL", lambda _name: Library)
    assert under_test.measure(16 * 1024**2, 1, 0.25) == pytest.approx(4 * 1024**2 / 0.001)
