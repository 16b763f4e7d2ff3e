# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the watch sees workers by their agents and by what the kernels of both ends tell of the connection."""

from __future__ import annotations

import pytest
from module_utils.healing.policy import ANOTHER, SAME, SILENT, SLOW, STUCK
from module_utils.healing.replan import SILENT as NO_ANSWER
from module_utils.healing.replan import SLOW as SLOW_ANSWER
from module_utils.healing.replan import Answer
from module_utils.hosts.tree import Tree
from module_utils.runtime.sights import sights_of
from unit.healing.worker import HEAD

PLACES = {"pi-1": {"address": "10.0.0.11", "port": 51052}}


def seen(tmp_path, answer, again=0, address="10.0.0.11", places=PLACES):
    """The sight of pi-1, whose ``answer`` is given; the leader's kernel sent something ``again`` to 10.0.0.11:50052."""
    (tmp_path / "proc/net").mkdir(parents=True)
    line = f"   0: 0100000A:8CA0 0B00000A:C384 01 00000009:00000000 01:00000014 {again:08X} 997 0 7 2\n"
    (tmp_path / "proc/net/tcp").write_text(f"{HEAD}\n{line}")
    ends = [{"host": "pi-1", "address": address, "port": 50052}]
    decided = {"plan": {"endpoints": ends}, "workers": {"pi-1": "mark"}}
    return sights_of(Tree(str(tmp_path)), decided, places, {"pi-1": answer} if answer else {})["pi-1"]


def told(mark="mark", **more):
    return Answer({"rpc": {"mark": mark, "clients": [], **more} if mark else None})


@pytest.mark.parametrize(
    ("answer", "again", "expected"),
    [
        (told(), 0, SAME),
        (told(), 2, SAME),
        (told(), 3, STUCK),
        (told(retransmits=2), 0, SAME),
        (told(retransmits=3), 0, STUCK),
        (told("another"), 9, ANOTHER),
        (told(None), 9, ANOTHER),
        (Answer(problem=NO_ANSWER), 9, SILENT),
        (Answer(problem=SLOW_ANSWER), 9, SLOW),
        (Answer(problem="it has another secret"), 9, ANOTHER),
        (None, 9, SILENT),
    ],
)
def test_who_answers_well_and_gets_nothing_is_stuck(tmp_path, answer, again, expected):
    assert seen(tmp_path, answer, again) == expected


def test_a_pod_is_known_by_where_its_agent_is(tmp_path):
    name = "kube-1.drover-main-workers.drover.svc"
    assert seen(tmp_path, told(), 3, address=name) == STUCK


def test_through_a_tunnel_the_connection_between_the_hosts_counts(tmp_path):
    inside = {"pi-1": {"address": "127.0.0.11", "port": 51052}}
    assert seen(tmp_path, told(), 3, places=inside) == STUCK
