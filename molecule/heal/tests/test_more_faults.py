# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rarer faults, under a stream of requests: whole machines, the network between them, memory, disks and files.

The clock is not set here, since all hosts of the lab have the machine's: tests/unit/healing/test_damaged_files.py does.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cluster import LEADER, address, host
from faults import (
    AIM_SECONDS,
    BACK_SECONDS,
    RUNNING,
    WORKERS,
    all_take_part,
    answers_again,
    goes_on,
    heals,
    is_healthy,
    lab,
    running,
    wait_until,
    workers,
)
from playbook import play

pytestmark = pytest.mark.long  # tests/unit/healing holds what is decided; here it is seen on hosts

BOOT_SECONDS = 60.0
MIB = 1 << 20
STATE = RUNNING.rsplit("/", 1)[0]


@pytest.fixture(autouse=True)
def calm():
    """All take part, and nothing was amiss of late: a watch that begins anew knows of no faults in a row, after which
    it would wait for minutes."""
    host(LEADER).check_output("systemctl restart drover-watch@main")
    wait_until(all_take_part, BACK_SECONDS, "all take part before the fault")


def journal(name, unit):
    return host(name).check_output(f"journalctl --unit drover-{unit}@main.service --lines 60 --no-pager --output cat")


def is_off(name):
    return any({"heal", name, "stopped"} <= set(line.split()) for line in lab("status").splitlines())


def test_a_leader_that_is_rebooted(stream):
    def fault():
        # A container that is told to reboot is off, and the lab switches it on.
        host(LEADER).check_output("systemd-run --on-active=1 systemctl reboot")
        wait_until(lambda: is_off(LEADER), 60, "it has shut down")
        lab("start", f"heal/{LEADER}")

    heals(stream, "leader rebooted", fault)
    wait_until(all_take_part, BACK_SECONDS, "all take part")


def test_all_hosts_that_lose_their_power_and_come_back_in_any_order(stream):
    seed = int(os.environ.get("DROVER_SEED", time.time()))
    print(f"\nDROVER_SEED={seed}")
    dice = random.Random(seed)
    names = [LEADER, *WORKERS]
    for name in names:
        lab("kill", f"heal/{name}")
    dice.shuffle(names)
    for name in names:
        # The pause is the fault itself.
        time.sleep(dice.uniform(0, 10))
        lab("start", f"heal/{name}")
    answers_again(stream, f"all powered on as {', '.join(names)}", time.monotonic(), 0, BOOT_SECONDS + 45)
    wait_until(all_take_part, BACK_SECONDS, "all take part again")


def test_a_network_that_is_split_between_the_leader_and_all_workers(stream):
    others = ", ".join(address(name) for name in WORKERS)
    split = (
        "nft add table inet split"
        " && nft 'add chain inet split out { type filter hook output priority 0; }'"
        " && nft 'add chain inet split in { type filter hook input priority 0; }'"
        f" && nft 'add rule inet split out ip daddr {{ {others} }} drop'"
        f" && nft 'add rule inet split in ip saddr {{ {others} }} drop'"
    )
    try:
        heals(stream, "all workers cut off", lambda: host(LEADER).check_output(split), aim=AIM_SECONDS)
        assert workers() == []
    finally:
        host(LEADER).check_output("nft delete table inet split")
    took = wait_until(all_take_part, BACK_SECONDS, "all workers are back")
    print(f"\nthe split is over: all take part again after {took:.1f} s")


def test_a_worker_whose_rpc_port_is_cut_while_its_agent_answers(stream):
    cut = (
        "nft add table inet cut"
        " && nft 'add chain inet cut in { type filter hook input priority 0; }'"
        " && nft 'add chain inet cut out { type filter hook output priority 0; }'"
        " && nft 'add rule inet cut in tcp dport 50052 drop'"
        " && nft 'add rule inet cut out tcp sport 50052 drop'"
    )
    try:
        heals(stream, "a worker's RPC port cut", lambda: host("pi-1").check_output(cut), notice=20)
        assert workers() == ["pi-2", "pi-3"]
        assert running()["absent"] == {"pi-1": "its RPC server does not answer"}
        assert "nothing gets through to the RPC port of pi-1; healthy again after" in status()
        wait_until(lambda: "takes no part (its RPC server does not answer)" in status(), 30, "told")
        # Longer than a plan with it would have to be possible, and requests to end.
        goes_on(stream, "the RPC port stays cut", 120)
    finally:
        host("pi-1").check_output("nft delete table inet cut")
    took = wait_until(all_take_part, BACK_SECONDS, "it takes part again")
    print(f"\nthe RPC port is open again: takes part again after {took:.1f} s")


