# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole plan: who begins and who joins, settings of each host, refusals, upgrades."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.k3s import configuration
from module_utils.k3s.plan import choose_version, make_plan
from unit.k3s.surveys import NOW, cluster, host, running

SERVER = {
    "cluster-cidr": "10.42.0.0/16",
    "cluster-dns": "10.43.0.10",
    "flannel-backend": "vxlan",
    "service-cidr": "10.43.0.0/16",
}


def plan(*hosts, upgrading=False, **changes):
    return make_plan(cluster(**changes), hosts, NOW, upgrading)


def settings(made, name):
    return configuration.read_ours(made["hosts"][name]["config"])


def refused(message, *hosts, upgrading=False, **changes):
    with pytest.raises(DroverError, match=message) as caught:
        plan(*hosts, upgrading=upgrading, **changes)
    assert str(caught.value).endswith(".")


ONE = (host("s1"), host("a1", "agent", 12), host("a2", "agent", 13))
THREE = (host("s1"), host("s2", number=12), host("s3", number=13))
IN = {"settings": SERVER, "datastore": "etcd"}


def test_one_server_begins_on_sqlite_and_agents_join_it():
    made = plan(*ONE)
    assert (made["datastore"], made["begins"], made["joins"], made["agents"]) == ("sqlite", "s1", [], ["a1", "a2"])
    assert settings(made, "s1") == {
        **SERVER,
        "disable": ["traefik"],
        "flannel-backend": "host-gw",
        "flannel-iface": "eth0",
        "node-ip": "192.168.1.11",
        "node-name": "s1",
        "write-kubeconfig-mode": "0600",
    }
    assert settings(made, "a1") == {
        "flannel-iface": "eth0",
        "node-ip": "192.168.1.12",
        "node-name": "a1",
        "server": "https://192.168.1.11:6443",
    }
    assert made["warnings"] == []


def test_every_architecture_among_the_hosts_is_told_as_images_name_it():
    assert plan(*ONE, host("a3", "agent", 14, machine="x86_64"))["architectures"] == ["amd64", "arm64"]


def test_three_servers_keep_etcd_and_join_one_after_another():
    made = plan(*THREE)
    assert (made["datastore"], made["begins"], made["joins"]) == ("etcd", "s1", ["s2", "s3"])
    assert settings(made, "s1")["cluster-init"] is True
    for name in ("s2", "s3"):
        assert settings(made, name)["server"] == "https://192.168.1.11:6443"
        assert "cluster-init" not in settings(made, name)


def test_a_fixed_address_is_joined_by_and_named_in_the_certificate():
    made = plan(*THREE, server_url="https://k3s.lan:6443", tls_san=["10.0.0.1"])
    assert settings(made, "s2")["server"] == made["server_url"] == "https://k3s.lan:6443"
    assert settings(made, "s1")["tls-san"] == ["10.0.0.1", "k3s.lan"]


def test_a_database_outside_needs_nobody_to_begin_an_etcd():
    made = plan(*THREE, datastore_endpoint="given")
    assert made["datastore"] == "external"
    assert not {"cluster-init", "server", "datastore-endpoint"} & set(settings(made, "s2"))


def test_a_new_server_joins_those_that_run_whichever_comes_first():
    made = plan(host("new", number=20), running("s2", "server", 12, SERVER, datastore="etcd"), THREE[2])
    assert (made["begins"], made["anchor"], made["joins"]) == (None, "s2", ["new", "s3"])
    assert settings(made, "new")["server"] == "https://192.168.1.12:6443"
    assert settings(made, "new")["flannel-backend"] == "vxlan"


def test_a_server_that_has_come_in_and_stands_first_is_not_the_one_that_others_join_by():
    url = {"server": "https://192.168.1.12:6443"}
    now = [
        running("a1", "server", 20, {**SERVER, **url}, datastore="etcd"),
        running("s2", "server", 12, {**SERVER, "server": "https://192.168.1.99:6443"}, datastore="etcd"),
        running("s3", "server", 13, {**SERVER, **url}, datastore="etcd"),
    ]
    assert plan(*now)["anchor"] == "s2"
    assert plan(now[0], now[2])["anchor"] == "a1"


