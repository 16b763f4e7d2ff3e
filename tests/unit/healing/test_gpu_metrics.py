# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent tells Prometheus of GPUs."""

from __future__ import annotations

import threading

import pytest
from module_utils.healing.gpu_metrics import FRESH_SECONDS, QUESTION, GpuFigures, parse_nvidia
from module_utils.healing.metrics import worker_metrics
from module_utils.hosts.tree import Tree

from .worker import DEPLOYMENT, write

MIB = 1 << 20
# In the format of the recorded answers of an H100; GB10's as NVML answers where the memory is the machine's.
ONE = "GPU-1, NVIDIA H100 80GB HBM3, 81559, 1498, 37\n"
TWO = ONE + "GPU-2, NVIDIA GeForce RTX 3060, 12288, 0, 0\n"
RENDER = "/dev/dri/renderD128"


def deployment(visible="GPU-1", nodes=("/dev/nvidiactl", "/dev/nvidia0"), **healing):
    return {
        **DEPLOYMENT,
        "environment": {"CUDA_VISIBLE_DEVICES": visible} if visible is not None else {},
        "nodes": list(nodes),
        "healing": {"port": 50053, **healing},
    }


@pytest.fixture
def nvidia(tmp_path):
    write(tmp_path, "proc/driver/nvidia/version", "580")
    return Tree(str(tmp_path))


@pytest.fixture
def amd(tmp_path):
    device = "sys/class/drm/card1/device"
    write(tmp_path, f"{device}/uevent", "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n")
    write(tmp_path, "sys/bus/pci/devices/0000:03:00.0/gpu_busy_percent", "50\n")
    write(tmp_path, f"{device}/mem_info_vram_vendor", "samsung\n")
    for render in ("kfd", "dri/renderD128"):
        write(tmp_path, f"dev/{render}", "")
    for name, value in (
        *(("mem_info_vram_total", 16 << 30), ("mem_info_vram_used", 9 << 30)),
        *(("mem_info_gtt_total", 8 << 30), ("mem_info_gtt_used", 1 << 30)),
    ):
        write(tmp_path, f"{device}/{name}", f"{value}\n")
    write(tmp_path, f"{device}/drm/renderD128/dev", "226:128\n")
    write(tmp_path, "sys/class/drm/card1-HDMI-A-1/status", "connected\n")
    return Tree(str(tmp_path))


@pytest.mark.parametrize(
    ("answer", "figures"),
    [
        ("", []),
        ("No devices were found\n", []),
        (ONE, [("GPU-1", "NVIDIA H100 80GB HBM3", 81559 * MIB, 1498 * MIB, 0.37)]),
        ("GPU-3, NVIDIA GB10, [N/A], [N/A], 5\n", [("GPU-3", "NVIDIA GB10", None, None, 0.05)]),
        ("GPU-4, A, B, 100, 1, [Not Supported]\n", [("GPU-4", "A, B", 100 * MIB, 1 * MIB, None)]),
        ("GPU-5, cut off\n", []),
    ],
)
def test_an_answer_of_nvidia_smi(answer, figures):
    assert [tuple(one.values()) for one in parse_nvidia(answer)] == figures


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (deployment(), ["GPU-1"]),
        (deployment("GPU-2,GPU-1"), ["GPU-1", "GPU-2"]),
        (deployment("MIG-1"), []),
        (deployment(""), []),
        (deployment(None), []),
        (deployment(nodes=()), []),
        (deployment(dcgm=True), []),
    ],
)
def test_only_the_cards_that_it_is_given_are_told_of(nvidia, asked, told):
    assert [one["gpu"] for one in GpuFigures(nvidia, lambda _question: TWO).of(asked)] == told


def test_nvidia_smi_is_not_asked_where_another_exporter_is(nvidia):
    figures = GpuFigures(nvidia, pytest.fail)
    assert figures.of(deployment(dcgm=True)) == [] and figures.of(deployment("")) == []


def test_nvidia_smi_is_asked_now_and_then(nvidia):
    asked, now = [], [0.0]

    def run(question):
        asked.append(question)
        return ONE

    figures = GpuFigures(nvidia, run, lambda: now[0])
    for at in (0, FRESH_SECONDS - 1, FRESH_SECONDS, FRESH_SECONDS + 1):
        now[0] = at
        assert len(figures.of(deployment())) == 1
    assert asked == [QUESTION, QUESTION]


def test_an_answer_does_not_wait_for_nvidia_smi(nvidia, monkeypatch):
    """Which hangs while a driver is in trouble; it is not started a second time meanwhile."""
    monkeypatch.setattr("module_utils.healing.gpu_metrics.MOST_WAITED_SECONDS", 0.01)
    go_on, asked = threading.Event(), []

    def run(_question):
        asked.append(1)
        go_on.wait(10)
        return ONE

    figures = GpuFigures(nvidia, run)
    assert figures.of(deployment()) == [] and figures.of(deployment()) == [] and asked == [1]
    go_on.set()
    monkeypatch.setattr("module_utils.healing.gpu_metrics.MOST_WAITED_SECONDS", 10)
    figures.of(deployment())
    assert len(figures.of(deployment())) == 1 and asked == [1]


@pytest.mark.parametrize("told", [None, ""])
def test_nvidia_smi_that_fails_tells_nothing(nvidia, told):
    assert GpuFigures(nvidia, lambda _question: told).of(deployment()) == []


def test_an_apu_has_a_part_of_the_machines_memory(tmp_path, amd):
    write(tmp_path, "sys/class/drm/card1/device/mem_info_vram_vendor", "unknown\n")
    write(tmp_path, "sys/class/drm/card1/device/mem_info_gtt_total", f"{24 << 30}\n")
    (apu,) = GpuFigures(amd, pytest.fail).of(deployment(None, ["/dev/kfd", RENDER]))
    assert (apu["total_bytes"], apu["used_bytes"]) == (40 << 30, 10 << 30)


def test_amds_cards_stand_in_sysfs(amd):
    """Also those that Vulkan drives; of a card that the service is not given nothing is told."""
    (card,) = GpuFigures(amd, pytest.fail).of(deployment(None, ["/dev/kfd", RENDER]))
    assert (card["gpu"], card["busy"]) == ("0000:03:00.0", 0.5)
    assert (card["total_bytes"], card["used_bytes"]) == (16 << 30, 9 << 30)
    assert GpuFigures(amd, pytest.fail).of(deployment(None, ["/dev/kfd", "/dev/dri/renderD129"])) == []


def test_the_text_for_prometheus(nvidia):
    state = {"rpc": None}
    lent = {"memory": {"usable_bytes": 1, "held_bytes": 0}, "cache": {"bytes": 0, "files": 0}}
    gpus = parse_nvidia(ONE + 'GPU-3, NVIDIA "GB10", [N/A], [N/A], 5\n')
    text = worker_metrics(deployment(), state, lent, gpus, 0)
    labels = 'cluster="main",host="pi-1",gpu="GPU-1",name="NVIDIA H100 80GB HBM3"'
    assert f"drover_gpu_memory_bytes{{{labels}}} {81559 * MIB}\n" in text
    assert f"drover_gpu_memory_used_bytes{{{labels}}} {1498 * MIB}\n" in text
    assert f"drover_gpu_busy_ratio{{{labels}}} 0.37\n" in text
    assert 'gpu="GPU-3",name="NVIDIA \\"GB10\\""} 0.05\n' in text
    assert text.count("# TYPE drover_gpu_busy_ratio gauge\n") == 1
    assert text.count("drover_gpu_memory_bytes{") == 1
    assert "gpu" not in worker_metrics(deployment(), state, lent, [], 0)
