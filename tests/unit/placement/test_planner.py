# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import builtins
import copy
import json

import pytest
from module_utils.errors import DroverError
from module_utils.placement.running import places_the_same
from unit.placement.fleets import GIB, MIB, model, network, plan_of, tally


def layers(plan):
    """``{host: layers}``, the leader's CPU and its output layer included."""
    held = {plan["leader"]: plan["leader_blocks"] + plan["host"]["holds_output"]}
    for device in plan["devices"]:
        held[device["host"]] = held.get(device["host"], 0) + device["block_count"] + device["holds_output"]
    return {host: count for host, count in held.items() if count}


def reason_of(plan, host):
    return next(one["reason"] for one in plan["spare"] if one["host"] == host)


def placed(plan):
    """What a plan puts where."""
    return {key: plan[key] for key in ("leader", "leader_blocks", "devices", "endpoints")}


def three(size=600 * MIB):
    return [tally("pi-1", size), tally("pi-2", size), tally("pi-3", size)]


# --- Where layers go ------------------------------------------------------------------------------------------------


def test_what_fits_on_one_machine_is_planned_onto_one():
    plan = plan_of(model(), [tally("pi-1", 900 * MIB), tally("pi-2", 2 * GIB), tally("pi-3", 900 * MIB)])
    assert (plan["mode"], plan["leader"], layers(plan)) == ("single", "pi-2", {"pi-2": 9})
    assert plan["host"]["holds_output"] and plan["predicted"]["load_bytes_over_network"] == 0
    assert reason_of(plan, "pi-1") == "not needed: the plan is faster without it"


def test_the_faster_of_two_equal_machines_leads():
    plan = plan_of(model(), [tally("pi-1", 2 * GIB, 8e9), tally("pi-2", 2 * GIB, 9e9)])
    assert plan["leader"] == "pi-2"


def test_equal_machines_are_told_apart_by_name():
    assert plan_of(model(), [tally("b", 2 * GIB), tally("a", 2 * GIB)])["leader"] == "a"


def test_what_fits_on_none_is_shared_by_as_few_as_can():
    plan = plan_of(model(), three())
    assert plan["mode"] == "rpc" and plan["leader"] == "pi-1" and list(layers(plan)) == ["pi-1", "pi-2"]
    assert plan["predicted"]["load_bytes_over_network"] == plan["devices"][0]["weight_bytes"]


def test_all_hosts_take_part_when_asked_to():
    hosts = [tally("pi-1", 900 * MIB), tally("pi-2", 900 * MIB), tally("pi-3", 2 * GIB)]
    plan = plan_of(model(), hosts, spread="all")
    held = layers(plan)
    assert sorted(held) == ["pi-1", "pi-2", "pi-3"] and plan["leader_blocks"] >= 1
    assert min(held.values()) >= 2
    assert any("pi-3 alone" in reason for reason in plan["reasons"])


def test_spreading_one_host_is_planning_one_host():
    assert plan_of(model(), [tally("pi-1", 2 * GIB)], spread="all")["mode"] == "single"


def test_spreading_leaves_out_a_host_that_cannot_hold_a_layer():
    plan = plan_of(model(), [*three(), tally("tiny", 20 * MIB)], spread="all")
    assert reason_of(plan, "tiny") == "its memory does not hold one layer"
    assert sorted(layers(plan)) == ["pi-1", "pi-2", "pi-3"]


def test_spreading_stops_where_the_model_has_no_more_layers():
    plan = plan_of(model(blocks=2), [tally(f"pi-{number}", GIB) for number in range(5)], spread="all")
    assert len(layers(plan)) == 3
    assert reason_of(plan, "pi-4") == "the model has only 3 layers to share out"


def test_no_more_than_sixteen_devices_are_used():
    hosts = [tally(f"pi-{number:02}", 300 * MIB) for number in range(20)]
    plan = plan_of(model(blocks=30), hosts, spread="all")
    assert len(plan["devices"]) == 16
    assert [one["reason"] for one in plan["spare"]] == ["over the limit of 16 devices"] * 3
    assert len(plan_of(model(blocks=30), hosts)["devices"]) <= 16


def test_fewer_devices_may_be_allowed():
    plan = plan_of(model(), [tally(f"pi-{number}", 420 * MIB) for number in range(4)], max_devices=2)
    assert len(plan["devices"]) == 2
    assert not plan_of(model(), three(420 * MIB), max_devices=1)["feasible"]