@pytest.mark.parametrize("way_in", [{"cluster-init": True}, {"server": "https://192.168.1.99:6443"}])
def test_a_server_that_is_in_keeps_how_it_came(way_in):
    now = {**SERVER, **way_in}
    made = plan(running("s1", "server", 11, now, datastore="etcd"), THREE[1], THREE[2])
    assert {key: settings(made, "s1").get(key) for key in way_in} == way_in


def test_more_servers_move_the_first_from_sqlite_to_etcd():
    made = plan(running("s1", "server", 11, SERVER, datastore="sqlite"), THREE[1], THREE[2])
    assert (made["datastore"], made["begins"]) == ("etcd", None)
    assert settings(made, "s1")["cluster-init"] is True


def test_one_server_stays_on_what_it_has():
    assert plan(running("s1", "server", 11, SERVER, datastore="etcd"))["datastore"] == "etcd"
    assert plan(running("s1", "server", 11, SERVER, datastore="sqlite"))["datastore"] == "sqlite"


def test_an_even_number_of_servers_is_warned_of():
    (warning,) = plan(*THREE[:2])["warnings"]
    assert warning == (
        "2 servers keep their state in etcd, which stands no more failures than 1 would and needs 2 of them up: use an "
        "odd number."
    )


def test_another_network_takes_packets_by_vxlan():
    away = host("a1", "agent", addresses=[{"interface": "eth0", "address": "10.9.0.2", "network": "10.9.0.0/24"}])
    assert plan(ONE[0], away)["flannel_backend"] == "vxlan"


def test_labels_taints_and_kubelet_are_a_hosts_own():
    wishes = {"labels": {"disk": "ssd", "fast": True}, "taints": ["gpu:NoSchedule"], "kubelet": {"maxPods": 20}}
    made = plan(host("s1", wishes=wishes), ONE[1])
    assert settings(made, "s1")["node-label"] == ["disk=ssd", "fast=true"]
    assert settings(made, "s1")["node-taint"] == ["gpu:NoSchedule"]
    assert made["hosts"]["s1"]["kubelet"]["maxPods"] == 20
    assert made["hosts"]["a1"]["kubelet"] is None


def test_a_host_with_two_networks_gets_the_wished_one():
    cards = [
        {"interface": "eth0", "address": "192.168.1.11", "network": "192.168.1.0/24"},
        {"interface": "wlan0", "address": "192.168.2.11", "network": "192.168.2.0/24"},
    ]
    for wishes in ({"interface": "wlan0"}, {"node_ip": "192.168.2.11"}):
        found = settings(plan(host("s1", addresses=cards, wishes=wishes)), "s1")
        assert (found["node-ip"], found["flannel-iface"]) == ("192.168.2.11", "wlan0")


