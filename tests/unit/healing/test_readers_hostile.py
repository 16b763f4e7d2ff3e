# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever JSON comes from another host or off a disk, its reader gives a value or one sentence, and nothing else."""

from __future__ import annotations

import random

import pytest
from module_utils.errors import DroverError
from module_utils.gguf.document import read_gguf
from module_utils.healing.granted import as_decided, read_decision, within_grant
from module_utils.healing.members import read_members
from module_utils.healing.replan import Answer, replan
from module_utils.healing.sight import read_lent, read_state, read_vote
from module_utils.healing.telling import heal_lines
from module_utils.healing.told import owners_of, read_told, told_before, with_clock_set
from module_utils.hosts.document import read_tally
from module_utils.placement.document import read_plan
from module_utils.placement.measured import known_runs, read_measured
from module_utils.placement.planner import make_plan
from module_utils.serving.deployment import read_deployment
from module_utils.weights.document import read_weights
from module_utils.weights.manifest import read_manifest
from module_utils.weights.noted import read_notes
from module_utils.weights.outlook import read_cached
from module_utils.weights.sources import read_sources
from tier import LONG
from unit.healing import worker
from unit.healing.hostile import VALUES, mutated, places
from unit.healing.test_replan import DEPLOYMENTS, MEMBERS, memory
from unit.placement import test_measured
from unit.placement.fleets import plan_of
from unit.placement.starts import measured_of
from unit.weights import test_manifest
from unit.weights.pieces import content, weights_of

TIMES = 20_000 if LONG else 2_000
LAST = {"retransmits": 0, "replaced": False}
STATE = {
    "schema": 1,
    "host": "pi-1",
    "cluster": "main",
    "build": {"version": "0.7.0", "build": 11669, "rpc_protocol": "8.0.0"},
    "rpc": {"mark": "b:1:2", "pid": 1, "started_seconds": 1.5, "clients": ["10.0.0.1"], **LAST},
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
CACHE = {
    "schema": 1,
    "directory": "/var/cache/drover/rpc",
    "tensors": {"0123456789abcdef": 5},
    "other_bytes": 0,
    "free_bytes": 1,
    "most_bytes": None,
}
SOURCES = [
    {"files": ["http://10.0.0.1:1/a", "http://10.0.0.1:1/b"], "token": "t" * 32},
    {"cache": "http://10.0.0.2:1", "token": None},
]
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


def plan(value):
    """What another host has for a plan is kept, left out, or no plan at all."""
    plan_of(test_measured.GGUF, test_measured.HOSTS, previous=[value])
    return read_plan(value)


def measure(value):
    """What was measured can be learned from, or is told to be none."""
    runs, problems = known_runs([value], "main")
    assert len(problems) < 2 and (runs == [] or problems == [])
    found = read_measured(value)
    make_plan(test_measured.GGUF, test_measured.HOSTS, measured=[found], choice=test_measured.CHOICE)
    return found


def model(value):
    """What is a model can be planned, or is refused."""
    found = read_gguf(value)
    plan_of(found, test_measured.HOSTS)
    return found


def tally(value):
    """What a host tells of itself can be planned with, or is refused."""
    found = read_tally(value)
    plan_of(test_measured.GGUF, [found, *test_measured.HOSTS[1:]])
    return found


READERS = {
    "state": (lambda value: read_state(value, "pi-1"), STATE),
    "lent": (lambda value: read_lent(value, "pi-1"), LENT),
    "members": (read_members, MEMBERS),
    "decision of a leader": (decide, DECISION),
    "decision of a worker": (decide, {"schema": 1, "grant": "g", "deployment": DEPLOYMENTS["pi-1"]}),
    "deployment": (read_deployment, DEPLOYMENTS["head"]),
    "grant": (grant, worker.DEPLOYMENT),
    "told": (tell, TOLD),
    "vote": (lambda value: read_vote(value, "pi-1"), {"schema": 1, "granted": True, "holder": "pi-2"}),
    "plan": (plan, test_measured.PLAN),
    "tally": (tally, test_measured.HOSTS[0]),
    "model": (model, test_measured.GGUF),
    "measured": (measure, measured_of(test_measured.RUN)),
    "weights": (read_weights, weights_of(*content(), spare=1)),
    "manifest": (read_manifest, test_manifest.SOUND),
    "notes": (read_notes, {"schema": 1, "boot": "b", "settled": {"0" * 16: [1, 2, 3]}, "fresh": {"1" * 16: [1, 2, 3]}}),
    "cache": (lambda value: read_cached(value, "pi-1"), CACHE),
    "sources": (lambda value: read_sources(value, 2), SOURCES),
}

# What is read is planned with, which takes longer.
PLANNED = (plan, tally, model, measure)


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
    taken, times = 0, TIMES // 10 if read in PLANNED else TIMES
    for _ in range(times):
        taken += tried(read, mutated(chance, sound, known))
    # It is no reader that takes nothing, and none that takes everything.
    assert 0 < taken < times


def test_what_a_reader_of_a_workers_word_lets_through_can_be_planned_with():
    chance, known = random.Random(3), list(places(LENT))
    for _ in range(TIMES // 20):
        value = mutated(chance, LENT, known)
        if tried(lambda said: read_lent(said, "pi-1"), value):
            answers = {"pi-1": Answer(lent=value), "pi-2": Answer(problem="it does not answer")}
            replan(MEMBERS, answers, memory(700 << 20), MEMBERS["plan"], {})