def test_a_worker_that_comes_back_with_less_memory(stream):
    try:
        heals(stream, "worker off, to lose memory", lambda: lab("kill", "heal/pi-2"), aim=AIM_SECONDS)
        lab("start", "heal/pi-2")
        # Hardly more than its owner keeps for himself.
        lab("limit", "heal/pi-2", "--memory", "220MiB")
        wait_until(lambda: "pi-2             up" in status(), BOOT_SECONDS, "it answers")
        goes_on(stream, "worker back with less memory", 60)
        assert workers() == ["pi-1", "pi-3"]
    finally:
        lab("limit", "heal/pi-2", "--memory", "1GiB")
    took = wait_until(all_take_part, BACK_SECONDS, "it takes part with all of its memory")
    print(f"\nall of its memory is back: takes part again after {took:.1f} s")


def status():
    return host(LEADER).run("drover status --cluster main").stdout


STRANGER = """#!/usr/bin/python3
import socket, struct, sys
place = sys.argv[sys.argv.index("--host") + 1], int(sys.argv[sys.argv.index("--port") + 1])
server = socket.create_server(place)
while True:
    caller, _ = server.accept()
    with caller:
        caller.recv(64)
        caller.sendall(struct.pack("<QBBB", 3, 99, 0, 0))
        caller.recv(64)
"""


def test_a_worker_that_comes_back_with_another_protocol(stream):
    program = (
        host("pi-2")
        .check_output(
            "jq -r .program /etc/drover/main/deployment.json 2>/dev/null || python3 -c"
            ' \'import json; print(json.load(open("/etc/drover/main/deployment.json"))["program"])\''
        )
        .strip()
    )
    host("pi-2").check_output(f"cp {program} {program}.kept")
    try:
        host("pi-2").check_output(f"cat > {program}.new <<'EOF'\n{STRANGER}EOF\nchmod 755 {program}.new")
        host("pi-2").check_output(f"mv {program}.new {program}")
        heals(stream, "worker off, to get another build", lambda: lab("kill", "heal/pi-2"), aim=AIM_SECONDS)
        lab("start", "heal/pi-2")
        reason = "(its RPC server speaks protocol 99.0.0, and the leader's "
        wait_until(lambda: reason in status(), BOOT_SECONDS, "told")
        # Longer than a plan with it would have to be possible, and requests to end.
        goes_on(stream, "worker back with another protocol", 120)
        assert workers() == ["pi-1", "pi-3"]
    finally:
        host("pi-2").check_output(f"mv {program}.kept {program} && systemctl restart drover-rpc@main")
    took = wait_until(all_take_part, BACK_SECONDS, "it takes part with the right build")
    print(f"\nthe right build is back: takes part again after {took:.1f} s")


def test_a_worker_that_comes_back_with_another_build_of_the_same_protocol(stream):
    """The same program with one byte more behind its end, which nothing reads."""
    program = json.loads(host("pi-2").file("/etc/drover/main/deployment.json").content_string)["program"]
    host("pi-2").check_output(f"cp -p {program} {program}.kept && cp {program} {program}.new && echo >> {program}.new")
    try:
        host("pi-2").check_output(f"mv {program}.new {program}")
        restart = "systemctl restart drover-rpc@main"
        heals(stream, "worker's RPC server starts with another build", lambda: host("pi-2").check_output(restart))
        assert workers() == ["pi-1", "pi-3"]
        assert running()["absent"] == {"pi-2": "its llama.cpp is another one than when site.yml ran"}
        assert "takes no part (its llama.cpp is another one than when site.yml ran)" in status()
    finally:
        host("pi-2").check_output(f"mv {program}.kept {program} && systemctl restart drover-rpc@main")
    took = wait_until(all_take_part, BACK_SECONDS, "it takes part with the right build")
    print(f"\nthe right build is back: takes part again after {took:.1f} s")


def fill(name):
    """Have no room where the services of a host write: a small disk over it, with what is there, and full."""
    host(name).check_output(
        f"rm -rf /root/kept && cp -a {STATE} /root/kept && mount -t tmpfs -o size=256k,mode=0755 tmpfs {STATE}"
        f" && cp -a /root/kept/. {STATE}/ && chown drover:drover {STATE}"
        f" && (dd if=/dev/zero of={STATE}/filler bs=4k 2>/dev/null; true)"
    )


def make_room(name):
    host(name).check_output(f"rm -f {STATE}/filler")


def put_back(name):
    """The host's own disk, with what was written since."""
    host(name).check_output(
        f"rm -rf /root/kept && cp -a {STATE} /root/kept && umount {STATE} && cp -a /root/kept/. {STATE}/"
        " && systemctl restart 'drover-*@main.service'"
    )