@pytest.mark.parametrize(
    ("hosts", "changes", "message"),
    [
        ([host("a1", "agent")], {}, "No host is in the group k3s_servers"),
        (
            THREE,
            {"datastore": "sqlite"},
            "k3s_datastore is 'sqlite', which one server alone can have, and k3s_servers has 3",
        ),
        ([running("s1", "server", 11, **IN)], {"datastore": "sqlite"}, "from which there is no way back"),
        (ONE, {"datastore": "mysql"}, "k3s_datastore is 'mysql' but must be one of auto, sqlite, etcd"),
        (ONE, {"datastore": "etcd", "datastore_endpoint": "given"}, "a cluster has one datastore"),
        (ONE, {"server_url": "k3s.lan"}, "k3s_server_url is 'k3s.lan' but must be like https://k3s.lan:6443"),
        (ONE, {"cluster_cidr": "10.42.0.1/16"}, "k3s_cluster_cidr is '10.42.0.1/16' but must be an IPv4 network"),
        (ONE, {"service_cidr": "10.42.8.0/24"}, "k3s_cluster_cidr 10.42.0.0/16 and k3s_service_cidr .* overlap"),
        (ONE, {"disable": ["helm"]}, "An entry of k3s_disable is 'helm' but must be one of traefik"),
        (ONE, {"flannel_backend": "udp"}, "k3s_flannel_backend is 'udp'"),
        (
            [running("s1", "server", 11, **IN)],
            {"cluster_cidr": "10.50.0.0/16"},
            "which a cluster keeps for life: set k3s_",
        ),
        ([running("s1", "server", 11, **IN)], {"version": "v1.34.5+k3s1"}, "upgrade with k3s_upgrade.yml"),
        ([host("s1", wishes={"node_ip": "10.1.1.1"})], {}, r"s1 has no address 10.1.1.1: .* 192.168.1.11 \(eth0\)"),
        ([host("s1", wishes={"interface": "wlan0"})], {}, "s1 has no address wlan0"),
        ([host("s1", wishes={"labels": {"a b": "c"}})], {}, "k3s_labels of s1 has a b=c, which no node can have"),
        ([host("s1", wishes={"labels": {"kubernetes.io/x": "c"}})], {}, "which is Kubernetes' own"),
        ([host("s1", wishes={"taints": ["gpu"]})], {}, "k3s_taints of s1 has 'gpu' but each must be like"),
        ([host("s1", wishes={"taints": "gpu:NoSchedule"})], {}, "must be a list such as"),
        ([host("s1", wishes={"kubelet": [1]})], {}, "k3s_kubelet of s1 is .* but must be a dictionary"),
    ],
)
def test_what_cannot_be_is_refused(hosts, changes, message):
    refused(message, *hosts, **changes)


def test_everything_in_the_way_is_told_at_once():
    refused(
        "(?s)s1: Port 6443.*a1: It has no default route.*a1: Its machine id",
        host("s1", machine_id="x", listeners=[{"port": 6443, "command": "nginx", "unit": "nginx.service"}]),
        host("a1", "agent", 12, machine_id="x", default_route=None),
    )


def test_the_version_is_that_of_the_cluster_unless_another_is_wished():
    old = running("s1", "server", 11, SERVER, "v1.33.1+k3s1")
    channels = [{"id": "stable", "latest": "v1.34.4+k3s1"}]
    half = running("a1", "agent", 12, {}, "v1.33.2+k3s1")
    assert choose_version("", "stable", channels, [old, half, ONE[2]]).tag == "v1.33.2+k3s1"
    assert choose_version("", "stable", channels, [ONE[0]]).tag == "v1.34.4+k3s1"
    assert choose_version("v1.34.1+k3s1", "stable", [], [old]).tag == "v1.34.1+k3s1"


def fleet(*versions):
    """A server or three of them, and an agent, each with a version."""
    return [
        running(
            f"n{number}",
            "agent" if number == len(versions) else "server",
            10 + number,
            SERVER,
            version,
            datastore="etcd",
        )
        for number, version in enumerate(versions, 1)
    ]


OLD, NEW = "v1.34.3+k3s1", "v1.34.4+k3s1"


def test_servers_are_upgraded_before_agents_and_the_anchor_last_of_them():
    made = plan(*fleet(OLD, OLD, OLD, OLD), version=NEW, upgrading=True)["upgrade"]
    assert made == {"servers": ["n2", "n3", "n1"], "agents": ["n4"]}


def test_an_upgrade_that_was_broken_off_goes_on():
    made = plan(*fleet(OLD, NEW, OLD, OLD), version=NEW, upgrading=True)["upgrade"]
    assert made == {"servers": ["n3", "n1"], "agents": ["n4"]}
    assert plan(*fleet(NEW, NEW), version=NEW, upgrading=True)["upgrade"] == {"servers": [], "agents": []}


