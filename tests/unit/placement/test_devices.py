# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host lends is what the chosen build drives, and memory that a CPU and a GPU share counts once."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.placement.fleet import read_fleet
from unit.placement.fleets import GIB, MIB, model, plan_of, tally
from unit.placement.test_request import gguf_of


def apu(name, **more):
    """A mini PC with a Ryzen APU, whose driver reports 512 MiB carved out of the memory as the card's own."""
    made = tally(name, 26 * GIB, 40e9, gpus=[490 * MIB], unified=True, **more)
    made["gpus"][0]["kind"] = "rocm"
    return made


def choice(*names, backends=("CPU",), left_out=None, label=None):
    return {
        "label": label,
        "hosts": {name: {"id": None, "backends": list(backends)} for name in names},
        "left_out": left_out or {},
    }


def test_three_mini_pcs_lend_their_memory_to_a_cpu_build():
    hosts = [apu(f"mini-{number}") for number in (1, 2, 3)]
    plan = plan_of(gguf_of("Llama 3.3 70B", "Q4_K_M"), hosts, choice=choice("mini-1", "mini-2", "mini-3"))
    assert plan["feasible"]
    parts = [plan["host"], *plan["devices"]]
    assert [part["usable_bytes"] for part in parts] == [26 * GIB] * len(parts) and len(parts) == 2


def test_what_is_not_used_of_a_hosts_gpus_is_warned_of():
    """The build lists a card that nvidia-smi, which has failed, does not tell of."""
    card = {"name": "CUDA0", "description": "A card", "total_bytes": 8 * GIB, "free_bytes": 8 * GIB}
    chosen = choice("box", "other", backends=("CPU", "CUDA"))
    chosen["hosts"]["box"]["devices"] = [card]
    hosts = [tally("box", 8 * GIB, gpu_problem="Look at nvidia-smi."), tally("other", 8 * GIB)]
    plan = plan_of(model(), hosts, choice=chosen)
    assert plan["devices"] == []
    assert [warning for warning in plan["warnings"] if warning.startswith("box")] == [
        "box: Look at nvidia-smi.",
        "box: CUDA0 (A card) holds no layers, since none of the GPUs that the host's drivers tell of is this one.",
    ]
    hosts[0]["exclude"] = "excluded by placement_exclude"
    assert "box" not in " ".join(plan_of(model(), hosts, choice=chosen)["warnings"])


def test_without_a_choice_the_devices_of_the_tally_count():
    plan = plan_of(model(), [tally("box", 600 * MIB, gpus=[2 * GIB])])
    assert [device["device"] for device in plan["devices"]] == ["CUDA0"]
    plan = plan_of(model(), [tally("box", 2 * GIB, gpus=[2 * GIB])], choice=choice("box"))
    assert plan["devices"] == []


def held(plan, name):
    parts = [plan["host"]] if plan["leader"] == name else []
    return sum(part["total_bytes"] for part in [*parts, *(one for one in plan["devices"] if one["host"] == name)])


@pytest.mark.parametrize("gpu", [100, 500, 900, 1000])
def test_a_leader_does_not_lend_shared_memory_twice(gpu):
    """850 MiB of weights: with 1000 MiB that both share it fits, whoever takes it; with 800 it does not."""
    plan = plan_of(model(), [tally("apu", 1000 * MIB, gpus=[gpu * MIB], unified=True)])
    assert plan["feasible"] and held(plan, "apu") <= 1000 * MIB
    short = plan_of(model(), [tally("apu", 800 * MIB, gpus=[min(gpu, 800) * MIB], unified=True)])
    assert not short["feasible"] and short["shortfall"]["kind"] == "memory"
    # What has memory of its own adds to it.
    assert plan_of(model(), [tally("box", 800 * MIB, gpus=[max(gpu, 500) * MIB])])["feasible"]


def test_a_shared_gpu_computes_what_it_can():
    plan = plan_of(model(), [tally("apu", 1200 * MIB, gpus=[500 * MIB], unified=True)], prompt_tokens=5000)
    assert plan["devices"][0]["device"] == "CUDA0" and plan["leader_blocks"] > 0
    assert plan["host"]["usable_bytes"] + plan["devices"][0]["usable_bytes"] == 1200 * MIB


