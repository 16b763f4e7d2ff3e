# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults under a stream of requests: answers come again, never wrong, and what is back is taken in again."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from cluster import LEADER, ROOT, address, answers, host
from playbook import play

# What the model takes to load here, and what a request waits for at most.
LOAD_SECONDS = 25.0
HEAL_SECONDS = 20.0 + LOAD_SECONDS
# Settled for 30 s and drained, the switch itself, and a busy machine.
BACK_SECONDS = 180.0
HEALTH = f"http://{address(LEADER)}:9080/health"
RUNNING = "/var/lib/drover/healing/main/running.json"


def lab(*arguments):
    subprocess.run(
        [sys.executable, str(ROOT / "tests/lab/lab"), *arguments], check=True, capture_output=True, timeout=120
    )


def health():
    """The status and what the watch says."""
    try:
        with urllib.request.urlopen(HEALTH, timeout=5) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError as error:
        return 0, {"reason": str(error)}


def wait_until(true, seconds, what):
    """Seconds until it is so."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds:g} seconds; {health()}"
        time.sleep(0.25)
    return time.monotonic() - began


def running():
    """What the leader has decided."""
    return json.loads(host(LEADER).file(RUNNING).content_string)


def workers():
    return sorted(running()["workers"])


class Stream:
    """Requests, one after the other: when each began and ended, and what came of it."""

    def __init__(self, api):
        self.api, self.done, self.ends = api, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        question, right = answers()[0]
        while not self.ends.is_set():
            began = time.monotonic()
            try:
                answer = self.api.ask(question)
            except (OSError, AssertionError, ValueError, urllib.error.URLError):
                answer = None
                time.sleep(0.25)
            self.done.append((began, time.monotonic(), None if answer is None else answer == right))

    def answered_after(self, moment):
        """When the first request that began after ``moment`` had its answer, or None."""
        return next((end for begin, end, right in list(self.done) if begin > moment and right is not None), None)

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: any(right for _begin, _end, right in list(self.done)), 60, "the first answer")
        return self

    def __exit__(self, *_error):
        self.ends.set()
        self.thread.join(130)


@pytest.fixture
def stream(api):
    wait_until(lambda: health()[0] == 200, BACK_SECONDS, "healthy before the fault")
    with Stream(api) as requests:
        yield requests
    assert False not in [right for _begin, _end, right in requests.done], "an answer was wrong"


def heals(stream, name, fault, seconds=HEAL_SECONDS):
    """Do what ``fault`` does, and wait for an answer that was asked for after the fault was noticed; told as a line."""
    before = len(stream.done)
    began = time.monotonic()
    fault()
    noticed = wait_until(lambda: health()[0] != 200, 10, f"{name}: noticed")
    wait_until(lambda: health()[0] == 200, seconds, f"{name}: healthy again")
    moment = time.monotonic()
    wait_until(lambda: stream.answered_after(moment - 1) is not None, LOAD_SECONDS + 20, f"{name}: answered again")
    took = stream.answered_after(moment - 1) - began
    failed = sum(right is None for _begin, _end, right in stream.done[before:])
    print(f"\n{name}: noticed after {noticed:.1f} s, answers again after {took:.1f} s, {failed} requests failed")
    return took


def test_a_worker_whose_process_is_killed(stream):
    kill = "systemctl kill --signal=KILL drover-rpc@main.service"
    assert heals(stream, "worker's process killed", lambda: host("pi-1").check_output(kill)) < HEAL_SECONDS
    assert workers() == ["pi-1", "pi-2", "pi-3"]


def test_a_leader_whose_llama_server_is_killed(stream):
    kill = "systemctl kill --signal=KILL drover-server@main.service"
    assert heals(stream, "llama-server killed", lambda: host(LEADER).check_output(kill)) < HEAL_SECONDS
    assert workers() == ["pi-1", "pi-2", "pi-3"]


def test_a_worker_that_is_powered_off(stream):
    try:
        assert heals(stream, "worker powered off", lambda: lab("kill", "heal/pi-2")) < HEAL_SECONDS
        assert workers() == ["pi-1", "pi-3"]
        assert running()["absent"] == {"pi-2": "it does not answer"}
    finally:
        lab("start", "heal/pi-2")


@pytest.mark.long  # tests/unit/healing/test_leader.py, test_policy.py
def test_a_worker_whose_power_is_back():
    took = wait_until(lambda: workers() == ["pi-1", "pi-2", "pi-3"] and health()[0] == 200, BACK_SECONDS, "back")
    print(f"\nworker's power back: takes part again after {took:.1f} s")


@pytest.mark.long  # tests/unit/healing/test_leader.py, test_policy.py
def test_a_cable_that_is_pulled_and_plugged(stream):
    assert heals(stream, "cable pulled", lambda: lab("link", "heal/pi-1", "--down")) < HEAL_SECONDS
    assert workers() == ["pi-2", "pi-3"]
    lab("link", "heal/pi-1", "--up")
    took = wait_until(lambda: workers() == ["pi-1", "pi-2", "pi-3"] and health()[0] == 200, BACK_SECONDS, "plugged")
    print(f"\ncable plugged: takes part again after {took:.1f} s")


@pytest.mark.long  # tests/unit/healing/test_leader.py, test_policy.py
def test_a_cable_that_blinks_costs_nothing(stream):
    before = running()["leader"]
    lab("link", "heal/pi-3", "--blink", "1.5")
    moment = time.monotonic()
    wait_until(lambda: stream.answered_after(moment) is not None, LOAD_SECONDS + HEAL_SECONDS, "answers after a blink")
    assert running()["leader"] == before


@pytest.mark.long  # tests/unit/healing/test_leader.py, test_policy.py
def test_a_leader_that_is_short_of_memory_waits_and_goes_on():
    wait_until(lambda: health()[0] == 200, BACK_SECONDS, "healthy before the fault")
    with contextlib.ExitStack() as stack:
        stack.callback(lab, "limit", f"heal/{LEADER}", "--memory", "1GiB")
        # Less than the leader keeps for its owner.
        lab("limit", f"heal/{LEADER}", "--memory", "200MiB")
        host(LEADER).check_output("systemctl kill --signal=KILL drover-server@main.service")
        wait_until(lambda: "waiting for" in health()[1].get("reason", ""), 30, "waits")
        sentence = health()[1]["reason"]
        assert sentence.startswith(f"{LEADER} cannot lead: ")
        assert sentence.endswith("; waiting for memory.")
        assert sentence in host(LEADER).check_output("systemctl status drover-server@main.service")
        assert sentence in host(LEADER).check_output("journalctl --unit drover-server@main.service --lines 20")
        assert sentence in host(LEADER).run("drover status --cluster main").stdout
        print(f"\n{sentence}")
    wait_until(lambda: health()[0] == 200, HEAL_SECONDS, "goes on")


@pytest.mark.long  # molecule/redeploy leaves a host out
def test_a_host_is_drained_and_taken_in_again(stream):
    assert play("drain", settings={"drain_hosts": "pi-2"}).status == 0
    wait_until(lambda: health()[0] == 200, HEAL_SECONDS, "healthy without the drained host")
    assert workers() == ["pi-1", "pi-3"]
    assert not host("pi-2").service("drover-rpc@main").is_running
    assert play("site").status == 0
    assert workers() == ["pi-1", "pi-2", "pi-3"]


def test_status_tells_of_heals():
    told = host(LEADER).check_output("drover status --cluster main")
    assert "Healthy since " in told
    assert "pi-2 does not answer; healthy again after " in told


def test_metrics_are_told():
    agent = f"http://{address('pi-1')}:51052/metrics"
    fetch = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
    assert 'drover_rpc_up{cluster="main",host="pi-1"} 1' in host(LEADER).check_output(f"python3 -c '{fetch}' {agent}")
    watch = host(LEADER).check_output(f"python3 -c '{fetch}' {HEALTH.replace('/health', '/metrics')}")
    assert 'drover_healthy{cluster="main"} 1' in watch


def test_an_agent_answers_its_leader_alone():
    connect = "import socket; socket.create_connection(('{}', 51052), 3)"
    assert host(LEADER).run(f'python3 -c "{connect.format(address("pi-1"))}"').rc == 0
    assert host("pi-3").run(f'python3 -c "{connect.format(address("pi-1"))}"').rc != 0


def test_who_does_not_know_the_secret_is_told_nothing():
    fetch = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)"
    refused = host(LEADER).run(f"python3 -c '{fetch}' http://{address('pi-1')}:51052/state")
    assert "HTTP Error 401" in refused.stderr


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("pi-1", "drover-agent@main.service"),
        ("pi-1", "drover-rpc@main.service"),
        (LEADER, "drover-watch@main.service"),
        (LEADER, "drover-server@main.service"),
    ],
)
def test_units_are_hardened(name, unit):
    told = host(name).check_output(f"systemd-analyze security {unit}")
    exposure = float(told.splitlines()[-1].split()[-3])
    print(f"\n{unit}: {exposure}")
    assert exposure <= 2.5


def test_the_secret_is_for_the_service_alone():
    for name in (LEADER, "pi-1", "pi-2", "pi-3"):
        secret = host(name).file("/etc/drover/main/secret")
        assert (secret.mode, secret.user, secret.group) == (0o640, "root", "drover")
        processes = host(name).check_output("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert secret.content_string.strip() not in processes
