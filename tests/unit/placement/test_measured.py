# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document ``measured``: read strictly, kept short, and planned with so that it turns nothing upside down."""

from __future__ import annotations

import copy
import json

import pytest
from module_utils.errors import DroverError
from module_utils.placement.document import places_the_same
from module_utils.placement.measured import MOST_RUNS, MOST_STARTS, build_name, known_runs, read_measured, with_run
from module_utils.placement.planner import make_plan
from module_utils.placement.policy import Policy
from module_utils.placement.record import recorded
from unit.documents import parent_of
from unit.placement.fleets import MIB, model, plan_of, tally
from unit.placement.starts import BUILD, CHOICE, machine, measured_of, run_of

GGUF = model()
HOSTS = [machine(tally(name, 600 * MIB)) for name in ("a", "b", "c", "d")]
PLAN = plan_of(GGUF, HOSTS, leader="a")
RUN = run_of(PLAN, HOSTS)
COMPLETION = {
    "completion_tokens": 24,
    "prompt_tokens": 64,
    "tokens_per_second": 12.0,
    "prompt_tokens_per_second": 80.0,
}


def planned(*documents, hosts=HOSTS, previous=(), choice=CHOICE, **policy):
    return make_plan(GGUF, hosts, Policy(**policy), previous=previous, choice=choice, measured=documents)


# --- The document -----------------------------------------------------------------------------------------------------


def test_a_document_comes_back_as_it_was_written():
    document = measured_of(RUN, {**RUN, "at": 7})
    assert read_measured(json.loads(json.dumps(document))) == document


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("schema",), 2, "schema 2"),
        (("runs",), {}, "runs"),
        (("runs", 0), 7, "run 0"),
        (("runs", 0, "at"), -1, "at"),
        (("runs", 0, "at"), 1 << 60, "at"),
        (("runs", 0, "build"), None, "build"),
        (("runs", 0, "prompt_tokens"), 0, "prompt_tokens"),
        (("runs", 0, "measured", "tokens_per_second"), 0, "tokens_per_second"),
        (("runs", 0, "measured", "tokens_per_second"), float("nan"), "tokens_per_second"),
        (("runs", 0, "measured", "prompt_tokens_per_second"), "fast", "prompt_tokens_per_second"),
        (("runs", 0, "predicted"), [], "predicted"),
        (("runs", 0, "predicted", "tokens_per_second"), 1e300, "tokens_per_second"),
        (("runs", 0, "held_bytes"), {"b": -1}, "held_bytes of b"),
        (("runs", 0, "machines"), {"b": 7}, "machine of b"),
        (("runs", 0, "layout", "leader"), None, "leader"),
        (("runs", 0, "layout", "leader_layers"), -1, "leader_layers"),
        (("runs", 0, "layout", "streams"), 1, "streams"),
        (("runs", 0, "layout", "devices", 0), "b", "a device"),
        (("runs", 0, "layout", "devices", 0, "end"), 0, "end"),
        (("runs", 0, "layout", "devices", 0, "kept"), True, "kept"),
    ],
)
def test_what_is_damaged_is_told_in_one_sentence(path, value, named):
    document = copy.deepcopy(measured_of(RUN))
    parent_of(document, path)[path[-1]] = value
    with pytest.raises(DroverError) as caught:
        read_measured(document)
    assert named in str(caught.value)
    assert str(caught.value).count(". ") == 0
    assert "remove measured.json" in str(caught.value)


@pytest.mark.parametrize("missing", sorted(RUN))
def test_a_run_without_a_field_is_none(missing):
    with pytest.raises(DroverError, match=missing):
        read_measured(measured_of({name: value for name, value in RUN.items() if name != missing}))


def test_what_several_leaders_have_kept_is_put_together():
    early, late = ({**RUN, "at": at} for at in (5, 9))
    foreign = measured_of({**RUN, "at": 7}, cluster="second")
    runs, problems = known_runs([measured_of(late), measured_of(early, late), foreign, [7]], "main")
    assert runs == [early, late]
    assert len(problems) == 1