def test_a_worker_with_a_shared_gpu_lends_that_one_and_no_more_than_it_has():
    hosts = [tally("lead", 420 * MIB), tally("apu", 700 * MIB, gpus=[900 * MIB, 900 * MIB], unified=True, disk=0)]
    hosts[1]["devices"][1]["usable_bytes"] = 900 * MIB  # as a careless driver would say
    (_apu, lead) = read_fleet(hosts, 0.05).hosts
    assert [device.usable_bytes for device in _apu.lent] == [700 * MIB, 0] and lead.name == "lead"
    plan = plan_of(model(), hosts, leader="lead")
    assert plan["feasible"] and held(plan, "apu") <= 700 * MIB
    assert plan["endpoints"][0]["devices"] == ["CUDA0", "CUDA1"]


def test_who_cannot_have_the_build_is_left_out():
    hosts = [tally("old", 2 * GIB, 20e9), tally("new", 2 * GIB)]
    plan = plan_of(model(), hosts, choice=choice("new", left_out={"old": "There is no archive for armv7l."}))
    assert plan["leader"] == "new"
    assert plan["spare"] == [{"host": "old", "reason": "There is no archive for armv7l."}]


def test_a_host_with_an_obstacle_is_left_out_with_the_first():
    hosts = [tally("a", 2 * GIB, 20e9, obstacles=["It has no systemd.", "And no disk."]), tally("b", 2 * GIB)]
    plan = plan_of(model(), hosts)
    assert plan["leader"] == "b" and plan["spare"] == [{"host": "a", "reason": "It has no systemd."}]
    with pytest.raises(DroverError, match="The leader a is left out"):
        plan_of(model(), hosts, leader="a")


def test_the_users_word_comes_before_the_machines():
    one = tally("a", 2 * GIB, exclude="My desktop.", obstacles=["It has no systemd."])
    assert plan_of(model(), [one, tally("b", 2 * GIB)])["spare"] == [{"host": "a", "reason": "My desktop."}]


def test_one_machine_with_two_names_is_refused():
    hosts = [tally("pi-1", GIB, machine="5f1c"), tally("pi-2", GIB, machine="5f1c"), tally("pi-3", GIB, machine="aa00")]
    with pytest.raises(DroverError, match=r"pi-1 and pi-2 are .*machine"):
        plan_of(model(), hosts)
    hosts[1]["exclude"] = "twice"
    assert plan_of(model(), hosts)["feasible"]


def test_machines_without_an_id_are_not_one():
    assert plan_of(model(), [tally("a", GIB, machine=None), tally("b", GIB, machine=None)])["feasible"]


def test_a_leader_needs_no_room_for_what_it_has_of_the_file():
    gguf = model()
    one = tally("a", 2 * GIB, disk=gguf["file_bytes"] - 500 * MIB)
    assert not plan_of(gguf, [one])["feasible"]
    one["disk"]["models"] = {"another.gguf": gguf["file_bytes"]}
    assert not plan_of(gguf, [one])["feasible"]
    one["disk"]["models"] = {"small.gguf": 500 * MIB}
    assert plan_of(gguf, [one])["feasible"]


@pytest.mark.parametrize(
    ("label", "workers", "refused"),
    [("b10700", 3, True), ("b10700", 2, False), ("b11669", 3, False), (None, 3, False), ("my-build", 3, False)],
)
def test_a_build_that_is_known_to_hang_is_refused(label, workers, refused):
    names = [f"pi-{number}" for number in range(workers + 1)]
    hosts = [tally(name, 2 * GIB) for name in names]
    plan = plan_of(model(), hosts, spread="all", choice=choice(*names, label=label))
    assert plan["feasible"] != refused
    if refused:
        assert plan["shortfall"]["kind"] == "build" and "10700" in plan["shortfall"]["text"]


def test_a_model_that_is_not_served_is_refused_before_anything_else():
    text = "This file holds its vision part, which llama.cpp does not load: take the one without."
    plan = plan_of({**model(), "unservable": [text]}, [tally("a", 2 * GIB)])
    assert plan["shortfall"] == {"kind": "model", "text": text, "bytes": 0} and not plan["feasible"]
    assert text in plan["reasons"]


