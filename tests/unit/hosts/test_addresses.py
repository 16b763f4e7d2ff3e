# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address each host of a cluster is reached by."""

from __future__ import annotations

import itertools

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.addresses import choose_addresses, source_addresses

from .fleet import at, docker, tailscale, tally

# Wi-Fi into the house, which the operator comes by, and a cable to the others.
HEAD = tally(
    "head",
    at("wlan0", "192.168.1.50/24", "wireless"),
    at("eth0", "10.0.0.1/24", speed=1000),
    docker(),
    arrived_at="192.168.1.50",
    default="wlan0",
)
WORKERS = [
    tally(f"pi-{number}", at("eth0", f"10.0.0.{number}/24", speed=1000), docker(), default="eth0") for number in (2, 3)
]


def addresses(chosen):
    return {host: entry["address"] for host, entry in chosen.chosen.items()}


def test_the_cable_to_the_workers_is_taken_and_not_the_operators_wifi():
    chosen = choose_addresses([HEAD, *WORKERS])
    assert addresses(chosen) == {"head": "10.0.0.1", "pi-2": "10.0.0.2", "pi-3": "10.0.0.3"}
    assert chosen.chosen["head"] == {
        "address": "10.0.0.1",
        "interface": "eth0",
        "speed_mbps": 1000,
        "round_trip_seconds": None,
    }
    assert chosen.network == "10.0.0.0/24"
    assert chosen.reasons == [
        "The hosts talk over 10.0.0.0/24 (wired, 1 Gbit/s), the only network that all of them share."
    ]
    assert chosen.warnings == []


def two(first, second, **more):
    """Two hosts with two networks each."""
    return [
        tally(
            f"pi-{number}",
            at("a", f"10.1.0.{number}/24", **first),
            at("b", f"10.2.0.{number}/24", **second),
            **{name: value.format(number) for name, value in more.items()},
        )
        for number in (1, 2)
    ]


WIRED, FAST = {"speed": 1000}, {"speed": 10000}
UNKNOWN, WIFI = {}, {"kind": "wireless"}
VIRTUAL, TUNNEL, BRIDGE = {"kind": "virtual"}, {"kind": "tunnel"}, {"kind": "bridge"}


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (FAST, WIRED),
        (FAST, UNKNOWN),
        (WIRED, {"speed": 100}),
        (UNKNOWN, {"speed": 100}),
        ({"speed": 2500}, UNKNOWN),
        *itertools.combinations([{"speed": 100}, WIFI, VIRTUAL, TUNNEL, BRIDGE], 2),
    ],
)
def test_the_fastest_network_that_all_share(better, worse):
    for hosts, network in ((two(better, worse), "10.1.0.0/24"), (two(worse, better), "10.2.0.0/24")):
        chosen = choose_addresses(hosts)
        assert chosen.network == network
        assert "the fastest of the 2 networks that all of them share." in chosen.reasons[0]
        assert chosen.warnings == []


def test_a_network_is_as_fast_as_its_slowest_member():
    hosts = two(FAST, WIRED)
    hosts[1]["network"]["addresses"][1]["speed_mbps"] = 100
    assert choose_addresses(hosts).network == "10.2.0.0/24"


@pytest.mark.parametrize(
    ("more", "network"),
    [
        ({}, "10.1.0.0/24"),
        ({"arrived_at": "10.2.0.{}"}, "10.2.0.0/24"),
        ({"default": "b"}, "10.2.0.0/24"),
        ({"default": "b", "arrived_at": "10.1.0.{}"}, "10.1.0.0/24"),
        ({"arrived_at": "fe80::1"}, "10.1.0.0/24"),
    ],
)
def test_between_equals_the_way_that_ansible_came_decides(more, network):
    chosen = choose_addresses(two(WIRED, WIRED, **more))
    assert chosen.network == network
    assert "the first of the 2 networks" in chosen.reasons[0]


