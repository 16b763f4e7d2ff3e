# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every planned worker must take part, and the one that does not is named."""

from __future__ import annotations

import pytest
from module_utils.serving.proof import held_part, missing_parts
from unit.serving.clusters import GIB, device, plan

TWO = plan(devices=[device("pi-1", "RPC0", 0, 4), device("pi-2", "RPC1", 4, 4, True)])
GOOD = {"held_bytes": GIB, "peers": ["10.0.0.1"]}


def test_only_the_hosts_that_are_named_are_looked_at():
    assert missing_parts(TWO, {"pi-1": GOOD}, ["pi-1"]) == []
    assert len(missing_parts(TWO, {"pi-1": GOOD}, ["pi-1", "pi-2"])) == 1


def test_workers_that_hold_their_weights_and_have_the_leader_are_not_named():
    assert missing_parts(TWO, {"pi-1": GOOD, "pi-2": GOOD}) == []
    # A little may have been swapped out.
    assert missing_parts(TWO, {"pi-1": GOOD, "pi-2": {**GOOD, "held_bytes": GIB * 9 // 10}}) == []


def test_a_leader_alone_needs_nobody():
    assert missing_parts(plan(devices=[device("head", "GPU0", 0, 8, True)]), {}) == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (None, "pi-2 is planned to hold 1.0 GiB of weights and told nothing"),
        ({**GOOD, "peers": []}, "pi-2 takes no part, since the leader head has no connection to its RPC server"),
        ({**GOOD, "peers": ["127.0.0.1"]}, "pi-2 takes no part"),
        ({**GOOD, "held_bytes": GIB * 3 // 4 - 1}, r"pi-2 holds 768 MiB where the plan puts 1\.0 GiB of weights"),
    ],
)
def test_a_worker_that_does_not_take_part_is_named(found, told):
    (sentence,) = missing_parts(TWO, {"pi-1": GOOD, **({"pi-2": found} if found else {})})
    assert sentence.startswith(told.replace("\\", ""))
    assert "drover-" in sentence or "see whether it is up" in sentence


def test_all_layers_of_a_host_count_together():
    both = plan(devices=[device("pi-1", "RPC0", 0, 4), device("pi-1", "RPC1", 4, 4, True)])
    assert missing_parts(both, {"pi-1": GOOD})[0].startswith("pi-1 holds 1.0 GiB where the plan puts 2.0 GiB")


def test_memory_of_cards_counts_once():
    tally = {
        "port": 50052,
        "memory": {"held_bytes": 100},
        "gpus": [{"unified": False, "held_bytes": 1000}, {"unified": True, "held_bytes": 10}],
    }
    connections = [{"port": 50052, "peer": "10.0.0.1"}, {"port": 22, "peer": "10.0.0.9"}]
    assert held_part(tally, connections) == {"held_bytes": 1100, "peers": ["10.0.0.1"]}