def test_an_excluded_host_is_spare():
    plan = plan_of(model(), [tally("pi-1", 2 * GIB, exclude="excluded by placement_exclude"), *three()[1:]])
    assert reason_of(plan, "pi-1") == "excluded by placement_exclude"


def test_a_host_that_cannot_take_part_is_spare_with_its_reason():
    plan = plan_of(model(), [tally("pi-1", 2 * GIB, exclude="Debian 12 has no packages."), *three()[1:]])
    assert reason_of(plan, "pi-1") == "Debian 12 has no packages."
    assert sorted(layers(plan)) == ["pi-2", "pi-3"]


def test_endpoints_carry_the_port_of_the_host():
    other = tally("pi-2", 600 * MIB, network=network("10.2.0.7", address="10.2.0.7"), port=50099)
    plan = plan_of(model(), [tally("pi-1", 600 * MIB), other], leader="pi-1")
    assert plan["devices"][0]["endpoint"] == "10.2.0.7:50099"
    assert plan["endpoints"] == [{"host": "pi-2", "address": "10.2.0.7", "port": 50099, "devices": ["CPU"]}]
    assert plan["addresses"]["pi-2"] == {"address": "10.2.0.7", "port": 50099}


def test_a_gpu_of_the_leader_holds_what_it_can_without_a_worker():
    plan = plan_of(model(), [tally("box", 600 * MIB, gpus=[700 * MIB])])
    assert plan["mode"] == "single" and plan["endpoints"] == []
    assert [device["device"] for device in plan["devices"]] == ["CUDA0"]
    assert plan["devices"][0]["endpoint"] is None and plan["devices"][0]["holds_output"]


def test_a_gpu_that_holds_nothing_is_still_offered():
    hosts = [tally("box", 300 * MIB, gpus=[0]), tally("other", 100 * MIB, gpus=[10 * MIB, GIB])]
    plan = plan_of(model(), hosts, leader="box")
    assert [device["device"] for device in plan["devices"]] == ["RPC1"]
    assert plan["devices"][0]["id"] == "CUDA1" and plan["devices"][0]["kind"] == "cuda"
    assert plan["endpoints"][0]["devices"] == ["CUDA0", "CUDA1", "CPU"]


# --- Who leads ------------------------------------------------------------------------------------------------------


def test_a_pinned_leader_leads():
    plan = plan_of(model(), [tally("pi-1", 2 * GIB), tally("pi-2", 3 * GIB, 20e9)], leader="pi-1")
    assert plan["leader"] == "pi-1" and "pi-1 leads because it is pinned." in plan["reasons"]


def test_a_leader_needs_disk_space_for_the_file():
    hosts = [tally("pi-1", 2 * GIB, 20e9, disk=10 * MIB), tally("pi-2", 2 * GIB)]
    plan = plan_of(model(), hosts)
    assert plan["leader"] == "pi-2" and any(reason.startswith("pi-1 cannot lead") for reason in plan["reasons"])
    assert plan_of(model(), hosts, model_host="pi-1")["leader"] == "pi-1"


def test_without_a_possible_leader_there_is_no_plan():
    plan = plan_of(model(), [tally("pi-1", 2 * GIB, disk=10 * MIB)])
    assert not plan["feasible"] and any("its disk has 10.0 MiB free" in reason for reason in plan["reasons"])


# --- A user's own split ---------------------------------------------------------------------------------------------


def test_a_split_is_honoured():
    plan = plan_of(model(), three(), leader="pi-1", split={"pi-1": 2, "pi-3": 4, "pi-2": 3})
    assert layers(plan) == {"pi-1": 2, "pi-3": 4, "pi-2": 3}
    assert [device["host"] for device in plan["devices"]] == ["pi-3", "pi-2"]


def test_a_split_can_leave_the_leader_without_layers():
    assert layers(plan_of(model(), three(), leader="pi-1", split={"pi-2": 4, "pi-3": 5})) == {"pi-2": 4, "pi-3": 5}


