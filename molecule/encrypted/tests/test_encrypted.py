# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members talk through the tunnel alone: the answers are right, the wire tells nothing, and no stranger is let in."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import time
import urllib.request

import pytest
from cluster import LEADER, ROOT, STRANGER, WORKERS, address, answers, host
from exposure import WELL_PROTECTED, exposure

PORTS = (50052, 51052)
MODEL = ROOT / "tests" / "assets" / "drover-demo.gguf"
PIECE_BYTES, PIECES = 32, 400
HEALTH = f"http://{address(LEADER)}:9080/health"
# The tunnel and what talks through it start anew, and the model is loaded, on a busy machine.
HEAL_SECONDS = 90.0
# Settled for 30 s and drained, and the switch itself.
BACK_SECONDS = 240.0
RUNNING = "/var/lib/drover/healing/main/running.json"
# Runs beside tcpdump: which of the pieces on standard input are in the capture, and how often an agent is asked.
COUNT = """
import sys
capture = open(sys.argv[1], "rb").read()
pieces = [bytes.fromhex(line) for line in sys.argv[2].split()]
print(sum(piece in capture for piece in pieces), capture.count(b"GET /state"), len(capture))
"""


def within(worker):
    """The loopback address that stands for a worker."""
    return "127." + address(worker).partition(".")[2]


def healthy():
    try:
        with urllib.request.urlopen(HEALTH, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def lab(*arguments):
    subprocess.run(
        [sys.executable, str(ROOT / "tests/lab/lab"), *arguments], check=True, capture_output=True, timeout=120
    )


def wait_until(true, what, seconds=HEAL_SECONDS):
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds:g} seconds"
        time.sleep(0.5)


def answered(api):
    """Whether it answers, and right. Health is that of the last look, which was before a restart."""
    question, answer = answers()[0]
    try:
        return api.ask(question) == answer
    except (OSError, AssertionError, ValueError):
        return False


def main_pid(name, unit):
    return host(name).check_output(f"systemctl show --property=MainPID --value {unit}")


def test_the_answers_are_right_through_the_tunnel(api, plan):
    assert sorted({device["host"] for device in plan["devices"]}) == WORKERS
    for question, answer in answers():
        assert api.ask(question) == answer


@pytest.mark.parametrize("worker", WORKERS)
def test_nothing_of_a_worker_listens_outside_but_its_end_of_the_tunnel(worker):
    for port in PORTS:
        found = host(worker).check_output(f"ss --no-header --listening --tcp --numeric --processes sport = :{port}")
        holders = {line.split()[3]: line.split('"')[1] for line in found.splitlines()}
        assert holders.pop(f"{address(worker)}:{port}") == "stunnel4"
        assert list(holders) == [f"{within(worker)}:{port}"]


def test_its_service_may_do_little():
    for name in (LEADER, *WORKERS):
        assert exposure(name, "drover-tunnel@main.service") <= WELL_PROTECTED
        assert host(name).file("/run/drover-tunnel/main/key").mode == 0o600
        assert main_pid(name, "drover-tunnel@main.service") != "0"


def test_nothing_of_the_weights_can_be_read_on_the_wire_and_within_the_leader_all_can(api):
    model = MODEL.read_bytes()
    # Of the second half, which is tensors, and layers that workers hold.
    first, step = len(model) // 2, len(model) // 2 // PIECES
    pieces = " ".join(model[at : at + PIECE_BYTES].hex() for at in range(first, len(model) - PIECE_BYTES, step))
    leader, found = host(LEADER), {}
    leader.check_output("ip -brief link | awk '/UP/ && !/lo/ {print $1}' | cut -d@ -f1 >/root/wire")
    for name in ("wire", "lo"):
        interface = "$(cat /root/wire)" if name == "wire" else "lo"
        leader.check_output(
            f"systemd-run --quiet --unit=capture-{name} tcpdump -i {interface} -s 0 -B 65536 -U "
            f"-w /tmp/{name}.pcap tcp portrange 50052-51052"
        )
    try:
        wait_until(lambda: leader.file("/tmp/lo.pcap").exists and leader.file("/tmp/wire.pcap").exists, "tcpdump")
        leader.check_output("systemctl restart drover-server@main.service")
        wait_until(lambda: answered(api), "a new start")
    finally:
        leader.run("systemctl stop capture-wire capture-lo")
    for name in ("wire", "lo"):
        counted = leader.run(f"python3 -c '{COUNT}' /tmp/{name}.pcap '{pieces}'")
        assert counted.rc == 0, counted.stderr
        found[name] = tuple(map(int, counted.stdout.split()))
        leader.check_output(f"rm /tmp/{name}.pcap")
    weights, asked, size = found["wire"]
    assert (weights, asked) == (0, 0), found
    assert size > len(model) // 4, found
    # The same, where it is not encrypted yet: else this would find nothing anywhere.
    assert found["lo"][0] > PIECES // 4, found
    assert found["lo"][1] > 0, found


