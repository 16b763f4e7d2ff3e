# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs of AMD and Intel, by their drivers' files."""

from __future__ import annotations

import pytest
from module_utils.hosts.gpus import read_gpus

MIB = 1024 * 1024
CARD = "/sys/class/drm/card0/device"
AMD = {
    f"{CARD}/mem_info_vram_total": "17163091968",
    f"{CARD}/mem_info_vram_used": "5368709120",
    f"{CARD}/device": "0x73bf",
    f"{CARD}/uevent": "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_SLOT_NAME=0000:03:00.0",
    f"{CARD}/drm/card0/dev": "226:0",
    f"{CARD}/drm/renderD129/dev": "226:129",
    "/sys/class/drm/card0-DP-1/device/mem_info_vram_total": "17163091968",
    "/sys/class/drm/card1/device/device": "0x0412",
    "/sys/class/drm/renderD128/device/mem_info_vram_total": "17163091968",
    "/dev/kfd": "",
    "/dev/dri/renderD128": "",
    "/dev/dri/renderD129": "",
}
FDINFO = "pos:\t0\ndrm-driver:\tamdgpu\ndrm-client-id:\t{}\ndrm-pdev:\t{}\ndrm-memory-vram:\t{} KiB\n"


def test_amd_counts_a_client_once(machine):
    files = {
        **AMD,
        "/proc/901/fdinfo/5": FDINFO.format(41, "0000:03:00.0", 2097152),
        "/proc/901/fdinfo/6": FDINFO.format(41, "0000:03:00.0", 2097152),
        "/proc/901/fdinfo/7": FDINFO.format(42, "0000:0a:00.0", 4194304),
        "/proc/77/fdinfo/5": FDINFO.format(43, "0000:03:00.0", 1048576),
    }
    (gpu,) = read_gpus(machine(files=files), [901])
    assert [node["path"] for node in gpu.pop("nodes")] == ["/dev/kfd", "/dev/dri/renderD129"]
    assert gpu == {
        "id": "0000:03:00.0",
        "name": "AMD GPU 0x73bf",
        "kind": "rocm",
        "unified": False,
        "compute_capability": None,
        "total_bytes": 17163091968,
        "held_bytes": 2097152 * 1024,
        "usable_bytes": 17163091968 - 5368709120 + 2097152 * 1024,
    }


def test_a_machine_without_gpus(machine):
    assert read_gpus(machine("pi5"), [811]) == []


# A Radeon Instinct MI210, whose driver names the product; hand-made by the kernel's documentation.
MI210 = {
    f"{CARD}/mem_info_vram_total": str(65520 * MIB),
    f"{CARD}/mem_info_vram_used": str(10 * MIB),
    f"{CARD}/mem_info_vram_vendor": "samsung",
    f"{CARD}/mem_info_gtt_total": str(128 * 1024 * MIB),
    f"{CARD}/product_name": "AMD Instinct MI210",
    f"{CARD}/uevent": "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:c1:00.0",
}


def test_an_instinct(machine):
    (gpu,) = read_gpus(machine(files=MI210), [])
    assert (gpu["id"], gpu["name"], gpu["unified"]) == ("0000:c1:00.0", "AMD Instinct MI210", False)
    assert (gpu["total_bytes"], gpu["usable_bytes"]) == (65520 * MIB, 65510 * MIB)


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


INTEL = {
    f"{CARD}/device": "0x46a6",
    f"{CARD}/uevent": "DRIVER=i915\nPCI_CLASS=30000\nPCI_SLOT_NAME=0000:00:02.0",
    f"{CARD}/drm/renderD128/dev": "226:128",
    "/dev/dri/renderD128": "",
    "/proc/meminfo": "MemTotal:       16000000 kB\n",
}


def test_an_integrated_intel_works_with_the_machines_memory(machine):
    (gpu,) = read_gpus(machine(files=INTEL), [])
    assert (gpu["id"], gpu["name"], gpu["kind"]) == ("0000:00:02.0", "Intel GPU 0x46a6", "vulkan")
    assert (gpu["unified"], gpu["total_bytes"]) == (True, 16000000 * 1024)
    assert [node["path"] for node in gpu["nodes"]] == ["/dev/dri/renderD128"]


@pytest.mark.parametrize(
    "own",
    [{"/sys/class/drm/card0/lmem_total_bytes": "8589934592"}, {f"{CARD}/tile0/physical_vram_size_bytes": "8589934592"}],
)
def test_a_card_of_intel_has_its_own_memory(machine, own):
    fdinfo = "drm-driver:\ti915\ndrm-client-id:\t7\ndrm-pdev:\t0000:00:02.0\ndrm-resident-local0:\t1024 KiB\n"
    (gpu,) = read_gpus(machine(files={**INTEL, **own, "/proc/901/fdinfo/4": fdinfo}), [901])
    assert (gpu["unified"], gpu["total_bytes"], gpu["held_bytes"]) == (False, 8589934592, MIB)


def test_a_card_of_intel_whose_driver_tells_no_size(machine):
    """As i915 of the mainline kernel; the build's list says how large it is."""
    uevent = "DRIVER=i915\nPCI_CLASS=30000\nPCI_SLOT_NAME=0000:03:00.0"
    (gpu,) = read_gpus(machine(files={**INTEL, f"{CARD}/uevent": uevent}), [])
    assert (gpu["unified"], gpu["total_bytes"], gpu["usable_bytes"]) == (False, 0, 0)


@pytest.mark.parametrize("driver", ["vc4", "v3d", "ast", "virtio_gpu"])
def test_what_cannot_compute_is_no_gpu(machine, driver):
    assert read_gpus(machine(files={**INTEL, f"{CARD}/uevent": f"DRIVER={driver}\n"}), []) == []
