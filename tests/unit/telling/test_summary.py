# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from module_utils.errors import DroverError
from module_utils.telling.summary import plan_summary
from unit.placement.fleets import GIB, MIB, model, plan_of, tally


def test_a_plan_is_summed_up():
    plan = plan_of(model(), [tally("pi-1", 600 * MIB), tally("pi-2", 600 * MIB)], split={"pi-1": 5, "pi-2": 4})
    summary = plan_summary(plan)
    assert summary["text"] == "Small Q8_0, 4096 tokens of context in 1 slot: led by pi-1, with 1 worker"
    assert (summary["cluster"], summary["leader"]) == ("main", "pi-1")
    assert {host: mine["layers"] for host, mine in summary["hosts"].items()} == {
        "pi-1": "embedding + blocks 0-4",
        "pi-2": "blocks 5-7 + output",
    }
    assert summary["hosts"]["pi-2"]["bytes"] == plan["devices"][0]["total_bytes"]
    assert summary["tokens_per_second"] == pytest.approx(plan["predicted"]["tokens_per_second"], abs=0.01)
    # An artefact is JSON.
    assert json.loads(json.dumps(summary)) == summary


def test_devices_of_one_host_are_added():
    """A leader's own CPU and the device that it lends itself."""
    plan = plan_of(model(), [tally("pi-1", 600 * MIB), tally("pi-2", 600 * MIB)], split={"pi-1": 5, "pi-2": 4})
    plan["devices"][0]["host"] = "pi-1"
    (mine,) = plan_summary(plan)["hosts"].values()
    assert mine["layers"] == "embedding + blocks 0-4 + blocks 5-7 + output"
    assert mine["bytes"] == plan["host"]["total_bytes"] + plan["devices"][0]["total_bytes"]


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (plan_of(model(), [tally("pi-1", 2 * GIB)], context_size=1 << 20), "no plan to sum up: .* missing"),
        ({}, "The plan has no"),
    ],
)
def test_what_is_no_plan_is_refused(plan, told):
    with pytest.raises(DroverError, match=told):
        plan_summary(plan)