def test_a_split_that_does_not_fit_is_refused_with_the_reason():
    plan = plan_of(model(), three(), leader="pi-1", split={"pi-1": 1, "pi-2": 8})
    assert not plan["feasible"] and plan["missing_bytes"] > 200 * MIB
    assert any("too much on pi-2" in reason for reason in plan["reasons"])
    assert plan["remedies"][0]["kind"] == "split"


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"pi-1": 4, "pi-2": 4}, "adds up to 8 layers but the model has 9"),
        ({"pi-1": 4, "pi-9": 5}, "pi-9 is not among the hosts (pi-1, pi-2, pi-3)"),
        ({"pi-1": 10, "pi-2": -1}, "layers for pi-2 is -1"),
        ({"pi-1": "9"}, "layers for pi-1 is '9'"),
        ([9], "split is [9] but must be a dictionary"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(split, message):
    with pytest.raises(DroverError) as error:
        plan_of(model(), three(), split=split)
    assert message in str(error.value)


# --- The running plan -----------------------------------------------------------------------------------------------


def test_a_running_plan_is_kept_when_little_would_be_gained():
    running = plan_of(model(), [tally("pi-1", 2 * GIB, 10e9), tally("pi-2", 2 * GIB, 9.9e9)])
    hosts = [tally("pi-1", 2 * GIB, 10e9), tally("pi-2", 2 * GIB, 10.3e9)]
    assert plan_of(model(), hosts)["leader"] == "pi-2"
    plan = plan_of(model(), hosts, previous=[running])
    assert plan["leader"] == "pi-1" and any("is kept" in reason for reason in plan["reasons"])
    much_faster = [tally("pi-1", 2 * GIB, 10e9), tally("pi-2", 2 * GIB, 11e9)]
    assert plan_of(model(), much_faster, previous=[running])["leader"] == "pi-2"


def test_a_plan_that_went_through_json_is_the_same_running_plan():
    running = plan_of(model(), three())
    again = plan_of(model(), three(), previous=[json.loads(json.dumps(running))])
    assert places_the_same(json.loads(json.dumps(running)), again)


@pytest.mark.parametrize(
    "previous",
    [
        {"feasible": True},
        {"feasible": True, "model": None},
        {"feasible": True, "model": {"block_count": 8}, "leader": ["pi-1"], "host": {}, "devices": []},
        {"feasible": False},
        {
            "feasible": True,
            "model": {"block_count": 8},
            "leader": "pi-1",
            "leader_blocks": -5,
            "host": {"holds_output": False},
            "devices": [],
        },
        {
            "feasible": True,
            "model": {"block_count": 8},
            "leader": "pi-1",
            "leader_blocks": "3",
            "host": {"holds_output": False},
            "devices": 7,
        },
        "nonsense",
    ],
)
def test_a_running_plan_that_makes_no_sense_is_ignored(previous):
    assert plan_of(model(), three(), previous=[None, previous]) == plan_of(model(), three())


@pytest.mark.parametrize("change", ["first_block", "block_count", "id"])
@pytest.mark.parametrize("value", [-1, 0, 99, None, "x", 1.5])
def test_a_damaged_running_plan_is_not_followed(change, value):
    running = copy.deepcopy(plan_of(model(), three()))
    if running["devices"][0][change] == value:
        return
    running["devices"][0][change] = value
    assert placed(plan_of(model(), three(), previous=[running])) == placed(plan_of(model(), three()))


def test_a_running_plan_does_not_stand_against_a_pinned_leader():
    running = plan_of(model(), three(2 * GIB), leader="pi-1")
    assert plan_of(model(), three(2 * GIB), leader="pi-3", previous=[running])["leader"] == "pi-3"


def test_a_running_plan_that_leaves_hosts_out_does_not_stand_against_spreading():
    running = plan_of(model(), three())
    assert len(layers(plan_of(model(), three(), spread="all", previous=[running]))) == 3


# --- When it does not fit -------------------------------------------------------------------------------------------


def test_what_is_missing_is_told_host_by_host():
    plan = plan_of(model(), three(200 * MIB))
    assert not plan["feasible"] and plan["missing_bytes"] > 0
    # A block and the output layer are 150 MiB, but while the output's tensor of 50 MiB arrives it is held twice.
    assert "pi-2 lends 200 MiB: at most 1 of the 9 layers." in plan["reasons"]
    assert plan["remedies"][-1]["kind"] == "host"


REMEDIES = {
    "context": ("context_size",),
    "cache": ("cache_type_k", "cache_type_v", "flash_attention"),
    "slots": ("parallel", "context_size"),
    "cache_and_context": ("cache_type_k", "cache_type_v", "flash_attention", "context_size"),
    "spread": ("spread",),
}


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        ({"context_size": 262144}, ["context", "memory", "host"]),
        ({"context_size": 65536}, ["context", "cache", "quantization", "memory", "host"]),
        ({"context_size": 131072, "parallel": 8}, ["context", "cache", "slots", "memory", "host"]),
        ({"context_size": 131072, "flash_attention": "off"}, ["context", "memory", "host"]),
    ],
)
def test_every_remedy_works(arguments, kinds):
    hosts = [tally("pi-1", 800 * MIB), tally("pi-2", 700 * MIB)]
    plan = plan_of(model(), hosts, **arguments)
    assert not plan["feasible"]
    found = {one["kind"]: one for one in plan["remedies"]}
    assert list(found) == kinds
    for kind, remedy in found.items():
        if kind in REMEDIES:
            changed = {**arguments, **{key: remedy[key] for key in REMEDIES[kind]}}
            assert plan_of(model(), hosts, **changed)["feasible"], remedy


