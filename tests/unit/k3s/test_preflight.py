# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps K3s from running on a host: one sentence each, with what to do."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.k3s.plan import make_plan
from unit.k3s.surveys import NOW, cluster, host, installed, running

WITHOUT_MEMORY = {"version": 2, "controllers": ["cpu", "cpuset", "pids"]}
VERSION_1 = {"version": 1, "controllers": ["cpu", "cpuset", "memory", "pids"]}


def sentence(tried, **changes):
    """What the plan says of one host and nothing else."""
    with pytest.raises(DroverError) as caught:
        make_plan(cluster(**changes), [tried], NOW, False)
    assert str(caught.value).startswith(f"{tried['name']}: ")
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "wished", "words"),
    [
        ({"machine": "riscv64"}, {}, "Its processor is 'riscv64'"),
        ({"memory_bytes": 512 << 20}, {}, "It has 512 MiB of memory and needs 1.0 GiB at the least: leave it out."),
        ({"disk_free_bytes": 100 << 20}, {}, "100 MiB are free on the disk of /var/lib and 1.0 GiB are needed"),
        ({"default_route": None}, {}, "It has no default route"),
        ({"clock": NOW - 86400}, {}, "Its clock is 86400 s off that of the controller"),
        ({"clock": NOW + 301}, {}, "Its clock is 301 s off"),
        ({"cgroup": WITHOUT_MEMORY, "board": ""}, {}, "(version 2) lack memory, by which pods are limited"),
        ({"cgroup": WITHOUT_MEMORY, "boot_command": None}, {}, "lack memory"),
        (
            {"cgroup": {"version": 2, "controllers": ["memory"]}},
            {},
            "lack cpu, cpuset, pids, by which pods are limited: boot the kernel with cgroup_enable=cpu",
        ),
        ({"cgroup": VERSION_1}, {"version": "v1.35.0+k3s1"}, "are of version 1, which Kubernetes 1.35.0 refuses"),
        ({"modules": {"overlay": False, "br_netfilter": True}}, {}, "lacks overlay: install a kernel that has it"),
        (
            {"modules": {"vxlan": False}, "distribution": "ubuntu"},
            {"flannel_backend": "vxlan"},
            "lacks vxlan: install the package linux-modules-extra-raspi",
        ),
        ({"modules": {"br_netfilter": False}, "distribution": "rhel"}, {}, "the package kernel-modules-extra"),
        ({"installed": installed(foreign=True)}, {}, "Drover did not put it on: take it off with k3s-uninstall.sh"),
        ({"installed": installed("agent", "v1.34.4+k3s1")}, {}, "It is an agent of a cluster and is to be a server"),
    ],
)
def test_a_server_is_refused(changes, wished, words):
    assert words in sentence(host("s1", **changes), **wished)


@pytest.mark.parametrize(
    ("port", "unit", "wished", "held"),
    [
        (6443, "nginx.service", {}, True),
        (10250, None, {}, True),
        (2379, "etcd.service", {"datastore": "etcd"}, True),
        (2379, "etcd.service", {}, False),
        (5001, "registry.service", {"embedded_registry": True}, True),
        (5001, "registry.service", {}, False),
        (6443, "k3s.service", {}, False),
        (10250, "k3s-agent.service", {}, False),
    ],
)
def test_a_port_that_k3s_needs_must_be_free(port, unit, wished, held):
    taken = host("s1", listeners=[{"port": port, "command": None, "unit": unit}])
    if held:
        told = (
            f"Port {port}, which K3s needs, is held by a program that cannot be seen (unit {unit or 'none'}): stop it."
        )
        assert told in sentence(taken, **wished)
    else:
        assert make_plan(cluster(**wished), [taken], NOW, False)


@pytest.mark.parametrize(
    "fine",
    [
        {"cgroup": VERSION_1},
        {"modules": {"overlay": None, "br_netfilter": None, "vxlan": None}},
        {"modules": {"overlay": True, "br_netfilter": True, "vxlan": False}},
        {"clock": NOW + 299},
        {"memory_bytes": 1 << 30},
    ],
)
def test_what_does_not_matter_is_not_refused(fine):
    assert make_plan(cluster(), [host("s1", **fine)], NOW, False)["begins"] == "s1"


def test_version_1_is_taken_where_kubelet_is_told_to():
    told = host("s1", cgroup=VERSION_1, wishes={"kubelet": {"failCgroupV1": False}})
    assert make_plan(cluster(version="v1.35.0+k3s1"), [told], NOW, False)


def test_kubelets_files_need_a_version_that_reads_them():
    told = host("s1", wishes={"kubelet": {"maxPods": 9}})
    assert "K3s v1.31.4+k3s1 reads no files for kubelet" in sentence(told, version="v1.31.4+k3s1")


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("cgroup_disable=memory rootwait", "rootwait cgroup_enable=memory\n"),
        ("rootwait", "rootwait cgroup_enable=memory\n"),
        ("rootwait cgroup_enable=memory", None),
    ],
)
def test_a_pi_without_its_memory_controller_gets_it(text, fixed):
    path = "/boot/firmware/cmdline.txt"
    pi = host("s1", cgroup=WITHOUT_MEMORY, boot_command={"path": path, "text": text})
    if fixed is None:  # it was told already, and has none all the same
        assert "lack memory" in sentence(pi)
    else:
        made = make_plan(cluster(), [pi], NOW, False)
        assert made["hosts"]["s1"]["boot_command"] == {"path": path, "text": fixed}


def test_a_pi_that_has_it_is_left_alone():
    assert make_plan(cluster(), [host("s1")], NOW, False)["hosts"]["s1"]["boot_command"] is None


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ({"hostname": "pi"}, {"hostname": "pi"}, "s1: Its node name 'pi' is that of a1, too: give it another hostname"),
        ({"machine_id": "m"}, {"machine_id": "m"}, "a1: Its machine id 'm' is that of s1, too: it was cloned"),
    ],
)
def test_two_hosts_may_not_be_one(one, other, words):
    with pytest.raises(DroverError) as caught:
        make_plan(cluster(), [host("s1", **one), host("a1", "agent", 12, **other)], NOW, False)
    assert words in str(caught.value)


def test_host_gw_needs_one_network():
    away = host("a1", "agent", addresses=[{"interface": "eth0", "address": "10.9.0.2", "network": "10.9.0.0/24"}])
    with pytest.raises(DroverError, match="for which all hosts must be in one network, and they are not"):
        make_plan(cluster(flannel_backend="host-gw"), [host("s1"), away], NOW, False)


@pytest.mark.parametrize(
    ("changes", "wished", "words"),
    [
        ({"on_sd_card": True}, {"datastore": "etcd"}, "s1: etcd writes all the time and its disk is an SD card"),
        ({"memory_bytes": 1 << 30}, {}, "s1: It has 1.0 GiB of memory, and K3s asks for 2.0 GiB on a server."),
        ({"swap_bytes": 1 << 30}, {}, "s1: It has 1.0 GiB of swap"),
    ],
)
def test_what_will_hurt_is_warned_of(changes, wished, words):
    (warning,) = make_plan(cluster(**wished), [host("s1", **changes)], NOW, False)["warnings"]
    assert warning.startswith(words)


def test_an_sd_card_under_sqlite_is_usual():
    assert make_plan(cluster(), [host("s1", on_sd_card=True)], NOW, False)["warnings"] == []


def test_a_server_that_runs_is_looked_at_in_the_same_way():
    full = running("s1", "server", 11, None, datastore="sqlite")
    full["survey"]["disk_free_bytes"] = 0
    assert "are free on the disk" in sentence(full)
