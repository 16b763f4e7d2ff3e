# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA's GPUs, by nvidia-smi's output."""

from __future__ import annotations

import grp
import os
from types import SimpleNamespace

import pytest
from module_utils.hosts.gpus import gpu_problem, read_gpus
from module_utils.hosts.nodes import read_nodes
from module_utils.hosts.tree import Tree

MIB = 1024 * 1024
DRIVER = {"/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.133.07"}
# In the format of nvidia-smi --format=csv,noheader,nounits (driver 570).
CARDS = """GPU-5f1a9d6c-7b0e-2a64-9f4e-0c1d2e3f4a5b, NVIDIA GeForce RTX 3060, 12288, 9000, 00000000:01:00.0, 8.6, [N/A]
GPU-aaaaaaaa-7b0e-2a64-9f4e-0c1d2e3f4a5b, Tesla P40, 23040, 22919, 00000000:0A:00.0, 6.1, [N/A]
"""
PROCESSES = """GPU-5f1a9d6c-7b0e-2a64-9f4e-0c1d2e3f4a5b, 901, 3000
GPU-5f1a9d6c-7b0e-2a64-9f4e-0c1d2e3f4a5b, 77, 200
GPU-aaaaaaaa-7b0e-2a64-9f4e-0c1d2e3f4a5b, 901, [N/A]
"""
# Recorded on a host with one H100 (driver 580), its identity changed.
H100 = (
    "GPU-00000000-1111-2222-3333-444444444444, NVIDIA H100 80GB HBM3, 81559, 81079, 00000000:00:06.0, 9.0, Disabled\n"
)
H100_PROCESSES = """GPU-00000000-1111-2222-3333-444444444444, 918, 79572
GPU-00000000-1111-2222-3333-444444444444, 958, 1490
"""


def smi(cards=CARDS, processes=PROCESSES, refused=(), **answers):
    """An nvidia-smi that prints what it was given; it refuses questions with one of the fields ``refused``."""

    def run(arguments):
        question = arguments[0]
        if any(field in question for field in refused):
            return None
        if question.startswith("--query-gpu"):
            return cards
        return processes if question.startswith("--query-compute-apps") else answers.get(question.strip("-"))

    return run


# Whether or not something has used CUDA since the boot, which is what makes the second one.
COMMON = ["/dev/nvidiactl", "/dev/nvidia-uvm"]


def nodes(*paths):
    return dict.fromkeys(paths, "")