def test_spreading_that_cannot_be_is_told_apart_from_too_little_memory():
    """The output layer comes last in the chain, and no worker can hold it."""
    hosts = [tally("large", 2 * GIB), tally("small", 150 * MIB)]
    big_output = model(block_bytes=[20 * MIB] * 4, output_bytes=400 * MIB)
    plan = plan_of(big_output, hosts, spread="all", leader="large")
    assert not plan["feasible"] and [one["kind"] for one in plan["remedies"]] == ["spread"]
    assert plan_of(big_output, hosts)["feasible"]


def test_the_largest_context_is_the_largest():
    hosts = [tally("pi-1", 800 * MIB), tally("pi-2", 700 * MIB)]
    plan = plan_of(model(), hosts, context_size=262144)
    size = plan["remedies"][0]["context_size"]
    assert plan_of(model(), hosts, context_size=size)["feasible"]
    assert not plan_of(model(), hosts, context_size=size + 256)["feasible"]


def test_a_host_that_is_left_out_may_be_what_is_missing():
    hosts = [
        tally("pi-1", 600 * MIB),
        tally("pi-2", 100 * MIB, exclude="excluded by placement_exclude"),
        tally("pi-3", 600 * MIB, exclude="excluded by placement_exclude"),
    ]
    plan = plan_of(model(), hosts)
    remedy = next(one for one in plan["remedies"] if one["kind"] == "excluded")
    assert remedy["host"] == "pi-3"
    assert plan_of(model(), [hosts[0], tally("pi-3", 600 * MIB)])["feasible"]


def test_one_more_host_of_the_named_size_is_enough():
    remedy = plan_of(model(), three(200 * MIB))["remedies"][-1]
    assert plan_of(model(), [*three(200 * MIB), tally("new", remedy["bytes"])])["feasible"]


# --- Bad input ------------------------------------------------------------------------------------------------------