def test_private_comes_before_public_even_if_slower():
    hosts = [
        tally(
            f"vm-{number}", at("eth0", f"8.8.4.{number}/24", speed=10000), at("eth1", f"10.0.0.{number}/24", speed=100)
        )
        for number in (1, 2)
    ]
    assert choose_addresses(hosts).network == "10.0.0.0/24"


def test_hosts_of_an_overlay_share_its_network():
    hosts = [
        tally("home", at("eth0", "192.168.1.5/24", speed=1000), tailscale("100.101.1.2")),
        tally("office", at("eth0", "192.168.1.5/24", speed=1000), tailscale("100.64.7.8")),
    ]
    chosen = choose_addresses(hosts)
    assert addresses(chosen) == {"home": "100.101.1.2", "office": "100.64.7.8"}
    assert chosen.network == "100.64.0.0/10"
    assert "(a tunnel)" in chosen.reasons[0]


def test_a_host_takes_its_better_card_into_the_network():
    pi = tally(
        "pi",
        at("wlan0", "10.0.0.90/24", "wireless"),
        at("eth0", "10.0.0.9/24", speed=100),
        arrived_at="10.0.0.90",
        default="wlan0",
    )
    assert addresses(choose_addresses([pi, *WORKERS]))["pi"] == "10.0.0.9"


def test_prefixes_that_differ():
    hosts = [tally("a", at("eth0", "10.0.0.1/16")), tally("b", at("eth0", "10.0.0.2/24"))]
    assert choose_addresses(hosts).network == "10.0.0.0/24"
    hosts.append(tally("c", at("eth0", "10.0.9.3/16")))
    with pytest.raises(DroverError, match="shares no network"):
        choose_addresses(hosts)


@pytest.mark.parametrize("more", [{"exclude": "no"}, {"obstacles": ["It has no systemd."]}])
def test_hosts_that_take_no_part_do_not_count(more):
    odd = tally("odd", at("eth0", "192.168.7.7/24"), **more)
    chosen = choose_addresses([HEAD, odd, *WORKERS])
    assert chosen.network == "10.0.0.0/24"
    assert "odd" not in chosen.chosen


def test_the_order_of_the_hosts_does_not_matter():
    expected = choose_addresses([HEAD, *WORKERS])
    for hosts in itertools.permutations([HEAD, *WORKERS]):
        assert choose_addresses(hosts) == expected


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        (
            [*WORKERS, tally("odd", at("wlan0", "192.168.1.7/24", "wireless"), docker())],
            "odd shares no network with the other hosts: it has 192.168.1.7 (wlan0) and they share 10.0.0.0/24; set "
            "rpc_server_address on it to the address that the others reach it by, or leave it out.",
        ),
        (
            [*WORKERS, tally("odd", docker())],
            "odd shares no network with the other hosts: it has no address of its own and they share 10.0.0.0/24; set "
            "rpc_server_address on it to the address that the others reach it by, or leave it out.",
        ),
        (
            [tally("a", at("eth0", "10.1.0.1/24"), docker()), tally("b", at("eth0", "10.2.0.1/24"), docker())],
            "No two of the hosts share a network (a has 10.1.0.1 (eth0); b has 10.2.0.1 (eth0)): connect them to one, "
            "or set rpc_server_address on each to the address that the others reach it by.",
        ),
    ],
)
def test_no_network_that_all_share(hosts, told):
    with pytest.raises(DroverError) as raised:
        choose_addresses(hosts)
    assert str(raised.value) == told


def test_one_machine_under_two_names():
    twins = [{**worker, "machine": "the same"} for worker in WORKERS]
    with pytest.raises(DroverError, match=r"^pi-2 and pi-3 are one machine, .*placement_exclude"):
        choose_addresses(twins)
    twins[1]["exclude"] = "its other name"
    assert list(choose_addresses(twins).chosen) == ["pi-2"]


def test_machines_that_cannot_be_told_apart_are_trusted():
    assert choose_addresses([{**worker, "machine": None} for worker in WORKERS]).network == "10.0.0.0/24"


