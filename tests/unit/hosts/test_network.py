# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address the cluster uses."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.hosts import network

PI = [
    ("lo", "127.0.0.1"),
    ("docker0", "172.17.0.1"),
    ("wlan0", "192.168.1.50"),
    ("eth0", "192.168.1.21"),
    ("eth1", "10.9.0.2"),
]


def chosen(tree, wanted=None, addresses=PI, arrived_at=""):
    return network.read_network(tree, wanted, addresses, arrived_at)


def test_the_default_route_with_the_lowest_metric_is_taken(machine):
    assert chosen(machine("pi5")) == {
        "address": "192.168.1.21",
        "interface": "eth0",
        "speed_mbps": 1000,
        "mtu": 1500,
        "private": True,
    }


@pytest.mark.parametrize(
    ("addresses", "arrived_at", "expected"),
    [
        (PI, "10.9.0.2", "10.9.0.2"),
        (PI, "192.168.1.50", "192.168.1.50"),
        (PI, "127.0.0.1", "192.168.1.21"),
        (PI, "fe80::1", "192.168.1.21"),
        ([("eth0", "8.8.4.4"), ("eth1", "10.0.0.5")], "8.8.4.4", "10.0.0.5"),
        ([("eth0", "8.8.4.4")], "8.8.4.4", "8.8.4.4"),
        ([("lo", "127.0.0.1"), ("docker0", "172.17.0.1"), ("eth2", "10.0.0.5")], "", "10.0.0.5"),
        ([("lo", "127.0.0.1"), ("docker0", "172.17.0.1")], "", "172.17.0.1"),
        ([("lo", "127.0.0.1")], "", "127.0.0.1"),
    ],
)
def test_without_a_choice(machine, addresses, arrived_at, expected):
    assert chosen(machine("pi5"), None, addresses, arrived_at)["address"] == expected


def test_a_public_address_is_told(machine):
    assert chosen(machine("pi5"), None, [("eth0", "8.8.4.4")])["private"] is False


def test_a_card_that_does_not_tell_its_speed(machine):
    assert chosen(machine("pi5"), "192.168.1.50")["speed_mbps"] is None


def test_no_address_at_all(machine):
    nothing = {"address": None, "interface": None, "speed_mbps": None, "mtu": None, "private": False}
    assert chosen(machine("pi5"), None, []) == nothing


def test_a_choice_is_trusted_where_the_addresses_cannot_be_listed(machine):
    described = chosen(machine(), "10.0.0.5", [])
    assert (described["address"], described["interface"]) == ("10.0.0.5", None)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("10.1.1.1", "10.1.1.1 is not an address of this host, which has 127.0.0.1 (lo), 172.17.0.1 (docker0), "),
        ("pi-1", "'pi-1' is no IPv4 address"),
        ("fd00::1", "'fd00::1' is no IPv4 address"),
        ("192.168.1.21/24", "'192.168.1.21/24' is no IPv4 address"),
    ],
)
def test_a_wrong_choice_is_refused(machine, wanted, told):
    with pytest.raises(DroverError, match="^" + told.replace("(", r"\(").replace(")", r"\)")):
        chosen(machine("pi5"), wanted)


def test_the_ssh_connection_is_found_above_sudo(machine, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 30)
    files = {
        "/proc/30/environ": "LANG=C\0SUDO_UID=1000",
        "/proc/30/status": "PPid:\t20",
        "/proc/20/environ": "SSH_CONNECTION=192.168.1.2 50000 192.168.1.21 22\0LANG=C",
        "/proc/20/status": "PPid:\t1",
    }
    assert network.ssh_address(machine(files=files)) == "192.168.1.21"


def test_no_ssh_connection(machine, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 30)
    assert network.ssh_address(machine(files={"/proc/30/status": "PPid:\t1"})) is None


def test_this_machine_has_a_loopback_address():
    assert "127.0.0.1" in [address for _interface, address in network.local_addresses()]
