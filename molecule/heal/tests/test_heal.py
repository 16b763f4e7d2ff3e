# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults under a stream of requests: answers come again, never wrong, and what is back is taken in again."""

from __future__ import annotations

import contextlib
import json
import shlex
import time

import pytest
from cluster import LEADER, address, answers, host
from exposure import WELL_PROTECTED, exposure
from faults import (
    BACK_SECONDS,
    HEAL_SECONDS,
    HEALTH,
    LOAD_SECONDS,
    all_take_part,
    heals,
    health,
    is_healthy,
    lab,
    running,
    wait_until,
    workers,
)
from playbook import play


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
    took = wait_until(all_take_part, BACK_SECONDS, "back")
    print(f"\nworker's power back: takes part again after {took:.1f} s")


@pytest.mark.long  # tests/unit/healing/test_leader.py, test_policy.py
def test_a_cable_that_is_pulled_and_plugged(stream):
    assert heals(stream, "cable pulled", lambda: lab("link", "heal/pi-1", "--down")) < HEAL_SECONDS
    assert workers() == ["pi-2", "pi-3"]
    lab("link", "heal/pi-1", "--up")
    took = wait_until(all_take_part, BACK_SECONDS, "plugged")
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
    wait_until(is_healthy, BACK_SECONDS, "healthy before the fault")
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
    wait_until(is_healthy, HEAL_SECONDS, "goes on")


@pytest.mark.long  # molecule/redeploy leaves a host out
def test_a_host_is_drained_and_taken_in_again(stream):
    assert play("drain", settings={"drain_hosts": "pi-2"}).status == 0
    wait_until(is_healthy, HEAL_SECONDS, "healthy without the drained host")
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


def test_a_worker_answers_its_leader_alone():
    connect = "import sys, socket; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
    assert host(LEADER).run(f"python3 -c '{connect}' {address('pi-1')} 51052").rc == 0
    for port in (50052, 51052):
        refused = host("pi-3").run(f"python3 -c '{connect}' {address('pi-1')} {port}")
        assert (refused.rc, "Error" in refused.stderr) == (1, True)


def test_who_does_not_know_the_secret_is_told_nothing():
    fetch = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)"
    refused = host(LEADER).run(f"python3 -c '{fetch}' http://{address('pi-1')}:51052/state")
    assert "HTTP Error 401" in refused.stderr


# Run on the leader, which alone gets through. Prints what each request is answered with; 0 for who hangs up.
ATTACKS = """
import http.client, json, socket, sys
sys.path.insert(0, "/usr/local/lib/drover/drover.pyz")
from module_utils.healing import seal

secret = open("/etc/drover/main/secret", "rb").read().strip()

def connect():
    connection = http.client.HTTPConnection(sys.argv[1], 51052, timeout=10)
    connection.request("GET", "/nonce")
    return connection, json.loads(connection.getresponse().read())["nonce"]

def status(connection, *request):
    try:
        connection.request(*request)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return 0

connection, nonce = connect()
headers = {seal.ASKED: "a", seal.SEAL: seal.request_seal(secret, "pi-1", nonce, "a", "GET", "/state", b"")}
right = status(connection, "GET", "/state", None, headers)
again = status(connection, "GET", "/state", None, headers)
elsewhere = status(connect()[0], "GET", "/state", None, headers)
long = status(connect()[0], "PUT", "/deployment", b"0" * (1 << 20))
longer = status(connect()[0], "GET", "/" + "a" * 100_000)
with socket.create_connection((sys.argv[1], 51052), 10) as rude:
    rude.sendall(bytes(range(256)) * 40)
print(json.dumps([right, again, elsewhere, long, longer]))
"""


def test_what_was_heard_is_of_no_use_and_what_is_too_large_is_refused():
    runs = "systemctl show --property=MainPID,NRestarts drover-agent@main.service"
    before = host("pi-1").check_output(runs)
    said = json.loads(host(LEADER).check_output(f"python3 -c {shlex.quote(ATTACKS)} {address('pi-1')}"))
    right, again, elsewhere, *too_large = said
    assert (right, again, elsewhere) == (200, 401, 401)
    # It answers before it was told all, so who goes on telling may find the connection closed.
    assert set(too_large) <= {0, 413, 414}
    assert host("pi-1").check_output(runs) == before
    assert health()[0] == 200


@pytest.mark.parametrize("key", ["", "a-key-of-somebody-else"])
def test_who_has_no_key_gets_no_answer(api, key):
    body = {"messages": [{"role": "user", "content": answers()[0][0]}], "max_tokens": 1}
    assert api.request("/v1/chat/completions", body, key=key)[0] == 401


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
    assert exposure(name, unit) <= WELL_PROTECTED


def test_the_secret_is_for_the_service_alone():
    for name in (LEADER, "pi-1", "pi-2", "pi-3"):
        secret = host(name).file("/etc/drover/main/secret")
        assert (secret.mode, secret.user, secret.group) == (0o640, "root", "drover")
        processes = host(name).check_output("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert secret.content_string.strip() not in processes
