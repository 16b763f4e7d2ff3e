# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A leader plans for those who are there: keeps what holds, goes on without who is missing, says what it waits for."""

from __future__ import annotations

import json

import pytest
from module_utils.errors import DroverError
from module_utils.healing.granted import as_decided, within_grant
from module_utils.healing.members import make_members, read_members
from module_utils.healing.replan import SILENT, Answer, holds, replan
from module_utils.placement.document import places_the_same
from module_utils.serving.deploy import deploy
from unit.placement.fleets import GIB, MIB, model, network, plan_of, tally
from unit.placement.starts import machine, measured_of, run_of
from unit.serving.clusters import MODEL, PROGRAMS

GGUF = model()
HOSTS = ["head", "pi-1", "pi-2"]
HEALS = {"head": {"llama_server_heals": True, "llama_server_api_key_file": "/etc/drover/main/api_key"}}


def memory(usable):
    return {
        "total_bytes": 64 * GIB,
        "available_bytes": 64 * GIB,
        "arc_bytes": 0,
        "limit_bytes": None,
        "limit_used_bytes": None,
        "held_bytes": 0,
        "others_bytes": 0,
        "huge_pages_bytes": 0,
        "reserve_bytes": 0,
        "usable_bytes": usable,
    }


def members_of(*usable, spread="all"):
    tallies = [tally(host, size) for host, size in zip(HOSTS, usable)]
    plan = plan_of(GGUF, tallies, leader="head", spread=spread)
    programs = dict.fromkeys(HOSTS, PROGRAMS)
    deployments = deploy(plan, tallies, programs, MODEL, HEALS)
    members = make_members(plan, GGUF, tallies, programs, MODEL, HEALS, deployments)
    # As it comes back from a file.
    return read_members(json.loads(json.dumps(members))), deployments


MEMBERS, DEPLOYMENTS = members_of(700 * MIB, 700 * MIB, 700 * MIB)


def answers(**lent):
    """Each worker lends so many MiB; None for one that does not answer."""
    return {
        host: Answer(problem=SILENT) if size is None else Answer(lent={"memory": memory(size * MIB)})
        for host, size in ((name.replace("_", "-"), size) for name, size in lent.items())
    }


def ask(members=MEMBERS, leader=700, absent=(), running=None, **lent):
    running = running or members["plan"]
    return replan(members, answers(**lent), memory(leader * MIB), running, dict.fromkeys(absent, SILENT))


def test_a_plan_that_holds_is_taken_as_it_is():
    outcome = ask(pi_1=700, pi_2=700)
    assert outcome.plan is MEMBERS["plan"]
    assert outcome.deployments == DEPLOYMENTS
    assert outcome.absent == {}