def test_cards(machine):
    information = {"/proc/driver/nvidia/gpus/0000:0a:00.0/information": "Model: \t\t Tesla P40\nDevice Minor: \t 3\n"}
    there = nodes("/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia3", "/dev/null")
    gpus = read_gpus(machine(files={**DRIVER, **information, **there}), [901], smi())
    for gpu in gpus:
        gpu["nodes"] = [node["path"] for node in gpu["nodes"]]
    assert gpus == [
        {
            "id": "GPU-5f1a9d6c-7b0e-2a64-9f4e-0c1d2e3f4a5b",
            "name": "NVIDIA GeForce RTX 3060",
            "kind": "cuda",
            "unified": False,
            "compute_capability": "8.6",
            "nodes": ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia0"],
            "total_bytes": 12288 * MIB,
            "held_bytes": 3000 * MIB,
            "usable_bytes": 12000 * MIB,
        },
        {
            "id": "GPU-aaaaaaaa-7b0e-2a64-9f4e-0c1d2e3f4a5b",
            "name": "Tesla P40",
            "kind": "cuda",
            "unified": False,
            "compute_capability": "6.1",
            "nodes": ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia3"],
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
    ("refused", "cards", "capability"),
    [
        (["compute_cap"], "GPU-1, Tesla P40, 23040, 22919, 00000000:0A:00.0, [N/A]\n", None),
        (["compute_cap", "mig"], "GPU-1, Tesla P40, 23040, 22919, 00000000:0A:00.0\n", None),
        ([], "GPU-1, Tesla P40, 23040, 22919, 00000000:0A:00.0, [N/A], [N/A]\n", None),
    ],
)
def test_older_drivers_know_fewer_fields(machine, refused, cards, capability):
    (gpu,) = read_gpus(machine(files=DRIVER), [], smi(cards, refused=refused))
    assert (gpu["total_bytes"], gpu["compute_capability"]) == (23040 * MIB, capability)


@pytest.mark.parametrize(
    "cards",
    [
        None,
        "",
        "No devices were found\n",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
        "GPU-1, Tesla P40, [Unknown Error], [Unknown Error], 00000000:0A:00.0, 6.1, [N/A]\n",
    ],
)
def test_nvidia_smi_that_cannot_tell(machine, cards):
    assert read_gpus(machine(files=DRIVER), [901], smi(cards)) == []


def test_nvidia_smi_is_not_run_without_the_driver(machine):
    def never(arguments):
        raise AssertionError(arguments)

    assert read_gpus(machine(), [901], never) == []


# Recorded on a machine with one H200 (driver 580), its identity changed, less what an idle RPC server holds.
H200 = "GPU-00000000-1111-2222-3333-444444444444, NVIDIA H200, 143771, 142638, 00000000:00:06.0, 9.0, Disabled\n"
H200_PROCESSES = "GPU-00000000-1111-2222-3333-444444444444, 918, 518\n"


def test_an_h200(machine):
    (gpu,) = read_gpus(machine(files=DRIVER), [918], smi(H200, H200_PROCESSES))
    assert (gpu["name"], gpu["compute_capability"]) == ("NVIDIA H200", "9.0")
    assert (gpu["total_bytes"], gpu["held_bytes"], gpu["usable_bytes"]) == (143771 * MIB, 518 * MIB, 143156 * MIB)


@pytest.mark.parametrize(("pids", "held"), [([], 0), ([958], 1490), ([918, 958], 81062)])
def test_an_h100(machine, pids, held):
    (gpu,) = read_gpus(machine(files=DRIVER), pids, smi(H100, H100_PROCESSES))
    assert (gpu["name"], gpu["total_bytes"], gpu["unified"]) == ("NVIDIA H100 80GB HBM3", 81559 * MIB, False)
    assert (gpu["held_bytes"], gpu["usable_bytes"]) == (held * MIB, (81079 + held) * MIB)
    assert gpu["compute_capability"] == "9.0"


# As their makers document the output for chips whose memory is the machine's; not recorded.
@pytest.mark.parametrize(
    ("card", "capability", "jetson"),
    [
        ("GPU-1, NVIDIA GB10, [N/A], [N/A], 0000000F:01:00.0, 12.1, [N/A]", "12.1", []),
        ("GPU-1, NVIDIA GB10, [Not Supported], [Not Supported], 0000000F:01:00.0, 12.1, [N/A]", "12.1", []),
        (
            "GPU-1, Orin (nvgpu), [N/A], [N/A], [N/A], 8.7, [N/A]",
            "8.7",
            ["/dev/nvhost-gpu", "/dev/nvmap", "/dev/nvgpu/igpu0/ctrl"],
        ),
    ],
)
def test_a_gpu_of_nvidia_that_works_with_the_machines_memory(machine, card, capability, jetson):
    files = {**DRIVER, "/proc/meminfo": "MemTotal:       125829120 kB\n", **nodes("/dev/nvidia0", *jetson)}
    (gpu,) = read_gpus(machine(files=files), [901], smi(card + "\n", "GPU-1, 901, 5000\n"))
    assert [node["path"] for node in gpu.pop("nodes")] == [*COMMON, "/dev/nvidia0", *jetson]
    assert gpu == {
        "id": "GPU-1",
        "name": card.split(", ")[1],
        "kind": "cuda",
        "unified": True,
        "compute_capability": capability,
        "total_bytes": 125829120 * 1024,
        "held_bytes": 5000 * MIB,
        "usable_bytes": 125829120 * 1024,
    }


# In the form that NVIDIA's guide to MIG shows; not recorded.
MIG_CARD = "GPU-c7, NVIDIA A100-SXM4-40GB, 40960, 40000, 00000000:36:00.0, 8.0, Enabled\n"
MIG_LIST = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-b0)
  MIG 1g.5gb      Device  0: (UUID: MIG-other)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-c7)
  MIG 3g.20gb     Device  0: (UUID: MIG-aa)
  MIG 1g.5gb      Device  1: (UUID: MIG-bb)
"""
MIG_REPORT = """
    MIG Mode
        Current                           : Enabled
    MIG Device
        Index                             : 0
        GPU Instance ID                   : 2
        FB Memory Usage
            Total                         : 19968 MiB
            Reserved                      : 0 MiB
            Used                          : 19 MiB
            Free                          : 19949 MiB
    MIG Device
        Index                             : 1
        FB Memory Usage
            Total                         : 4864 MiB
            Used                          : 7 MiB
            Free                          : 4857 MiB
    FB Memory Usage
        Total                             : 40960 MiB
        Free                              : 40000 MiB
