# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``plan``: read strictly, and compared by what the hosts that run it notice."""

from __future__ import annotations

import copy
import json

import pytest
from module_utils.errors import DroverError
from module_utils.placement.document import read_plan
from module_utils.placement.running import places_the_same
from unit.placement.fleets import GIB, MIB, model, network, plan_of, tally

HOSTS = [tally("pi-1", 600 * MIB), tally("pi-2", 600 * MIB)]


def changed(plan, path, value):
    made = copy.deepcopy(plan)
    *parents, last = path
    part = made
    for key in parents:
        part = part[key]
    if value is None and isinstance(part, dict):
        del part[last]
    else:
        part[last] = value
    return made


@pytest.mark.parametrize("hosts", [HOSTS, [tally("pi-1", 2 * GIB)], [tally("pi-1", 100 * MIB)]])
def test_every_plan_can_be_read(hosts):
    plan = plan_of(model(), hosts)
    assert read_plan(json.loads(json.dumps(plan))) == plan


@pytest.mark.parametrize("field", sorted(plan_of(model(), HOSTS)["policy"]))
def test_a_policy_that_leaves_something_out_has_what_is_usual(field):
    """As one that was written before that could be wished."""
    plan = plan_of(model(), HOSTS)
    assert read_plan(changed(plan, ("policy", field), None)) == plan


class Lazy(dict):
    """As Ansible's own kind of dictionary, which filters are given: made by nobody else."""

    def __init__(self, *items):
        raise TypeError("Direct construction of lazy containers is not supported.")


def test_a_split_may_be_of_ansibles_own_kind():
    split = Lazy.__new__(Lazy)
    split.update({"pi-1": 2, "pi-2": 2})
    plan = plan_of(model(), HOSTS)
    assert read_plan({**plan, "policy": {**plan["policy"], "split": split}})["policy"]["split"] == dict(split)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), 2, "The plan has schema 2 where schema 1 was expected"),
        (("endpoints",), None, "The plan has no endpoints"),
        (("leader_blocks",), "3", "The plan has leader_blocks '3'"),
        (("leader",), "", "The plan's leader is ''"),
        (("policy", "context"), 1, "The policy has context"),
        (("policy", "context_size"), "big", "context_size is 'big'"),
        (("model", "file_bytes"), None, "The plan's model has no file_bytes"),
        (("host", "kv_bytes"), None, "The plan's host has no kv_bytes"),
        (("devices", 0), "RPC0", "The plan's devices[0] is 'RPC0'"),
        (("devices", 0, "block_count"), 1.5, "The plan's devices[0] has block_count 1.5"),
        (("endpoints", 0, "port"), None, "The plan's endpoints[0] has no port"),
        (("predicted", "load_bytes_once_cached"), -1, "load_bytes_once_cached is -1"),
        (("predicted", "request_seconds"), "long", "The plan's predicted has request_seconds 'long'"),
    ],
)
def test_what_is_no_plan_gets_one_sentence(path, value, message):
    with pytest.raises(DroverError) as error:
        read_plan(changed(plan_of(model(), HOSTS), path, value))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_plan_that_does_not_fit_must_say_why():
    with pytest.raises(DroverError, match="The plan's shortfall has no text"):
        read_plan(changed(plan_of(model(), [tally("pi-1", 100 * MIB)]), ("shortfall", "text"), None))


def test_what_is_measured_anew_changes_nothing():
    again = [tally("pi-1", 604 * MIB, 10.1e9), tally("pi-2", 603 * MIB, 9.9e9)]
    before, after = plan_of(model(), HOSTS), plan_of(model(), again, previous=[plan_of(model(), HOSTS)])
    assert before["predicted"] != after["predicted"] and places_the_same(before, after)


def test_another_file_of_the_same_model_is_another_plan_on_a_single_host():
    """From Q4 to Q8: same name, same blocks, same leader."""
    hosts = [tally("pi-1", 4 * GIB)]
    small, large = model(block_bytes=50 * MIB, blocks=8), model(block_bytes=100 * MIB, blocks=8)
    before, after = plan_of({**small, "quantization": "Q4_K_M"}, hosts), plan_of(large, hosts)
    assert not places_the_same(before, after)
    # Nor is it kept.
    told = plan_of(large, hosts, previous=[before])["reasons"]
    assert "The running plan is not kept: it is for another model." in told


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"context_size": 4096}, {"context_size": 2048}),
        ({"margin": 0.05}, {"margin": 0.06}),
        ({"leader": "pi-1"}, {"leader": "pi-2"}),
        ({"cluster": "main"}, {"cluster": "second"}),
        ({"split": {"pi-1": 5, "pi-2": 4}}, {"split": {"pi-1": 4, "pi-2": 5}}),
    ],
)
def test_what_is_another_plan(before, after):
    assert not places_the_same(plan_of(model(), HOSTS, **before), plan_of(model(), HOSTS, **after))


@pytest.mark.parametrize(
    "change",
    [
        {"threads": 2},
        {"port": 50099},
        {"network": network("10.9.9.9")},
    ],
)
def test_what_a_host_changes_is_another_plan(change):
    assert not places_the_same(plan_of(model(), HOSTS), plan_of(model(), [HOSTS[0], {**HOSTS[1], **change}]))


@pytest.mark.parametrize("value", [None, {}, "plan", []])
def test_no_plan_is_not_the_same(value):
    assert not places_the_same(value, plan_of(model(), HOSTS))


@pytest.mark.parametrize("devices", [None, "x", ["x"], [{}]])
def test_a_damaged_plan_is_not_the_same(devices):
    plan = plan_of(model(), HOSTS)
    assert not places_the_same({**plan, "devices": devices}, plan)


def test_a_field_more_or_less_is_another_plan():
    """Another version of Drover wrote it."""
    plan = plan_of(model(), HOSTS)
    assert not places_the_same({**plan, "arguments": []}, plan)
    assert not places_the_same({key: value for key, value in plan.items() if key != "threads"}, plan)


def test_of_several_plans_the_one_of_this_model_is_kept():
    running = plan_of(model(), [tally("pi-1", 2 * GIB, 10e9), tally("pi-2", 2 * GIB, 9.9e9)])
    stale = plan_of({**model(), "name": "Other"}, [tally("pi-2", 2 * GIB)])
    hosts = [tally("pi-1", 2 * GIB, 10e9), tally("pi-2", 2 * GIB, 10.3e9)]
    assert plan_of(model(), hosts)["leader"] == "pi-2"
    assert plan_of(model(), hosts, previous=[None, stale, running])["leader"] == "pi-1"
