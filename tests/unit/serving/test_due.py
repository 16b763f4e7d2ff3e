# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nothing is left to do is left alone, and everything else is named."""

from __future__ import annotations

import pytest
from module_utils.serving.due import hosts_due, standbys_due
from unit.placement.fleets import MIB, model, plan_of, tally

DIGEST = "6f1ed002"
PLAN = plan_of(model(), [tally("pi-1", 800 * MIB), tally("pi-2", 700 * MIB)])
LEADER = PLAN["leader"]
(WORKER,) = set(PLAN["addresses"]) - {LEADER}
RPC = "/usr/libexec/ggml-rpc-server"
DEPLOYMENTS = {
    LEADER: {"part": "leader", "program": "/usr/bin/llama-server", "listen": {"port": 8080}},
    WORKER: {"part": "worker", "program": RPC, "listen": {"port": 50052}},
}


def listener(port=50052, command=RPC):
    return {"port": port, "address": "10.0.0.11", "pid": 1, "command": command, "unit": "drover-rpc@main.service"}


def found(host, **changes):
    """A host as it is to be, but for ``changes``."""
    return {
        "host": host,
        "installed": DIGEST,
        "deployment": DEPLOYMENTS.get(host, {}),
        "complete": True,
        "listeners": [listener()] if host == WORKER else [],
        "plan": PLAN if host == LEADER else {},
        **changes,
    }


def due(*hosts, plan=PLAN, digest=DIGEST, members=None):
    return hosts_due(DEPLOYMENTS, plan, hosts, digest, members=members)


def test_where_all_is_as_it_is_to_be_nothing_is_due():
    assert due(found(LEADER), found(WORKER)) == []
    # One that takes no part and never led is nothing to begin with.
    assert due(found(LEADER), found(WORKER), found("spare", deployment={}, installed=None, complete=False)) == []
    # What listens elsewhere is another's.
    assert due(found(LEADER), found(WORKER, listeners=[listener(22, "sshd"), listener()])) == []


@pytest.mark.parametrize(
    ("leaders", "workers", "expected"),
    [
        ("a" * 64, "a" * 64, []),
        ("a" * 64, "b" * 64, [WORKER]),
        ("a" * 64, None, [WORKER]),
        ("", "a" * 64, sorted([LEADER, WORKER])),
        (None, "", sorted([LEADER, WORKER])),
    ],
)
def test_who_heals_has_the_leaders_secret(leaders, workers, expected):
    deployments = {host: {**one, "healing": {"port": 9080}} for host, one in DEPLOYMENTS.items()}
    hosts = [
        found(LEADER, deployment=deployments[LEADER], secret=leaders),
        found(WORKER, deployment=deployments[WORKER], secret=workers),
    ]
    assert hosts_due(deployments, PLAN, hosts, DIGEST) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"installed": None},
        {"installed": "0"},
        {"deployment": {}},
        {"deployment": None},
        {"deployment": {**DEPLOYMENTS[WORKER], "listen": {"port": 50053}}},
        {"complete": False},
        {"listeners": []},
        {"listeners": [listener(command="/opt/other/ggml-rpc-server")]},
        {"listeners": [listener(), listener(command="/opt/other/ggml-rpc-server")]},
        {"listeners": [listener(50053)]},
        {"plan": PLAN},
    ],
)
def test_a_worker_that_is_not_as_it_is_to_be_is_due(changes):
    assert due(found(LEADER), found(WORKER, **changes)) == [WORKER]


@pytest.mark.parametrize(
    "changes",
    [
        {"installed": "0"},
        {"deployment": {}},
        {"complete": False},
        {"plan": {}},
        {"plan": None},
        {"plan": {**PLAN, "threads": {}}},
    ],
)
def test_a_leader_that_is_not_as_it_is_to_be_is_due(changes):
    assert due(found(LEADER, **changes), found(WORKER)) == [LEADER]


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        ("0b5f", "0b5f", []),
        ("0b5f", "77aa", [LEADER]),
        ("", "77aa", [LEADER]),
        ("0b5f", None, [LEADER]),
        ("", None, []),
    ],
)
def test_a_leader_that_would_plan_anew_with_something_else_is_due(there, wanted, expected):
    assert due(found(LEADER, members=there), found(WORKER, members=""), members=wanted) == expected