def test_a_users_own_address_is_what_the_others_go_by():
    hosts = two(FAST, WIRED)
    hosts[0]["network"]["address"] = "10.2.0.1"
    chosen = choose_addresses(hosts)
    assert addresses(chosen) == {"pi-1": "10.2.0.1", "pi-2": "10.2.0.2"}


def test_a_users_own_address_may_be_in_a_network_apart():
    far = tally("far", at("eth0", "192.168.1.5/24"), at("wg0", "10.8.0.3/24", "tunnel"), wanted="10.8.0.3")
    chosen = choose_addresses([far, *WORKERS])
    assert addresses(chosen) == {"far": "10.8.0.3", "pi-2": "10.0.0.2", "pi-3": "10.0.0.3"}
    assert chosen.network == "10.0.0.0/24"
    assert chosen.reasons[1:] == ["far is reached by 10.8.0.3, which was set on it."]


def test_addresses_that_were_all_set_stand_wherever_they_are():
    hosts = [
        tally("a", at("eth0", "10.1.0.1/24"), wanted="10.1.0.1"),
        tally("b", at("eth0", "10.2.0.1/24"), wanted="10.2.0.1"),
        tally("c", wanted="10.3.0.1"),  # one whose addresses cannot be listed
    ]
    chosen = choose_addresses(hosts)
    assert addresses(chosen) == {"a": "10.1.0.1", "b": "10.2.0.1", "c": "10.3.0.1"}
    assert chosen.network is None
    assert chosen.chosen["c"]["interface"] is None


def named(host, name=None):
    """What a pod on ``host`` has: a name, and addresses that come and go."""
    return tally(host, wanted=name or f"{host}.workers.drover.svc")


def test_pods_are_reached_by_their_names():
    chosen = choose_addresses([named("kube-1"), named("kube-2")])
    assert addresses(chosen) == {host: f"{host}.workers.drover.svc" for host in ("kube-1", "kube-2")}
    assert chosen.network is None
    assert chosen.reasons == ["Every host is reached by the address that was set on it."]
    assert choose_addresses([named("kube-1")]).chosen["kube-1"]["address"] == "kube-1.workers.drover.svc"


def test_hosts_beside_pods_share_a_network_of_their_own():
    chosen = choose_addresses([HEAD, *WORKERS, named("kube-1")])
    assert addresses(chosen)["kube-1"] == "kube-1.workers.drover.svc"
    assert addresses(chosen)["pi-2"] == "10.0.0.2"
    assert chosen.network == "10.0.0.0/24"
    assert chosen.reasons[-1] == "kube-1 is reached by kube-1.workers.drover.svc, which was set on it."


def test_a_name_is_nothing_that_a_kernel_sends_from():
    assert source_addresses(named("kube-1"), "10.0.0.0/24") == []


def test_one_address_that_was_set_twice_stands():
    hosts = [{**tally(name, docker(), wanted="172.17.0.1"), "port": port} for name, port in (("a", 1), ("b", 2))]
    assert addresses(choose_addresses(hosts)) == {"a": "172.17.0.1", "b": "172.17.0.1"}


def test_a_faster_network_that_most_have_is_worth_a_warning():
    hosts = [
        tally(
            f"pi-{number}",
            at("eth0", f"10.0.0.{number}/24", speed=1000),
            at("eth1", f"10.9.0.{number}/24", speed=10000),
        )
        for number in (1, 2)
    ]
    chosen = choose_addresses([*hosts, tally("pi-3", at("eth0", "10.0.0.3/24", speed=1000))])
    assert chosen.network == "10.0.0.0/24"
    assert chosen.warnings == [
        "The network 10.9.0.0/24 (wired, 10 Gbit/s) is faster and not used, since pi-3 has no address there."
    ]


