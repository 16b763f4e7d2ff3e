# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs, by nvidia-smi's output and amdgpu's files."""

from __future__ import annotations

import pytest
from module_utils.hosts.gpus import read_gpus

MIB = 1024 * 1024
DRIVER = {"/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.133.07"}
# In the format of nvidia-smi --format=csv,noheader,nounits (driver 570).
CARDS = """GPU-5f1a9d6c-7b0e-2a64-9f4e-0c1d2e3f4a5b, NVIDIA GeForce RTX 3060, 12288, 9000
GPU-aaaaaaaa-7b0e-2a64-9f4e-0c1d2e3f4a5b, Tesla P40, 23040, 22919
"""
PROCESSES = """GPU-5f1a9d6c-7b0e-2a64-9f4e-0c1d2e3f4a5b, 901, 3000
GPU-5f1a9d6c-7b0e-2a64-9f4e-0c1d2e3f4a5b, 77, 200
GPU-aaaaaaaa-7b0e-2a64-9f4e-0c1d2e3f4a5b, 901, [N/A]
"""
AMD = {
    "/sys/class/drm/card0/device/mem_info_vram_total": "17163091968",
    "/sys/class/drm/card0/device/mem_info_vram_used": "5368709120",
    "/sys/class/drm/card0/device/device": "0x73bf",
    "/sys/class/drm/card0/device/uevent": "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_SLOT_NAME=0000:03:00.0",
    "/sys/class/drm/card0-DP-1/device/mem_info_vram_total": "17163091968",
    "/sys/class/drm/card1/device/device": "0x0412",
    "/sys/class/drm/renderD128/device/mem_info_vram_total": "17163091968",
}
FDINFO = "pos:\t0\ndrm-driver:\tamdgpu\ndrm-client-id:\t{}\ndrm-pdev:\t{}\ndrm-memory-vram:\t{} KiB\n"


def smi(cards=CARDS, processes=PROCESSES):
    """An nvidia-smi that prints what it was given."""
    return lambda arguments: cards if arguments[0].startswith("--query-gpu") else processes


def test_nvidia(machine):
    gpus = read_gpus(machine(files=DRIVER), [901], smi())
    assert gpus == [
        {
            "name": "NVIDIA GeForce RTX 3060",
            "kind": "cuda",
            "unified": False,
            "total_bytes": 12288 * MIB,
            "held_bytes": 3000 * MIB,
            "usable_bytes": 12000 * MIB,
        },
        {
            "name": "Tesla P40",
            "kind": "cuda",
            "unified": False,
            "total_bytes": 23040 * MIB,
            "held_bytes": 0,
            "usable_bytes": 22919 * MIB,
        },
    ]


def test_processes_are_asked_for_only_when_drover_runs(machine):
    asked = []

    def run(arguments):
        asked.append(arguments[0])
        return CARDS

    read_gpus(machine(files=DRIVER), [], run)
    assert len(asked) == 1
    assert asked[0].startswith("--query-gpu=")


@pytest.mark.parametrize(
    "cards",
    [
        None,
        "",
        "No devices were found\n",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
        "GPU-1, Tesla P40, [Unknown Error], [Unknown Error]\n",
    ],
)
def test_nvidia_smi_that_cannot_tell(machine, cards):
    assert read_gpus(machine(files=DRIVER), [901], smi(cards)) == []


def test_nvidia_smi_is_not_run_without_the_driver(machine):
    def never(arguments):
        raise AssertionError(arguments)

    assert read_gpus(machine(), [901], never) == []


def test_amd_counts_a_client_once(machine):
    files = {
        **AMD,
        "/proc/901/fdinfo/5": FDINFO.format(41, "0000:03:00.0", 2097152),
        "/proc/901/fdinfo/6": FDINFO.format(41, "0000:03:00.0", 2097152),
        "/proc/901/fdinfo/7": FDINFO.format(42, "0000:0a:00.0", 4194304),
        "/proc/77/fdinfo/5": FDINFO.format(43, "0000:03:00.0", 1048576),
    }
    assert read_gpus(machine(files=files), [901]) == [
        {
            "name": "AMD GPU 0x73bf",
            "kind": "rocm",
            "unified": False,
            "total_bytes": 17163091968,
            "held_bytes": 2097152 * 1024,
            "usable_bytes": 17163091968 - 5368709120 + 2097152 * 1024,
        }
    ]