def test_of_a_document_that_is_too_long_the_latest_count():
    runs, problems = known_runs([measured_of(*({**RUN, "at": at} for at in range(2 * MOST_RUNS)))], "main")
    assert [run["at"] for run in runs] == list(range(MOST_RUNS, 2 * MOST_RUNS)) and not problems


def test_a_document_stays_short():
    runs = []
    for at in range(60):
        runs = with_run(runs, {**RUN, "at": at, "build": f"b{at // 20}"}, "main")["runs"]
    assert [run["at"] for run in runs] == [17, 18, 19, 37, 38, 39, 57, 58, 59]
    assert len([one for one in runs if one["build"] == "b2"]) == MOST_STARTS
    for at in range(60, 60 + 2 * MOST_RUNS):
        runs = with_run(runs, {**RUN, "at": at, "build": f"b{at}"}, "main")["runs"]
    assert len(runs) == MOST_RUNS


def test_a_build_has_its_label_or_else_its_number():
    packages = {"label": None, "hosts": {"a": {"build": None}, "b": {"build": 11669}}}
    assert build_name(CHOICE) == BUILD
    assert build_name(CHOICE, 11670) == BUILD
    assert build_name(packages) == build_name({"label": None, "hosts": {}}, 11669) == "11669"
    assert build_name(None) is build_name({}) is build_name({"label": None, "hosts": {"a": {}}}) is None


# --- Planning with it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [None, {}],
        [measured_of()],
        [measured_of({**RUN, "build": "b1"})],
        [measured_of({**RUN, "model": {}})],
        [measured_of({**RUN, "machines": {"a": "0", "b": "1"}})],
        [measured_of(RUN, cluster="second")],
    ],
)
def test_without_anything_measured_of_these_hosts_the_plan_is_the_same_to_the_byte(documents):
    assert json.dumps(planned(*documents)) == json.dumps(make_plan(GGUF, HOSTS, Policy(), choice=CHOICE))


def test_a_damaged_document_stops_no_plan_and_is_told_of():
    plan = planned({**measured_of(RUN), "schema": 9})
    assert {**plan, "warnings": plan["warnings"][:-1]} == planned()
    assert "schema 9" in plan["warnings"][-1]


def test_the_prediction_follows_what_was_measured_and_says_so():
    slow = run_of(PLAN, HOSTS, tokens=PLAN["predicted"]["tokens_per_second"] / 1.5, prompt=1e-3)
    plan = planned(measured_of(slow), previous=[PLAN], leader="a")
    assert plan["predicted"]["tokens_per_second"] == pytest.approx(slow["measured"]["tokens_per_second"], rel=0.1)
    told = [reason for reason in plan["reasons"] if "since that was measured" in reason]
    assert any(reason.startswith("CPU of a is planned with 1.") for reason in told)
    assert places_the_same(PLAN, plan)


@pytest.mark.parametrize("times", [0.001, 0.3, 0.8, 1.2, 3, 1000])
@pytest.mark.parametrize("policy", [{}, {"leader": "a"}, {"spread": "all"}, {"parallel": 4}])
def test_one_start_moves_no_running_plan(times, policy):
    """Among equal hosts and among unequal ones, however far off its measurement was."""
    unequal = [machine(tally(name, size * MIB, width * 1e9)) for name, size, width in (("a", 600, 20), ("b", 900, 9))]
    unequal += [machine(tally("c", 600 * MIB, 14e9)), machine(tally("d", 2000 * MIB, 4e9))]
    for hosts in (HOSTS, unequal):
        running = planned(hosts=hosts, **policy)
        predicted = running["predicted"]
        speeds = {name: predicted[f"{name}_per_second"] * times for name in ("tokens", "prompt_tokens")}
        run = run_of(running, hosts, tokens=speeds["tokens"], prompt=speeds["prompt_tokens"])
        again = planned(measured_of(run), hosts=hosts, previous=[running], **policy)
        assert places_the_same(running, again)


