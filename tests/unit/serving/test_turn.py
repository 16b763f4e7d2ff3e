# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time changes a cluster: whoever comes second is refused in one sentence that names the first."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.tree import Tree
from module_utils.runtime.turns import change_turn, kept_turn
from module_utils.serving.cluster import Cluster
from module_utils.serving.controller import has_ended, run_of, who_runs
from module_utils.serving.turn import SECONDS, give_back, read_turn, take

MAIN = Cluster("main")
PATH = MAIN.turn_path


def taken(kept, run, now, seen="", ended=()):
    return take(kept, "pi-1", run, f"somebody with {run}", seen, ended, now, PATH)


FIRST = taken(None, "first", 100.0)


def test_the_first_has_it_and_keeps_it_while_it_goes_on():
    assert read_turn(FIRST) == FIRST
    again = taken(FIRST, "first", 1000.0)
    assert (again["began"], again["until"]) == (100.0, 1000.0 + SECONDS)


@pytest.mark.parametrize("seen", ["", "first"])
def test_the_second_is_refused_in_one_sentence_that_names_the_first(seen):
    with pytest.raises(DroverError) as refused:
        taken(FIRST, "second", 280.0, seen=seen)
    assert str(refused.value) == (
        "pi-1 is being changed by a run of somebody with first, which began 3 minutes ago, so this one goes no "
        "further: run again when that has ended. If it was cut off, it counts as ended in 57 minutes, or when "
        "/run/drover-main.turn is deleted there."
    )


def test_who_took_stock_before_the_first_was_over_has_planned_with_what_is_not_so_any_more():
    over = give_back(FIRST, "first")
    with pytest.raises(DroverError, match=r"pi-1 was changed by a run of somebody with first, .* took stock"):
        taken(over, "second", 280.0)
    assert taken(over, "third", 280.0, seen="first")["run"] == "third"


def test_a_turn_that_was_never_given_back_ends():
    assert taken(FIRST, "second", 101.0, seen="first", ended=["first"])["run"] == "second"
    late = taken(FIRST, "second", 100.0 + SECONDS, seen="first")
    assert late["run"] == "second"
    # Whoever had it goes no further when it was another's.
    with pytest.raises(DroverError, match="is being changed by a run of somebody with second"):
        taken(late, "first", 101.0 + SECONDS)


def test_nobody_gives_back_what_is_anothers():
    assert give_back(FIRST, "second") is None
    assert give_back(None, "first") is None
    assert give_back(give_back(FIRST, "first"), "first") is None


@pytest.mark.parametrize("value", [None, [], {}, {**FIRST, "schema": 2}, {**FIRST, "run": ""}, {**FIRST, "until": "x"}])
def test_a_turn_that_cannot_be_read_is_nobodys(value):
    assert read_turn(value) is None


def test_a_host_keeps_it_in_a_file(tmp_path):
    tree = Tree(str(tmp_path))
    (tmp_path / "run").mkdir()
    assert kept_turn(tree, MAIN) is None
    change_turn(tree, MAIN, lambda kept, now: taken(kept, "first", now))
    assert kept_turn(tree, MAIN)["run"] == "first"
    with pytest.raises(DroverError, match="somebody with first"):
        change_turn(tree, MAIN, lambda kept, now: taken(kept, "second", now, seen="first"))
    change_turn(tree, MAIN, lambda kept, _now: give_back(kept, "first"))
    assert (kept_turn(tree, MAIN)["run"], kept_turn(tree, MAIN)["until"]) == ("first", 0.0)
    change_turn(tree, MAIN, lambda kept, now: taken(kept, "a longer name", now, seen="first"))
    assert kept_turn(tree, MAIN)["run"] == "a longer name"


def test_where_it_cannot_be_kept_it_is_said(tmp_path):
    with pytest.raises(DroverError, match=r"drover-main\.turn cannot be written"):
        change_turn(Tree(str(tmp_path)), MAIN, lambda kept, now: taken(kept, "first", now))


def test_a_run_is_known_to_have_ended_on_its_own_controller_alone():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        run, mine = run_of("ops", other.pid), run_of("ops", os.getpid())
        assert run != mine
        assert (has_ended(run, mine), has_ended(mine, mine)) == (False, False)
        other.communicate(b"\n")
    assert has_ended(run, mine)
    # Of the process of another machine nothing is known, nor of one that is known by its number alone.
    assert not has_ended(run, run_of("ops-2", os.getpid()))
    assert not has_ended("ops - 4711", "ops - 4712")
    assert not has_ended("", mine)


def test_people_are_told_who_it_is(monkeypatch):
    monkeypatch.setenv("LOGNAME", "alice")
    assert who_runs("ops") == "alice on ops"