@pytest.mark.parametrize(
    ("versions", "wanted", "message"),
    [
        ([NEW, NEW], OLD, "n1 runs K3s v1.34.4.* later than v1.34.3.*there is no way back"),
        (["v1.32.9+k3s1"] * 2, NEW, "more than one minor version later: upgrade to the latest v1.33 first"),
        (
            ["v1.33.7+k3s1"] * 2,
            NEW,
            r"members back from the dead in v1.34.4\+k3s1: upgrade to v1.33.7\+k3s3 or a later",
        ),
        ([NEW, "v1.34.4"], "v1.34.5", "which leaves open which release"),
    ],
)
def test_a_step_that_may_not_be_is_refused(versions, wanted, message):
    refused(message, *fleet(*versions), version=wanted, upgrading=True)


@pytest.mark.parametrize("safe", ["v1.33.7+k3s3", "v1.33.12+k3s1"])
def test_etcd_3_6_follows_a_release_that_is_safe_for_it(safe):
    assert plan(*fleet(safe, safe), version=NEW, upgrading=True)["upgrade"]["servers"] == ["n1"]


def test_sqlite_knows_no_members_that_could_come_back():
    server = running("s1", "server", 11, SERVER, "v1.33.1+k3s1", datastore="sqlite")
    assert plan(server, version=NEW, upgrading=True)["upgrade"]["servers"] == ["s1"]


def test_what_has_no_k3s_is_not_upgraded():
    refused("a1 has no K3s to upgrade", *fleet(OLD, OLD), host("a1", "agent", 33), version=NEW, upgrading=True)


def test_an_agent_that_is_to_be_a_server_goes_out_and_comes_in_as_one():
    agent = running("s2", "server", 12, {"node-name": "s2"})
    agent["survey"]["installed"]["part"] = "agent"
    made = plan(running("s1", "server", 11, SERVER, datastore="sqlite"), agent, host("s3", number=13))
    assert [made["hosts"][name]["promoted"] for name in ("s1", "s2", "s3")] == [False, True, False]
    assert made["joins"] == ["s2", "s3"]
    assert settings(made, "s1")["cluster-init"] is True
    assert settings(made, "s2")["server"] == "https://192.168.1.11:6443"


def test_a_server_does_not_become_an_agent_and_nobody_is_promoted_into_no_cluster():
    server = running("a1", "agent", 12, {"node-name": "a1"})
    server["survey"]["installed"]["part"] = "server"
    refused("a1: It is a server of a cluster and is to be an agent", running("s1", "server", 11, SERVER), server)
    agent = running("s1", "server", 11, {"node-name": "s1"})
    agent["survey"]["installed"]["part"] = "agent"
    refused("s1: It is an agent of a cluster and is to be a server", agent)


def test_a_restored_server_begins_anew_and_the_others_join_it():
    s1 = running("s1", "server", 11, {**SERVER, "server": "https://192.168.1.99:6443"}, datastore="etcd")
    s2 = running("s2", "server", 12, {**SERVER, "cluster-init": True}, datastore="etcd")
    kept, taken_back = plan(s1, s2), plan(s1, s2, restoring=True)
    assert settings(kept, "s1")["server"] == "https://192.168.1.99:6443"
    assert taken_back["anchor"] == "s1"
    assert settings(taken_back, "s1")["cluster-init"] is True
    assert "server" not in settings(taken_back, "s1")
    assert settings(taken_back, "s2")["server"] == "https://192.168.1.11:6443"
    assert "cluster-init" not in settings(taken_back, "s2")


def test_a_backup_is_not_taken_back_where_there_was_no_cluster():
    refused("No cluster of K3s is on s1", *ONE, restoring=True)


def test_a_network_that_is_for_life_is_told_by_the_variable_that_it_comes_from():
    refused(
        "s1 runs with cluster-dns '10.43.0.10' and not '10.50.0.10', service-cidr '10.43.0.0/16' and not "
        "'10.50.0.0/16', which a cluster keeps for life: set k3s_service_cidr back, or",
        running("s1", "server", 11, SERVER, datastore="sqlite"),
        service_cidr="10.50.0.0/16",
    )
