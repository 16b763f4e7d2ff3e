# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What actions make of their options before they ask the brain, and of its answer."""

from __future__ import annotations

import os
import platform

import pytest
from module_utils.gateway.configuration import configure
from module_utils.gateway.settings import Settings
from module_utils.serving.deploy import deploy
from module_utils.serving.ports import needed_ports
from module_utils.weights.outlook import outlook
from unit.placement.fleets import MIB, model, plan_of, tally
from unit.placement.starts import CHOICE, machine
from unit.plugins.actions import PLAIN, ROOT, act, action_class, decorated, types_in
from unit.serving.clusters import MODEL, PROGRAMS
from unit.weights.plans import BLOCKS, gguf_of, manifest_of, planned, sizes

GGUF = model()
HOSTS = [tally("pi-1", 800 * MIB), tally("pi-2", 700 * MIB)]
PLAN = plan_of(GGUF, HOSTS)
MANIFEST = manifest_of(sizes(), {"output.weight": BLOCKS, "output_norm.weight": BLOCKS})
BY_HOST = {"pi-1": PROGRAMS, "pi-2": PROGRAMS}


def ask(name, **args):
    return act(action_class(name), args)


def test_a_plan_is_plain_and_that_of_the_planner():
    planned = ask("placement", model=decorated(GGUF), hosts=decorated(HOSTS), leader="", choice={}, split={})
    assert types_in(planned) <= PLAIN
    assert planned == {"changed": False, "plan": PLAN, "running": None, "places_the_same": False}


def test_a_plan_that_runs_is_known():
    planned = ask("placement", model=GGUF, hosts=HOSTS, previous=decorated([PLAN]))
    assert planned["running"] == PLAN
    assert planned["places_the_same"] is True


@pytest.mark.parametrize("split", [{"pi-1": 5, "pi-2": 4}, {"pi-1": "5", "pi-2": " 4 "}])
def test_a_split_may_be_text(split):
    plan = ask("placement", model=GGUF, hosts=HOSTS, leader="pi-1", split=split)["plan"]
    assert plan["policy"]["split"] == {"pi-1": 5, "pi-2": 4}
    assert plan["leader_blocks"] == 5


def test_a_split_that_is_no_number_is_refused_by_name():
    refused = ask("placement", model=GGUF, hosts=HOSTS, split={"pi-1": "half"})
    assert refused["failed"]
    assert "number of layers for pi-1" in refused["msg"]


def test_a_policy_that_cannot_be_is_refused():
    refused = ask("placement", model=GGUF, hosts=HOSTS, margin="1.5")
    assert refused["failed"]
    assert "margin" in refused["msg"]


def test_deployments_are_plain_and_those_of_the_brain():
    deployed = ask("deployment", plan=decorated(PLAN), tallies=decorated(HOSTS), programs=BY_HOST, model=MODEL)
    assert types_in(deployed) <= PLAIN
    deployments = deploy(PLAN, HOSTS, BY_HOST, MODEL, {})
    leaders = {host: each for host, each in deployments.items() if each["part"] == "leader"}
    told = {"deployments": deployments, "leaders": leaders, "members": {}, "standbys": {}}
    assert deployed == {"changed": False, "due": sorted(deployments), **told} and list(leaders) == [PLAN["leader"]]


