# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node lends is a tally that the planner takes as it takes a host's."""

from __future__ import annotations

import json

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.address import is_name
from module_utils.hosts.document import read_tally
from module_utils.kubernetes.lend import lend, read_log, sources
from unit.placement.fleets import model, plan_of

from .objects import GIB, MIB, Cluster, container, measured, node, own_pod, pod, settings, stock_of


def lent(available=3 * GIB, pods=(), one=None, held_bytes=None, claim_bytes=None, tally=True, **wishes):
    (entry,) = stock_of([one or node("kube-1")], pods, **wishes)
    found = measured("kube-1", available) if tally else None
    made = lend(entry, found, settings(**wishes), "main", held_bytes, claim_bytes)
    return read_tally(made)


def usable(*arguments, **more):
    return lent(*arguments, **more)["memory"]["usable_bytes"]


# A tenth of 4 GiB is left to the node.
RESERVE = 4 * GIB // 10


def test_a_tally_that_can_be_read():
    made = lent()
    assert made["host"] == "kube-1"
    assert made["obstacles"] == []
    assert made["memory"]["usable_bytes"] == 3 * GIB - RESERVE
    assert made["memory"]["reserve_bytes"] == RESERVE
    assert made["devices"] == [
        {
            "id": "CPU",
            "kind": "cpu",
            "name": "CPU",
            "gpu": None,
            "unified": False,
            "total_bytes": 4 * GIB,
            "usable_bytes": 3 * GIB - RESERVE,
            "overhead_bytes": 0,
            "bandwidth_bytes_per_second": 12_000_000_000,
        }
    ]
    assert made["network"]["address"] == "kube-1.drover-main-workers.drover.svc"
    assert made["network"]["addresses"] == []
    assert made["disk"]["free_bytes"] == 50 * GIB


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        # What the kernel has free bounds it, or what the scheduler has left.
        ({"available": 2 * GIB}, 2 * GIB - RESERVE),
        ({"available": 9 * GIB}, 4 * GIB - RESERVE),
        ({"pods": [pod("kube-1", container("2Gi", "1"))]}, 2 * GIB - RESERVE),
        # What our own pods hold comes back.
        ({"available": GIB, "pods": [own_pod("kube-1", container("2Gi", "1"))]}, 3 * GIB - RESERVE),
        (
            {"available": GIB, "pods": [own_pod("kube-1", container("2Gi", "1"))], "held_bytes": MIB},
            GIB + MIB - RESERVE,
        ),
        ({"available": 0}, 0),
        ({"lend": {"memory_bytes": "1Gi"}}, GIB),
        ({"nodes": {"kube-1": {"memory_bytes": GIB}}, "lend": {"memory_bytes": 1}}, GIB),
        ({"nodes": {"kube-2": {"memory_bytes": GIB}}}, 3 * GIB - RESERVE),
        ({"lend": {"reserve_bytes": "1Gi"}}, 2 * GIB),
        # The pod requests its overhead beside what is planned, so that much is never lent.
        ({"lend": {"reserve_bytes": 0}}, 3 * GIB - (256 + 96) * MIB),
        ({"lend": {"reserve_bytes": 0}, "leader_overhead_bytes": 0, "worker_overhead_bytes": 0}, 3 * GIB - 96 * MIB),
        ({"tally": False}, 4 * GIB - RESERVE),
        ({"tally": False, "pods": [pod("kube-1", container("1Gi", "1"))]}, 3 * GIB - RESERVE),
        ({"tally": False, "pods": [own_pod("kube-1", container("1Gi", "1"))]}, 4 * GIB - RESERVE),
    ],
)
def test_the_memory_that_is_lent(more, expected):
    assert usable(**more) == expected


@pytest.mark.parametrize(
    ("cpu", "more", "threads"),
    [
        ("4", {}, 4),
        ("8", {}, 4),  # as many as the processor has cores
        ("2500m", {}, 2),
        ("300m", {}, 1),
        ("4", {"nodes": {"kube-1": {"threads": 3}}}, 3),
        ("4", {"lend": {"threads": 2}}, 2),
        ("4", {"pods": [pod("kube-1", container("1Gi", "1900m"))]}, 2),
        ("4", {"pods": [own_pod("kube-1", container("1Gi", "1900m"))]}, 4),
    ],
)
def test_the_threads_that_are_lent(cpu, more, threads):
    assert lent(one=node("kube-1", cpu=cpu), **more)["threads"] == threads