def test_a_machine_without_gpus(machine):
    assert read_gpus(machine("pi5"), [811]) == []


# Recorded on a host with one H100 (driver 580), its identity changed.
H100 = "GPU-00000000-1111-2222-3333-444444444444, NVIDIA H100 80GB HBM3, 81559, 81079\n"
H100_PROCESSES = """GPU-00000000-1111-2222-3333-444444444444, 918, 79572
GPU-00000000-1111-2222-3333-444444444444, 958, 1490
"""


@pytest.mark.parametrize(("pids", "held"), [([], 0), ([958], 1490), ([918, 958], 81062)])
def test_an_h100(machine, pids, held):
    (gpu,) = read_gpus(machine(files=DRIVER), pids, smi(H100, H100_PROCESSES))
    assert (gpu["name"], gpu["total_bytes"], gpu["unified"]) == ("NVIDIA H100 80GB HBM3", 81559 * MIB, False)
    assert (gpu["held_bytes"], gpu["usable_bytes"]) == (held * MIB, (81079 + held) * MIB)


@pytest.mark.parametrize("nothing", ["[N/A]", "[Not Supported]"])
def test_a_gpu_of_nvidia_that_works_with_the_machines_memory(machine, nothing):
    files = {**DRIVER, "/proc/meminfo": "MemTotal:       125829120 kB\n"}
    (gpu,) = read_gpus(
        machine(files=files), [901], smi(f"GPU-1, NVIDIA GB10, {nothing}, {nothing}\n", "GPU-1, 901, 5000\n")
    )
    assert gpu == {
        "name": "NVIDIA GB10",
        "kind": "cuda",
        "unified": True,
        "total_bytes": 125829120 * 1024,
        "held_bytes": 5000 * MIB,
        "usable_bytes": 125829120 * 1024,
    }


CARD = "/sys/class/drm/card0/device"
APU = {
    f"{CARD}/mem_info_vram_total": str(512 * MIB),
    f"{CARD}/mem_info_vram_used": str(22 * MIB),
    f"{CARD}/mem_info_gtt_total": str(15 * 1024 * MIB),
    f"{CARD}/mem_info_gtt_used": str(2000 * MIB),
    f"{CARD}/device": "0x1638",
    f"{CARD}/uevent": "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_SLOT_NAME=0000:04:00.0",
}


@pytest.mark.parametrize("vendor", [None, "unknown"])
def test_an_apu_works_with_the_machines_memory(machine, vendor):
    drm = FDINFO.format(41, "0000:04:00.0", 20 * 1024) + f"drm-memory-gtt:\t{1900 * 1024} KiB\n"
    files = {**APU, f"{CARD}/mem_info_vram_vendor": vendor, "/proc/901/fdinfo/5": drm}
    (gpu,) = read_gpus(machine(files=files), [901])
    assert gpu["unified"] is True
    assert (gpu["total_bytes"], gpu["held_bytes"]) == ((512 + 15360) * MIB, 1920 * MIB)
    assert gpu["usable_bytes"] == (512 + 15360 - 2022 + 1920) * MIB


@pytest.mark.parametrize(
    "changed",
    [
        {f"{CARD}/mem_info_vram_vendor": "samsung"},  # an old card of 512 MiB
        {f"{CARD}/mem_info_vram_total": str(96 * 1024 * MIB)},  # the firmware gave it most of the memory
        {f"{CARD}/mem_info_gtt_total": None},
    ],
)
def test_memory_of_its_own(machine, changed):
    (gpu,) = read_gpus(machine(files={**APU, **changed}), [])
    assert gpu["unified"] is False
    assert gpu["total_bytes"] == int({**APU, **changed}[f"{CARD}/mem_info_vram_total"])
