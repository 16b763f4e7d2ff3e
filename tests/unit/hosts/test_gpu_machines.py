# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what drivers print to a plan, for one machine of each kind: no memory counts twice, no device is planned beyond
what its process can have."""

from __future__ import annotations

import math

import pytest
from module_utils.hosts.devices import drive
from module_utils.hosts.gpus import read_gpus
from module_utils.hosts.overhead import CONTEXT, WORKSPACES
from module_utils.placement.policy import DEFAULT_MARGIN
from module_utils.serving.command_line import plan_arguments
from unit.hosts.test_drm import APU, CARD, INTEL, MI210
from unit.hosts.test_nvidia import DRIVER, H100, H200, MIG_CARD, MIG_LIST, MIG_REPORT, smi
from unit.placement.fleets import GIB, MIB, model, plan_of, tally

MEMORY = 28 * GIB
MEMINFO = {"/proc/meminfo": f"MemTotal: {32 * 1024 * 1024} kB\n"}
NOT_MEASURED = {kind: CONTEXT[kind] + WORKSPACES[kind] for kind in CONTEXT}


def nvidia(name, total, free, capability="8.6"):
    return f"GPU-{name[-1]}, {name}, {total}, {free}, 00000000:01:00.0, {capability}, [N/A]\n"


# Name -> files of the machine, nvidia-smi, backends of the build, and what comes of it: kind of device, whether it is
# the machine's memory, and the bytes that a plan may count on before the margin and what a process takes.
MACHINES = {
    # Recorded.
    "H100": ({**DRIVER}, smi(H100, ""), ["CUDA"], ("cuda", False, 81079 * MIB)),
    "H200": ({**DRIVER}, smi(H200, ""), ["CUDA"], ("cuda", False, 142638 * MIB)),
    # In the form of the recorded ones.
    "GTX 1050 Ti": (
        DRIVER,
        smi(nvidia("NVIDIA GeForce GTX 1050 Ti", 4096, 4040, "6.1"), ""),
        ["CUDA"],
        ("cuda", False, 4040 * MIB),
    ),
    "RTX 2060": (DRIVER, smi(nvidia("NVIDIA GeForce RTX 2060", 6144, 5920), ""), ["CUDA"], ("cuda", False, 5920 * MIB)),
    "RTX 3070": (DRIVER, smi(nvidia("NVIDIA GeForce RTX 3070", 8192, 7950), ""), ["CUDA"], ("cuda", False, 7950 * MIB)),
    "by Vulkan": (DRIVER, smi(nvidia("NVIDIA T400", 4096, 3900), ""), ["Vulkan"], ("vulkan", False, 3900 * MIB)),
    # As their makers document it.
    "GB10": (
        {**DRIVER, **MEMINFO},
        smi("GPU-1, NVIDIA GB10, [N/A], [N/A], 0000000F:01:00.0, 12.1, [N/A]\n", ""),
        ["CUDA"],
        ("cuda", True, MEMORY),
    ),
    "Jetson": (
        {**DRIVER, **MEMINFO},
        smi("GPU-1, Orin (nvgpu), [N/A], [N/A], [N/A], 8.7, [N/A]\n", ""),
        ["CUDA"],
        ("cuda", True, MEMORY),
    ),
    "MIG": (
        DRIVER,
        smi(MIG_CARD, "", **{"list-gpus": MIG_LIST, "query": MIG_REPORT}),
        ["CUDA"],
        ("cuda", False, 19949 * MIB),
    ),
    "MI210": (MI210, None, ["HIP"], ("rocm", False, 65510 * MIB)),
    "APU": ({**APU, f"{CARD}/mem_info_vram_vendor": "unknown"}, None, ["Vulkan"], ("vulkan", True, 13850 * MIB)),
    "UHD": ({**INTEL, **MEMINFO}, None, ["Vulkan"], ("vulkan", True, MEMORY)),
}


def tallied(machine, name):
    files, run, backends, expected = MACHINES[name]
    gpus = read_gpus(machine(files=files), [], run)
    return drive({**tally("box", MEMORY), "gpus": gpus}, ["CPU", *backends]), expected


@pytest.mark.parametrize("name", MACHINES)
def test_what_each_lends(machine, name):
    made, (kind, unified, usable) = tallied(machine, name)
    (gpu,) = made["devices"][1:]
    assert (gpu["kind"], gpu["unified"], gpu["usable_bytes"]) == (kind, unified, usable)
    assert gpu["overhead_bytes"] == NOT_MEASURED[kind]


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("gib", [2, 24])
@pytest.mark.parametrize("experts", [0, 16])
def test_none_is_planned_beyond_what_runs(machine, name, gib, experts):
    """As leader, and as a worker: on a GPU stays what a process takes, and the margin; of memory that
    is the CPU's, too, no byte is planned twice."""
    box, (_kind, unified, usable) = tallied(machine, name)
    gguf = model(blocks=20, block_bytes=gib * GIB // 20, experts=experts, used=min(2, experts))
    head = tally("head", 300 * MIB)
    for hosts, leader in (([box], "box"), ([box, head], "head")):
        plan = plan_of(gguf, hosts, leader=leader)
        if not plan["feasible"]:
            assert plan["missing_bytes"] > 0
            continue
        on_gpu = [one for one in plan["devices"] if one["kind"] != "cpu"]
        for device in on_gpu:
            parts = device["weight_bytes"] + device["kv_bytes"] + device["compute_bytes"]
            free = usable - parts - math.ceil(device["usable_bytes"] * DEFAULT_MARGIN)
            assert free >= device["overhead_bytes"] > 0
            if leader == "box" and device["streams"] and (plan["leader_blocks"] or device["experts_on_cpu"]):
                largest = max(block["largest_tensor_bytes"] for block in gguf["blocks"])
                assert free >= device["overhead_bytes"] + largest
        in_memory = sum(one["total_bytes"] for one in plan["devices"] if one["kind"] == "cpu" or unified)
        in_memory += plan["host"]["total_bytes"] if leader == "box" else 0
        assert in_memory <= MEMORY * (1 - DEFAULT_MARGIN) + 1
        if leader == "box":
            # What would have no room on the GPU is kept from it.
            kept = plan["leader_blocks"] or sum(one["experts_on_cpu"] for one in on_gpu)
            streams = any(one["streams"] for one in on_gpu)
            assert ("--no-op-offload" in plan_arguments(plan)) == bool(on_gpu and kept and not streams)


def test_small_cards_are_used(machine):
    """Not refused out of caution: what a process takes of 4 GB leaves some three."""
    for name, least in (("GTX 1050 Ti", 2.8), ("RTX 2060", 4.3), ("RTX 3070", 6.3)):
        box, _expected = tallied(machine, name)
        plan = plan_of(model(blocks=40, block_bytes=400 * MIB), [box], prompt_tokens=4000)
        (card,) = plan["devices"]
        assert card["weight_bytes"] + card["kv_bytes"] + card["compute_bytes"] >= least * GIB


def test_two_cards_of_one_machine_are_two_devices(machine):
    cards = nvidia("NVIDIA GeForce RTX 3060", 12288, 12000) + nvidia("Tesla P4", 7680, 7600, "6.1")
    gpus = read_gpus(machine(files=DRIVER), [], smi(cards, ""))
    box = drive({**tally("box", MEMORY), "gpus": gpus}, ["CPU", "CUDA"])
    gguf = model(blocks=40, block_bytes=420 * MIB)
    plan = plan_of(gguf, [box], prompt_tokens=4000)
    assert {one["id"] for one in plan["devices"]} == {"CUDA0", "CUDA1"}
    # One of them may be left to its owner.
    plan = plan_of(gguf, [{**box, "lend": ["CUDA1"]}, tally("head", 20 * GIB)], leader="head", prompt_tokens=4000)
    assert [endpoint["devices"] for endpoint in plan["endpoints"]] == [["CUDA1"]]
