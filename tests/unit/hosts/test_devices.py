# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build of llama.cpp can put layers on."""

from __future__ import annotations

import pytest
from module_utils.hosts.devices import drive
from module_utils.hosts.document import read_tally

from .fleet import GIB, tally

CPU = {
    "id": "CPU",
    "kind": "cpu",
    "name": "Cortex-A76",
    "unified": False,
    "total_bytes": 8 * GIB,
    "usable_bytes": 6 * GIB,
    "bandwidth_bytes_per_second": 11_000_000_000,
}


def gpu(name, kind, usable, unified=False):
    return {
        "name": name,
        "kind": kind,
        "unified": unified,
        "total_bytes": usable + GIB,
        "held_bytes": 0,
        "usable_bytes": usable,
    }


NVIDIA = gpu("RTX 3060", "cuda", 11 * GIB)
RADEON = gpu("AMD GPU 0x73bf", "rocm", 15 * GIB)
APU = gpu("AMD GPU 0x1638", "rocm", 14 * GIB, unified=True)
APPLE = gpu("Apple M1", "metal", 5 * GIB, unified=True)


@pytest.mark.parametrize(
    ("gpus", "backends", "driven"),
    [
        ([], ["CPU"], []),
        ([NVIDIA, RADEON], ["CPU"], []),
        ([NVIDIA, RADEON], [], []),
        ([NVIDIA, RADEON], ["RPC", "BLAS", "CPU"], []),
        ([NVIDIA, RADEON], ["CUDA", "CPU"], [("GPU0", "cuda", "RTX 3060")]),
        ([NVIDIA, RADEON], ["cuda"], [("GPU0", "cuda", "RTX 3060")]),
        ([NVIDIA, RADEON], ["HIP"], [("GPU0", "rocm", "AMD GPU 0x73bf")]),
        ([NVIDIA, RADEON], ["ROCm"], [("GPU0", "rocm", "AMD GPU 0x73bf")]),
        ([NVIDIA, RADEON], ["Vulkan"], [("GPU0", "vulkan", "RTX 3060"), ("GPU1", "vulkan", "AMD GPU 0x73bf")]),
        ([NVIDIA, RADEON], ["Vulkan", "CUDA"], [("GPU0", "cuda", "RTX 3060"), ("GPU1", "vulkan", "AMD GPU 0x73bf")]),
        ([APPLE], ["Metal", "BLAS", "CPU"], [("GPU0", "metal", "Apple M1")]),
        ([APPLE], ["Vulkan"], []),
        ([gpu("Arc", "sycl", GIB)], ["SYCL", "Vulkan"], []),
    ],
)
def test_only_what_the_build_drives(gpus, backends, driven):
    found = drive(tally("host", gpus=gpus), backends)["devices"]
    assert found[0] == CPU
    assert [(device["id"], device["kind"], device["name"]) for device in found[1:]] == driven


def test_a_card_has_its_own_memory_and_no_speed_that_was_measured():
    card = drive(tally("host", gpus=[NVIDIA]), ["CUDA"])["devices"][1]
    assert card == {
        "id": "GPU0",
        "kind": "cuda",
        "name": "RTX 3060",
        "unified": False,
        "total_bytes": 12 * GIB,
        "usable_bytes": 11 * GIB,
        "bandwidth_bytes_per_second": None,
    }


def test_an_apu_takes_no_more_than_the_machine_lends():
    apu = drive(tally("mini-pc", gpus=[APU]), ["Vulkan"])["devices"][1]
    assert (apu["unified"], apu["usable_bytes"], apu["bandwidth_bytes_per_second"]) == (True, 6 * GIB, 11_000_000_000)


def test_a_mini_pc_with_the_default_build_lends_its_memory_and_not_its_carve_out():
    assert drive(tally("mini-pc", gpus=[APU]), ["CPU"])["devices"] == [CPU]


def test_the_rest_of_the_tally_stays_and_the_result_is_one():
    given = tally("host", gpus=[NVIDIA])
    found = drive(given, ["CUDA"])
    assert {**found, "devices": []} == given
    assert read_tally(found) is found
    assert drive(found, ["CPU"])["devices"] == [CPU]
