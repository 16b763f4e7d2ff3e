# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a disk has made of a document, and whatever the clock says: the cluster goes on, or says one sentence."""

from __future__ import annotations

import json

import pytest
from module_utils.errors import DroverError
from module_utils.runtime import decisions, leader, written
from module_utils.runtime.leader import decide, load_members
from module_utils.runtime.part import load_deployment
from module_utils.runtime.status import print_status
from module_utils.runtime.watch import Watch
from module_utils.serving.cluster import Cluster
from unit.healing.test_leader import fleet, hosts_of, looks, process, start  # noqa: F401
from unit.healing.test_replan import DEPLOYMENTS, MEMBERS

MAIN = Cluster("main")
# What a power cut leaves, what a person may, and what another program has.
DAMAGED = {
    "empty": b"",
    "zeros": bytes(4096),
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "null": b"null",
    "number": b"3",
    "text": b'"x"',
    "list": b"[]",
    "nothing in it": b"{}",
    "no more than a schema": b'{"schema": 1}',
    "another schema": b'{"schema": 99}',
}


@pytest.fixture
def hosts(request):
    return request.getfixturevalue("fleet")


@pytest.fixture
def llama(request):
    return request.getfixturevalue("process")


@pytest.fixture
def watched(hosts, llama):
    start()
    made = new_watch()
    looks(hosts, made, 3)
    return made


def new_watch():
    return Watch(MAIN, leader.Tree(), DEPLOYMENTS["head"], MEMBERS, b"s" * 48)


