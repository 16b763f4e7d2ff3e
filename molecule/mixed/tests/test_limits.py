# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd holds a unit to, on a host with a kernel of its own: what no container can show.

Each is tried by a service that is made like one of Drover's and hardened by the same files.
"""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack

from cluster import LEADER, address, answers, host
from module_utils.hosts.ceiling import DROP_IN, ceiling_drop_in
from module_utils.serving.drop_ins import limits_drop_in

HOST, OTHER = "pi-5", "pi-1"
RPC = "drover-rpc@main.service"
PROBE = "drover-probe@limits.service"
FOLDER = "/run/systemd/system"
MIB = 1 << 20

WRITTEN_TO = """
import json, os
said = {}
for name in ("granted", "bound", "hidden"):
    try:
        os.close(os.open(f"/dev/drover-{name}", os.O_WRONLY))
        said[name] = "opens"
    except OSError as error:
        said[name] = type(error).__name__
print(json.dumps(said))
"""
SENT_TO = """
import json, socket
said = {}
for address in %s:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.sendto(b"drover", (address, 9))
            said[address] = "sent"
        except OSError as error:
            said[address] = type(error).__name__
print(json.dumps(said))
"""
RUNAWAY = """
hold = []
while True:
    hold.append(b"x" * (1 << 20))
"""


def put(path: str, text: str) -> None:
    encoded = base64.b64encode(text.encode()).decode()
    host(HOST).check_output(f"mkdir -p $(dirname {path}) && echo {encoded} | base64 --decode >{path}")


def run(script: str, **added: str) -> tuple[str, list[str]]:
    """Run ``script`` as a service of Drover's with the drop-ins ``added``: how it ended, and what was printed."""
    machine = host(HOST)
    with ExitStack() as stack:
        stack.callback(
            machine.check_output, f"rm -rf {FOLDER}/drover-probe@* /run/drover-probe.* && systemctl daemon-reload"
        )
        put("/run/drover-probe.py", script)
        start = "ExecStart=/usr/bin/python3 /run/drover-probe.py\nStandardOutput=truncate:/run/drover-probe.said\n"
        put(f"{FOLDER}/drover-probe@.service", f"[Service]\nType=oneshot\n{start}")
        for name, text in added.items():
            put(f"{FOLDER}/{PROBE}.d/10-{name}.conf", text)
        machine.check_output("systemctl daemon-reload")
        machine.run(f"systemctl start {PROBE}")
        result = machine.check_output(f"systemctl show --value --property=Result {PROBE}")
        machine.run(f"systemctl reset-failed {PROBE}")
        return result, machine.check_output("cat /run/drover-probe.said").splitlines()


def shown(unit: str, *names: str) -> dict[str, str]:
    said = host(HOST).check_output(f"systemctl show --property={','.join(names)} {unit}")
    return dict(line.split("=", 1) for line in said.splitlines())


def in_force() -> str:
    """The most that the kernel lets the RPC server have."""
    group = f"$(systemctl show --value --property=ControlGroup {RPC})"
    return host(HOST).check_output(f'cat "/sys/fs/cgroup{group}/memory.max"')


def test_the_kernel_knows_the_bound_on_an_rpc_servers_memory():
    told = shown(RPC, "MemoryMax", "MemorySwapMax")
    assert in_force() == told["MemoryMax"]
    total = int(host(HOST).check_output("grep ^MemTotal /proc/meminfo").split()[1]) * 1024
    # The default reserve of such a host is a tenth.
    assert 0.94 * total < int(told["MemoryMax"]) < 0.96 * total
    assert int(told["MemoryMax"]) + int(told["MemorySwapMax"]) <= total


def test_a_running_rpc_server_is_held_to_another_bound():
    before, process = in_force(), shown(RPC, "MainPID")
    drop_in = DROP_IN.format(RPC)
    change = "sed -i /MemoryMax/s/=.*/={}/ " + drop_in + " && systemctl daemon-reload"
    with ExitStack() as stack:
        stack.callback(host(HOST).check_output, change.format(before))
        host(HOST).check_output(change.format(1024 * MIB))
        assert in_force() == str(1024 * MIB)
        assert shown(RPC, "MainPID") == process


def test_a_runaway_is_ended_and_nothing_else(api):
    others = (RPC, "drover-agent@main.service", "ssh.service", "systemd-journald.service")
    before = [shown(unit, "MainPID", "NRestarts", "ActiveState") for unit in others]
    small = {"total_bytes": 192 * MIB, "limit_bytes": None, "reserve_bytes": 64 * MIB}
    result, _said = run(RUNAWAY, memory=ceiling_drop_in(small))
    assert result == "oom-kill"
    assert [shown(unit, "MainPID", "NRestarts", "ActiveState") for unit in others] == before
    question, answer = answers()[0]
    assert api.ask(question) == answer


def test_an_rpc_server_can_talk_to_its_leader_and_to_nobody_else():
    limits = host(HOST).check_output(f"cat /etc/systemd/system/{RPC}.d/10-limits.conf")
    asked = ["127.0.0.1", address(HOST), address(LEADER), address(OTHER), address(LEADER).rsplit(".", 1)[0] + ".1"]
    free = json.loads(run(SENT_TO % asked)[1][-1])
    assert free == dict.fromkeys(asked, "sent")
    bound = json.loads(run(SENT_TO % asked, limits=limits)[1][-1])
    assert bound == {**dict.fromkeys(asked[:3], "sent"), **dict.fromkeys(asked[3:], "PermissionError")}


def test_a_service_opens_the_node_that_it_was_given_and_no_other():
    # /dev/kmsg by other names, which every kernel has, and which anybody may write to who can open it.
    nodes = {"granted": "1 11", "bound": "10 223", "hidden": "1 11"}
    limits = limits_drop_in({"nodes": ["/dev/drover-granted"], "groups": []})
    with ExitStack() as stack:
        stack.callback(host(HOST).check_output, "rm -f /dev/drover-*")
        for name, number in nodes.items():
            host(HOST).check_output(f"mknod --mode=0666 /dev/drover-{name} c {number}")
        without = json.loads(run(WRITTEN_TO)[1][-1])
        # One that is to be seen in /dev, and is not allowed: by the kernel's own gate, too, there is no way to it.
        also = limits + "BindPaths=/dev/drover-bound\n"
        found = json.loads(run(WRITTEN_TO, limits=also)[1][-1])
    assert without == dict.fromkeys(nodes, "FileNotFoundError")
    assert found == {"granted": "opens", "bound": "PermissionError", "hidden": "FileNotFoundError"}
