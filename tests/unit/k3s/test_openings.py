# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who must reach which port of a host."""

from __future__ import annotations

import pytest
from module_utils.k3s.plan import make_plan
from unit.k3s.surveys import NOW, cluster, host

PODS = [(None, "10.42.0.0/16", "tcp"), (None, "10.43.0.0/16", "tcp")]
API = (6443, None, "tcp")
S1, S2, A1 = "192.168.1.11", "192.168.1.12", "192.168.1.21"


def opened(hosts, name, **wished):
    """(port, source, protocol) of what is opened on a host."""
    made = make_plan(cluster(**wished), hosts, NOW, False)["hosts"][name]["openings"]
    return [(one["port"], one["source"], one["protocol"]) for one in made]


def fleet(**wishes):
    return [host("s1"), host("s2", number=12), host("a1", "agent", 21, wishes=wishes)]


@pytest.mark.parametrize(
    ("name", "wished", "needed"),
    [
        ("a1", {}, [(10250, S1, "tcp"), (10250, S2, "tcp")]),
        ("s1", {}, [(10250, S2, "tcp"), (10250, A1, "tcp"), (2379, S2, "tcp"), (2380, S2, "tcp"), API]),
        ("s1", {"datastore_endpoint": "given"}, [(10250, S2, "tcp"), (10250, A1, "tcp"), API]),
        (
            "a1",
            {"flannel_backend": "vxlan", "embedded_registry": True},
            [(port, one, by) for port, by in ((10250, "tcp"), (8472, "udp"), (5001, "tcp")) for one in (S1, S2)],
        ),
        (
            "a1",
            {"flannel_backend": "wireguard-native"},
            [(10250, S1, "tcp"), (10250, S2, "tcp"), (51820, S1, "udp"), (51820, S2, "udp")],
        ),
    ],
)
def test_what_others_need_is_opened_and_nothing_else(name, wished, needed):
    assert opened(fleet(), name, **wished) == needed + PODS


def test_what_the_owner_has_opened_is_left_alone():
    assert opened(fleet(firewall_is_open=True), "a1") == []


def test_firewalld_passes_on_what_a_tunnel_brings():
    guarded = [host("s1"), host("a1", "agent", 21, firewalls=["firewalld"])]
    assert make_plan(cluster(), guarded, NOW, False)["flannel_backend"] == "vxlan"
    assert (8472, S1, "udp") in opened(guarded, "a1")