def test_what_two_starts_agree_on_moves_a_plan_that_is_worse_by_more_than_the_margin():
    """Two of each kind. Those that look faster are in truth much slower, which was seen twice; one of the others has
    led once, and is as predicted."""
    hosts = [machine(tally(name, 1200 * MIB, 12e9)) for name in ("a", "b")]
    hosts += [machine(tally(name, 1200 * MIB, 10e9)) for name in ("c", "d")]
    running = planned(hosts=hosts)
    assert running["leader"] == "a"
    others = planned(hosts=hosts, leader="c")
    slow = run_of(running, hosts, tokens=running["predicted"]["tokens_per_second"] / 1.9)
    fair = run_of(others, hosts, tokens=others["predicted"]["tokens_per_second"])
    once = planned(measured_of(fair, slow), hosts=hosts, previous=[running])
    assert places_the_same(running, once)
    assert any("too few of its own starts" in reason for reason in once["reasons"])
    twice = planned(measured_of(fair, slow, {**slow, "at": 1}), hosts=hosts, previous=[running])
    assert twice["leader"] == "c"
    assert any("another one is better by more than 5 %" in reason for reason in twice["reasons"])
    # And stays there, with nothing more known.
    assert places_the_same(twice, planned(measured_of(fair, slow, {**slow, "at": 1}), hosts=hosts, previous=[twice]))


# --- Writing it -------------------------------------------------------------------------------------------------------


def test_a_start_is_written_down():
    held = {device["host"]: 5 * MIB for device in PLAN["devices"]}
    document = recorded(PLAN, GGUF, HOSTS, COMPLETION, held, [None], 1000, CHOICE)
    (run,) = document["runs"]
    # Of 24 tokens, 23 took the time that was measured of all.
    assert run["measured"] == {"tokens_per_second": 11.5, "prompt_tokens_per_second": 80.0}
    # With next to nothing in the context it is a little faster than what the plan says.
    assert 1 < run["predicted"]["tokens_per_second"] / PLAN["predicted"]["tokens_per_second"] < 1.1
    assert (run["at"], run["build"], run["held_bytes"]) == (1000, BUILD, held)
    assert run["layout"]["leader"] == "a" and run["machines"].keys() == {"a", *held}
    assert planned(document, leader="a")["predicted"] != PLAN["predicted"]


def test_what_is_predicted_of_the_next_start_knows_of_this_one():
    document = None
    for at in (1, 2):
        document = recorded(PLAN, GGUF, HOSTS, COMPLETION, {}, [document], at, CHOICE)
    first, second = document["runs"]
    assert first["predicted"]["tokens_per_second"] != pytest.approx(11.5, rel=0.15)
    assert second["predicted"]["tokens_per_second"] == pytest.approx(first["measured"]["tokens_per_second"], rel=0.05)


@pytest.mark.parametrize(
    "changes", [{"tokens_per_second": None}, {"prompt_tokens_per_second": None}, {"completion_tokens": 1}]
)
def test_a_completion_that_tells_no_speed_is_not_written_down(changes):
    assert recorded(PLAN, GGUF, HOSTS, {**COMPLETION, **changes}, {}, [], 0, CHOICE) is None


def test_a_start_of_a_build_without_a_name_is_not_written_down():
    assert recorded(PLAN, GGUF, HOSTS, COMPLETION, {}, [], 0) is None
    assert recorded(PLAN, GGUF, HOSTS, COMPLETION, {}, [], 0, build=11669)["runs"][0]["build"] == "11669"


def test_speeds_that_no_machine_has_are_refused():
    with pytest.raises(DroverError, match="tokens_per_second"):
        recorded(PLAN, GGUF, HOSTS, {**COMPLETION, "tokens_per_second": 1e12}, {}, [], 0, CHOICE)