def changed_tally(**changes):
    return [{**tally("pi-1", GIB), **changes}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tallies": []}, "no hosts to plan for"),
        ({"tallies": "pi-1"}, "no hosts to plan for"),
        ({"tallies": [{**tally("pi-1", GIB), "host": None}]}, "host is None"),
        ({"tallies": ["pi-1"]}, "is 'pi-1' but must be a dictionary"),
        ({"tallies": [tally("pi-1", GIB), tally("pi-1", GIB)]}, "pi-1 comes twice"),
        (
            {"tallies": [tally("pi-1", GIB, exclude="excluded by placement_exclude")]},
            "All hosts are left out (pi-1: excluded",
        ),
        (
            {
                "tallies": [tally("pi-1", GIB, exclude="excluded by placement_exclude"), tally("pi-2", GIB)],
                "leader": "pi-1",
            },
            "pi-1 is left out",
        ),
        (
            {
                "tallies": [
                    tally(name, GIB, network=network("10.0.2.15", address="10.0.2.15")) for name in ("pi-1", "pi-2")
                ]
            },
            "pi-1 and pi-2 have the same address 10.0.2.15:50052",
        ),
        ({"leader": "pi-9"}, "leader pi-9 is not among the hosts (pi-1, pi-2, pi-3)"),
        ({"model_host": "pi-9"}, "model_host pi-9 is not among the hosts"),
        ({"tallies": [tally("pi-1", -1)]}, "usable_bytes is -1"),
        ({"tallies": [tally("pi-1", "1G")]}, "usable_bytes is '1G'"),
        ({"tallies": [tally("pi-1", float("nan"))]}, "usable_bytes is nan"),
        ({"tallies": [tally("pi-1", float("inf"))]}, "usable_bytes is inf"),
        ({"tallies": [tally("pi-1", 10**30)]}, "usable_bytes is 1000000"),
        ({"tallies": [tally("pi-1", True)]}, "usable_bytes is True"),
        ({"tallies": changed_tally(memory=None)}, "The tally of pi-1: memory is None"),
        ({"tallies": changed_tally(memory=[1])}, "The tally of pi-1: memory is [1]"),
        ({"tallies": changed_tally(bandwidth_bytes_per_second=-5)}, "bandwidth_bytes_per_second is -5"),
        ({"tallies": changed_tally(network={**network("10.0.0.1"), "speed_mbps": "fast"})}, "speed_mbps is 'fast'"),
        ({"tallies": changed_tally(devices=[{"kind": "cpu"}])}, "devices[0] has no"),
        ({"tallies": changed_tally(devices=["x"])}, "devices[0] is 'x'"),
        (
            {"tallies": changed_tally(cpu={**tally("pi-1", GIB)["cpu"], "physical_cores": "four"})},
            "physical_cores is 'four'",
        ),
        ({"tallies": changed_tally(port=0)}, "The tally of pi-1: port is 0"),
        ({"tallies": changed_tally(port="50052")}, "port is '50052'"),
        ({"spread": "wide"}, "spread is 'wide' but must be one of auto, all"),
        ({"margin": 1}, "margin is 1 but must be a number from 0"),
        ({"margin": -0.1}, "margin is -0.1"),
        ({"max_devices": 17}, "max_devices is 17 but must be a whole number from 1 to 16"),
        ({"max_devices": 0}, "max_devices is 0"),
        ({"context_size": 0}, "context_size is 0"),
        ({"cache_type_k": "q2_0"}, "cache_type_k is 'q2_0'"),
        ({"gguf": {}}, "give what gguf_info returned"),
        ({"gguf": None}, "give what gguf_info returned"),
        ({"prompt_tokens": -1}, "prompt_tokens is -1"),
        ({"answer_tokens": 0}, "answer_tokens is 0"),
        ({"leader": ""}, "leader is ''"),
        ({"cluster": "Main"}, "The cluster is called 'Main'"),
        ({"choice": ["x"]}, "The choice is ['x'] but must be a dictionary"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, message):
    with pytest.raises(DroverError) as error:
        plan_of(**{"gguf": model(), "tallies": three(), **arguments})
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_context_beyond_the_training_is_pointed_out():
    plan = plan_of(model(), three(4 * GIB), context_size=65536)
    assert any("trained for 32768" in reason for reason in plan["reasons"])
    assert not any("trained for" in reason for reason in plan_of(model(), three(), context_size=32768)["reasons"])


def test_a_worker_has_room_for_its_largest_tensor_twice_while_it_loads():
    profile = model(blocks=2, block_bytes=[10 * MIB, 10 * MIB], output_bytes=300 * MIB)
    hosts = [tally("leader", 60 * MIB), tally("worker", 0)]

    def fits(usable):
        hosts[1] = tally("worker", usable)
        return plan_of(profile, hosts, leader="leader", margin=0.0, context_size=512)["feasible"]

    # The output's tensor alone is held twice for a moment; caches and buffers come later and are smaller.
    assert not fits(590 * MIB)
    assert fits(610 * MIB)


def test_no_figure_depends_on_how_python_adds_up(monkeypatch):
    """From 3.12 on sum() rounds floats otherwise, and a host would not make the plan that its controller made."""
    added_up = builtins.sum

    def whole(values, start=0):
        total = added_up(values, start)
        assert isinstance(total, int)
        return total

    monkeypatch.setattr(builtins, "sum", whole)
    for spread in ("auto", "all"):
        assert plan_of(model(), three(), spread=spread)["feasible"]
