# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.telling.status import problems, status_lines
from unit.placement.fleets import GIB, MIB, model, plan_of, tally

COMPLETION = {"tokens_per_second": 12.345, "completion_tokens": 8}


def running(**policy):
    return plan_of(model(), [tally(name, 900 * MIB) for name in ("pi-1", "pi-2", "pi-3")], leader="pi-1", **policy)


def state(host, **more):
    return {
        "host": host,
        "tally": {"memory": {"held_bytes": 16 * MIB}},
        "programs": {"build": 11669},
        "listens": True,
        "held_bytes": None,
        "problem": None,
        "completion": COMPLETION if host == "pi-1" else None,
        **more,
    }


def states(**changes):
    return [state(host, **changes.get(host.replace("-", "_"), {})) for host in ("pi-1", "pi-2", "pi-3")]


TWO = {"split": {"pi-1": 5, "pi-2": 4}}


def test_every_host_has_its_line():
    assert status_lines(running(**TWO), states(pi_3={"programs": {"build": None}, "held_bytes": 0})) == [
        "host  part    state  build      memory  layers",
        "pi-1  leader  up     11669    16.00 MB  blocks 0-4",
        "pi-2  worker  up     11669    16.00 MB  blocks 5-7 + output",
        "pi-3  spare   up     none   0.00 Bytes  none",
        "12.3 tokens per second in a completion of 8 tokens",
    ]


def test_one_machine_holds_everything():
    plan = plan_of(model(), [tally("pi-1", 2 * GIB)])
    assert status_lines(plan, [state("pi-1", held_bytes=3 * GIB)])[1].endswith("  3.00 GB  blocks 0-7 + output")


def test_all_is_well():
    # A spare host runs nothing that would have to listen, or to be of the same build.
    assert problems(running(**TWO), states(pi_3={"listens": False, "programs": {"build": 1}})) == []


@pytest.mark.parametrize(
    ("changes", "down", "sentence"),
    [
        (
            {"pi_2": {"listens": False}},
            "pi-2",
            'pi-2 should lend its memory, but its RPC server does not listen; look with "journalctl -u '
            'drover-rpc@main.service" on it, and run site.yml again.',
        ),
        ({"pi_1": {"problem": "llama-server ended.", "completion": None}}, "pi-1", "llama-server ended."),
        (
            {"pi_1": {"completion": None}},
            "pi-1",
            'pi-1 leads but completed nothing; look with "journalctl -u drover-server@main.service" on it, and run '
            "site.yml again.",
        ),
    ],
)
def test_what_is_down_is_named(changes, down, sentence):
    plan, found = running(**TWO), states(**changes)
    assert problems(plan, found) == [sentence]
    lines = status_lines(plan, found)
    assert [line.split()[2] for line in lines[1:4]] == [
        "DOWN" if host == down else "up" for host in ("pi-1", "pi-2", "pi-3")
    ]
    assert (lines[-1] == "No completion") == (found[0]["completion"] is None)


def test_a_worker_that_the_cluster_goes_on_without_is_down_too():
    plan, found = running(**TWO), states(pi_3={"listens": False, "deployed": "worker"})
    assert status_lines(plan, found)[3].split()[:3] == ["pi-3", "spare", "DOWN"]
    assert [told.partition(",")[0] for told in problems(plan, found)] == ["pi-3 should lend its memory"]
    assert problems(plan, states(pi_3={"listens": True, "deployed": "worker"})) == []


@pytest.mark.parametrize(("stands_by", "well"), [(True, True), (None, True), (False, False)])
def test_a_host_that_should_stand_by_and_does_not_is_named(stands_by, well):
    plan = {**running(**TWO), "leaders": ["pi-1", "pi-2"]}
    told = problems(plan, states(pi_2={"deployed": "worker", "stands_by": stands_by}))
    assert [each.partition(",")[0] for each in told] == ([] if well else ["pi-2 should stand by for the leader"])


def test_the_leader_that_stands_by_while_another_leads_in_its_place_is_well():
    plan = {**running(**TWO), "leaders": ["pi-2", "pi-1"]}
    assert problems(plan, states(pi_1={"deployed": "worker", "stands_by": True}, pi_2={"deployed": "leader"})) == []


def test_another_cluster_has_other_units():
    plan = plan_of(model(), [tally("a", 600 * MIB), tally("b", 600 * MIB)], leader="a", cluster="second")
    (told,) = problems(plan, [state("a", completion=COMPLETION), state("b", listens=False)])
    assert "drover-rpc@second.service" in told


def test_builds_that_differ_are_named_with_their_hosts():
    (told,) = problems(running(**TWO), states(pi_2={"programs": {"build": 11000}}))
    assert told.startswith("The hosts run different builds of llama.cpp (pi-1: 11669, pi-2: 11000), which do not work")
    (told,) = problems(running(**TWO), states(pi_2={"programs": {}}))
    assert "(pi-1: 11669, pi-2: none)" in told


def test_a_worker_that_was_not_asked_is_named():
    (told,) = problems(running(**TWO), [state("pi-1"), state("pi-3")])
    assert told.startswith("pi-2 has a part in the running plan but was not asked")


@pytest.mark.parametrize(
    ("plan", "given", "message"),
    [
        ({}, [], "The plan has no schema"),
        (None, ["x"], "A host's state is 'x'"),
        (None, [{}], "The host of a state is None"),
        (None, [{"host": "pi-1", "held_bytes": -1}], "held_bytes of pi-1 is -1"),
    ],
)
def test_bad_input_gets_one_sentence(plan, given, message):
    with pytest.raises(DroverError) as error:
        status_lines(running() if plan is None else plan, given)
    assert message in str(error.value)


def test_devices_are_named_where_there_are_several():
    plan = plan_of(
        model(),
        [tally("head", 2 * GIB), tally("box", 2 * GIB, gpus=[4 * GIB], disk=0)],
        split={"head": 3, "box/CUDA0": 4, "box/CPU": 2},
    )
    (_head, _line, line, *_rest) = status_lines(plan, [state("head"), state("box")])
    assert line.endswith("blocks 3-6 on CUDA0, block 7 + output on CPU")
