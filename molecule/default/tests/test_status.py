# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""status.yml tells a healthy cluster from one with a dead worker, and site.yml repairs it."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from cluster import LEADER, ROOT, WORKERS, address, answers, host, restart_leader, scenario_lab
from playbook import failed, play, succeeded


def test_a_healthy_cluster_is_shown_host_by_host():
    run = play("status")
    assert run.status == 0, run.said
    assert re.search(rf"{LEADER} +leader +up +\d+ ", run.said)
    for worker in WORKERS:
        assert re.search(rf"{worker} +worker +up +\d+ ", run.said)
    assert re.search(r"[\d.]+ tokens per second in a completion of \d+ tokens", run.said)
    assert set(run.changed.values()) == {0}


def test_a_dead_worker_is_named_and_the_next_deployment_repairs_it(api):
    worker = WORKERS[0]
    host(worker).check_output("systemctl stop drover-rpc@main.service")
    try:
        run = play("status")
        assert run.status != 0
        assert f"{worker} should lend its memory, but its RPC server does not listen" in run.said
        assert re.search(rf"{worker} +worker +DOWN", run.said)
    finally:
        repair = play("site")
    assert repair.status == 0, repair.said
    question, answer = answers()[0]
    assert api.ask(question) == answer


@pytest.mark.parametrize("tag", ["rpc_server", "llama_server"])
def test_each_part_can_be_deployed_by_its_tag(tag):
    run = play("site", tags=tag)
    assert run.status == 0, run.said
    assert set(run.changed.values()) == {0}


def test_a_killed_server_comes_back_by_itself(api):
    host(WORKERS[0]).check_output("systemctl kill --signal KILL drover-rpc@main.service")
    repair = play("site")
    assert repair.status == 0, repair.said
    question, answer = answers()[1]
    assert api.ask(question) == answer


# The leader's own start, but for the end: llama-server is told of one worker less, whose layers the others get.
WITHOUT_THE_LAST = """\
import os, runpy

become = os.execve

def with_one_less(program, arguments, environment):
    ends, parts = arguments.index("--rpc") + 1, arguments.index("--tensor-split") + 1
    arguments[ends] = arguments[ends].rpartition(",")[0]
    *first, one, last = map(int, arguments[parts].split(","))
    arguments[parts] = ",".join(map(str, [*first, one + last]))
    become(program, arguments, environment)

os.execve = with_one_less
runpy.run_path("/usr/local/lib/drover/drover.pyz", run_name="__main__")
"""
PRETENDED = "/run/drover-test/leader.py"
DROP_IN = "/run/systemd/system/drover-server@main.service.d/test.conf"


def write(name: str, path: str, text: str) -> None:
    host(name).check_output("mkdir -p %s && printf '%%s' %s > %s", path.rpartition("/")[0], text, path)


def test_a_worker_that_the_leader_does_not_use_is_named_although_answers_are_right(api):
    question, answer = answers()[0]
    write(LEADER, PRETENDED, WITHOUT_THE_LAST)
    start = f"/usr/local/lib/drover/python3 {PRETENDED} leader --cluster main"
    write(LEADER, DROP_IN, f"[Service]\nExecStart=\nExecStart={start}\n")
    try:
        restart_leader(api)
        assert api.ask(question) == answer
        # Whom it has last is up to the plan of this start.
        pid = host(LEADER).check_output("systemctl show --property MainPID --value drover-server@main.service")
        started = host(LEADER).file(f"/proc/{pid}/cmdline").content_string
        (unused,) = [worker for worker in WORKERS if f"{address(worker)}:" not in started]
        failed(play("site"), f"{unused} takes no part, since the leader {LEADER} has no connection to its RPC server")
    finally:
        host(LEADER).check_output("rm -r %s %s", PRETENDED.rpartition("/")[0], DROP_IN)
        restart_leader(api)
    succeeded(play("site"))
    assert api.ask(question) == answer


def workers_in_the_plan() -> list[str]:
    """Who holds layers besides the leader, by the plan that runs."""
    running = json.loads(host(LEADER).file("/etc/drover/main/plan.json").content_string)
    return sorted(device["host"] for device in running["devices"])


def test_a_worker_that_vanished_is_left_out_and_taken_back(api, inventory):
    gone, *others = WORKERS
    left_out = inventory({"all": {"hosts": {gone: {"placement_exclude": True}}}})
    cable = [sys.executable, str(ROOT / "tests" / "lab" / "lab"), "link", f"{scenario_lab()}/{gone}"]
    question, answer = answers()[0]
    subprocess.run([*cable, "--down"], check=True)
    try:
        succeeded(play("site", left_out))
        assert workers_in_the_plan() == others
        assert api.ask(question) == answer
        succeeded(play("status", left_out))
    finally:
        subprocess.run([*cable, "--up"], check=True)
    succeeded(play("site"))
    assert workers_in_the_plan() == sorted(WORKERS)
    assert api.ask(question) == answer
