# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster under a stream of requests while something fails: what it says, and when it answers again."""

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

# What a single fault may cost beside loading the model; what that takes here at most, and so what is waited for.
AIM_SECONDS = 20.0
LOAD_SECONDS = 25.0
HEAL_SECONDS = AIM_SECONDS + LOAD_SECONDS
# After many faults in a row the watch waits five minutes between two plans (see healing.policy), then for 30 s that all
# is settled and for 60 s that requests end; and there is the switch itself.
BACK_SECONDS = 300.0 + 30.0 + 60.0 + LOAD_SECONDS
# A client that waits longer for a host without power waits for nothing.
REQUEST_SECONDS = 60.0
HEALTH = f"http://{address(LEADER)}:9080/health"
OWN_HEALTH = f"http://{address(LEADER)}:8080/health"
RUNNING = "/var/lib/drover/healing/main/running.json"
WORKERS = ["pi-1", "pi-2", "pi-3"]


def lab(*arguments):
    """What the lab's command prints."""
    command = [sys.executable, str(ROOT / "tests/lab/lab"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def health():
    """The status and what the watch says."""
    try:
        with urllib.request.urlopen(HEALTH, timeout=5) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError as error:
        return 0, {"reason": str(error)}


def is_healthy():
    return health()[0] == 200


class Loading:
    """The last time that llama-server was seen to load its model, by its own word: how many ``seconds`` it took."""

    def __init__(self):
        self.now, self.began, self.ended = False, 0.0, 0.0

    @property
    def seconds(self):
        return self.ended - self.began

    def is_over(self):
        """Look once; whether the cluster is healthy."""
        if is_healthy():
            return True
        before, self.now = self.now, loads()
        if self.now:
            self.ended = time.monotonic()
            self.began = self.began if before else self.ended
        return False


def loads():
    try:
        urllib.request.urlopen(OWN_HEALTH, timeout=2).close()
    except urllib.error.HTTPError as error:
        return error.code == 503
    except OSError:
        pass
    return False


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


def all_take_part():
    return is_healthy() and workers() == WORKERS


class Stream:
    """Requests, one after the other: when each began and ended, and what came of it."""

    def __init__(self, api):
        self.api, self.done, self.ends = Api(api.url, api.key, REQUEST_SECONDS), [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ends.is_set():
            if not self.is_answered():
                time.sleep(0.25)

    def is_answered(self):
        """Whether one more request is, rightly or not."""
        question, right = answers()[0]
        began = time.monotonic()
        try:
            answer = self.api.ask(question)
        except (OSError, AssertionError, ValueError, urllib.error.URLError):
            answer = None
        self.done.append((began, time.monotonic(), None if answer is None else answer == right))
        return answer is not None

    def answered_after(self, moment):
        """When the first request that began after ``moment`` had its answer, or None."""
        return next((end for begin, end, right in list(self.done) if begin > moment and right is not None), None)

    def failed_since(self, moment):
        """How many requests that ended after ``moment`` had no answer."""
        return sum(right is None for _begin, end, right in list(self.done) if end > moment)

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: any(right for _begin, _end, right in list(self.done)), 60, "the first answer")
        return self

    def __exit__(self, *_error):
        self.ends.set()
        self.thread.join(130)


@pytest.fixture
def stream(api):
    wait_until(is_healthy, BACK_SECONDS, "healthy before the fault")
    with Stream(api) as requests:
        yield requests
    assert False not in [right for _begin, _end, right in requests.done], "an answer was wrong"


def answers_again(stream, name, began, noticed, seconds=HEAL_SECONDS, aim=None):
    """Wait until it is healthy, within ``aim`` seconds and what the model took to load, if there is one; and for the
    answer to a new request. Told as a line. Seconds since ``began``."""
    loading = Loading()
    wait_until(loading.is_over, seconds, f"{name}: healthy again")
    healthy = time.monotonic() - began
    # Those of the stream may still wait for a host that was off.
    wait_until(stream.is_answered, LOAD_SECONDS + 20, f"{name}: answered again")
    took = time.monotonic() - began
    failed = stream.failed_since(began)
    print(
        f"\n{name}: noticed after {noticed:.1f} s, healthy after {healthy:.1f} s, of which it loaded for "
        f"{loading.seconds:.1f} s, answers again after {took:.1f} s, {failed} requests failed"
    )
    assert aim is None or healthy <= aim + loading.seconds, f"{name}: {healthy:.1f} s, loaded {loading.seconds:.1f} s"
    return took


def heals(stream, name, fault, seconds=HEAL_SECONDS, notice=10, aim=None):
    """Do what ``fault`` does, and wait for an answer that was asked for after the fault was noticed."""
    began = time.monotonic()
    fault()
    noticed = wait_until(lambda: not is_healthy(), notice, f"{name}: noticed")
    return answers_again(stream, name, began, noticed, seconds, aim)


def goes_on(stream, name, seconds):
    """Nothing is started anew for ``seconds``, and requests are answered all the while; told as a line."""
    before, began = running()["leader"], time.monotonic()
    # What is to be seen is that nothing happens.
    while time.monotonic() - began < seconds:
        assert is_healthy(), f"{name}: {health()}"
        time.sleep(1)
    answered = sum(end > began and right is True for _begin, end, right in list(stream.done))
    failed = stream.failed_since(began)
    print(f"\n{name}: goes on for {seconds:g} s, {answered} requests answered, {failed} failed")
    assert answered > 0 and failed == 0
    assert running()["leader"] == before