def spoil(path, how):
    """Write over the file at ``path``: with bytes, with a part of what it has, or with some of its values changed."""
    with open(path, "rb") as file:
        before = file.read()
    after = before[: len(before) // 2] if how == "cut off" else how
    if isinstance(how, dict):
        after = json.dumps({**json.loads(before), **how}).encode()
    with open(path, "wb") as file:
        file.write(after)


def each_field(document):
    """``document`` with a value of another type in each of its fields."""
    return {name: {name: 3 if isinstance(value, (str, dict, list)) else "x"} for name, value in document.items()}


@pytest.mark.parametrize(
    "how",
    [
        "cut off",
        *DAMAGED.values(),
        *each_field({"plan": {}, "deployment": {}, "absent": {}, "workers": {}, "lesser": {}}).values(),
        {"grant": 3},
        {"leader": 3},
        {"waiting": 3},
        {"deployment": DEPLOYMENTS["pi-1"]},
        {"deployment": {**DEPLOYMENTS["head"], "cluster": "other"}},
        {"workers": {"pi-1": 3}},
        {"absent": {"pi-1": None}},
        {"lesser": {"pi-1": "x"}},
        {"plan": {"schema": 1}},
    ],
)
def test_a_decision_that_is_none_counts_as_none(hosts, watched, llama, how):
    spoil(MAIN.running_path, how)
    looks(hosts, watched, 3)
    # Nobody could tell whether it can still answer.
    assert llama.signals == [15]
    assert watched.told["heals"][-1]["reason"] == "what it was started with cannot be read any more"
    with pytest.raises(DroverError, match="leads no cluster main that heals itself"):
        print_status("main")
    deployment, decided = start()
    assert (hosts_of(decided), deployment) == (["pi-1", "pi-2"], DEPLOYMENTS["head"])


def test_what_runs_by_what_root_wrote_before_goes_on_until_that_is_followed(hosts, watched, llama):
    spoil(MAIN.members_path, {"model_host": "head"})
    looks(hosts, watched, 3)
    assert llama.signals == []


@pytest.mark.parametrize(
    "how",
    [
        "cut off",
        *DAMAGED.values(),
        *each_field(
            {"cluster": "", "boot": "", "since": 0, "workers": {}, "owners": {}, "heals": [], "heal_count": 0}
        ).values(),
        {"healthy": "yes"},
        {"sentence": None},
        {"workers": {"pi-1": None}},
        {"workers": {"pi-1": {"up": True}}},
        {"owners": {"pi-1": {"usable_bytes": -1, "since": 0}}},
        {"heals": [None]},
        {"heals": [{"at": 1.5, "reason": "x"}]},
        {"heals": [{"at": -1, "reason": "x", "seconds": None}]},
        {"heals": [{"at": 1, "reason": "x", "seconds": -1}]},
        {"since": 1e300},
    ],
)
def test_what_the_watch_has_written_may_be_lost(hosts, watched, how):
    spoil(MAIN.watch_path, how)
    with pytest.raises(DroverError) as refused:
        print_status("main")
    assert "\n" not in str(refused.value)
    hosts.silent.add("pi-2")
    _deployment, decided = start()
    assert hosts_of(decided) == ["pi-1"]
    again = new_watch()
    looks(hosts, again, 3)
    assert (again.told["healthy"], again.told["heals"], again.told["owners"]) == (True, [], {})
    assert decisions.read_document(MAIN.watch_path) == again.told


@pytest.mark.parametrize(
    "how",
    [
        "cut off",
        *DAMAGED.values(),
        *each_field({name: value for name, value in MEMBERS.items() if name not in ("model_host", "choice")}).values(),
        {"cluster": "other"},
        {"leader": "nobody"},
        {"agents": {"nobody": {"address": "10.0.0.1", "port": 1}}},
        {"served": {}},
        {"served": {**MEMBERS["served"], "files": [3]}},
        {"programs": {"head": 3}},
        {"settings": {"head": []}},
        {"tallies": []},
    ],
)
def test_members_that_are_none_are_told_in_one_sentence(hosts, how):
    spoil(MAIN.members_path, how)
    with pytest.raises(DroverError) as refused:
        decide("main", DEPLOYMENTS["head"])
    assert "\n" not in str(refused.value)
    with pytest.raises(DroverError):
        load_members(MAIN)


@pytest.mark.parametrize(
    "how", ["cut off", *DAMAGED.values(), *each_field(DEPLOYMENTS["head"]).values(), {"cluster": "other"}]
)
def test_a_deployment_that_is_none_is_told_in_one_sentence(hosts, how):
    spoil(MAIN.deployment_path, how)
    with pytest.raises(DroverError) as refused:
        load_deployment(MAIN)
    assert "\n" not in str(refused.value)


class Clock:
    """A clock that is set now and then, beside one that is not."""

    def __init__(self, monkeypatch, hosts):
        self.ahead = 1_700_000_000.0
        monkeypatch.setattr(written.time, "time", lambda: hosts.now + self.ahead)


@pytest.mark.parametrize("jump", [-1_000_000_000.0, -3600.0, 3600.0, 1_000_000_000.0])
def test_a_clock_that_is_set_makes_nothing_longer_or_shorter(hosts, request, monkeypatch, jump):
    clock, llama = Clock(monkeypatch, hosts), request.getfixturevalue("process")
    start()
    watched = new_watch()
    looks(hosts, watched, 10)
    lasted = hosts.now + clock.ahead - watched.told["since"]
    hosts.starts["pi-2"] += 1
    looks(hosts, watched, 1)
    clock.ahead += jump
    looks(hosts, watched, 1)
    llama.alive = True
    start()
    looks(hosts, watched, 5)
    heal = watched.told["heals"][-1]
    assert heal["seconds"] == 4.0
    up = hosts.now + clock.ahead - watched.told["workers"]["pi-1"]["since"]
    assert lasted + 14 == pytest.approx(up + 2, abs=3)
    assert watched.told["since"] <= hosts.now + clock.ahead
    # Another watch finds what it wrote, and goes on.
    assert new_watch().told["heal_count"] == 1


def test_a_heal_that_a_later_watch_sees_the_end_of_took_no_negative_time(hosts, request, monkeypatch):
    clock, llama = Clock(monkeypatch, hosts), request.getfixturevalue("process")
    start()
    watched = new_watch()
    looks(hosts, watched, 3)
    hosts.starts["pi-2"] += 1
    looks(hosts, watched, 2)
    clock.ahead -= 86_400
    llama.alive = True
    start()
    again = new_watch()
    looks(hosts, again, 2)
    assert again.told["heals"][-1]["seconds"] == 0.0
