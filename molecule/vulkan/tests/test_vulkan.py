# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A leader's CPU, a worker's Vulkan device, and another worker's Vulkan device and CPU: every one holds layers."""

from __future__ import annotations

import json
import re

import pytest
from cluster import LEADER, answers, host
from playbook import play

CARD, BOTH = "card", "both"
LENT = {CARD: "Vulkan0", BOTH: "Vulkan0,CPU"}
MIB = 1 << 20


def deployment(name):
    return json.loads(host(name).file("/etc/drover/main/deployment.json").content_string)


def test_every_device_is_planned_with_layers(plan):
    assert (plan["leader"], plan["leader_blocks"]) == (LEADER, 3)
    held = [(one["host"], one["id"], one["kind"], one["block_count"] + one["holds_output"]) for one in plan["devices"]]
    assert held == [(CARD, "Vulkan0", "vulkan", 2), (BOTH, "Vulkan0", "vulkan", 2), (BOTH, "CPU", "cpu", 2)]
    assert [one["devices"] for one in plan["endpoints"]] == [["Vulkan0"], ["Vulkan0", "CPU"]]
    assert all((one["overhead_bytes"] > 0) == (one["kind"] == "vulkan") for one in plan["devices"])


@pytest.mark.parametrize("worker", [CARD, BOTH])
def test_a_worker_lends_what_its_owner_named(worker):
    arguments = deployment(worker)["arguments"]
    assert arguments[arguments.index("--device") + 1] == LENT[worker]
    log = host(worker).check_output("journalctl --unit=drover-rpc@main.service --output=cat --no-pager")
    devices = re.findall(r"^\s+(Vulkan0|CPU): .* MiB free\)$", log.rsplit("Devices:", 1)[1], re.MULTILINE)
    assert ",".join(devices) == LENT[worker]


def test_every_device_holds_its_bytes(plan):
    """By llama.cpp's own log of what it put where."""
    log = host(LEADER).check_output("journalctl --unit=drover-server@main.service --output=cat --no-pager")
    lines = re.findall(r"load_tensors: RPC(\d)\[([\d.:]+)\] model buffer size = +([\d.]+) MiB", log)
    # Buffers are numbered within a worker, and the log has those of earlier starts, too.
    told = {(endpoint, int(number)): float(size) for number, endpoint, size in lines}
    offered = {one["host"]: one["devices"] for one in plan["endpoints"]}
    planned = {
        (one["endpoint"], offered[one["host"]].index(one["id"])): one["weight_bytes"] / MIB for one in plan["devices"]
    }
    assert told == pytest.approx(planned, abs=0.01)


@pytest.mark.parametrize("worker", [CARD, BOTH])
def test_a_worker_holds_what_is_planned_and_no_more(worker, plan):
    """The overhead of a device is at least what its process takes beside the layers."""
    unit = host(worker).check_output("systemctl show --value --property=MainPID drover-rpc@main.service")
    status = host(worker).check_output("cat /proc/%s/status", unit)
    held = sum(int(size) * 1024 for size in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", status, re.MULTILINE))
    planned = [one for one in plan["devices"] if one["host"] == worker]
    assert sum(one["weight_bytes"] for one in planned) <= held <= sum(one["total_bytes"] for one in planned)


@pytest.mark.parametrize("name", [LEADER, CARD, BOTH])
def test_the_service_sees_no_other_device(name):
    """Mesa's needs no file in /dev, so the private one has what every service may use."""
    unit = "drover-server@main.service" if name == LEADER else "drover-rpc@main.service"
    pid = host(name).check_output("systemctl show --value --property=MainPID %s", unit)
    there = host(name).check_output("ls /proc/%s/root/dev", pid).split()
    assert not [node for node in there if node.startswith(("nvidia", "dri", "kfd", "sd", "net"))]
    assert deployment(name)["nodes"] == []


@pytest.mark.parametrize(("question", "answer"), answers()[:6])
def test_greedy_answer_is_the_trained_text(api, question, answer):
    assert api.ask(question) == answer


def test_status_shows_every_device():
    run = play("status")
    assert run.status == 0, run.said
    for part in (f"{LEADER} leader up", "blocks 3-4 on Vulkan0", "blocks 5-6 on Vulkan0, block 7 + output on CPU"):
        assert part in re.sub(r"  +", " ", run.said)