def test_a_disk_that_is_full_on_a_worker_stops_nobody(stream):
    fill("pi-3")
    try:
        host("pi-3").check_output("systemctl restart drover-agent@main")
        goes_on(stream, "worker's disk full", 20)
        kill = "systemctl kill --signal=KILL drover-rpc@main.service"
        heals(stream, "worker killed while its disk is full", lambda: host("pi-3").check_output(kill), aim=AIM_SECONDS)
    finally:
        make_room("pi-3")
        put_back("pi-3")


def test_a_disk_that_is_full_on_the_leader_is_told_and_gone_on_with(stream):
    fill(LEADER)
    try:
        host(LEADER).check_output("systemctl restart drover-watch@main")
        wait_until(is_healthy, 20, "the watch is back")
        goes_on(stream, "leader's disk full", 20)
        began = time.monotonic()
        host(LEADER).check_output("systemctl kill --signal=KILL drover-server@main.service")
        wait_until(lambda: "No space left on device" in journal(LEADER, "server"), 30, "told")
    finally:
        make_room(LEADER)
    answers_again(stream, "llama-server killed while the disk is full", began, 0)
    put_back(LEADER)


def test_a_slow_link_is_no_dead_one(stream):
    lab("link", "heal/pi-3", "--rate", "256kbit")
    try:
        goes_on(stream, "link of 256 kbit/s", 60)
    finally:
        lab("link", "heal/pi-3", "--unlimited")


HOG = """
import os, sys, time
def grow(going):
    held = []
    while going():
        held.append(b"x" * (4 << 20))
    time.sleep(float(sys.argv[2]))
"""


def test_a_worker_whose_memory_runs_out(stream):
    """Four programs that each have less than half of it, so that the kernel ends what Drover runs before them."""
    pid = host("pi-1").check_output("systemctl show --property MainPID --value drover-rpc@main")
    hog = HOG + "for _ in range(3): os.fork()\ngrow(lambda: os.path.exists(f'/proc/{sys.argv[1]}'))\n"
    before = int(host("pi-1").check_output("grep oom_kill /proc/vmstat").split()[1])

    def fault():
        host("pi-1").check_output(
            f"cat > /root/hog.py <<'EOF'\n{hog}EOF\nsystemd-run --collect python3 /root/hog.py {pid} 3"
        )

    # The hog takes a while to fill it.
    heals(stream, "worker out of memory", fault, notice=30, aim=AIM_SECONDS + 30)
    assert int(host("pi-1").check_output("grep oom_kill /proc/vmstat").split()[1]) > before
    assert "status=9/KILL" in journal("pi-1", "rpc")


def test_an_owner_whose_program_takes_a_workers_memory(stream):
    """All but a third of what is reserved for him, and it stays."""
    hog = HOG + (
        "def left():\n"
        "    said = dict(line.split(':') for line in open('/proc/meminfo'))\n"
        "    return int(said['MemAvailable'].split()[0]) << 10\n"
        f"grow(lambda: left() > {64 * MIB})\n"
    )

    def fault():
        host("pi-3").check_output(
            f"cat > /root/hog.py <<'EOF'\n{hog}EOF\nsystemd-run --unit=owner --collect python3 /root/hog.py 0 600"
        )

    try:
        heals(stream, "owner takes a worker's memory", fault, notice=45)
        assert "pi-3's owner needs its memory since" in status()
        print(f"\n{status().partition('Heals')[0][-400:]}")
        # Its own program was never in danger.
        assert host("pi-3").check_output("systemctl is-active owner") == "active"
        assert "oom" not in journal("pi-3", "rpc")
    finally:
        host("pi-3").run("systemctl stop owner")


def damage(name, *paths):
    host(name).check_output(" && ".join(f"printf '{{\"schema\": 1, ' > {path}" for path in paths))


def test_what_the_cluster_has_written_itself_may_be_damaged(stream):
    own = [
        f"{STATE}/running.json",
        f"{STATE}/watch.json",
        "/etc/drover/main/measured.json",
        "/etc/drover/main/plan.json",
    ]
    heals(stream, "its own documents damaged", lambda: damage(LEADER, *own), notice=15, aim=AIM_SECONDS)
    assert workers() == WORKERS


def test_of_two_runs_of_site_at_once_one_is_refused():
    wait_until(is_healthy, BACK_SECONDS, "healthy before")
    sizes = [1024, 1536]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda size: play("site", settings={"llama_server_context_size": size}), sizes))
    assert sorted(run.status == 0 for run in runs) == [False, True], [run.said for run in runs]
    (refused,) = [run for run in runs if run.status]
    assert re.search(r"by a run of \S+ on \S+, which began \d+ minutes ago", refused.said), refused.said
    assert set(refused.changed.values()) == {0}
    (size,) = [size for size, run in zip(sizes, runs, strict=True) if run.status == 0]
    root = json.loads(host(LEADER).file("/etc/drover/main/deployment.json").content_string)
    assert root["arguments"][root["arguments"].index("--ctx-size") + 1] == str(size)
