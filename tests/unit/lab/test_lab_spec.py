# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab specs: what is filled in, and what is refused."""

from __future__ import annotations

import pytest
from lab import spec
from lab.errors import LabError

GIB = 1 << 30


def parse(**changes):
    return spec.parse({"name": "my-lab", "hosts": {"a": None}, **changes})


def host(**values):
    return parse(hosts={"a": values}).hosts["a"]


def test_what_a_spec_leaves_out_is_filled_in():
    lab = parse(hosts={"a": None, "b": {"memory": "1GiB"}})
    assert lab.internet is True
    (network,) = lab.networks
    assert network.subnet.is_private and network.subnet.prefixlen == 24
    assert network.gateway == str(network.subnet[1])
    assert [one.address for one in lab.hosts.values()] == [str(network.subnet[11]), str(network.subnet[12])]
    alone = lab.hosts["a"]
    assert (alone.suite, alone.architecture, alone.packages) == ("forky", "amd64", ())
    assert (alone.memory, alone.cpu, alone.link) == (None, None, None)
    assert alone.groups == ("llama_cluster",)


def test_every_value_is_taken():
    lab = parse(
        subnet="10.99.0.0/24",
        internet=False,
        hosts={
            "pi-1": {
                "suite": "trixie",
                "architecture": "arm64",
                "packages": ["tree", "htop", "tree"],
                "memory": "1.5GiB",
                "cpu": 0.5,
                "link": "100mbit",
                "groups": ["llama_cluster", "llama_leader"],
                "vars": {"rpc_server_port": 50053},
            }
        },
    )
    assert (lab.internet, lab.networks[0].gateway) == (False, "10.99.0.1")
    assert lab.hosts["pi-1"] == spec.HostSpec(
        name="pi-1",
        cards=(spec.Card(lab.networks[0], "10.99.0.11"),),
        default_route="lab",
        suite="trixie",
        architecture="arm64",
        packages=("htop", "tree"),
        memory=3 * GIB // 2,
        cpu=0.5,
        link=100_000_000,
        groups=("llama_cluster", "llama_leader"),
        vars={"rpc_server_port": 50053},
    )


def test_two_labs_get_different_subnets():
    assert parse(name="one").networks != parse(name="two").networks


def test_a_host_has_a_card_in_every_network_that_it_is_in():
    lab = parse(
        networks={"house": "10.8.0.0/24", "cluster": "10.9.0.0/24"},
        hosts={
            "head": {"networks": ["house", "cluster"]},
            "router": {"networks": ["house", "cluster"], "default_route": "cluster"},
            "pi-1": {"networks": ["cluster"]},
            "tv": None,
        },
    )
    assert [(one.name, one.number, one.gateway) for one in lab.networks] == [
        ("house", 0, "10.8.0.1"),
        ("cluster", 1, "10.9.0.1"),
    ]
    assert {name: [card.with_prefix for card in one.cards] for name, one in lab.hosts.items()} == {
        "head": ["10.8.0.11/24", "10.9.0.11/24"],
        "router": ["10.8.0.12/24", "10.9.0.12/24"],
        "pi-1": ["10.9.0.13/24"],
        "tv": ["10.8.0.14/24"],
    }
    assert [one.address for one in lab.hosts.values()] == ["10.8.0.11", "10.8.0.12", "10.9.0.13", "10.8.0.14"]
    assert [one.default_route for one in lab.hosts.values()] == ["house", "cluster", "cluster", "house"]