def test_what_was_not_looked_at_is_due():
    assert due() == sorted(DEPLOYMENTS)
    assert due(found(WORKER)) == [LEADER]
    # Without the digest or the plan nobody can tell.
    assert due(found(LEADER), found(WORKER), digest=None) == sorted(DEPLOYMENTS)
    assert due(found(LEADER), found(WORKER), plan=None) == [LEADER]


def test_a_host_that_leads_no_longer_is_due():
    assert due(found(LEADER), found(WORKER), found("former", plan=PLAN)) == ["former"]


GAIN = {**PLAN, "predicted": {**PLAN["predicted"], "load_bytes_over_network": 9, "load_bytes_once_cached": 1}}
NO_GAIN = {**PLAN, "predicted": {**PLAN["predicted"], "load_bytes_over_network": 9, "load_bytes_once_cached": 9}}
CACHING = {**DEPLOYMENTS, WORKER: {**DEPLOYMENTS[WORKER], "cache": {"directory": "/c", "days": 30}}}


@pytest.mark.parametrize(
    ("weights", "spread", "plan", "is_due"),
    [
        ({"spread": 1, "lacking_bytes": 0}, 1, GAIN, False),
        ({"spread": 1, "lacking_bytes": 5}, 1, GAIN, True),
        ({"spread": 1, "lacking_bytes": 0}, 2, GAIN, True),
        ({"spread": 2, "lacking_bytes": 0}, 1, GAIN, True),
        # A cluster of old has sent its weights, and no copies.
        ({}, 1, GAIN, False),
        (None, 1, GAIN, False),
        ({}, 2, GAIN, True),
        # None are placed, or there is nothing to gain.
        ({"spread": 1, "lacking_bytes": 5}, 0, GAIN, False),
        ({"spread": 1, "lacking_bytes": 5}, 1, NO_GAIN, False),
    ],
)
def test_a_cache_that_lacks_weights_is_due(weights, spread, plan, is_due):
    hosts = [found(LEADER, plan=plan), found(WORKER, deployment=CACHING[WORKER], weights=weights)]
    assert hosts_due(CACHING, plan, hosts, DIGEST, spread) == [WORKER] * is_due


def test_a_worker_without_a_cache_lacks_nothing():
    hosts = [found(LEADER, plan=GAIN), found(WORKER, weights={"spread": 1, "lacking_bytes": 5})]
    assert hosts_due(DEPLOYMENTS, GAIN, hosts, DIGEST, 1) == []


STANDBY = {"deployment": {"part": "leader", "listen": {"port": 8080}, "arguments": ["7"]}, "members": {"lasting": "1"}}
STANDING = {
    "deployment": {**STANDBY["deployment"], "arguments": ["8"]},
    "members": "1",
    "complete": True,
    "leads": False,
}


@pytest.mark.parametrize(
    ("standby", "expected"),
    [
        # How many layers go where is measured anew every time.
        (STANDING, []),
        ({**STANDING, "deployment": None}, [WORKER]),
        ({**STANDING, "deployment": {**STANDBY["deployment"], "listen": {"port": 8081}}}, [WORKER]),
        ({**STANDING, "members": "2"}, [WORKER]),
        ({**STANDING, "complete": False}, [WORKER]),
        # The leader is to lead again.
        ({**STANDING, "leads": True}, [WORKER]),
        (None, [WORKER]),
    ],
)
def test_a_standby_is_due_where_it_differs_or_leads(standby, expected):
    hosts = [found(LEADER), found(WORKER, standby=standby)]
    standbys = standbys_due({WORKER: STANDBY}, hosts)
    assert hosts_due(DEPLOYMENTS, PLAN, hosts, DIGEST, standbys=standbys) == expected


def test_one_that_stands_by_no_longer_is_due():
    assert due(found(LEADER), found(WORKER, standby=STANDING)) == [WORKER]
