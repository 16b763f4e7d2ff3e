# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster over three hosts: right answers, right layout, nothing exposed, hardened."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cluster import LEADER, ROOT, STRANGER, WORKERS, Api, address, answers, host, restart_leader
from exposure import WELL_PROTECTED, exposure
from module_utils.hosts.ceiling import ceiling_bytes, most_planned
from playbook import play, succeeded

UNITS = [(LEADER, "drover-server@main.service"), *((worker, "drover-rpc@main.service") for worker in WORKERS)]


@pytest.mark.parametrize(("name", "unit"), UNITS)
def test_unit_is_up_now_and_after_a_boot(name, unit):
    service = host(name).service(unit)
    assert service.is_running
    assert service.is_enabled


@pytest.mark.parametrize(("name", "unit"), UNITS)
def test_unit_runs_as_drover_and_cannot_gain_anything(name, unit):
    main_pid = host(name).check_output("systemctl show --property MainPID --value %s", unit)
    status = host(name).file(f"/proc/{main_pid}/status").content_string
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert host(name).check_output("stat --format %%U /proc/%s", main_pid) == "drover"
    assert int(values["CapEff"], 16) == 0
    assert int(values["CapBnd"], 16) == 0
    assert values["NoNewPrivs"] == "1"
    assert values["Seccomp"] == "2"


@pytest.mark.parametrize(("name", "unit"), UNITS)
def test_systemd_rates_the_unit_as_well_protected(name, unit):
    assert exposure(name, unit) <= WELL_PROTECTED


@pytest.mark.parametrize(("name", "unit"), UNITS)
def test_no_unit_can_take_all_memory_of_its_host(name, unit):
    """Nor does that change what the host lends, so that a second run finds the same bound."""
    memory = host(name).ansible("drover.llama.memory_info", "bandwidth=false", check=False)["tally"]["memory"]
    assert host(name).check_output("systemctl show --value --property=MemoryMax %s", unit) == str(ceiling_bytes(memory))
    assert memory["limit_bytes"] is None
    assert most_planned(memory) < ceiling_bytes(memory) < memory["total_bytes"]


def test_another_bound_on_memory_is_put_right_and_restarts_nothing():
    def shown():
        return [host(name).check_output("systemctl show --property=MemoryMax,MainPID %s", unit) for name, unit in UNITS]

    before, (worker, unit) = shown(), UNITS[1]
    drop_in = f"/etc/systemd/system/{unit}.d/10-memory.conf"
    host(worker).check_output(f"sed -i /MemoryMax/s/=.*/=536870912/ {drop_in} && systemctl daemon-reload")
    assert "MemoryMax=536870912" in shown()[1]
    run = succeeded(play("site"))
    assert run.changed[worker] > 0
    assert shown() == before


def test_service_user_has_no_shell():
    for name in [LEADER, *WORKERS]:
        assert host(name).user("drover").shell == "/usr/sbin/nologin"


@pytest.mark.parametrize("worker", WORKERS)
def test_rpc_server_listens_on_the_cluster_address_only(worker):
    listening = host(worker).check_output("ss --no-header --listening --tcp --numeric sport = :50052").split()
    assert f"{address(worker)}:50052" in listening
    assert not any(part.startswith(("0.0.0.0:", "*:", "[::]:")) and part.endswith("50052") for part in listening)


@pytest.mark.parametrize("worker", WORKERS)
def test_rpc_port_is_closed_to_all_but_the_leader(worker):
    # timeout(1) ends a connection attempt that the firewall swallows; 124 is its status then.
    attempt = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{address(worker)}/50052'"
    assert host(STRANGER).run(attempt).rc == 124
    other = next(name for name in WORKERS if name != worker)
    assert host(other).run(attempt).rc == 124
    # The leader's own connection stands, so its packets pass.
    peers = host(worker).check_output("ss --no-header --tcp --numeric state established sport = :50052")
    assert address(LEADER) in peers


def test_secrets_are_readable_by_root_and_the_service_only():
    key = host(LEADER).file("/etc/drover/main/api_key")
    assert (key.mode, key.user, key.group) == (0o640, "root", "drover")
    assert len(key.content_string.strip()) >= 32


def test_api_refuses_without_the_key(api):
    question = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    assert api.request("/v1/chat/completions", question, key="")[0] == 401
    assert api.request("/v1/chat/completions", question, key="wrong")[0] == 401
    assert api.request("/v1/chat/completions", question)[0] == 200


def test_every_host_holds_layers_and_all_add_up(plan):
    assert plan["mode"] == "rpc"
    assert plan["leader"] == LEADER
    assert plan["leader_blocks"] >= 1
    assert sorted(device["host"] for device in plan["devices"]) == WORKERS
    on_devices = sum(device["block_count"] for device in plan["devices"])
    assert plan["leader_blocks"] + on_devices == 8
    assert [device["holds_output"] for device in plan["devices"]] == [False, True]


def test_llama_server_put_the_layers_where_the_plan_says(plan):
    process = host(LEADER).check_output("systemctl show --property MainPID --value drover-server@main.service")
    arguments = host(LEADER).file(f"/proc/{process}/cmdline").content_string.split("\0")
    assert arguments[arguments.index("--rpc") + 1] == ",".join(device["endpoint"] for device in plan["devices"])
    layers = [device["block_count"] + device["holds_output"] for device in plan["devices"]]
    assert [int(part) for part in arguments[arguments.index("--tensor-split") + 1].split(",")] == layers
    assert int(arguments[arguments.index("--n-gpu-layers") + 1]) == sum(layers)


@pytest.mark.parametrize(("question", "answer"), answers())
def test_greedy_answer_is_the_trained_text(api, question, answer):
    assert api.ask(question) == answer


def test_one_machine_alone_answers_the_same(api):
    leader = host(LEADER)
    model = "/var/lib/drover/models/drover-demo.gguf"
    leader.check_output(
        "systemd-run --quiet --collect --unit drover-test-single --property User=drover"
        f" llama-server --model {model} --host {address(LEADER)} --port 18080 --api-key single"
        " --ctx-size 2048 --parallel 1 --n-gpu-layers 0 --fit off"
    )
    try:
        single = Api(f"http://{address(LEADER)}:18080", "single")
        for _ in range(60):
            if leader.run(f"curl --fail --silent http://{address(LEADER)}:18080/health").rc == 0:
                break
            time.sleep(0.5)
        for question, _ in answers():
            assert single.ask(question) == api.ask(question)
    finally:
        leader.run("systemctl stop drover-test-single.service")


def test_answers_stay_right_when_asked_at_the_same_time(api):
    pairs = answers()[:4]
    with ThreadPoolExecutor(max_workers=4) as pool:
        assert list(pool.map(lambda pair: api.ask(pair[0]), pairs)) == [answer for _, answer in pairs]


def test_model_arrived_whole_and_nothing_is_half_written():
    leader = host(LEADER)
    source = ROOT / "tests" / "assets" / "drover-demo.gguf"
    placed = leader.file("/var/lib/drover/models/drover-demo.gguf")
    assert placed.sha256sum == hashlib.sha256(source.read_bytes()).hexdigest()
    assert leader.check_output("ls -A /var/lib/drover/models").split() == [
        "drover-demo.gguf",
        "drover-demo.gguf.source",
    ]


def test_restart_of_the_leader_gives_the_same_answer(api):
    question, answer = answers()[0]
    restart_leader(api)
    assert api.ask(question) == answer
