# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner comes first: the watch gives memory back, the next start plans with less, and it is taken again later."""

from __future__ import annotations

import json

import pytest
from module_utils.healing.members import make_members
from module_utils.healing.owner import planned_bytes
from module_utils.healing.telling import heal_lines
from module_utils.runtime import decisions, leader, watch
from module_utils.runtime.watch import Watch, health_handler
from module_utils.serving.cluster import Cluster
from module_utils.serving.deploy import deploy
from unit.healing import test_leader
from unit.healing.test_leader import ALL, fleet, hosts_of, looks, process, start  # noqa: F401
from unit.healing.test_replan import HEALS
from unit.placement.fleets import MIB, model, plan_of, tally
from unit.serving.clusters import MODEL, PROGRAMS

MAIN = Cluster("main")
RESERVE = 64
NEEDS = "pi-2's owner needs its memory"
GGUF = model()
HOSTS = ["head", *ALL]


def deployed():
    """The members and the deployments of three hosts, of which pi-2 is the fastest: to have less of it is slower."""
    tallies = [tally(host, 700 * MIB, bandwidth=40 * 10**9 if host == "pi-2" else 5 * 10**9) for host in HOSTS]
    for each in tallies:
        each["memory"]["reserve_bytes"] = RESERVE * MIB
    plan = plan_of(GGUF, tallies, leader="head", spread="all")
    programs = dict.fromkeys(HOSTS, PROGRAMS)
    deployments = deploy(plan, tallies, programs, MODEL, HEALS)
    return make_members(plan, GGUF, tallies, programs, MODEL, HEALS, deployments), deployments


MEMBERS, DEPLOYMENTS = deployed()


@pytest.fixture
def hosts(request, monkeypatch):
    """The fleet, on which every host has 64 MiB for its owner beside what the plan may have."""
    monkeypatch.setattr(test_leader, "MEMBERS", MEMBERS)
    monkeypatch.setattr(test_leader, "DEPLOYMENTS", DEPLOYMENTS)
    made = request.getfixturevalue("fleet")
    made.lent = dict.fromkeys(ALL, 700 + RESERVE)
    made.leader = 700 + RESERVE
    return made


@pytest.fixture
def llama(request):
    """llama-server."""
    return request.getfixturevalue("process")


@pytest.fixture
def watched(hosts, llama):
    start()
    return new_watch()


def new_watch():
    return Watch(MAIN, leader.Tree(), DEPLOYMENTS["head"], MEMBERS, b"s" * 48)


def planned(host):
    return planned_bytes(decisions.decision(MAIN)["plan"]).get(host, 0)


def squeeze(hosts, host, left=0.25):
    """The owner of ``host`` takes so much that of its reserve so large a share is left; tells what can be lent."""
    lendable = planned(host) // MIB + int(RESERVE * left)
    if host == "head":
        hosts.leader = lendable
    else:
        hosts.lent[host] = lendable
    return lendable


def until_ended(hosts, watched, llama, most=60):
    """Seconds until llama-server was ended, in an orderly way."""
    began, before = hosts.now, len(llama.signals)
    while len(llama.signals) == before:
        assert hosts.now - began <= most
        looks(hosts, watched, 1)
    assert llama.signals[before:] == [15]
    return hosts.now - 2 - began


def restart(llama):
    llama.alive = True
    return start()[1]


def test_a_worker_gives_back_what_its_owner_needs(hosts, watched, llama, capsys):
    looks(hosts, watched, 10)
    before = planned("pi-2")
    lendable = squeeze(hosts, "pi-2")
    assert until_ended(hosts, watched, llama) == 10
    assert watched.told["heals"][-1]["reason"] == NEEDS
    assert f"Ends llama-server, since {NEEDS}\n" in capsys.readouterr().out
    decided = restart(llama)
    can_lend = (lendable - RESERVE) * MIB
    assert decided["lesser"] == {"pi-2": can_lend}
    assert planned("pi-2") <= can_lend < before
    # It is enough: nothing more happens while it stays so.
    looks(hosts, watched, 1000)
    assert (llama.signals, watched.told["healthy"]) == ([15], True)
    assert list(watched.told["owners"]) == ["pi-2"]


def test_what_was_given_back_is_taken_again_when_it_is_free_for_long_enough(hosts, watched, llama):
    before = decisions.decision(MAIN)["plan"]["devices"]
    squeeze(hosts, "pi-2")
    until_ended(hosts, watched, llama)
    restart(llama)
    looks(hosts, watched, 5)
    hosts.lent["pi-2"] = 700 + RESERVE
    assert 600 <= until_ended(hosts, watched, llama, most=700) <= 640
    assert watched.told["heals"][-1]["reason"] == "a better plan is possible"
    decided = restart(llama)
    assert decided["lesser"] == {}
    assert [device["total_bytes"] for device in decided["plan"]["devices"]] == [each["total_bytes"] for each in before]
    looks(hosts, watched, 1000)
    assert len(llama.signals) == 2
    assert watched.told["owners"] == {}


def test_an_owner_whose_need_is_over_before_the_start_gets_its_memory_all_the_same(hosts, watched, llama):
    before = planned("pi-2")
    squeeze(hosts, "pi-2")
    until_ended(hosts, watched, llama)
    hosts.lent["pi-2"] = 700 + RESERVE
    restart(llama)
    assert planned("pi-2") < before
    looks(hosts, watched, 250)
    assert llama.signals == [15]