def test_threads_that_nobody_has_are_refused():
    with pytest.raises(
        DroverError, match=r"^kubernetes_nodes wishes for 3 threads on kube-1, where others' pods leave 2500m"
    ):
        lent(one=node("kube-1", cpu="2500m"), lend={"threads": 3})


def test_a_node_that_takes_no_part_says_why():
    assert lent(exclude=["kube-1"])["exclude"] == "It is in kubernetes_exclude."
    assert lent(exclude=["kube-1"])["obstacles"] == []
    (told,) = lent(one=node("kube-1", conditions=[]))["obstacles"]
    assert told.startswith("It is not ready")
    # Nor does a wish that it could not fulfil stop the others.
    assert lent(one=node("kube-1", cpu="10m"), lend={"threads": 3})["obstacles"]


def test_with_the_nodes_network_its_address_is_used():
    assert lent(host_network=True)["network"]["address"] == "10.0.0.1"


def test_a_claim_is_the_disk_of_whoever_leads():
    wish = {"model": {"file": "m.gguf", "claim": "models"}}
    assert lent(claim_bytes=7 * GIB, **wish)["disk"]["free_bytes"] == 7 * GIB
    assert lent(**wish)["disk"]["free_bytes"] > 10**15


@pytest.mark.parametrize(
    "name", ["kube-1", "kube-1.lab", "Kube", "a" * 63, "a" * 64, "a" * 200, "ip-10-0-0-1.eu-central-1.compute.internal"]
)
def test_every_node_has_a_name_that_can_be_looked_up(name):
    (entry,) = stock_of([node(name)])
    address = lend(entry, None, settings(), "main")["network"]["address"]
    assert is_name(address)
    assert address.endswith(".drover-main-workers.drover.svc")


def test_no_two_nodes_have_the_same_name():
    names = ["a.b", "a-b", "a" * 64, "a" * 65]
    entries = stock_of([node(name) for name in names])
    assert len({lend(entry, None, settings(), "main")["network"]["address"] for entry in entries}) == len(names)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(("before", "after"), [("", ""), ("drover: the clock is slow\n", ""), ("", "drover: {odd}.\n")])
def test_a_tally_is_found_in_the_log(indent, before, after):
    tally = measured("kube-1")
    assert read_log(f"{before}{json.dumps(tally, indent=indent)}\n{after}", "kube-1") == tally


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "'nothing'"),
        ("drover: it cannot be.\n", "'drover: it cannot be.'"),
        ('{"schema": 1,\n', "'{\"schema\": 1,'"),
    ],
)
def test_a_log_without_a_tally(log, said):
    with pytest.raises(DroverError) as raised:
        read_log(log, "kube-1")
    assert str(raised.value).startswith(
        f"The pod that takes stock of kube-1 printed no tally, but last {said}: look at"
    )


def test_a_log_that_nests_without_end_is_no_tally():
    with pytest.raises(DroverError, match="printed no tally"):
        read_log('{"a":' * 100_000 + "}", "kube-1")


def test_where_a_pod_comes_from():
    (entry,) = stock_of([node("kube-1")])
    assert sources(entry, settings()) == ["10.0.0.1", "10.244.1.0/24"]
    assert sources(entry, settings(host_network=True)) == ["10.0.0.1"]


def test_the_planner_takes_nodes_as_it_takes_hosts():
    plan = Cluster().plan
    assert plan["feasible"]
    assert plan["leader"] == "kube-2"
    assert plan["network"] is None
    assert {host: place["address"] for host, place in plan["addresses"].items()} == {
        f"kube-{number}": f"kube-{number}.drover-main-workers.drover.svc" for number in (1, 2, 3)
    }
    assert plan["endpoints"][0]["address"].endswith(".drover-main-workers.drover.svc")


def test_a_node_that_is_a_container_keeps_a_share_of_its_own_memory():
    (entry,) = stock_of([node("kube-1", memory="2Gi")])
    made = lend(entry, measured("kube-1", 60 * GIB, 64 * GIB), settings(), "main")
    assert made["memory"]["usable_bytes"] == 2 * GIB - (256 + 96) * MIB


def test_in_check_mode_a_plan_is_made_of_what_the_api_says():
    entries = stock_of([node("kube-1", memory="2Gi"), node("kube-2", memory="2Gi")])
    tallies = [lend(entry, None, settings(), "main") for entry in entries]
    assert plan_of(model(blocks=20, block_bytes=100 * MIB), tallies)["feasible"]