def test_a_stranger_is_turned_away():
    for worker in WORKERS:
        attempt = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{address(worker)}/50052'"
        assert host(STRANGER).run(attempt).rc != 0


@pytest.mark.parametrize("port", PORTS)
def test_whoever_does_not_know_the_secret_is_turned_away_also_on_the_leader(port):
    leader = host(LEADER)
    secret = leader.file("/etc/drover/main/secret").content_string.strip().encode()
    key = hmac.new(secret, b"drover tunnel", hashlib.sha256).hexdigest()
    wrong = key[::-1]

    def shake_hands(*more):
        connect = f"{address(WORKERS[0])}:{port}"
        command = ["timeout", "5", "openssl", "s_client", "-connect", connect, *more]
        return leader.run(" ".join(command) + " </dev/null").stdout

    cipher = ("-tls1_3", "-psk_identity", "main", "-ciphersuites", "TLS_AES_128_GCM_SHA256")
    assert "Cipher is TLS_AES_128_GCM_SHA256" in shake_hands(*cipher, "-psk", key)
    for more in ((*cipher, "-psk", wrong), ("-tls1_3",), ("-tls1_2",)):
        assert "Cipher is (NONE)" in shake_hands(*more), more

    def ask(place):
        request = 'printf "GET /nonce HTTP/1.0\\r\\n\\r\\n"'
        return leader.run(f"timeout 5 bash -c 'exec 3<>/dev/tcp/{place}/{port}; {request} >&3; cat <&3'").stdout

    assert "nonce" not in ask(address(WORKERS[0]))
    # An RPC server answers no such thing.
    assert ("nonce" in ask(within(WORKERS[0]))) == (port == 51052)


@pytest.mark.parametrize("name", [WORKERS[0], LEADER])
def test_an_end_of_the_tunnel_that_is_killed_heals_before_anybody_asks(name, api):
    wait_until(healthy, "before")
    served = main_pid(LEADER, "drover-server@main.service")
    host(name).check_output("systemctl kill --signal=KILL drover-tunnel@main.service")
    wait_until(lambda: main_pid(LEADER, "drover-server@main.service") not in ("0", served), "a new start")
    wait_until(lambda: answered(api), "after")


def test_a_worker_whose_cable_is_pulled_is_silent_not_slow_and_taken_in_again(api):
    """Its leader's own end of the tunnel goes on taking connections to it."""

    def workers():
        return sorted(json.loads(host(LEADER).file(RUNNING).content_string)["workers"])

    wait_until(lambda: workers() == WORKERS and healthy(), "before", seconds=BACK_SECONDS)
    lab("link", f"encrypted/{WORKERS[0]}", "--down")
    try:
        wait_until(lambda: workers() == WORKERS[1:] and healthy(), "without it")
        wait_until(lambda: answered(api), "an answer without it")
        told = json.loads(host(LEADER).file(RUNNING).content_string)["absent"]
        assert told == {WORKERS[0]: "it does not answer"}
    finally:
        lab("link", f"encrypted/{WORKERS[0]}", "--up")
    wait_until(lambda: workers() == WORKERS and healthy(), "with it again", seconds=BACK_SECONDS)
    wait_until(lambda: answered(api), "an answer with it")


def test_the_plan_goes_on_telling_where_the_workers_are(plan):
    assert all(place["address"] == address(name) for name, place in plan["addresses"].items())
    for worker in WORKERS:
        deployment = json.loads(host(worker).file("/etc/drover/main/deployment.json").content_string)
        assert deployment["listen"]["address"] == within(worker)
