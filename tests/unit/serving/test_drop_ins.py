# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd is told of one host's units beside the constant ones."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.serving.drop_ins import drop_ins, limits_drop_in
from unit.documents import worker_deployment

GIB = 1 << 30
MEMORY = {"total_bytes": 8 * GIB, "limit_bytes": None, "reserve_bytes": GIB}
WORKER = worker_deployment(allow=["10.0.0.7", "10.0.9.0/24"], healing={"port": 51052})
LEADER = worker_deployment(part="leader", allow=None, healing=None)
RPC, AGENT, SERVER = (f"/etc/systemd/system/drover-{unit}@main.service.d" for unit in ("rpc", "agent", "server"))


def texts(deployment, memory=MEMORY):
    return {each["path"]: each["text"] for each in drop_ins(deployment, memory)}


def test_a_unit_is_given_the_nodes_and_no_more():
    assert limits_drop_in({"nodes": [], "groups": []}) == ""
    made = limits_drop_in({"nodes": ["/dev/nvidia-uvm", "/dev/dri/renderD128"], "groups": ["render"]})
    assert made.splitlines()[1:] == [
        # The module of the first one may not be loaded yet after a boot.
        "[Unit]",
        "Wants=modprobe@nvidia_uvm.service",
        "After=modprobe@nvidia_uvm.service",
        "[Service]",
        "DevicePolicy=closed",
        "DeviceAllow=/dev/nvidia-uvm rw",
        "BindPaths=-/dev/nvidia-uvm",
        "DeviceAllow=/dev/dri/renderD128 rw",
        "BindPaths=-/dev/dri/renderD128",
        "SupplementaryGroups=render",
        "DeviceAllow=char-nvidia-uvm rw",
        "ExecStartPre=+-/usr/bin/nvidia-modprobe -u -c 0",
    ]
    assert "nvidia" not in limits_drop_in({"nodes": ["/dev/kfd"], "groups": []})


@pytest.mark.parametrize("path", ["/etc/shadow", "/dev/../etc", "/dev/a b", "/dev/x\nUser=root", "/dev/%i"])
def test_what_is_no_node_is_refused(path):
    with pytest.raises(DroverError, match="which is no file of /dev"):
        limits_drop_in({"nodes": [path], "groups": []})


def test_a_worker_talks_to_whoever_may_connect_and_to_itself():
    found = texts(WORKER)
    assert found[f"{RPC}/10-limits.conf"].splitlines()[1:] == [
        "[Service]",
        "IPAddressDeny=any",
        "IPAddressAllow=localhost 10.0.0.11/32 10.0.0.7/32 10.0.9.0/24",
    ]
    # Where nothing heals there is no agent.
    assert found[f"{AGENT}/10-limits.conf"] == found[f"{RPC}/10-limits.conf"]
    assert texts({**WORKER, "healing": None})[f"{AGENT}/10-limits.conf"] == ""


def test_whoever_comes_through_the_tunnel_comes_from_the_host_itself():
    tunnel = {"accepts": [{"address": "10.0.0.11", "port": 50052}], "connects": []}
    through = texts({**WORKER, "listen": {"address": "127.0.0.11", "port": 50052}, "tunnel": tunnel})
    assert "IPAddressAllow=localhost\n" in through[f"{RPC}/10-limits.conf"]


def test_who_lets_in_everybody_talks_to_everybody():
    assert texts({**WORKER, "allow": None})[f"{RPC}/10-limits.conf"] == ""


def test_a_leader_talks_to_everybody_and_sees_its_card():
    assert texts(LEADER)[f"{SERVER}/10-limits.conf"] == ""
    with_card = texts({**LEADER, "nodes": ["/dev/dri/renderD128"]})[f"{SERVER}/10-limits.conf"]
    assert "BindPaths=-/dev/dri/renderD128" in with_card
    assert "IPAddress" not in with_card


def test_an_agent_sees_the_card_that_it_tells_of():
    card = {"nodes": ["/dev/nvidia0"]}
    assert "BindPaths=-/dev/nvidia0" in texts({**WORKER, **card})[f"{AGENT}/10-limits.conf"]


@pytest.mark.parametrize(("deployment", "folder"), [(WORKER, RPC), (LEADER, SERVER)])
def test_memory_is_bounded_whatever_else_is(deployment, folder):
    text = texts(deployment)[f"{folder}/10-memory.conf"]
    assert text.splitlines()[1:] == ["[Service]", f"MemoryMax={15 * GIB // 2}", f"MemorySwapMax={GIB // 2}"]
    # Of a host that nobody has taken stock of nothing is known.
    assert texts(deployment, {})[f"{folder}/10-memory.conf"] == ""


def test_a_running_service_need_not_restart_for_another_bound_on_its_memory():
    restarts = {each["path"]: each["restarts"] for each in drop_ins(WORKER, MEMORY)}
    assert restarts == {
        f"{RPC}/10-limits.conf": True,
        f"{AGENT}/10-limits.conf": True,
        f"{RPC}/10-memory.conf": False,
    }
