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
