# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that a machine has, their networks, and the cards behind them."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.hosts import interfaces, network

PI = [
    ("lo", "127.0.0.1", 8),
    ("docker0", "172.17.0.1", 16),
    ("wlan0", "192.168.1.50", 24),
    ("eth0", "192.168.1.21", 24),
    ("eth1", "10.9.0.2", 30),
]
ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0101A8C0	0003	0	0	100	00000000	0	0	0
wg0	0000080A	00000000	0001	0	0	0	0000FFFF	0	0	0
wg0	0000080A	00000000	0001	0	0	0	00FFFFFF	0	0	0
enp7s0	0000000A	0100000A	0003	0	0	0	0000FFFF	0	0	0
eth1	0000090A	00000000	0001	0	0	0	0000FFFF	0	0	0
"""


def read(tree, wanted=None, addresses=PI, arrived_at=""):
    return network.read_network(tree, wanted, addresses, arrived_at)


def test_all_addresses_are_told_with_what_is_behind_them(machine):
    found = read(machine("pi5"), arrived_at="192.168.1.50")
    assert found["address"] is None
    assert (found["arrived_at"], found["default_interface"]) == ("192.168.1.50", "eth0")
    keys = ("address", "prefix", "network", "interface", "kind", "speed_mbps", "mtu", "private")
    assert found["addresses"] == [
        dict(zip(keys, values))
        for values in (
            ("127.0.0.1", 8, "127.0.0.0/8", "lo", "loopback", None, None, True),
            ("172.17.0.1", 16, "172.17.0.0/16", "docker0", "bridge", None, 1500, True),
            ("192.168.1.50", 24, "192.168.1.0/24", "wlan0", "wireless", None, 1500, True),
            ("192.168.1.21", 24, "192.168.1.0/24", "eth0", "ethernet", 1000, 1500, True),
            ("10.9.0.2", 30, "10.9.0.0/30", "eth1", "ethernet", 2500, 9000, True),
        )
    ]


def test_a_public_address_is_told(machine):
    (address,) = read(machine("pi5"), addresses=[("eth0", "8.8.4.4", 24)])["addresses"]
    assert address["private"] is False


@pytest.mark.parametrize("state", interfaces.DOWN)
@pytest.mark.parametrize(("wanted", "told"), [(None, []), ("10.9.0.2", ["10.9.0.2"])])
def test_an_interface_without_a_cable_has_no_address_unless_it_is_asked_for(machine, state, wanted, told):
    tree = machine("pi5", files={"/sys/class/net/eth1/operstate": state})
    addresses = [entry["address"] for entry in read(tree, wanted)["addresses"]]
    assert addresses == ["127.0.0.1", "172.17.0.1", "192.168.1.50", "192.168.1.21", *told]


@pytest.mark.parametrize("state", ["up", "unknown", "dormant", None])
def test_an_interface_that_does_not_say_so_is_not_down(machine, state):
    assert not interfaces.is_down(machine(files={"/sys/class/net/tun0/operstate": state}), "tun0")


def test_no_address_at_all(machine):
    assert read(machine(), addresses=[]) == {
        "address": None,
        "addresses": [],
        "arrived_at": None,
        "default_interface": None,
    }


def test_a_choice_is_trusted_where_the_addresses_cannot_be_listed(machine):
    found = read(machine(), "10.0.0.5", [])
    assert (found["address"], found["addresses"]) == ("10.0.0.5", [])


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
        read(machine("pi5"), wanted)


@pytest.mark.parametrize(
    ("local", "files", "expected"),
    [
        (("eth1", "10.9.3.2", 24), {}, "10.9.3.0/24"),
        (("tailscale0", "100.101.102.103", 32), {"/sys/class/net/tailscale0/tun_flags": "0x1001"}, "100.64.0.0/10"),
        (("tailscale0", "10.3.0.4", 32), {"/sys/class/net/tailscale0/tun_flags": "0x1001"}, "10.3.0.4/32"),
        (("eth1", "100.101.102.103", 32), {}, "100.101.102.103/32"),  # a provider's network, not an overlay
        (("wg0", "10.8.0.2", 32), {"/sys/class/net/wg0/uevent": "DEVTYPE=wireguard"}, "10.8.0.0/16"),
        (("enp7s0", "10.0.4.2", 32), {}, "10.0.0.0/16"),
        (("eth0", "10.0.4.2", 32), {}, "10.0.4.2/32"),  # the default route leads anywhere
    ],
)
def test_the_network_of_an_address(machine, local, files, expected):
    (address,) = read(machine(files={"/proc/net/route": ROUTES, **files}), addresses=[local])["addresses"]
    assert address["network"] == expected


CARD = {"device/modalias": "pci"}
KINDS = [
    ("eth0", {**CARD, "type": "1", "speed": "2500"}, "ethernet", 2500),
    ("eth0", {**CARD, "type": "1", "speed": "-1"}, "ethernet", None),
    ("eth0", {**CARD, "type": "1"}, "ethernet", None),
    ("ib0", {**CARD, "type": "32", "speed": "40000"}, "ethernet", 40000),
    ("wlan0", {**CARD, "type": "1", "phy80211/index": "0", "speed": "300"}, "wireless", None),
    ("wlan0", {**CARD, "type": "1", "wireless/status": "0"}, "wireless", None),
    ("wlp2s0", {**CARD, "type": "1", "uevent": "INTERFACE=wlp2s0\nDEVTYPE=wlan"}, "wireless", None),
    ("veth7", {"type": "1", "speed": "10000"}, "virtual", None),
    ("dummy0", {"type": "1"}, "virtual", None),
    ("gone", {}, "virtual", None),
    ("tailscale0", {"type": "65534", "tun_flags": "0x1001", "speed": "10"}, "tunnel", None),
    ("tap0", {"type": "1", "tun_flags": "0x1002", "speed": "10"}, "tunnel", None),
    ("wg0", {"type": "65534"}, "tunnel", None),
    ("flannel.1", {"type": "1", "uevent": "DEVTYPE=vxlan", "lower_nic/ifindex": "2"}, "tunnel", None),
    ("ppp0", {"type": "512"}, "tunnel", None),
    ("br0", {"type": "1", "bridge/bridge_id": "1", "lower_nic/ifindex": "2"}, "ethernet", 1000),
    (
        "br0",
        {"type": "1", "bridge/bridge_id": "1", "lower_nic/ifindex": "2", "lower_veth9/ifindex": "3"},
        "ethernet",
        1000,
    ),
    ("virbr0", {"type": "1", "bridge/bridge_id": "1", "speed": "10000", "lower_veth9/ifindex": "3"}, "bridge", None),
    ("bond0", {"type": "1", "lower_nic/ifindex": "2", "lower_nic10/ifindex": "3", "speed": "11000"}, "ethernet", 1000),
    ("eth0.5", {"type": "1", "lower_bond1/ifindex": "2", "speed": "1000"}, "ethernet", 10000),
    ("lo", {"type": "772"}, "loopback", None),
    ("dl0", {"type": "772"}, "loopback", None),
]
OTHERS = {
    "/sys/class/net/nic/device/modalias": "pci",
    "/sys/class/net/nic/speed": "1000",
    "/sys/class/net/nic10/device/modalias": "pci",
    "/sys/class/net/nic10/speed": "10000",
    "/sys/class/net/bond1/lower_nic10/ifindex": "3",
    "/sys/class/net/veth9/speed": "10000",
}


@pytest.mark.parametrize(("name", "files", "kind", "speed"), KINDS)
def test_kinds_and_speeds(machine, name, files, kind, speed):
    tree = machine(files={**OTHERS, **{f"/sys/class/net/{name}/{path}": text for path, text in files.items()}})
    assert (interfaces.kind_of(tree, name), interfaces.speed_of(tree, name)) == (kind, speed)


@pytest.mark.parametrize(
    ("routes", "interface"),
    [
        ("", None),
        ("Iface\n", None),
        ("Iface\nwlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n", "wlan0"),
        ("Iface\neth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", None),
    ],
)
def test_the_default_route(machine, routes, interface):
    assert network.default_interface(machine(files={"/proc/net/route": routes})) == interface


def test_the_default_route_with_the_lowest_metric_is_taken(machine):
    assert network.default_interface(machine("pi5")) == "eth0"


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
    assert ("lo", "127.0.0.1", 8) in network.local_addresses()