def test_programs_that_wait_get_a_quarter_although_all_would_fit(hosts, watched, llama):
    looks(hosts, watched, 5)
    before = planned("pi-2")
    hosts.lent["pi-2"] = before // MIB + int(1.5 * RESERVE)
    hosts.stalled["pi-2"] = 100.0
    while not llama.signals:
        hosts.stalled["pi-2"] += 1.0
        looks(hosts, watched, 1)
        assert hosts.stalled["pi-2"] < 200
    assert restart(llama)["lesser"] == {"pi-2": int(before * 0.75)}
    assert planned("pi-2") <= before * 0.75


def test_a_load_that_makes_programs_wait_is_no_need(hosts, watched, llama, monkeypatch):
    monkeypatch.setattr(watch, "health", lambda _url, _seconds: "Loading model")
    hosts.lent["pi-2"] = planned("pi-2") // MIB + int(1.5 * RESERVE)
    for number in range(200):
        hosts.stalled["pi-2"] = 2.0 * number
        looks(hosts, watched, 1)
    assert llama.signals == []


@pytest.mark.parametrize(("left", "seconds"), [(0.25, 20), (0.05, 2)])
def test_requests_are_waited_for_a_little_and_not_where_it_is_urgent(
    hosts,
    watched,
    llama,
    monkeypatch,
    left,
    seconds,
):
    monkeypatch.setattr(Watch, "_busy", lambda _self: True)
    looks(hosts, watched, 10)
    squeeze(hosts, "pi-2", left)
    assert until_ended(hosts, watched, llama) == seconds


def test_the_leaders_own_host_counts_as_well(hosts, watched, llama):
    before = planned("head")
    squeeze(hosts, "head")
    until_ended(hosts, watched, llama)
    assert watched.told["heals"][-1]["reason"] == "head's owner needs its memory"
    decided = restart(llama)
    assert list(decided["lesser"]) == ["head"]
    assert planned("head") < before


def test_what_cannot_be_served_without_it_waits_says_so_and_goes_on(hosts, watched, llama, monkeypatch, capsys):
    hosts.silent.add("pi-1")
    restart(llama)
    squeeze(hosts, "pi-2")
    hosts.leader = planned("head") // MIB + RESERVE
    looks(hosts, watched, 2)
    until_ended(hosts, watched, llama)
    began, seen = hosts.now, []

    def sleep(seconds):
        hosts.now += seconds
        watched.look()
        seen.append(watched.told["sentence"])
        if len(seen) == 5:
            hosts.lent["pi-2"] = 700 + RESERVE

    monkeypatch.setattr(leader.time, "sleep", sleep)
    decided = restart(llama)
    said = next(line for line in capsys.readouterr().err.splitlines() if "does not fit" in line)
    assert said.endswith("; waiting for pi-1, memory that the owner of pi-2 needs.")
    assert said == f"drover: {seen[4]}"
    assert 40 <= hosts.now - began <= 60
    assert (hosts_of(decided), decided["lesser"], watched.owners.given) == (["pi-2"], {}, {})


def test_a_host_that_was_short_when_the_leader_started_is_taken_in_full_later(hosts, watched, llama):
    """The kernel has ended its RPC server before anybody could act, say."""
    before = planned("pi-2")
    looks(hosts, watched, 5)
    squeeze(hosts, "pi-2", 0)
    hosts.starts["pi-2"] += 1
    looks(hosts, watched, 2)
    assert llama.signals == [9]
    assert restart(llama)["lesser"].keys() == {"pi-2"}
    looks(hosts, watched, 5)
    assert list(watched.told["owners"]) == ["pi-2"]
    hosts.lent["pi-2"] = 700 + RESERVE
    looks(hosts, watched, 330)
    assert llama.signals == [9, 15]
    restart(llama)
    assert planned("pi-2") == before


def test_it_is_remembered_over_a_restart_of_the_watch_and_until_root_writes_anew(hosts, watched, llama):
    squeeze(hosts, "pi-2")
    until_ended(hosts, watched, llama)
    given = watched.told["owners"]
    assert new_watch().told["owners"] == given
    with open(MAIN.members_path, "w", encoding="utf-8") as file:
        json.dump({**MEMBERS, "model_host": "head"}, file)
    assert new_watch().told["owners"] == {}
    hosts.lent["pi-2"] = 700 + RESERVE
    assert restart(llama)["lesser"] == {}


def test_it_is_told(hosts, watched, llama):
    looks(hosts, watched, 5)
    lendable = squeeze(hosts, "pi-2")
    until_ended(hosts, watched, llama)
    restart(llama)
    looks(hosts, watched, 5)
    lines = heal_lines(watched.told, lambda _seconds: "then")
    assert f"{NEEDS} since then: {lendable - RESERVE} MiB of it are planned with" in lines
    assert f"  then  {NEEDS}; healthy again after 2 s" in lines
    _status, numbers = health_handler(watched).answer(None, "GET", "/metrics", b"")
    assert 'drover_owner_needs_memory{cluster="main",host="head"} 0\n' in numbers
    assert 'drover_owner_needs_memory{cluster="main",host="pi-2"} 1\n' in numbers


def test_an_agent_of_an_earlier_release_tells_nothing_and_changes_nothing(hosts, watched, llama):
    hosts.pressure = lambda host: None
    squeeze(hosts, "pi-2", 0)
    looks(hosts, watched, 100)
    assert llama.signals == []