# --- Cards of their own memory --------------------------------------------------------------------------------------

OVERHEAD = (518 + 192) * MIB


@pytest.mark.parametrize("card", [4, 6, 8])
@pytest.mark.parametrize("leads", [True, False])
def test_a_small_card_is_not_planned_beyond_what_runs(card, leads):
    """An H100 with 695 MiB left for a process beside the model died at the first request."""
    gguf = model(blocks=40, block_bytes=200 * MIB)
    box = tally("box", 60 * GIB, gpus=[card * 1000 * MIB], overhead=OVERHEAD, disk=10**13 if leads else 0)
    plan = plan_of(gguf, [box, tally("head", 60 * GIB)], leader="box" if leads else "head", prompt_tokens=4000)
    (on_card,) = [device for device in plan["devices"] if device["kind"] == "cuda"]
    assert on_card["overhead_bytes"] == OVERHEAD
    parts = (on_card["weight_bytes"], on_card["kv_bytes"], on_card["compute_bytes"])
    assert on_card["total_bytes"] == sum(parts) + OVERHEAD
    assert card * 1000 * MIB - sum(parts) >= OVERHEAD + card * 50 * MIB
    # And it is filled: no other block would fit.
    assert on_card["total_bytes"] + 250 * MIB > card * 950 * MIB


def test_a_card_that_is_smaller_than_what_a_process_takes_holds_nothing():
    plan = plan_of(model(), [tally("box", 2 * GIB, gpus=[700 * MIB], overhead=OVERHEAD)])
    assert plan["devices"] == []


def test_a_worker_lends_its_card_and_then_its_memory():
    """Together they hold what neither does."""
    box = tally("box", 600 * MIB, gpus=[OVERHEAD + 600 * MIB], overhead=OVERHEAD, disk=0)
    plan = plan_of(model(), [tally("head", 300 * MIB), box], leader="head", split={"box": 9})
    assert [(one["device"], one["id"], one["kind"]) for one in plan["devices"]] == [
        ("RPC0", "CUDA0", "cuda"),
        ("RPC1", "CPU", "cpu"),
    ]
    assert plan["endpoints"][0]["devices"] == ["CUDA0", "CPU"]


def test_a_worker_lends_what_its_owner_named():
    box = tally("box", 2 * GIB, gpus=[4 * GIB, 4 * GIB], lend=["CUDA1"], disk=0)
    plan = plan_of(model(), [tally("head", 300 * MIB), box], leader="head")
    assert [(one["device"], one["id"]) for one in plan["devices"]] == [("RPC0", "CUDA1")]
    box["lend"] = ["CUDA2"]
    with pytest.raises(DroverError, match="rpc_server_devices of box names CUDA2"):
        plan_of(model(), [tally("head", 300 * MIB), box])
    box["exclude"] = "It is mine."
    assert plan_of(model(), [tally("head", 2 * GIB), box])["feasible"]


def test_memory_that_is_lent_by_both_is_halved():
    box = tally("box", 1000 * MIB, gpus=[900 * MIB], unified=True, lend=["CUDA0", "CPU"])
    (host,) = read_fleet([box], 0.05).hosts
    assert [(one.id, one.usable_bytes) for one in host.lent] == [("CUDA0", 500 * MIB), ("CPU", 500 * MIB)]


def test_a_split_may_name_devices():
    box = tally("box", 2 * GIB, gpus=[4 * GIB], disk=0)
    hosts = [tally("head", 2 * GIB), box]
    plan = plan_of(model(), hosts, split={"head": 3, "box/CPU": 2, "box/CUDA0": 4})
    assert [(one["device"], one["block_count"] + one["holds_output"]) for one in plan["devices"]] == [
        ("RPC1", 2),
        ("RPC0", 4),
    ]
    with pytest.raises(DroverError, match="gives layers to box/CUDA1, and box lends CUDA0, CPU: name one of these"):
        plan_of(model(), hosts, split={"head": 5, "box/CUDA1": 4})