def test_hosts_that_are_as_deployed_are_not_due(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given = {"plan": PLAN, "tallies": HOSTS, "programs": BY_HOST, "model": MODEL, "collection_path": str(ROOT)}
    digest = ask("runtime_archive", collection_path=str(ROOT))["runtime"]["digest"]
    found = [
        {
            "host": host,
            "installed": digest,
            "deployment": one,
            "complete": "true",
            "listeners": [{**needed_ports(one)[0], "command": one["program"]}],
            "plan": PLAN if one["part"] == "leader" else {},
        }
        for host, one in deploy(PLAN, HOSTS, BY_HOST, MODEL, {}).items()
    ]
    assert ask("deployment", found=decorated(found), **given)["due"] == []
    assert ask("deployment", found=found[1:], **given)["due"] == [found[0]["host"]]


def test_a_port_that_another_program_holds_is_refused():
    (worker,) = {"pi-1", "pi-2"} - {PLAN["leader"]}
    held = {"port": 50052, "address": "0.0.0.0", "pid": 844, "command": "/usr/bin/python3", "unit": "test.service"}
    refused = ask(
        "deployment",
        plan=PLAN,
        tallies=HOSTS,
        programs=BY_HOST,
        model=MODEL,
        found=[{"host": worker, "installed": "", "listeners": [held]}],
    )
    assert refused["failed"]
    assert refused["msg"] == (
        f"Port 50052 on {worker} is held by /usr/bin/python3 (process 844, unit test.service); stop it, or set "
        "rpc_server_port to a free port."
    )


def test_a_run_is_known_from_others():
    told = ask("this_run", others=["elsewhere pid:[1] boot:1:2"])
    # Its tasks are children of the one process that is the run, as this test is of whoever runs it.
    assert told["run"].rpartition(" ")[2].split(":")[1] == str(os.getppid())
    assert told["who"].endswith(f" on {platform.node()}") and told["ended"] == []
    gone = told["run"].rpartition(":")[0] + ":1"
    assert ask("this_run", others=[gone, told["run"]])["ended"] == [gone]


def test_wishes_may_be_text():
    wishes = [{"host": host, "rpc_server_cache": "no", "rpc_server_cache_days": "7"} for host in BY_HOST]
    deployed = ask("deployment", plan=PLAN, tallies=HOSTS, programs=BY_HOST, model=MODEL, settings_of_hosts=wishes)
    workers = [one for one in deployed["deployments"].values() if one["part"] == "worker"]
    assert workers
    assert [one["cache"] for one in workers] == [None] * len(workers)


def test_one_host_lends():
    lent = ask("deployment", lend_to="night", tallies=HOSTS[:1], programs=BY_HOST)["deployments"]
    assert (lent["pi-1"]["part"], lent["pi-1"]["cluster"]) == ("worker", "night")
    refused = ask("deployment", lend_to="night", tallies=HOSTS)
    assert refused["failed"]
    assert refused["msg"] == "lend_to is for one host, and there are 2 tallies: give that host's."


def test_the_runtime_is_kept_in_the_cache_of_who_runs_ansible(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runtime = ask("runtime_archive", collection_path=str(ROOT))["runtime"]
    assert runtime["path"].startswith(f"{tmp_path}/drover/")
    assert os.path.isfile(runtime["path"])


def test_a_worker_that_was_not_seen_takes_no_part():
    assert len(ask("proof_info", plan=PLAN, workers=[])["missing"]) == len({one["host"] for one in PLAN["endpoints"]})


def test_a_worker_that_must_take_part_and_does_not_fails_the_task():
    missing = ask("proof_info", plan=PLAN, workers=[])["missing"]
    refused = ask("proof_info", plan=PLAN, workers=[], required="yes")
    assert refused == {"failed": True, "msg": " ".join(missing)}


def test_a_fleet_is_recommended_what_it_runs():
    answer = ask("recommend", hosts=HOSTS, minimum_tokens_per_second="0.1")
    assert answer["recommendation"]["fits"]
    assert answer["lines"]


def test_what_is_to_be_placed_is_plain_and_that_of_the_brain():
    plan = planned(gguf_of(sizes()), {"leader": 7, "w1": 2})
    cache = {"schema": 1, "directory": "/c", "tensors": {}, "other_bytes": 0, "free_bytes": 1 << 40, "most_bytes": None}
    caches = {"w1": cache}
    asked = {"plan": decorated(plan), "manifest": decorated(MANIFEST), "caches": decorated(caches)}
    told = ask("tensor_cache_plan", **asked, spread="2")
    assert types_in(told) <= PLAIN
    assert told == {"changed": False, **outlook(plan, MANIFEST, caches, 2)}
    assert ask("tensor_cache_plan", **{**asked, "manifest": {}}, spread=2)["missing_bytes"] == dict.fromkeys(
        asked["caches"], 0
    )
    assert ask("tensor_cache_plan", **asked, spread=0)["msg"].startswith("spread is 0 but must be")


def test_a_gateway_is_plain_and_that_of_the_brain():
    wished = {"gateway_port": "443", "gateway_tls": "no"}
    deployments = deploy(PLAN, HOSTS, BY_HOST, MODEL, {})
    found = ask(
        "gateway",
        host="pi-1",
        plan=decorated(PLAN),
        deployments=decorated(deployments),
        tally=HOSTS[0],
        settings=wished,
    )
    assert types_in(found) <= PLAIN
    expected = configure("pi-1", PLAN, deployments, HOSTS[0], Settings(gateway_port=443, gateway_tls=False))
    assert found == {"changed": False, "gateway": expected}


def test_a_gateway_that_cannot_be_is_refused():
    deployments = deploy(PLAN, HOSTS, BY_HOST, MODEL, {})
    wished = {"gateway_cors_origins": ["*"]}
    refused = ask("gateway", host="pi-1", plan=PLAN, deployments=deployments, tally=HOSTS[0], settings=wished)
    assert refused["failed"]
    assert "gateway_cors_origins has '*'" in refused["msg"]


def test_a_start_is_written_down_and_planned_with():
    hosts = [machine(one) for one in HOSTS]
    plan = plan_of(GGUF, hosts, choice=CHOICE)
    completion = {
        "completion_tokens": 24,
        "prompt_tokens": 70,
        "tokens_per_second": 9.0,
        "prompt_tokens_per_second": 50.0,
    }
    workers = [{"tally": one} for one in hosts if one["host"] != plan["leader"]]
    given = {"plan": plan, "model": GGUF, "hosts": hosts, "choice": CHOICE}
    told = ask("measured_info", completion=completion, workers=workers, found=[None], **decorated(given))
    (run,) = told["measured"]["runs"]
    assert types_in(told) <= PLAIN
    assert run["held_bytes"] == {worker["tally"]["host"]: 0 for worker in workers}
    again = ask("placement", model=GGUF, hosts=hosts, choice=CHOICE, measured=[told["measured"]], previous=[plan])
    assert again["places_the_same"]
    assert again["plan"]["predicted"]["tokens_per_second"] > plan["predicted"]["tokens_per_second"]
    states = [{"host": one["host"], "completion": {**completion, "completion_tokens": 4}} for one in hosts]
    lines = ask("cluster_status_info", plan=plan, states=states, measured=[told["measured"]])["lines"]
    assert any(line.startswith("Measured: 8.6 tokens/s generated") for line in lines)
    silent = {**completion, "tokens_per_second": None}
    assert ask("measured_info", completion=silent, **given)["measured"] is None