def test_memory_that_is_a_little_less_than_it_was_changes_nothing():
    most = max(device["total_bytes"] for device in MEMBERS["plan"]["devices"])
    assert ask(pi_1=most // MIB + 1, pi_2=most // MIB + 1).plan is MEMBERS["plan"]


@pytest.mark.parametrize(("short", "holding"), [(0, True), (1, False)])
def test_a_gpu_is_needed_for_what_its_process_takes_once(short, holding):
    gpu = tally("head", 4 * GIB, gpus=[3 * GIB], overhead=700 * MIB)
    plan = plan_of(GGUF, [gpu])
    (card,) = plan["devices"]
    gpu["devices"][1]["usable_bytes"] = card["total_bytes"] - short
    assert card["overhead_bytes"] == 700 * MIB and holds(plan, [gpu], {}) == holding


def test_without_a_worker_the_others_hold_its_layers():
    outcome = ask(pi_1=700, pi_2=None)
    assert [device["host"] for device in outcome.plan["devices"]] == ["pi-1"]
    assert sorted(outcome.deployments) == ["head", "pi-1"]
    assert outcome.absent == {"pi-2": SILENT}
    # It is what the user wished for, so that the next run of site.yml finds its own wishes in it.
    assert outcome.plan["policy"] == MEMBERS["plan"]["policy"]
    assert outcome.deployments["head"]["arguments"] != DEPLOYMENTS["head"]["arguments"]


def test_what_it_has_a_worker_run_is_within_what_root_granted_it():
    outcome = ask(pi_1=700, pi_2=None)
    granted = within_grant(DEPLOYMENTS["pi-1"], outcome.deployments["pi-1"])
    assert granted == outcome.deployments["pi-1"]
    decided = {
        "schema": 1,
        "grant": "g",
        "plan": outcome.plan,
        "deployment": outcome.deployments["head"],
        "absent": {},
        "workers": {},
        "leader": None,
        "waiting": None,
        "began": 0.0,
        "strikes": {},
    }
    assert as_decided(DEPLOYMENTS["head"], decided, "g") == outcome.deployments["head"]
    assert as_decided(DEPLOYMENTS["head"], decided, "another") is None


def test_a_worker_whose_address_is_in_a_network_apart_is_granted_what_it_is_to_run():
    tallies = [tally(host, 700 * MIB) for host in HOSTS]
    cards = tallies[0]["network"]["addresses"]
    second = {**cards[0], "address": "192.168.7.1", "prefix": 24, "network": "192.168.7.0/24", "interface": "eth1"}
    tallies[0]["network"]["addresses"] = [*cards, second]
    tallies[2]["network"] = network("172.16.0.9", address="172.16.0.9")
    tallies[2]["network"]["addresses"][0].update(prefix=24, network="172.16.0.0/24")
    plan = plan_of(GGUF, tallies, leader="head", spread="all")
    programs = dict.fromkeys(HOSTS, PROGRAMS)
    deployments = deploy(plan, tallies, programs, MODEL, HEALS)
    members = read_members(make_members(plan, GGUF, tallies, programs, MODEL, HEALS, deployments))
    outcome = ask(members=members, absent=["pi-1"], pi_1=700, pi_2=690)
    for host in ("pi-1", "pi-2"):
        assert within_grant(deployments[host], outcome.deployments[host]) == outcome.deployments[host]


@pytest.mark.parametrize("unified", [False, True])
def test_a_gpu_that_root_gave_the_leader_no_files_for_is_not_used(unified):
    gpu = tally("head", 700 * MIB, gpus=[8 * GIB], unified=unified)
    head = {**MEMBERS["tallies"][0], **{name: gpu[name] for name in ("gpus", "devices")}}
    outcome = ask(members={**MEMBERS, "tallies": [head, *MEMBERS["tallies"][1:]]}, pi_1=700, pi_2=None)
    assert [device["host"] for device in outcome.plan["devices"]] == ["pi-1"]
    assert outcome.deployments["head"]["nodes"] == []


def test_who_is_back_is_taken_in_again():
    without = ask(pi_1=700, pi_2=None).plan
    outcome = ask(running=without, absent=["pi-2"], pi_1=700, pi_2=700)
    assert places_the_same(MEMBERS["plan"], outcome.plan)
    assert outcome.deployments == DEPLOYMENTS


def test_a_worker_with_less_memory_holds_less():
    outcome = ask(pi_1=700, pi_2=200)
    held = {device["host"]: device["total_bytes"] for device in outcome.plan["devices"]}
    assert held["pi-2"] <= 200 * MIB < held["pi-1"]


def test_a_worker_that_has_got_more_memory_holds_what_its_unit_may_take():
    """Which is made of what root saw there, until root sees it again."""
    tallies = [dict(each) for each in MEMBERS["tallies"]]
    tallies[2] = {**tallies[2], "memory": {**tallies[2]["memory"], "total_bytes": 300 * MIB, "reserve_bytes": 50 * MIB}}
    outcome = ask(members={**MEMBERS, "tallies": tallies}, pi_1=700, pi_2=4000)
    held = {device["host"]: device["total_bytes"] for device in outcome.plan["devices"]}
    assert held["pi-2"] <= 250 * MIB < held["pi-1"]


@pytest.mark.parametrize(
    ("lent", "says"),
    [
        ({"pi_1": 700, "pi_2": None, "leader": 200}, "; waiting for pi-2"),
        ({"pi_1": None, "pi_2": None, "leader": 200}, "; waiting for pi-1, pi-2"),
        ({"pi_1": 200, "pi_2": 200, "leader": 200}, "; waiting for memory"),
    ],
)
def test_what_does_not_fit_waits_and_says_for_what(lent, says):
    outcome = ask(**lent)
    assert outcome.plan is None
    assert outcome.waiting.startswith("needs ")
    assert ", has " in outcome.waiting
    assert outcome.waiting.endswith(says)


def test_the_needed_and_the_present_memory_are_told():
    assert ask(pi_1=700, pi_2=None, leader=200).waiting == "needs 1.0 GiB, has 900 MiB; waiting for pi-2"


def test_a_split_that_names_who_is_missing_waits_for_it():
    members, _deployments = members_of(700 * MIB, 700 * MIB, 700 * MIB)
    members = {
        **members,
        "plan": {
            **members["plan"],
            "policy": {**members["plan"]["policy"], "split": {"head": 3, "pi-1": 3, "pi-2": 3}},
        },
    }
    outcome = ask(members=members, pi_1=700, pi_2=None)
    assert outcome.plan is None
    assert "pi-2" in outcome.waiting


def test_the_same_members_have_the_same_digest_whatever_was_measured():
    others, _deployments = members_of(720 * MIB, 690 * MIB, 700 * MIB)
    fewer = {**HEALS, "pi-1": {"rpc_server_cache": False}}
    tallies = MEMBERS["tallies"]
    programs = dict.fromkeys(HOSTS, PROGRAMS)
    changed = make_members(MEMBERS["plan"], GGUF, tallies, programs, MODEL, fewer, DEPLOYMENTS)
    assert others["lasting"] == MEMBERS["lasting"]
    assert changed["lasting"] != MEMBERS["lasting"]


def test_the_digest_does_not_follow_the_memory_that_is_free_on_a_gpu():
    def lasting(total, free):
        gpu = {"name": "CUDA0", "description": "", "unified": False, "total_bytes": total, "free_bytes": free}
        programs = {host: {**PROGRAMS, "devices": [gpu]} for host in HOSTS}
        made = make_members(MEMBERS["plan"], GGUF, MEMBERS["tallies"], programs, MODEL, HEALS, DEPLOYMENTS)
        return made["lasting"]

    assert lasting(8 * GIB, 7 * GIB) == lasting(8 * GIB, GIB)
    assert lasting(8 * GIB, 7 * GIB) != lasting(9 * GIB, 7 * GIB)


def test_the_digest_follows_memory_that_was_plugged_in_and_what_its_owner_keeps():
    def lasting(**memory):
        tallies = [{**each, "memory": {**each["memory"], **memory}} for each in MEMBERS["tallies"]]
        return make_members(MEMBERS["plan"], GGUF, tallies, {}, MODEL, HEALS, DEPLOYMENTS)["lasting"]

    usual = lasting(total_bytes=8256256 << 10, reserve_bytes=825625 << 10)
    # Another kernel keeps a little more for itself.
    assert lasting(total_bytes=8251000 << 10, reserve_bytes=825100 << 10) == usual
    assert lasting(total_bytes=16 * GIB, reserve_bytes=825625 << 10) != usual
    assert lasting(total_bytes=8256256 << 10, reserve_bytes=2 * GIB) != usual


def test_the_digest_does_not_follow_a_build_that_lies_beside_the_one_that_runs():
    def lasting(**found):
        programs = {host: {**PROGRAMS, **found} for host in HOSTS}
        made = make_members(MEMBERS["plan"], GGUF, MEMBERS["tallies"], programs, MODEL, HEALS, DEPLOYMENTS)
        return made["lasting"]

    assert lasting(builds=["b1"], current="b1") == lasting(builds=["b1", "b2"], current="b2")
    assert lasting(server="/opt/llama.cpp/b1/bin/llama-server") != lasting(server="/usr/bin/llama-server")


def test_a_cluster_that_does_not_heal_has_no_members():
    tallies = MEMBERS["tallies"]
    deployments = deploy(MEMBERS["plan"], tallies, dict.fromkeys(HOSTS, PROGRAMS), MODEL, {})
    assert make_members(MEMBERS["plan"], GGUF, tallies, {}, MODEL, {}, deployments) is None


@pytest.mark.parametrize("name", [name for name in MEMBERS if name not in ("schema", "pods", "joins")])
def test_members_that_lack_something_are_refused(name):
    with pytest.raises(DroverError, match=f"has no {name}"):
        read_members({field: value for field, value in MEMBERS.items() if field != name})


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"agents": {"pi-1": {"address": "10.0.0.1", "port": 0}}},
        {"agents": {"pi-1": 3}},
        {"tallies": [{}]},
        {"plan": {}},
    ],
)
def test_members_that_are_none_are_refused_in_one_sentence(changes):
    with pytest.raises(DroverError) as refused:
        read_members({**MEMBERS, **changes})
    assert "\n" not in str(refused.value)


def test_a_leader_plans_with_what_was_measured():
    members, _deployments = members_of(700 * MIB, 700 * MIB, 700 * MIB)
    members = {**members, "tallies": [machine(one) for one in members["tallies"]], "choice": {"label": "b11669"}}
    slow = run_of(members["plan"], members["tallies"], tokens=members["plan"]["predicted"]["tokens_per_second"] / 1.8)
    missing = {"pi_1": 900, "pi_2": None}

    def predicted(measured):
        found = replan(members, answers(**missing), memory(700 * MIB), members["plan"], {}, measured=measured)
        return found.plan["predicted"]["tokens_per_second"]

    assert predicted(measured_of(slow)) < 0.7 * predicted(None)
    # What was measured of another build, and what cannot be read, changes nothing.
    for other in (measured_of({**slow, "build": "b1"}), {"schema": 1}, [7], "no document"):
        assert predicted(other) == predicted(None)
