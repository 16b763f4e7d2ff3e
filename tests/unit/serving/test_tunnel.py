# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster runs whose workers are reached through the tunnel, and who is refused it."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.healing.granted import of_leader, within_grant
from module_utils.healing.members import make_members
from module_utils.runtime.firewall import openings
from module_utils.serving.cluster import Cluster
from module_utils.serving.deploy import deploy, lone_worker
from module_utils.serving.deployment import read_deployment
from module_utils.serving.due import hosts_due
from module_utils.serving.settings import Settings
from module_utils.serving.tunnel import listened, reached_at, within
from unit.serving.clusters import MODEL, PROGRAMS, address, plan, tallies, tally

TLS = {"rpc_server_tls": True}
HEALS = {"llama_server_heals": True}
BOTH = {"head": HEALS, "pi-1": TLS, "pi-2": {**TLS, "rpc_server_agent_port": 51060}}
PI_1 = [{"address": "10.0.0.11", "port": 50052}, {"address": "10.0.0.11", "port": 51052}]
PI_2 = [{"address": "10.0.0.12", "port": 50060}, {"address": "10.0.0.12", "port": 51060}]


def deployed(settings, **changes):
    programs = dict.fromkeys(("head", "pi-1", "pi-2"), PROGRAMS)
    found = deploy(plan(**changes), tallies(), programs, MODEL, settings)
    assert {host: read_deployment(each) for host, each in found.items()} == found
    return found


def after(deployment, flag):
    return deployment["arguments"][deployment["arguments"].index(flag) + 1]


def test_a_worker_listens_within_its_host_and_its_end_of_the_tunnel_where_it_is_reached():
    worker = deployed(BOTH)["pi-1"]
    assert worker["listen"] == {"address": "127.0.0.11", "port": 50052}
    assert after(worker, "--host") == "127.0.0.11"
    assert worker["tunnel"] == {"accepts": PI_1, "connects": []}
    assert reached_at(worker) == "10.0.0.11"
    assert listened(worker["tunnel"]) == PI_1


def test_a_leader_reaches_all_workers_through_its_own_end_also_those_that_hold_nothing():
    leader = deployed(BOTH)["head"]
    assert after(leader, "--rpc") == "127.0.0.11:50052"
    assert leader["tunnel"] == {"accepts": [], "connects": [*PI_1, *PI_2]}
    assert [place["address"] for place in listened(leader["tunnel"])] == [*["127.0.0.11"] * 2, *["127.0.0.12"] * 2]
    # Its API is where it was.
    assert leader["listen"]["address"] == "10.0.0.1"
    assert reached_at(leader) is None


def test_one_worker_may_be_reached_so_and_another_as_before():
    found = deployed({"head": HEALS, "pi-2": TLS})
    assert after(found["head"], "--rpc") == "10.0.0.11:50052"
    assert found["head"]["tunnel"]["connects"][0]["address"] == "10.0.0.12"
    assert "tunnel" not in found["pi-1"]
    assert found["pi-1"]["listen"]["address"] == "10.0.0.11"


def test_without_it_nothing_tells_of_a_tunnel():
    assert all("tunnel" not in each for each in deployed({"head": HEALS}).values())


def test_one_that_stands_by_has_both_ends():
    found = deployed(BOTH, leaders=["head", "pi-1"])
    assert found["pi-1"]["tunnel"] == {"accepts": PI_1, "connects": PI_2}
    assert found["pi-2"]["tunnel"] == {"accepts": PI_2, "connects": []}


def test_a_leader_of_less_workers_changes_nothing_of_who_is_reached_how():
    whole = deployed(BOTH, leaders=["head", "pi-1"])
    addresses = {host: place for host, place in plan()["addresses"].items() if host != "pi-2"}
    programs = dict.fromkeys(("head", "pi-1"), PROGRAMS)
    wishes = {host: BOTH[host] for host in addresses}
    less = deploy(plan(addresses=addresses, leaders=["head", "pi-1"]), tallies(), programs, MODEL, wishes)
    assert less["pi-1"]["tunnel"] != whole["pi-1"]["tunnel"]
    assert within_grant(whole["pi-1"], less["pi-1"]) == whole["pi-1"]
    assert of_leader(whole["head"], less["head"])["tunnel"] == whole["head"]["tunnel"]


