# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program is shown of a host's GPUs, and which files of /dev that takes."""

from __future__ import annotations

import pytest
from module_utils.serving.visible import visible


def device(name, kind, gpu=None):
    return {"id": name, "kind": kind, "gpu": gpu}


def tally(*devices, gpus=(), passed_over=()):
    return {"devices": [device("CPU", "cpu"), *devices], "gpus": list(gpus), "passed_over": list(passed_over)}


def node(path, group=None):
    return {"path": path, "group": group}


COMMON = [node("/dev/nvidiactl"), node("/dev/nvidia-uvm")]
NVIDIA = [
    {"id": "GPU-a", "nodes": [*COMMON, node("/dev/nvidia0")]},
    {"id": "GPU-b", "nodes": [*COMMON, node("/dev/nvidia1")]},
]
# Numbered by the PCI bus, as the nodes are; the build may list them in another order.
AMD = [
    {"id": "0000:03:00.0", "nodes": [node("/dev/kfd", "render"), node("/dev/dri/renderD128", "render")]},
    {"id": "0000:04:00.0", "nodes": [node("/dev/kfd", "render"), node("/dev/dri/renderD129", "render")]},
]
BOTH_OF_AMD = ["/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129"]
TALLY = tally(
    device("CUDA0", "cuda", "GPU-a"),
    device("CUDA1", "cuda", "GPU-b"),
    device("Vulkan0", "vulkan", "0000:03:00.0"),
    gpus=[*NVIDIA, {"id": "0000:03:00.0", "nodes": [node("/dev/dri/renderD128", "render")]}],
)
NO_CUDA, NO_VULKAN = {"CUDA_VISIBLE_DEVICES": ""}, {"GGML_VK_VISIBLE_DEVICES": ""}
CUDA = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@pytest.mark.parametrize(
    ("used", "names", "environment", "nodes", "groups"),
    [
        ([], {}, {**NO_CUDA, **NO_VULKAN}, [], []),
        (["CPU"], {"CPU": "CPU"}, {**NO_CUDA, **NO_VULKAN}, [], []),
        (
            # One that is shown alone is the first.
            ["CUDA1", "CPU"],
            {"CPU": "CPU", "CUDA1": "CUDA0"},
            {**CUDA, "CUDA_VISIBLE_DEVICES": "GPU-b", **NO_VULKAN},
            ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia1"],
            [],
        ),
        (
            ["CUDA1", "CUDA0", "Vulkan0"],
            {"CUDA0": "CUDA0", "CUDA1": "CUDA1", "Vulkan0": "Vulkan0"},
            {**CUDA, "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"},
            ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidia1", "/dev/dri/renderD128"],
            ["render"],
        ),
    ],
)
def test_a_program_is_shown_what_it_uses(used, names, environment, nodes, groups):
    shown = visible(TALLY, used)
    assert (shown.names, shown.environment, shown.nodes, shown.groups) == (names, environment, nodes, groups)


@pytest.mark.parametrize(
    ("kind", "used", "names", "environment", "nodes"),
    [
        ("ROCm", ["ROCm1"], {"ROCm1": "ROCm0"}, {"HIP_VISIBLE_DEVICES": "1"}, BOTH_OF_AMD),
        ("ROCm", ["ROCm0"], {"ROCm0": "ROCm0"}, {"HIP_VISIBLE_DEVICES": "0"}, BOTH_OF_AMD),
        ("ROCm", [], {}, {"HIP_VISIBLE_DEVICES": "-1"}, []),
        ("Vulkan", ["Vulkan1"], {"Vulkan1": "Vulkan1"}, {}, BOTH_OF_AMD),
        ("Vulkan", ["Vulkan0"], {"Vulkan0": "Vulkan0"}, {}, BOTH_OF_AMD),
        ("Vulkan", [], {}, NO_VULKAN, []),
    ],
)
def test_one_of_several_cards_that_have_but_numbers(kind, used, names, environment, nodes):
    """Given the nodes of one alone, a program would call it the first."""
    cards = [device(f"{kind}{number}", kind.lower(), gpu["id"]) for number, gpu in enumerate(AMD)]
    shown = visible(tally(*cards, gpus=AMD), used)
    assert (shown.names, shown.environment, shown.nodes) == (names, environment, nodes)
    assert shown.groups == (["render"] if used else [])


def test_a_number_counts_what_is_in_dev():
    """Not what the build lists beside it whose nodes nobody knows; but a second way to a card of another backend."""
    second = device("Vulkan1", "vulkan", "0000:03:00.0")
    unknown = device("Vulkan0", "vulkan")
    shown = visible(tally(second, gpus=AMD, passed_over=[unknown]), ["Vulkan1"])
    assert (shown.names, shown.nodes) == ({"Vulkan1": "Vulkan0"}, ["/dev/kfd", "/dev/dri/renderD128"])
    by_cuda = device("Vulkan0", "vulkan", "GPU-a")
    cards = tally(device("CUDA0", "cuda", "GPU-a"), second, gpus=[*NVIDIA, *AMD], passed_over=[by_cuda])
    shown = visible(cards, ["Vulkan1"])
    assert shown.names == {"Vulkan1": "Vulkan1"}
    assert "/dev/nvidia0" in shown.nodes


def test_what_is_passed_over_is_hidden():
    host = tally(passed_over=[device("Vulkan0", "vulkan")])
    assert visible(host, ["CPU"]).environment == NO_VULKAN


def test_a_card_without_a_uuid_keeps_its_number():
    shown = visible(tally(device("CUDA0", "cuda", "[N/A]"), device("CUDA1", "cuda", "[N/A]")), ["CUDA1"])
    assert (shown.names, shown.environment) == ({"CUDA1": "CUDA1"}, CUDA)


def test_a_host_with_nothing_but_a_cpu_needs_nothing():
    shown = visible(tally(), ["CPU"])
    assert (shown.names, shown.environment, shown.nodes, shown.groups) == ({"CPU": "CPU"}, {}, [], [])
