# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who stands by, what it is to have, and where nobody can."""

from __future__ import annotations

import json

import pytest
from module_utils.errors import DroverError
from module_utils.healing.granted import within_grant
from module_utils.healing.members import make_members, read_members
from module_utils.healing.replan import Answer, replan
from module_utils.healing.standby import make_standbys
from module_utils.placement.document import places_the_same, read_plan
from module_utils.placement.policy import Policy
from module_utils.serving.deploy import deploy
from unit.placement.fleets import GIB, MIB, model, plan_of, tally
from unit.serving.clusters import MODEL, PROGRAMS

GGUF = model()
HOSTS = ["head", "pi-1", "pi-2", "pi-3"]
LEADS = {"llama_server_heals": True}


def fleet(**changes):
    """Four hosts, of which pi-2 is a faster one than the other two workers."""
    speeds = dict(zip(HOSTS, (10**10, 4 * 10**9, 8 * 10**9, 4 * 10**9), strict=True))
    given = {
        host: {"usable_bytes": 700 * MIB, "bandwidth": speeds[host], **changes.get(host.replace("-", "_"), {})}
        for host in HOSTS
    }
    return [tally(host, **given[host]) for host in HOSTS]


def test_the_one_that_could_lead_best_without_the_leader_stands_by():
    plan = plan_of(GGUF, fleet(), leader="head", standby=1)
    assert read_plan(json.loads(json.dumps(plan)))["leaders"] == ["head", "pi-2"]
    assert plan["policy"]["standby"] == 1
    assert "pi-2 could lead best without head, and stands by." in plan["reasons"]


def test_without_the_wish_nothing_is_said_of_it():
    plan = plan_of(GGUF, fleet(), leader="head")
    assert "leaders" not in plan and "standby" not in plan["policy"]
    assert "standby" not in Policy().to_dict()


def test_one_whose_disk_is_too_small_does_not_stand_by_and_several_can():
    plan = plan_of(GGUF, fleet(pi_2={"disk": 1000}), leader="head", standby=2)
    assert plan["leaders"] == ["head", "pi-1", "pi-3"]


def test_two_who_stood_by_before_stay_in_their_order():
    before = plan_of(GGUF, fleet(), leader="head", standby=2)
    turned = {**before, "leaders": [before["leaders"][0], *reversed(before["leaders"][1:])]}
    for known in (before, turned):
        again = plan_of(GGUF, fleet(), leader="head", standby=2, previous=[known])
        assert again["leaders"] == known["leaders"] and places_the_same(known, again)


def test_a_third_who_stands_by_is_refused():
    with pytest.raises(DroverError, match="standby"):
        plan_of(GGUF, fleet(), leader="head", standby=3)


def test_who_stood_by_before_stays_while_it_can():
    before = plan_of(GGUF, fleet(pi_2={"disk": 1000}), leader="head", standby=1)
    assert before["leaders"] == ["head", "pi-1"]
    plan = plan_of(GGUF, fleet(), leader="head", standby=1, previous=[before])
    assert plan["leaders"] == ["head", "pi-1"] and places_the_same(before, plan)
    plan = plan_of(GGUF, fleet(pi_1={"disk": 1000}), leader="head", standby=1, previous=[before])
    assert plan["leaders"] == ["head", "pi-2"] and not places_the_same(before, plan)


def test_two_members_can_have_none():
    plan = plan_of(GGUF, fleet()[:2], leader="head", standby=1)
    assert not plan["feasible"]
    assert plan["shortfall"] == {
        "kind": "standby",
        "bytes": 0,
        "text": "placement_standby is 1, and a standby takes over only by the word of most members, of which 3 or more "
        "are needed and 2 are there: add hosts, or set placement_standby to 0.",
    }


def test_where_the_others_do_not_hold_the_model_nobody_stands_by():
    plan = plan_of(
        GGUF, fleet(head={"usable_bytes": 4 * GIB})[:1] + [tally(host, 100 * MIB) for host in HOSTS[1:]], standby=1
    )
    assert plan["shortfall"]["kind"] == "standby"
    assert plan["shortfall"]["text"].startswith("placement_standby is 1, and no host could lead without head: ")


def cluster(**more):
    tallies = fleet()
    plan = plan_of(GGUF, tallies, leader="head", standby=1, spread="all")
    programs = dict.fromkeys(HOSTS, PROGRAMS)
    settings = {"head": LEADS}
    deployments = deploy(plan, tallies, programs, MODEL, settings)
    standbys = make_standbys(plan, GGUF, tallies, programs, {"pi-2": MODEL}, {"pi-2": LEADS}, **more)
    return (
        plan,
        tallies,
        deployments,
        standbys,
        make_members(plan, GGUF, tallies, programs, MODEL, settings, deployments),
    )


def test_workers_let_in_whoever_may_lead_and_leaders_know_each_other():
    plan, _tallies, deployments, standbys, _members = cluster()
    able = sorted(plan["addresses"][host]["address"] for host in plan["leaders"])
    assert [deployments[host]["allow"] for host in HOSTS[1:]] == [able] * 3
    own = standbys["pi-2"]["deployment"]
    assert (own["part"], own["host"], own["files"][:1]) == ("leader", "pi-2", [MODEL["files"][0]])
    assert own["healing"] == deployments["head"]["healing"]
    assert own["healing"]["leaders"] == ["head", "pi-2"]


@pytest.mark.parametrize("gone", [[], ["pi-1"]])
def test_a_standby_plans_without_the_leader_within_what_root_has_granted(gone):
    _plan, _tallies, deployments, standbys, _members = cluster()
    members = read_members(json.loads(json.dumps(standbys["pi-2"]["members"])))
    assert (members["leader"], sorted(members["agents"])) == ("pi-2", ["pi-1", "pi-3"])
    memory = {**members["tallies"][0]["memory"], "usable_bytes": 700 * MIB}
    answers = {
        host: Answer(problem="it is off") if host in gone else Answer(lent={"memory": memory})
        for host in members["agents"]
    }
    outcome = replan(members, answers, memory, members["plan"], {})
    assert outcome.waiting == ""
    assert (outcome.plan["leader"], outcome.plan["leaders"]) == ("pi-2", ["head", "pi-2"])
    assert sorted(outcome.deployments) == sorted({"pi-1", "pi-2", "pi-3"} - set(gone))
    for host, wanted in outcome.deployments.items():
        if host != "pi-2":
            within_grant(deployments[host], wanted)


def test_a_leader_that_plans_anew_without_its_standby_goes_on():
    _plan, _tallies, _deployments, _standbys, members = cluster()
    memory = {**members["tallies"][0]["memory"], "usable_bytes": 700 * MIB}
    gone = {"pi-2", "pi-3"}
    answers = {
        host: Answer(problem="it is off") if host in gone else Answer(lent={"memory": memory})
        for host in members["agents"]
    }
    outcome = replan(members, answers, memory, members["plan"], {})
    assert (outcome.plan["leader"], outcome.plan["leaders"]) == ("head", ["head", "pi-2"])


def test_nobody_stands_by_where_nothing_heals():
    plan, tallies, *_others = cluster()
    with pytest.raises(DroverError, match="set llama_server_heals to true, or placement_standby to 0"):
        deploy(plan, tallies, dict.fromkeys(HOSTS, PROGRAMS), MODEL, {})
