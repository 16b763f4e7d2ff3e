# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build of llama.cpp can put layers on."""

from __future__ import annotations

import pytest
from module_utils.builds.ask import parse_devices
from module_utils.errors import DroverError
from module_utils.hosts.devices import drive, lent
from module_utils.hosts.document import read_tally
from module_utils.hosts.overhead import CONTEXT, PLAYED, WORKSPACES

from .fleet import GIB, tally

MIB = 1 << 20
CPU = {
    "id": "CPU",
    "kind": "cpu",
    "name": "Cortex-A76",
    "gpu": None,
    "unified": False,
    "total_bytes": 8 * GIB,
    "usable_bytes": 6 * GIB,
    "overhead_bytes": 0,
    "bandwidth_bytes_per_second": 11_000_000_000,
}


def gpu(name, kind, usable, unified=False, identity=None, held=0):
    return {
        "id": identity or f"id of {name}",
        "name": name,
        "kind": kind,
        "unified": unified,
        "compute_capability": None,
        "nodes": [],
        "total_bytes": usable + GIB,
        "held_bytes": held,
        "usable_bytes": usable,
    }


NVIDIA = gpu("NVIDIA GeForce RTX 3060", "cuda", 11 * GIB)
RADEON = gpu("AMD GPU 0x73bf", "rocm", 15 * GIB)
APU = gpu("AMD GPU 0x1638", "rocm", 14 * GIB, unified=True)
INTEL = gpu("Intel GPU 0x46a6", "vulkan", 15 * GIB, unified=True)
APPLE = gpu("Apple M1", "metal", 5 * GIB, unified=True)


@pytest.mark.parametrize(
    ("gpus", "backends", "driven"),
    [
        ([], ["CPU"], []),
        ([NVIDIA, RADEON], ["CPU"], []),
        ([NVIDIA, RADEON], [], []),
        ([NVIDIA, RADEON], ["RPC", "BLAS", "CPU"], []),
        ([NVIDIA, RADEON], ["CUDA", "CPU"], [("CUDA0", "cuda", "NVIDIA GeForce RTX 3060")]),
        ([NVIDIA, NVIDIA], ["cuda"], [("CUDA0", "cuda", NVIDIA["name"]), ("CUDA1", "cuda", NVIDIA["name"])]),
        ([NVIDIA, RADEON], ["HIP"], [("ROCm0", "rocm", "AMD GPU 0x73bf")]),
        ([NVIDIA, RADEON], ["ROCm"], [("ROCm0", "rocm", "AMD GPU 0x73bf")]),
        ([NVIDIA, RADEON], ["Vulkan"], [("Vulkan0", "vulkan", NVIDIA["name"]), ("Vulkan1", "vulkan", RADEON["name"])]),
        (
            [NVIDIA, RADEON],
            ["Vulkan", "CUDA"],
            [("CUDA0", "cuda", NVIDIA["name"]), ("Vulkan0", "vulkan", RADEON["name"])],
        ),
        ([INTEL], ["Vulkan"], [("Vulkan0", "vulkan", "Intel GPU 0x46a6")]),
        ([INTEL], ["CUDA"], []),
        ([APPLE], ["Metal", "BLAS", "CPU"], [("MTL0", "metal", "Apple M1")]),
        ([APPLE], ["Vulkan"], []),
        ([gpu("Arc", "sycl", GIB)], ["SYCL", "Vulkan"], []),
    ],
)
def test_only_what_the_build_drives(gpus, backends, driven):
    found = drive(tally("host", gpus=gpus), backends)["devices"]
    assert found[0] == CPU
    assert [(device["id"], device["kind"], device["name"]) for device in found[1:]] == driven


def test_a_card_has_its_own_memory_and_the_speed_of_its_data_sheet():
    card = drive(tally("host", gpus=[NVIDIA]), ["CUDA"])["devices"][1]
    assert card == {
        "id": "CUDA0",
        "kind": "cuda",
        "name": "NVIDIA GeForce RTX 3060",
        "gpu": "id of NVIDIA GeForce RTX 3060",
        "unified": False,
        "total_bytes": 12 * GIB,
        "usable_bytes": 11 * GIB,
        "overhead_bytes": CONTEXT["cuda"] + WORKSPACES["cuda"],
        "bandwidth_bytes_per_second": 360_000_000_000,
    }
    assert drive(tally("host", gpus=[RADEON]), ["ROCm"])["devices"][1]["bandwidth_bytes_per_second"] is None


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