"""


def test_slices_take_the_place_of_their_card(machine):
    run = smi(MIG_CARD, "MIG-aa, 901, 1000\n", **{"list-gpus": MIG_LIST, "query": MIG_REPORT})
    gpus = read_gpus(machine(files=DRIVER), [901], run)
    assert [(gpu["id"], gpu["name"], gpu["total_bytes"] // MIB, gpu["usable_bytes"] // MIB) for gpu in gpus] == [
        ("MIG-aa", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", 19968, 19949 + 1000),
        ("MIG-bb", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4864, 4857),
    ]


# In the form that NVIDIA's guide to MIG shows; not recorded.
MIG_TABLE = """config 1
monitor 2
gpu0/gi2/access 21
gpu0/gi2/ci0/access 22
gpu0/gi9/access 84
gpu0/gi9/ci0/access 85
"""


@pytest.mark.parametrize(
    ("table", "instances", "caps"),
    [
        (MIG_TABLE, "GPU Instance ID : 2\nCompute Instance ID : 0", [21, 22]),
        # One that does not say which: those of all slices, and never those for configuring and watching MIG.
        (None, "GPU Instance ID : 2\nCompute Instance ID : 0", [21, 22, 84, 85]),
        (MIG_TABLE, "", [21, 22, 84, 85]),
        (MIG_TABLE, "GPU Instance ID : 7\nCompute Instance ID : 0", [21, 22, 84, 85]),
    ],
)
def test_a_slice_comes_with_its_own_capabilities(machine, table, instances, caps):
    report = f"MIG Device\nIndex : 0\n{instances}\nFB Memory Usage\nTotal : 19968 MiB\nFree : 19949 MiB\n"
    there = nodes(*(f"/dev/nvidia-caps/nvidia-cap{number}" for number in (1, 2, 21, 22, 84, 85)))
    files = {**DRIVER, **there, "/proc/driver/nvidia-caps/mig-minors": table}
    (gpu,) = read_gpus(machine(files=files), [], smi(MIG_CARD, "", **{"list-gpus": MIG_LIST, "query": report}))
    told = [node["path"] for node in gpu["nodes"]]
    assert told == [*COMMON, *(f"/dev/nvidia-caps/nvidia-cap{number}" for number in caps)]


@pytest.mark.parametrize(
    ("mode", "group", "told"),
    [
        (0o666, 44, None),  # NVIDIA's
        (0o444, 0, None),
        (0o400, 0, None),
        (0o660, 0, None),  # root's group is none to be in
        (0o660, 44, "video"),
        (0o664, 44, "video"),
        (0o444, 44, None),
        (0o640, 54321, None),  # without a name
    ],
)
def test_a_group_is_told_that_may_more_than_others(monkeypatch, mode, group, told):
    monkeypatch.setattr(os, "stat", lambda path: SimpleNamespace(st_mode=mode, st_gid=group))
    names = {0: "root", 44: "video"}
    monkeypatch.setattr(grp, "getgrgid", lambda number: SimpleNamespace(gr_name=names[number]))
    assert read_nodes(Tree(), ["/dev/thing"], ["/dev/thing"]) == [{"path": "/dev/thing", "group": told}]


@pytest.mark.parametrize(
    ("files", "cards", "is_told"),
    [
        ({}, None, False),
        (DRIVER, CARDS, False),
        (DRIVER, None, True),
        (DRIVER, "No devices were found\n", True),
        (DRIVER, "GPU-1, A card, [GPU requires reset], [GPU requires reset], 00000000:0A:00.0, 6.1, [N/A]\n", True),
    ],
)
def test_a_driver_without_a_card_is_told_of(machine, files, cards, is_told):
    tree = machine(files=files)
    problem = gpu_problem(tree, read_gpus(tree, [], smi(cards)))
    assert bool(problem) == is_told
    assert not is_told or problem.startswith("NVIDIA's driver is loaded and nvidia-smi tells of no card")


def test_a_name_may_have_commas(machine):
    (gpu,) = read_gpus(
        machine(files=DRIVER), [], smi("GPU-1, Cards, Inc. X, 8192, 8000, 00000000:01:00.0, 8.6, [N/A]\n")
    )
    assert (gpu["name"], gpu["total_bytes"]) == ("Cards, Inc. X", 8192 * MIB)