def test_a_leader_asks_agents_where_it_reaches_them():
    found = deployed({**BOTH, "pi-2": {}})
    made = make_members({**plan(), "model": {}}, {}, [], {}, MODEL, {}, found)
    assert made["agents"]["pi-1"] == {"address": "127.0.0.11", "port": 51052}
    assert made["agents"]["pi-2"]["address"] == "10.0.0.12"


def test_a_firewall_is_opened_where_the_tunnel_is_entered():
    opened = openings(deployed(BOTH)["pi-2"])
    assert {(opening.address, opening.port) for opening in opened} == {("10.0.0.12", 50060), ("10.0.0.12", 51060)}
    assert {opening.source for opening in opened} == {"10.0.0.1", "10.0.0.2"}


def test_its_end_of_the_tunnel_is_no_other_program_at_the_port():
    deployments = {host: deployed(BOTH)[host] for host in ("head", "pi-1")}
    listeners = [
        {"port": 50052, "address": "127.0.0.11", "command": PROGRAMS["rpc_server"], "unit": Cluster("main").rpc_unit},
        {"port": 50052, "address": "10.0.0.11", "command": "/usr/bin/stunnel4", "unit": Cluster("main").tunnel_unit},
    ]
    found = {
        "host": "pi-1",
        "installed": "x",
        "deployment": deployments["pi-1"],
        "complete": True,
        "listeners": listeners,
        "members": None,
        "secret": "digest",
        "plan": None,
        # Which none are placed in.
        "weights": {"spread": 1, "lacking_bytes": 7},
    }
    placed = {**plan(), "predicted": {"load_bytes_over_network": 9, "load_bytes_once_cached": 1}}
    # What the leader is to have is another matter.
    head = {**found, "host": "head", "installed": None}
    assert hosts_due(deployments, placed, [head, found], "x", spread=1) == ["head"]
    assert hosts_due(deployments, placed, [head, {**found, "listeners": listeners[1:]}], "x") == ["head", "pi-1"]


def test_one_address_that_stands_for_two_workers_is_refused():
    addresses = {**plan()["addresses"], "pi-2": {"address": "192.0.0.11", "port": 50052}}
    with pytest.raises(
        DroverError, match=r"pi-1 and pi-2 .* end alike \(10.0.0.11 and 192.0.0.11\), with the port 50052"
    ):
        deployed({**BOTH, "pi-2": TLS}, addresses=addresses)
    assert within("192.0.0.11") == within("10.0.0.11") == "127.0.0.11"


def test_a_public_address_will_do():
    addresses = {**plan()["addresses"], "pi-2": {"address": "192.88.99.1", "port": 50052}}
    assert deployed(BOTH, addresses=addresses)["pi-2"]["listen"]["address"] == "127.88.99.1"
    with pytest.raises(DroverError, match=r"rpc_server_tls to true"):
        deployed({"head": HEALS, "pi-1": TLS}, addresses=addresses)


def test_it_is_refused_where_it_cannot_be():
    with pytest.raises(DroverError, match=r"pi-1 would have rpc_server_tls.*llama_server_heals to true"):
        deployed({"pi-1": TLS})
    pods = {"pi-1": {"sources": [], "most_bytes": 1}}
    with pytest.raises(DroverError, match=r"parts of the cluster run in pods.*service mesh or its CNI"):
        deploy(plan(), tallies(), dict.fromkeys(("head", "pi-1", "pi-2"), PROGRAMS), MODEL, BOTH, pods=pods)
    alone = {**tally("pi-1", address("10.0.0.11")), "obstacles": [], "port": 50052}
    with pytest.raises(DroverError, match=r"pi-1 would have rpc_server_tls, and its leader is not known"):
        lone_worker(Cluster("main"), {**alone, "exclude": ""}, PROGRAMS, Settings(rpc_server_tls=True))


@pytest.mark.parametrize(
    "tunnel",
    [
        None,
        {"accepts": []},
        {"accepts": {}, "connects": []},
        {"accepts": [{"address": "10.0.0.1\naccept = 0", "port": 1}], "connects": []},
        {"accepts": [{"address": 7.5, "port": 1}], "connects": []},
        {"accepts": [], "connects": [{"address": "10.0.0.1", "port": "1"}]},
    ],
)
def test_what_is_no_tunnel_is_refused(tunnel):
    worker = deployed(BOTH)["pi-1"]
    with pytest.raises(DroverError, match=r"run site.yml again"):
        read_deployment({**worker, "tunnel": tunnel})
