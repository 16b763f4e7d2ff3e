# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml serves on, by the inventory alone."""

from __future__ import annotations

import pytest
from module_utils.serving.platform import platform_of

GROUPS = {"all": ["pi-1", "pi-2"], "k3s_servers": ["pi-1"], "k3s_agents": ["pi-2"]}


def hosts(**of_all) -> dict:
    return {name: dict(of_all) for name in GROUPS["all"]}


@pytest.mark.parametrize(
    ("groups", "given", "platform"),
    [
        (GROUPS, hosts(), "hosts"),
        (GROUPS, hosts(drover_platform="hosts"), "hosts"),
        (GROUPS, hosts(drover_platform="k3s"), "k3s"),
        (GROUPS, hosts(drover_platform="k3s", k3s_kubeconfig="~/here"), "k3s"),
        ({"all": []}, {}, "hosts"),
    ],
)
def test_a_platform_is_what_the_inventory_says(groups, given, platform):
    assert platform_of(groups, given) == {"platform": platform, "faults": []}


@pytest.mark.parametrize(
    ("groups", "given", "words"),
    [
        (GROUPS, hosts(drover_platform="k8s"), "drover_platform is 'k8s' but must be hosts or k3s"),
        (GROUPS, hosts(drover_platform=True), "is 'True' but must be"),
        (
            GROUPS,
            {**hosts(), "pi-2": {"drover_platform": "k3s"}},
            "drover_platform is hosts for one host and k3s for another",
        ),
        (GROUPS, hosts(drover_platform="k3s", k3s_kubeconfig=""), "k3s_kubeconfig of pi-1 is empty"),
    ],
)
def test_what_cannot_be_gone_by_is_refused(groups, given, words):
    (sentence,) = platform_of(groups, given)["faults"]
    assert words in sentence
