# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A standby leads in the leader's place, and never beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from cluster import LEADER, ROOT, Api, address, answers, host
from exposure import WELL_PROTECTED, exposure
from playbook import play

WISHES = {"placement_standby": 1}
# The lease is over after 15 s, and a standby that has it starts and loads the model.
OVER_SECONDS = 20.0 + 40.0
BOOT_SECONDS = 120.0
SERVES = "pgrep -cx llama-server"


def lab(*arguments):
    subprocess.run(
        [sys.executable, str(ROOT / "tests/lab/lab"), *arguments], check=True, capture_output=True, timeout=120
    )


def wait_until(true, seconds, what):
    """Seconds until it is so."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds:g} seconds"
        time.sleep(0.25)
    return time.monotonic() - began


def is_healthy(name):
    try:
        with urllib.request.urlopen(f"http://{address(name)}:9080/health", timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


def status(name):
    return host(name).run("drover status --cluster main").stdout


def moments(name, sentence):
    """When ``name`` said so, in seconds since 1970: all hosts have one clock, the machine's."""
    log = host(name).check_output("journalctl --unit drover-server@main --output json --no-pager")
    said = [json.loads(line) for line in log.splitlines()]
    return [int(each["__REALTIME_TIMESTAMP"]) / 1e6 for each in said if sentence in str(each.get("MESSAGE"))]


@pytest.fixture(scope="session")
def standby(plan):
    """Who stands by."""
    leader, *others = plan["leaders"]
    assert leader == LEADER
    return others[0]


class Stream:
    """Requests, one after the other, to whoever says that it is healthy: when each was answered, by whom, and how."""

    def __init__(self, key, hosts):
        # A client that waits longer for a host without power waits for nothing.
        self.apis = {name: Api(f"http://{address(name)}:8080", key, seconds=15) for name in hosts}
        self.done, self.ends = [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        question, right = answers()[0]
        while not self.ends.is_set():
            name = next(filter(is_healthy, self.apis), None)
            try:
                if name:
                    answer = self.apis[name].ask(question)
                    self.done.append((time.monotonic(), name, answer == right))
                    continue
            except (OSError, AssertionError, ValueError, urllib.error.URLError):
                pass
            time.sleep(0.25)

    def answered_by(self, name, after):
        return any(by == name and at > after for at, by, _right in list(self.done))


@pytest.fixture
def stream(api, standby):
    wait_until(lambda: is_healthy(LEADER), OVER_SECONDS, "the leader is healthy before the fault")
    requests = Stream(api.key, [LEADER, standby])
    requests.thread.start()
    wait_until(lambda: requests.done, 60, "the first answer")
    yield requests
    requests.ends.set()
    requests.thread.join(130)
    assert all(right for _at, _by, right in requests.done), "an answer was wrong"


def takes_over(stream, standby, name, fault):
    began = time.monotonic()
    fault()
    wait_until(lambda: stream.answered_by(standby, began), OVER_SECONDS, f"{name}: answered again")
    print(f"\n{name}: {standby} answers after {time.monotonic() - began:.1f} s")


def test_a_worker_stands_by(standby):
    assert status(standby) == f"Stands by; {LEADER} leads.\n"
    assert f"{LEADER} leads, {standby} stands by" in status(LEADER)
    assert (host(LEADER).run(SERVES).stdout.strip(), host(standby).run(SERVES).stdout.strip()) == ("1", "0")
    assert not is_healthy(standby)


def test_a_standby_leads_when_the_leader_loses_its_power(stream, standby):
    takes_over(stream, standby, "leader powered off", lambda: lab("kill", f"standby/{LEADER}"))
    told = status(standby)
    assert "Healthy since " in told and f"{standby} leads, {LEADER} stands by" in told


def test_a_leader_that_is_back_stands_by(standby):
    lab("start", f"standby/{LEADER}")
    wait_until(lambda: status(LEADER) == f"Stands by; {standby} leads.\n", BOOT_SECONDS, "the leader stands by")
    assert (host(LEADER).run(SERVES).stdout.strip(), host(standby).run(SERVES).stdout.strip()) == ("0", "1")
    assert is_healthy(standby) and not is_healthy(LEADER)
    run = play("status")
    assert run.status == 0, run.said
    assert f"{standby} leads, {LEADER} stands by" in run.said


def test_the_leader_leads_again_when_site_is_run(standby):
    run = play("site", settings=WISHES)
    assert run.status == 0, run.said
    assert is_healthy(LEADER)
    assert status(standby) == f"Stands by; {LEADER} leads.\n"
    assert play("site", settings=WISHES).changed == dict.fromkeys(run.changed, 0)


def test_a_leader_that_is_cut_off_ends_before_a_standby_leads(stream, standby):
    try:
        takes_over(stream, standby, "leader cut off", lambda: lab("link", f"standby/{LEADER}", "--down"))
    finally:
        lab("link", f"standby/{LEADER}", "--up")
    wait_until(lambda: status(LEADER) == f"Stands by; {standby} leads.\n", 60, "the leader stands by")
    assert (host(LEADER).run(SERVES).stdout.strip(), host(standby).run(SERVES).stdout.strip()) == ("0", "1")
    # By its watch, since no worker answered, or since the lease could not be renewed.
    led, began = moments(LEADER, "Has the lease")[-1], moments(standby, "Has the lease")[-1]
    ended = min(at for at in moments(LEADER, "Main process exited") if at > led)
    print(f"\nleader cut off: it has ended {began - ended:.1f} s before {standby} began")
    assert ended < began


def test_a_supervisor_that_is_killed_takes_llama_server_with_it(standby):
    main = host(standby).check_output("systemctl show --property MainPID --value drover-server@main")
    served = host(standby).check_output("pgrep -x llama-server")
    host(standby).check_output(f"kill -KILL {main}; sleep 0.3; ! kill -0 {served}")


def test_the_standby_cannot_be_taken_away_in_silence(standby):
    others = [name for name in ("pi-1", "pi-2", "pi-3") if name != standby]
    run = play("drain", settings={**WISHES, "drain_hosts": [standby, others[0]]})
    assert run.status != 0
    assert "placement_standby is 1, and a standby takes over only by the word of most members" in run.said


@pytest.mark.parametrize("unit", ["drover-server@main.service", "drover-watch@main.service"])
def test_units_are_hardened(standby, unit):
    assert exposure(standby, unit) <= WELL_PROTECTED