# --- By the build's own list ----------------------------------------------------------------------------------------


def listed(name, description, total_mib, free_mib, unified=None):
    return {
        "name": name,
        "description": description,
        "unified": unified,
        "total_bytes": total_mib * MIB,
        "free_bytes": free_mib * MIB,
    }


def driven(gpus, *offered, **more):
    return drive(tally("host", gpus=gpus, **more), ["ignored"], offered)["devices"][1:]


def test_a_card_that_the_build_does_not_list_is_no_device():
    """Its driver is too old, say, or the user may not open its nodes."""
    assert driven([NVIDIA]) == []


@pytest.mark.parametrize(
    ("free_within_mib", "context_mib"),
    [(11 * 1024 - 300, 300), (11 * 1024, CONTEXT["cuda"] // MIB), (4 * 1024, CONTEXT["cuda"] // MIB)],
)
def test_what_a_process_takes_is_measured_where_it_can_be(free_within_mib, context_mib):
    """What the driver says is free, less what a process that has the card is told; nothing credible: the table."""
    (card,) = driven([NVIDIA], listed("CUDA0", NVIDIA["name"], 12 * 1024, free_within_mib))
    assert card["overhead_bytes"] == context_mib * MIB + WORKSPACES["cuda"]
    assert card["usable_bytes"] == 11 * GIB


def test_an_h200():
    """Recorded: driver and build on a machine with one; its processes held 702 to 716 MiB with the demo model on it."""
    h200 = gpu("NVIDIA H200", "cuda", 143156 * MIB)
    (card,) = driven([h200], listed("CUDA0", "NVIDIA H200", 143155, 142629))
    assert card["overhead_bytes"] == (527 + 192) * MIB


def test_what_drover_holds_itself_is_no_context():
    held = gpu(NVIDIA["name"], "cuda", 11 * GIB, held=5 * GIB)
    (card,) = driven([held], listed("CUDA0", NVIDIA["name"], 12 * 1024, 6 * 1024 - 400))
    assert card["overhead_bytes"] == 400 * MIB + WORKSPACES["cuda"]


def test_equal_cards_are_told_apart_by_their_order():
    cards = [gpu("NVIDIA L4", "cuda", size * GIB, identity=f"GPU-{size}") for size in (20, 10)]
    offered = [listed(f"CUDA{number}", "NVIDIA L4", 23034, 22000) for number in (0, 1)]
    assert [(one["id"], one["gpu"]) for one in driven(cards, *offered)] == [("CUDA0", "GPU-20"), ("CUDA1", "GPU-10")]


def test_a_card_is_known_by_its_size_where_names_differ():
    radeon = listed("Vulkan0", "AMD Radeon RX 6800 XT (RADV NAVI21)", 16 * 1024, 15000)
    apu = listed("Vulkan1", "AMD Radeon Graphics (RADV RENOIR)", 8192, 8000, unified=True)
    found = driven([APU, RADEON], radeon, apu)
    assert [(one["id"], one["gpu"], one["unified"]) for one in found] == [
        ("Vulkan0", RADEON["id"], False),
        ("Vulkan1", APU["id"], True),
    ]
    # What Vulkan would give bounds what the driver says.
    assert [one["usable_bytes"] for one in found] == [15000 * MIB, 6 * GIB]


def test_one_card_with_two_backends_is_one_device():
    cuda = listed("CUDA0", NVIDIA["name"], 12 * 1024, 11000)
    vulkan = listed("Vulkan0", NVIDIA["name"], 12 * 1024, 11000)
    assert [one["id"] for one in driven([NVIDIA], vulkan, cuda)] == ["CUDA0"]


SOFTWARE = """ggml_vulkan: Found 1 Vulkan devices:
ggml_vulkan: 0 = llvmpipe (LLVM 21.1.8, 256 bits) (llvmpipe) | uma: 0 | fp16: 1 | bf16: 0 | warp size: 8
Available devices:
  Vulkan0: llvmpipe (LLVM 21.1.8, 256 bits) (24105 MiB, 24079 MiB free)
"""


def test_a_device_that_a_processor_plays_works_in_its_memory():
    (device,) = driven([], *parse_devices(SOFTWARE))
    assert (device["id"], device["gpu"], device["unified"], device["usable_bytes"]) == ("Vulkan0", None, True, 6 * GIB)
    assert device["overhead_bytes"] == PLAYED
    # It is not taken for the integrated GPU that is there as well.
    assert [one["gpu"] for one in driven([INTEL], *parse_devices(SOFTWARE))] == [None]


UNTOLD = gpu("Intel GPU 0x56a0", "vulkan", 0)
UNTOLD["total_bytes"] = 0
CARVED = gpu("AMD GPU 0x1586", "rocm", 95 * GIB)
RTX = ("NVIDIA GeForce RTX 3060", 12 * 1024, 11000)


@pytest.mark.parametrize(
    ("gpus", "offered", "found"),
    [
        # Nothing that the drivers tell of: nvidia-smi has failed, a Raspberry Pi's, or nouveau's beside Intel's.
        ([], [("CUDA0", *RTX)], {}),
        ([], [("Vulkan0", "V3D 7.1.7.0", 4096, 4096, True)], {}),
        ([], [("Vulkan0", "Some GPU", 8192, 7000, None)], {}),
        (
            [INTEL],
            [
                ("CUDA0", *RTX),
                ("Vulkan0", "NVIDIA GeForce RTX 3060 (NVK GA106)", 12288, 12288, False),
                ("Vulkan1", "Intel(R) UHD Graphics 770 (ADL-S GT1)", 24576, 24576, True),
            ],
            {"Vulkan1": INTEL["id"]},
        ),
        # Memory of its own is not the machine's.
        ([INTEL], [("Vulkan0", "Intel(R) Arc(tm) A770 Graphics (DG2)", 16384, 16384, False)], {}),
        ([APU], [("Vulkan0", "AMD Radeon RX 580", 8192, 8192, False)], {}),
        # The only one that it can be, whatever the sizes.
        (
            [UNTOLD],
            [("Vulkan0", "Intel(R) Arc(tm) A770 Graphics (DG2)", 16384, 16000, False)],
            {"Vulkan0": UNTOLD["id"]},
        ),
        ([CARVED], [("Vulkan0", "AMD Radeon Graphics (RADV GFX1151)", 76800, 76000, True)], {"Vulkan0": CARVED["id"]}),
        ([APU], [("ROCm0", "AMD Radeon Graphics", 8192, 8000)], {"ROCm0": APU["id"]}),
        # A card whose size is told otherwise is not taken for the integrated GPU beside it.
        ([RADEON, APU], [("ROCm0", "AMD Radeon RX 6800 XT", 9000, 9000)], {}),
        # Equal sizes, different makers, another order.
        (
            [gpu("NVIDIA L4", "cuda", 23 * GIB), gpu("AMD GPU 0x744c", "rocm", 23 * GIB)],
            [
                ("Vulkan0", "AMD Radeon RX 7900 XTX (RADV NAVI31)", 24576, 24000, False),
                ("Vulkan1", "NVIDIA L4 (x)", 24576, 24000),
            ],
            {"Vulkan0": "id of AMD GPU 0x744c", "Vulkan1": "id of NVIDIA L4"},
        ),
        # One APU by two backends is one device, whose memory counts once.
        (
            [APU],
            [
                ("Vulkan0", "AMD Radeon Graphics (RADV RENOIR)", 8192, 8000, True),
                ("ROCm0", "AMD Radeon Graphics", 8192, 8000),
            ],
            {"ROCm0": APU["id"]},
        ),
    ],
)
def test_which_gpu_a_device_is(gpus, offered, found):
    made = drive(tally("host", gpus=gpus), ["ignored"], [listed(*one) for one in offered])
    assert {one["id"]: one["gpu"] for one in made["devices"][1:]} == found
    assert sorted(one["id"] for one in made["passed_over"]) == sorted({one[0] for one in offered} - set(found))
    read_tally(made)


def test_the_reason_for_what_is_passed_over_is_told():
    made = drive(tally("host"), [], [listed("Vulkan0", "V3D 7.1.7.0", 4096, 4096, True)])
    reason = (
        "host: Vulkan0 (V3D 7.1.7.0) holds no layers, since none of the GPUs that the host's drivers tell of is this "
        "one."
    )
    assert made["passed_over"] == [{"id": "Vulkan0", "kind": "vulkan", "gpu": None, "reason": reason}]
    # A second way to a card is nothing to tell people of.
    cuda, vulkan = listed("CUDA0", *RTX), listed("Vulkan0", *RTX)
    made = drive(tally("host", gpus=[NVIDIA]), [], [vulkan, cuda])
    assert made["passed_over"] == [{"id": "Vulkan0", "kind": "vulkan", "gpu": NVIDIA["id"], "reason": None}]


def test_a_card_of_unknown_size_is_as_large_as_the_build_says():
    (card,) = driven([UNTOLD], listed("Vulkan0", "Intel(R) Arc(tm) A770 Graphics (DG2)", 16384, 16000, False))
    assert (card["unified"], card["total_bytes"], card["usable_bytes"]) == (False, 16384 * MIB, 16000 * MIB)
    assert card["bandwidth_bytes_per_second"] == 560_000_000_000


def test_a_card_is_fast_by_the_name_that_the_build_knows():
    (card,) = driven([RADEON], listed("ROCm0", "AMD Radeon RX 6800 XT", 16384, 16000))
    assert (card["name"], card["bandwidth_bytes_per_second"]) == ("AMD Radeon RX 6800 XT", 512_000_000_000)


def test_a_slice_that_the_build_lists_stands_for_the_one_that_the_program_will_get():
    slices = [gpu(f"A100 MIG {size}g", "cuda", size * GIB, identity=f"MIG-{size}") for size in (5, 20)]
    (card,) = driven(slices, listed("CUDA0", "A100 MIG 5g", 5 * 1024, 4000))
    assert (card["gpu"], card["usable_bytes"]) == ("MIG-20", 20 * GIB)
    assert card["overhead_bytes"] == CONTEXT["cuda"] + WORKSPACES["cuda"]


def test_of_slices_a_process_gets_one():
    slices = [gpu("A100 MIG", "cuda", size * GIB, identity=f"MIG-{size}") for size in (5, 20, 10)]
    assert [one["gpu"] for one in drive(tally("host", gpus=slices), ["CUDA"])["devices"][1:]] == ["MIG-20"]


# --- What is lent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "wish", "names"),
    [
        ([], [], ["CPU"]),
        ([NVIDIA, NVIDIA], [], ["CUDA0", "CUDA1", "CPU"]),
        ([APPLE], [], ["MTL0"]),
        ([NVIDIA, NVIDIA], ["CPU", "CUDA1"], ["CPU", "CUDA1"]),
        ([APPLE], ["MTL0", "CPU"], ["MTL0", "CPU"]),
        ([NVIDIA], ["CPU"], ["CPU"]),
    ],
)
def test_all_is_lent_or_what_its_owner_names(gpus, wish, names):
    made = drive(tally("host", gpus=gpus, lend=wish), ["CUDA", "Metal"])
    assert [device["id"] for device in lent(made)] == names


def test_a_device_that_is_not_there_is_refused_by_name():
    made = drive(tally("host", gpus=[NVIDIA], lend=["CPU", "CUDA1"]), ["CUDA"])
    with pytest.raises(DroverError) as caught:
        lent(made)
    assert str(caught.value) == (
        "rpc_server_devices of host names CUDA1, and the build of llama.cpp that is chosen for it offers CPU, CUDA0: "
        "name some of these, or leave it empty."
    )


def test_a_device_that_is_named_twice_is_refused():
    made = drive(tally("host", gpus=[NVIDIA], lend=["CUDA0", "CPU", "CUDA0"]), ["CUDA"])
    with pytest.raises(DroverError) as caught:
        lent(made)
    assert str(caught.value) == (
        "rpc_server_devices of host names CUDA0 twice, and its memory is there once: name every device once."
    )