def test_adding_a_host_at_the_end_moves_nobody():
    before = parse(hosts={"a": None, "b": None}).hosts
    after = parse(hosts={"a": None, "b": None, "c": None}).hosts
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "My Lab"}, "name 'My Lab' is not right"),
        ({"name": None}, "name None is not right"),
        ({"name": "trailing-"}, "name 'trailing-' is not right"),
        (
            {"hots": {}},
            "the spec: 'hots' is not known: the keys are hosts, internet, kubernetes, name, networks, subnet",
        ),
        ({"hosts": {}}, "hosts is empty"),
        ({"hosts": ["a"]}, "hosts must be a mapping"),
        ({"hosts": None}, "hosts must be a mapping"),
        ({"hosts": {"a b": None}}, "host name 'a b' is not right"),
        ({"hosts": {1: None}}, "host name 1 is not right"),
        ({"subnet": "10.0.0.1/24"}, "subnet '10.0.0.1/24' is not an IPv4 network"),
        ({"subnet": "fd00::/64"}, "subnet 'fd00::/64' is not an IPv4 network"),
        ({"subnet": "8.8.8.0/24"}, "subnet 8.8.8.0/24 is not private"),
        ({"subnet": "10.9.0.0/29"}, "subnet 10.9.0.0/29 has no room for 1 hosts"),
        ({"subnet": "10.9.0.0/24", "networks": {"a": "10.8.0.0/24"}}, "the spec has both subnet and networks"),
        ({"networks": ["10.8.0.0/24"]}, "networks must be a mapping"),
        ({"networks": {}}, "networks has 0 entries: a lab has 1 to 4 networks"),
        ({"networks": {f"n{n}": f"10.8.{n}.0/24" for n in range(5)}}, "networks has 5 entries"),
        ({"networks": {"The House": "10.8.0.0/24"}}, "network name 'The House' is not right"),
        ({"networks": {"house": "8.8.8.0/24"}}, "subnet 8.8.8.0/24 is not private"),
        ({"networks": {"house": "10.8.0.0/24", "tiny": "10.9.0.0/29"}}, "subnet 10.9.0.0/29 has no room for 1 hosts"),
        (
            {"networks": {"house": "10.8.0.0/16", "cluster": "10.8.1.0/24"}},
            "subnet 10.8.0.0/16 of network house overlaps with 10.8.1.0/24 of cluster",
        ),
        ({"internet": "maybe"}, "internet 'maybe' must be true or false"),
    ],
)
def test_a_bad_lab_is_refused(changes, message):
    with pytest.raises(LabError) as caught:
        parse(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"memroy": "1GiB"}, "host a: 'memroy' is not known"),
        ({"memory": "1GB"}, "host a: memory '1GB' is not a size"),
        ({"memory": "-1GiB"}, "memory '-1GiB' is not a size"),
        ({"memory": True}, "memory True is not a size"),
        ({"memory": "1MiB"}, "memory '1MiB' is too small"),
        ({"cpu": "all"}, "cpu 'all' is not a share of cores"),
        ({"cpu": 0}, "cpu 0 is not a share of cores"),
        ({"cpu": float("nan")}, "cpu nan is not a share of cores"),
        ({"cpu": True}, "cpu True is not a share of cores"),
        ({"link": "100"}, "link '100' is not a rate"),
        ({"link": "0mbit"}, "link '0mbit' is not a rate"),
        ({"suite": "Forky!"}, "host a: suite 'Forky!' is not right"),
        ({"architecture": "riscv64"}, "host a: architecture 'riscv64' is not known"),
        ({"packages": "tree"}, "host a: packages must be a list"),
        ({"packages": ["tree; rm"]}, "host a: packages 'tree; rm' is not right"),
        ({"groups": ["no-dashes"]}, "host a: groups 'no-dashes' is not right"),
        ({"vars": []}, "host a: vars must be a mapping"),
        ({"networks": "lab"}, "host a: networks must be a list of names of networks"),
        ({"networks": []}, "host a: networks [] is not right: choose one or more of lab"),
        ({"networks": ["lab", "lab"]}, "host a: networks ['lab', 'lab'] is not right"),
        ({"networks": ["cluster"]}, "host a: networks ['cluster'] is not right"),
        ({"default_route": "cluster"}, "host a: default_route 'cluster' is not right: choose one of lab"),
    ],
)
def test_a_bad_host_is_refused(values, message):
    with pytest.raises(LabError) as caught:
        host(**values)
    assert message in str(caught.value)


def test_a_spec_that_is_no_mapping_is_refused():
    with pytest.raises(LabError, match="the spec must be a mapping"):
        spec.parse(None)


def test_broken_yaml_names_the_file(tmp_path):
    path = tmp_path / "broken.yml"
    path.write_text("hosts: [")
    with pytest.raises(LabError, match=r"broken\.yml is not readable YAML"):
        spec.load(str(path))


def test_a_bad_value_names_the_file(tmp_path):
    path = tmp_path / "bad.yml"
    path.write_text("name: x\nhosts: {a: {cpu: none-at-all}}\n")
    with pytest.raises(LabError, match=r"bad\.yml: host a: cpu 'none-at-all'"):
        spec.load(str(path))


def test_a_missing_spec_lists_the_shipped_ones():
    with pytest.raises(LabError, match=r"no lab spec 'dmeo'.* default, demo, .* limits, .* oracle"):
        spec.load("dmeo")


@pytest.mark.parametrize(
    ("name", "memory"),
    [
        ("demo", {"pi-1": GIB, "pi-2": GIB, "old-server": 2 * GIB}),
        ("default", {"pi-1": GIB, "pi-2": GIB, "old-server": 2 * GIB, "stranger": GIB // 4}),
        ("oracle", {"oracle": 4 * GIB}),
    ],
)
def test_shipped_specs(name, memory):
    lab = spec.load(name)
    assert lab.name == name
    assert {host.name: host.memory for host in lab.hosts.values()} == memory


def test_shipped_labs_can_be_up_together():
    # Two scenarios may share a lab: then one's spec is a link to the other's.
    labs = [spec.load(path.stem) for path in spec.SHIPPED.glob("*.yml") if not path.is_symlink()]
    subnets = [network.subnet for lab in labs for network in lab.networks]
    assert len({lab.name for lab in labs}) == len(labs)
    overlaps = [(one, other) for one in subnets for other in subnets if one is not other and one.overlaps(other)]
    assert len(subnets) >= 3
    assert overlaps == []


def test_a_stranger_is_not_in_the_cluster():
    assert "llama_cluster" not in spec.load("default").hosts["stranger"].groups