def test_wifi_of_all_where_most_have_a_cable_is_worth_a_warning():
    hosts = [
        tally(f"pi-{number}", at("eth0", f"10.0.0.{number}/24"), at("wlan0", f"192.168.1.{number}/24", "wireless"))
        for number in (1, 2)
    ]
    chosen = choose_addresses([*hosts, tally("pi-3", at("wlan0", "192.168.1.3/24", "wireless"))])
    assert chosen.network == "192.168.1.0/24"
    assert chosen.warnings == [
        "The network 10.0.0.0/24 (wired) is faster and not used, since pi-3 has no address there."
    ]


@pytest.mark.parametrize("link", [{"speed": 1000}, {"kind": "tunnel"}, {"kind": "bridge"}])
def test_what_is_no_faster_is_not_worth_a_warning(link):
    hosts = [
        tally(f"pi-{number}", at("eth0", f"10.0.0.{number}/24", speed=1000), at("x", f"10.9.0.{number}/24", **link))
        for number in (1, 2)
    ]
    assert choose_addresses([*hosts, tally("pi-3", at("eth0", "10.0.0.3/24"))]).warnings == []


def test_what_was_measured_counts_where_it_is_less_than_the_card_says():
    hosts = [tally(f"pi-{number}", at("eth0", f"10.0.0.{number}/24", speed=1000)) for number in (1, 2)]
    hosts[0]["network"].update(speed_mbps=90, round_trip_seconds=0.004)
    hosts[1]["network"].update(speed_mbps=20000, round_trip_seconds=None)
    chosen = choose_addresses(hosts).chosen
    assert [entry["speed_mbps"] for entry in chosen.values()] == [90, 1000]
    assert [entry["round_trip_seconds"] for entry in chosen.values()] == [0.004, None]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (HEAD, "192.168.1.50"),
        (tally("x", at("a", "10.0.0.1/24"), at("b", "10.1.0.1/24"), default="b", arrived_at="10.0.0.1"), "10.1.0.1"),
        (tally("x", at("a", "10.0.0.1/24"), at("b", "10.1.0.1/24"), arrived_at="10.1.0.1"), "10.1.0.1"),
        (tally("x", docker(), at("b", "10.1.0.1/24")), "10.1.0.1"),
        (tally("x", at("a", "8.8.4.4/24"), at("b", "10.1.0.1/24")), "10.1.0.1"),
        (tally("x", at("a", "8.8.4.4/24")), "8.8.4.4"),
        (tally("x"), "127.0.0.1"),
        (tally("x", at("a", "10.0.0.1/24"), default="a", wanted="127.0.0.1"), "127.0.0.1"),
    ],
)
def test_a_host_alone(host, expected):
    chosen = choose_addresses([host])
    assert addresses(chosen) == {host["host"]: expected}
    assert (chosen.reasons, chosen.warnings) == ([], [])


def test_a_host_alone_without_any_address():
    lonely = tally("mac")
    lonely["network"]["addresses"] = []
    with pytest.raises(DroverError, match=r"^mac tells no IPv4 address: set rpc_server_address"):
        choose_addresses([lonely])


def test_no_hosts():
    assert choose_addresses([]).chosen == {}


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("10.0.0.0/24", ["10.0.0.1"]),
        ("192.168.1.0/24", ["192.168.1.50"]),
        ("172.16.0.0/24", ["192.168.1.50", "10.0.0.1"]),  # by any route
        (None, ["192.168.1.50", "10.0.0.1"]),
    ],
)
def test_what_the_leader_sends_from(network, expected):
    assert source_addresses(HEAD, network) == expected


def test_a_host_may_send_by_any_of_its_cards_in_the_network():
    pi = tally("pi", at("wlan0", "10.0.0.90/24", "wireless"), at("eth0", "10.0.0.9/16"), wanted="10.0.0.9")
    assert source_addresses(pi, "10.0.0.0/24") == ["10.0.0.9", "10.0.0.90"]


def test_a_users_own_address_is_let_in_from_wherever_it_is():
    assert source_addresses(tally("c", wanted="10.3.0.1"), "10.0.0.0/24") == ["10.3.0.1"]
