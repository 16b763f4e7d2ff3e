# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever JSON comes from another host or off a disk, its reader gives a value or one sentence, and nothing else."""

from __future__ import annotations

import random

import pytest
from module_utils.errors import DroverError
from module_utils.healing.granted import as_decided, read_decision, within_grant
from module_utils.healing.members import read_members
from module_utils.healing.replan import Answer, replan
from module_utils.healing.sight import read_lent, read_state
from module_utils.healing.telling import heal_lines
from module_utils.healing.told import owners_of, read_told, told_before, with_clock_set
from module_utils.serving.deployment import read_deployment
from tier import LONG
from unit.healing import worker
from unit.healing.hostile import VALUES, mutated, places
from unit.healing.test_replan import DEPLOYMENTS, MEMBERS, memory

TIMES = 20_000 if LONG else 2_000
STATE = {
    "schema": 1,
    "host": "pi-1",
    "cluster": "main",
    "build": {"version": "0.7.0", "build": 11669, "rpc_protocol": "8.0.0"},
    "rpc": {"mark": "b:1:2", "pid": 1, "started_seconds": 1.5, "clients": ["10.0.0.1"]},
    "memory": {"lendable_bytes": 1, "stalled_seconds": 1.5, "swapped_in_bytes": 0},
}
LENT = {"schema": 1, "memory": memory(1), "cache": {"files": 0, "bytes": 0}}
DECISION = {
    "schema": 1,
    "grant": "g",
    "plan": MEMBERS["plan"],
    "deployment": DEPLOYMENTS["head"],
    "absent": {"pi-1": "it does not answer"},
    "lesser": {"pi-1": 1},
    "workers": {"pi-2": "b:1:2"},
    "leader": "b:3:4",
    "waiting": None,
    "began": 1.5,
    "strikes": {"pi-1": {"count": 3, "until": 1.5}},
}
TOLD = {
    "schema": 1,
    "cluster": "main",
    "grant": "g",
    "boot": "b",
    "healthy": True,
    "sentence": "",
    "since": 1.5,
    "workers": {"pi-1": {"up": True, "since": 1.5, "problem": "", "takes_part": True}},
    "owners": {"pi-1": {"usable_bytes": 1, "since": 1.5}},
    "heals": [{"at": 1.5, "reason": "pi-1 does not answer", "seconds": 1.5}],
    "heal_count": 1,
}


def grant(value):
    found = within_grant(worker.DEPLOYMENT, value)
    assert {**found, "arguments": 0, "memory_bytes": 0} == {**worker.DEPLOYMENT, "arguments": 0, "memory_bytes": 0}
    return found


def decide(value):
    for root in (DEPLOYMENTS["head"], DEPLOYMENTS["pi-1"]):
        found = as_decided(root, value, "g")
        assert found is None or {name: found[name] for name in ("program", "listen", "allow")} == {
            name: root[name] for name in ("program", "listen", "allow")
        }
    return read_decision(value)


def tell(value):
    """A person may read it whatever it says, at any time that a clock tells."""
    owners_of(value, "g")
    told_before(value)
    told = read_told(value)
    heal_lines(with_clock_set(told, 1e300), str)
    assert with_clock_set(told, -1e300)["since"] == 0
    return told


READERS = {
    "state": (lambda value: read_state(value, "pi-1"), STATE),
    "lent": (lambda value: read_lent(value, "pi-1"), LENT),
    "members": (read_members, MEMBERS),
    "decision of a leader": (decide, DECISION),
    "decision of a worker": (decide, {"schema": 1, "grant": "g", "deployment": DEPLOYMENTS["pi-1"]}),
    "deployment": (read_deployment, DEPLOYMENTS["head"]),
    "grant": (grant, worker.DEPLOYMENT),
    "told": (tell, TOLD),
}


def tried(read, value):
    """Whether ``read`` took it; if not it must have said why in one sentence."""
    try:
        read(value)
    except DroverError as refused:
        assert "\n" not in str(refused), value
        return False
    return True


@pytest.mark.parametrize("name", READERS)
def test_a_reader_gives_a_value_or_a_sentence(name):
    read, sound = READERS[name]
    assert tried(read, sound)
    assert not any(tried(read, value) for value in VALUES)
    chance, known = random.Random(name), list(places(sound))
    taken = 0
    for _ in range(TIMES):
        taken += tried(read, mutated(chance, sound, known))
    # It is no reader that takes nothing, and none that takes everything.
    assert 0 < taken < TIMES


def test_what_a_reader_of_a_workers_word_lets_through_can_be_planned_with():
    chance, known = random.Random(3), list(places(LENT))
    for _ in range(TIMES // 20):
        value = mutated(chance, LENT, known)
        if tried(lambda said: read_lent(said, "pi-1"), value):
            answers = {"pi-1": Answer(lent=value), "pi-2": Answer(problem="it does not answer")}
            replan(MEMBERS, answers, memory(700 << 20), MEMBERS["plan"], {})
