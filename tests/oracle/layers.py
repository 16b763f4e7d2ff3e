#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the real llama-server with the arguments of plans, and compares where it puts each layer with the plan.

Needs an oracle with llama-server (see host.py): DROVER_ORACLE_ROOT=/path python3 tests/oracle/layers.py
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "plugins")]

from module_utils.gguf.profile import model_profile  # noqa: E402
from module_utils.gguf.reader import read_header  # noqa: E402
from module_utils.placement.planner import make_plan  # noqa: E402
from module_utils.placement.policy import Policy  # noqa: E402
from module_utils.serving.command_line import plan_arguments  # noqa: E402
from oracle import host as oracle_host  # noqa: E402
from unit.placement import fleets  # noqa: E402

MODEL = HERE.parent / "assets" / "drover-demo.gguf"
MIB = 1 << 20

# Port 1 on purpose: whatever asks for the leader's own RPC server must fail.
LEADER_PORT = 1

# It ends as soon as all layers are told; nothing is asked of it.
ASK = """
{server} --host 127.0.0.1 --port 0 -lv 5 >{log} 2>&1 </dev/null & pid=$!
for wait in $(seq 100); do
  grep -q 'compute buffer size' {log} && break
  kill -0 $pid 2>/dev/null || break
  sleep 0.1
done
kill -9 $pid; wait $pid 2>/dev/null; cat {log}
"""

# What to plan for, and the MiB that the leader and the three workers lend.
CASES = (
    ({}, (900, 900, 900, 900)),
    ({"spread": "all"}, (900, 900, 900, 900)),
    ({"spread": "all"}, (900, 900)),
    ({"spread": "all", "context_size": 512, "parallel": 2}, (900, 900, 900, 900)),
    ({"split": {"w1": 9}}, (900, 900, 900, 900)),
    ({"split": {"w1": 3, "w2": 6}}, (900, 900, 900, 900)),
    ({"split": {"w2": 1, "w1": 8}}, (900, 900, 900, 900)),
    ({"split": {"w3": 3, "w1": 3, "w2": 3}}, (900, 900, 900, 900)),
    ({"split": {"leader": 8, "w1": 1}}, (900, 900, 900, 900)),
    ({"split": {"leader": 7, "w1": 1, "w2": 1}}, (900, 900, 900, 900)),
    ({"split": {"leader": 1, "w1": 8}}, (900, 900, 900, 900)),
    ({"split": {"leader": 2, "w1": 2, "w2": 4, "w3": 1}}, (900, 900, 900, 900)),
    ({"split": {"leader": 1, "w1": 6, "w2": 1, "w3": 1}}, (900, 900, 900, 900)),
    ({"split": {"leader": 9}}, (900, 900, 900, 900)),
    ({"cache_type_k": "q8_0", "cache_type_v": "q8_0", "spread": "all"}, (900, 900, 900)),
)


def planned(plan):
    """``{layer: device}`` as llama-server would say it."""
    places = dict.fromkeys(range(plan["leader_blocks"] + plan["host"]["holds_output"]), "CPU")
    for device in plan["devices"]:
        end = device["first_block"] + device["block_count"] + device["holds_output"]
        places.update(dict.fromkeys(range(device["first_block"], end), device["device"]))
    return places


def seen(oracle, path, plan):
    """``{layer: device}`` as llama-server says it."""
    server = shlex.join(["llama-server", "-m", path, "--threads", "1", *plan_arguments(plan)])
    told = oracle.shell(ASK.format(server=server, log=shlex.quote(f"{oracle.directory}/server.log")))
    return {int(layer): name for layer, name in re.findall(r"layer +(\d+) assigned to device (\w+)", told)}


def fleet(endpoints, sizes):
    names = ["leader", "w1", "w2", "w3"][: len(sizes)]
    ports = [LEADER_PORT, *(int(endpoint.rsplit(":", 1)[1]) for endpoint in endpoints)]
    loopback = fleets.network("127.0.0.1", address="127.0.0.1")
    return [
        fleets.tally(name, size * MIB, network=loopback, port=port) for name, port, size in zip(names, ports, sizes)
    ]


def main():
    gguf = model_profile(read_header(str(MODEL)))
    wrong = 0
    try:
        with oracle_host.configured(count=3) as oracle:
            content = MODEL.read_bytes()
            path = oracle.put("demo.gguf", content, len(content))
            for arguments, sizes in CASES:
                plan = make_plan(gguf, fleet(oracle.endpoints, sizes), Policy(leader="leader", **arguments))
                want, got = planned(plan), seen(oracle, path, plan)
                wrong += want != got
                print("same  " if want == got else "WRONG ", arguments, " ".join(want[layer] for layer in sorted(want)))
                if want != got:
                    print("       llama-server:", " ".join(got[layer] for layer in sorted(got)) or "said nothing")
    except oracle_host.OracleError as error:
        return str(error)
    print(f"{len(CASES) - wrong} of {len(CASES)} plans land as planned")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
