# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast nodes are, remembered until they boot."""

from __future__ import annotations

import pytest
from module_utils.kubernetes.lend import lend
from module_utils.kubernetes.manifests import manifests
from module_utils.kubernetes.short_lived import tally_pods
from module_utils.kubernetes.speeds import recalled, to_keep
from unit.kubernetes.objects import Cluster, container, measured, node, pod, settings, stock_of

INFORMATION = {"architecture": "amd64", "operatingSystem": "linux"}


def nodes(boot="b-1", **more):
    return [node("kube-1", nodeInfo={**INFORMATION, "bootID": boot}, **more)]


def known_after(boot, pods=(), kept=None, **more):
    """What is known of a node with this stock, from what was kept when 12 GB/s were measured."""
    first = stock_of(nodes())
    kept = to_keep(first, [measured("kube-1")]) if kept is None else kept
    return recalled(stock_of(nodes(boot, **more), pods), kept)[0]["bandwidth_bytes_per_second"]


def test_what_was_measured_is_known_until_the_next_boot():
    assert known_after("b-1") == 12_000_000_000
    assert known_after("b-2") is None


def test_with_another_share_of_the_cpu_it_is_not():
    assert known_after("b-1", [pod("kube-1", container("1Gi"))]) == 12_000_000_000
    assert known_after("b-1", [pod("kube-1", container(cpu="1"))]) is None


def test_a_node_that_tells_no_boot_is_measured_each_time():
    assert to_keep(stock_of(nodes(boot="")), [measured("kube-1")]) == {}
    assert known_after("", kept={"kube-1": '{"boot": "", "millicores": 4000, "bandwidth_bytes_per_second": 1}'}) is None


@pytest.mark.parametrize("text", ["", "null", "[]", "7", '{"boot": "b-1"}', '{"bandwidth_bytes_per_second": "x"}'])
def test_what_somebody_else_has_written_is_not_believed(text):
    assert known_after("b-1", kept={"kube-1": text}) is None


def test_what_is_known_is_not_measured_again_and_is_what_the_node_lends():
    stock = recalled(stock_of(nodes()), to_keep(stock_of(nodes()), [measured("kube-1")]))
    (one,) = tally_pods(stock, settings(), "main")
    assert one["spec"]["containers"][0]["command"][-1] == "--no-bandwidth"
    told = {**measured("kube-1"), "bandwidth_bytes_per_second": None}
    for seen in (told, None):
        assert lend(stock[0], seen, settings(), "main")["bandwidth_bytes_per_second"] == 12_000_000_000


def test_a_node_that_is_out_of_sight_stays_known():
    stock = recalled(stock_of(nodes()), to_keep(stock_of(nodes()), [measured("kube-1")]))
    lost = recalled(stock_of(nodes(conditions=[])), to_keep(stock, [lend(stock[0], None, settings(), "main")]))
    assert lost[0]["reason"]
    assert lost[0]["bandwidth_bytes_per_second"] == 12_000_000_000


def test_it_has_a_config_map_of_its_own():
    cluster = Cluster()
    made = manifests(cluster.plan, cluster.deployments, cluster.stock, cluster.settings, speeds={"kube-1": "{}"})
    (found,) = [each for each in made if each["metadata"]["name"] == "drover-main-speeds"]
    assert (found["kind"], found["data"]) == ("ConfigMap", {"kube-1": "{}"})
