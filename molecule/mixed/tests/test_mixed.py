# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One model over an x86 leader, an x86 worker and an ARM64 worker: it says what it says on one machine."""

from __future__ import annotations

import pytest
from cluster import LEADER, answers, host

X86_WORKER, ARM_WORKER = "pi-1", "pi-5"


@pytest.mark.parametrize(("name", "machine"), [(LEADER, "x86_64"), (X86_WORKER, "x86_64"), (ARM_WORKER, "aarch64")])
def test_hosts_have_the_processors_that_this_is_about(name, machine):
    assert host(name).check_output("uname --machine") == machine


def test_the_arm_host_knows_what_its_processor_can_do():
    tally = host(ARM_WORKER).ansible("drover.llama.memory_info", "bandwidth=false", check=False)["tally"]
    assert tally["architecture"] == "aarch64"
    assert "dotprod" in tally["cpu"]["isa"]
    assert tally["cpu"]["model"].endswith("(Cortex-A76)")
    assert (tally["cpu"]["cores"], tally["cpu"]["physical_cores"]) == (2, 2)


def test_every_host_holds_layers(plan):
    assert plan["leader"] == LEADER
    assert plan["leader_blocks"] == 3
    held = {device["host"]: device["block_count"] + device["holds_output"] for device in plan["devices"]}
    assert held == {X86_WORKER: 3, ARM_WORKER: 3}


@pytest.mark.parametrize("worker", [X86_WORKER, ARM_WORKER])
def test_the_leader_is_connected_to_every_worker(worker, plan):
    endpoint = next(device["endpoint"] for device in plan["devices"] if device["host"] == worker)
    peers = host(LEADER).check_output("ss --no-header --tcp --numeric state established dst %s", endpoint)
    assert endpoint in peers


@pytest.mark.parametrize(("question", "answer"), answers())
def test_greedy_answer_is_the_trained_text(api, question, answer):
    assert api.ask(question) == answer
