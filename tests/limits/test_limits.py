# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner's word against the kernel's: what "fits" survives a full context, what does not fit is killed.

Four fleets of different shape are deployed by site.yml. For each, memory is taken from every host until the plan
fills it to the brim; then the services are started again, where loading is what needs the most, and the KV cache is
filled to its last token. Then the worker that holds the most gets a tenth less than the plan needs there, and the same
layout is started again.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import make_random_model
import pytest
import yaml
from lab.fleet import Fleet
from module_utils.footprint.model import MemoryModel
from module_utils.gguf.profile import model_profile
from module_utils.gguf.reader import read_header
from module_utils.placement.planner import make_plan
from module_utils.placement.policy import Policy
from module_utils.serving.cluster import Cluster
from module_utils.serving.command_line import plan_arguments

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
# As little as can be, to find the edge: no margin, and a reserve for what a process takes for itself, which no plan has
# (measured: 8 to 18 MiB of heap, stacks and buffers). By default both are much larger.
MARGIN = 0
RESERVE = 16 * MIB
PROCESS_BYTES = 24 * MIB
ANSWER_TOKENS = 4
CLUSTER = Cluster("main")
CONTEXT = 1024


@dataclass(frozen=True)
class Model:
    """A random model: the arguments of its writer, and the micro-batch that it is run with."""

    arguments: tuple
    micro_batch: int = 512


@dataclass(frozen=True)
class Shape:
    """A fleet: what its hosts have in MiB, the name of its model, and whether its worker needs the most to load it."""

    name: str
    memory: dict
    model: str
    loads_most: bool = False

    def __str__(self) -> str:
        return self.name


# Sixteen blocks of 37 MB, and 192 KiB of f32 cache a token: a short prompt fills a lot.
SIXTEEN = ("--blocks", "16", "--embedding", "1536", "--feed-forward", "1920", "--heads-kv", "24", "--context", "4096")
# Two blocks of 160 MB, 50 of them in each of three tensors; a small micro-batch takes no more than the cache.
TWO = ("--blocks", "2", "--embedding", "1024", "--feed-forward", "24576", "--heads-kv", "16", "--context", "4096")
MODELS = {
    "f16": Model((*SIXTEEN, "--type", "f16")),
    # Quantised, since F16 weights may be mapped from the file on the leader, and what is mapped is never killed.
    "q4_0": Model((*SIXTEEN, "--type", "q4_0")),
    "large tensors": Model((*TWO, "--type", "f16"), micro_batch=32),
}
SHAPES = [
    # Two workers are held by the next one, too, which is harder to fill to the brim.
    pytest.param(
        Shape("two equal workers", {"first": 432, "second": 400, "third": 400}, "f16"), marks=pytest.mark.long
    ),
    Shape("one tiny and one big worker", {"first": 400, "second": 256, "third": 500}, "f16"),
    Shape("one host alone", {"first": 512}, "q4_0"),
    Shape("a worker that loads large tensors", {"first": 360, "second": 360}, "large tensors", loads_most=True),
]


@dataclass
class Deployment:
    """A fleet with a plan on it, ``served``, and the memory limits of its hosts."""

    shape: Shape
    fleet: Fleet
    model: Path
    folder: Path
    limits: dict = field(default_factory=dict)
    served: dict = field(default_factory=dict)

    @property
    def hosts(self):
        return list(self.shape.memory)

    @cached_property
    def gguf(self):
        return model_profile(read_header(str(self.model)))

    def limit(self, host: str, memory: int) -> None:
        self.limits[host] = memory
        self.fleet.limit_memory(host, memory)

    def tallies(self, reserve: int = RESERVE) -> list:
        disk = "/var/lib/drover/models"
        return [self.fleet.tally(host, reserve_bytes=reserve, disk_path=disk) for host in self.hosts]

    def plan(self, tallies: list, split: dict | None = None) -> dict:
        policy = Policy(
            leader="first",
            context_size=CONTEXT,
            cache_type_k="f32",
            cache_type_v="f32",
            ubatch_size=MODELS[self.shape.model].micro_batch,
            margin=MARGIN,
            split=split,
        )
        return make_plan(self.gguf, tallies, policy, model_host="first")

    def take_what_is_spare(self) -> dict:
        """Take memory from every host until with one byte less the layout would not fit; return the plan at the brim.

        A megabyte stays, since what a host's own processes hold goes up and down.
        """
        tallies, split = self.tallies(), layers(self.served)
        for tally in tallies:
            before = tally["devices"][0]["usable_bytes"]
            too_little, enough = 0, before
            while enough - too_little > 1:
                middle = (enough + too_little) // 2
                lend(tally, middle)
                if self.plan(tallies, split)["feasible"]:
                    enough = middle
                else:
                    too_little = middle
            lend(tally, enough)
            self.limit(tally["host"], self.limits[tally["host"]] - before + enough + MIB)
        return self.plan(tallies, split)

    def deploy(self) -> None:
        """Run site.yml, and note the plan that the leader then has."""
        inventory = yaml.safe_load(self.fleet.inventory.read_text(encoding="utf-8"))["all"]
        machines = {host: inventory["hosts"][host] for host in self.hosts}
        own = self.folder / "inventory.yml"
        own.write_text(yaml.safe_dump({"llama_cluster": {"hosts": machines, "vars": inventory["vars"]}}))
        settings = {
            "gguf_model_path": str(self.model),
            "llama_server_context_size": CONTEXT,
            "llama_server_cache_type_k": "f32",
            "llama_server_cache_type_v": "f32",
            "llama_server_ubatch_size": MODELS[self.shape.model].micro_batch,
            # One thread a host: on a busy machine, threads that wait for each other are far slower.
            "llama_server_threads": 1,
            "rpc_server_threads": 1,
            "placement_leader": "first",
            "placement_reserve_bytes": RESERVE,
            "placement_margin": MARGIN,
            # A cluster that heals itself plans anew with what is left before the kernel ends anything.
            "llama_server_heals": False,
        }
        done = subprocess.run(
            ["ansible-playbook", "playbooks/site.yml", "--inventory", str(own), "--extra-vars", json.dumps(settings)],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout
        self.served = json.loads(self.fleet.run("first", f"cat {CLUSTER.plan_path}"))

    def unit(self, host: str) -> str:
        return CLUSTER.server_unit if host == "first" else CLUSTER.rpc_unit

    def fill_context(self) -> dict:
        """Have every cell of the KV cache written by one long prompt, and return the answer's counts."""
        key = self.fleet.run("first", f"cat {CLUSTER.api_key_path}").strip()
        prompt = [300 + number % 400 for number in range(CONTEXT - ANSWER_TOKENS)]
        body = {"prompt": prompt, "n_predict": ANSWER_TOKENS, "temperature": 0, "ignore_eos": True}
        request = urllib.request.Request(
            f"http://{self.fleet.address('first')}:8080/completion",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        )
        with urllib.request.urlopen(request, timeout=280) as reply:
            return json.loads(reply.read())

    def restart(self) -> None:
        """Start every service again, and wait until the leader has loaded the model."""
        self.stop()
        for host in reversed(self.hosts):
            self.fleet.run(host, f"systemctl start {self.unit(host)}")
        ready = f"curl --silent --fail http://{self.fleet.address('first')}:8080/health"
        self.fleet.run("first", f"for wait in $(seq 120); do {ready} && exit; sleep 0.5; done; exit 1")

    def stop(self) -> None:
        """Stop every service, the leader's first."""
        for host in self.hosts:
            self.fleet.run(host, f"systemctl stop {self.unit(host)}; systemctl reset-failed", must_work=False)


def lend(tally: dict, usable_bytes: int) -> None:
    """Change what the host of ``tally`` lends."""
    tally["memory"]["usable_bytes"] = tally["devices"][0]["usable_bytes"] = usable_bytes


def planned(plan: dict) -> dict:
    """Bytes that the plan puts on each host."""
    return {plan["leader"]: plan["host"]["total_bytes"], **{one["host"]: one["total_bytes"] for one in plan["devices"]}}


def needed(deployment: Deployment) -> dict:
    """Bytes that each host must lend for the plan that is served: of a worker, those of loading if they are more."""
    memory = MemoryModel(deployment.gguf, Policy.from_dict(deployment.served["policy"]).settings)
    most = planned(deployment.served)
    for one in deployment.served["devices"]:
        held = one["block_count"] + one["holds_output"]
        loading = one["weight_bytes"] + memory.device_loading_bytes(one["first_block"], held)
        most[one["host"]] = max(most[one["host"]], loading)
    return most


def layers(plan: dict) -> dict:
    """The layers that the plan gives each host, as the planner's ``split``."""
    kept = plan["leader_blocks"] + plan["host"]["holds_output"]
    return {plan["leader"]: kept, **{one["host"]: one["block_count"] + one["holds_output"] for one in plan["devices"]}}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Every model, written once."""
    folder = tmp_path_factory.mktemp("models")
    for name, model in MODELS.items():
        path = folder / f"{name}.gguf"
        make_random_model.write(path, make_random_model.parse([str(path), *model.arguments]))
    return folder


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def deployment(request, fleet, models, tmp_path_factory):
    """A fleet that site.yml has deployed a model on."""
    shape = request.param
    made = Deployment(shape, fleet, models / f"{shape.model}.gguf", tmp_path_factory.mktemp("fleet"))
    for host, memory in shape.memory.items():
        made.limit(host, memory * MIB)
    made.deploy()
    yield made
    made.stop()
    for host in made.hosts:
        fleet.run(host, f"rm -rf {CLUSTER.plan_path} /var/lib/drover/models /var/cache/drover/rpc")


def test_what_fits_survives_a_full_context(deployment):
    fleet, shape = deployment.fleet, deployment.shape
    plan = deployment.take_what_is_spare()
    assert plan_arguments(plan) == plan_arguments(deployment.served)
    parts = planned(plan)
    assert set(parts) == set(deployment.hosts)
    before = {host: fleet.killed(host) for host in parts}
    if shape.loads_most:
        deployment.restart()
    answer = deployment.fill_context()
    assert answer["tokens_evaluated"] == CONTEXT - ANSWER_TOKENS
    assert answer["tokens_predicted"] == ANSWER_TOKENS
    print(f"\n{shape.name}, {CONTEXT} tokens, MiB (mapped: read from files, can be read again)")
    print(f"{'host':8} {'limit':>7} {'usable':>7} {'planned':>7} {'held':>7} {'mapped':>7}")
    for tally in deployment.tallies():
        host, memory, unit = tally["host"], tally["memory"], deployment.unit(tally["host"])
        row = (
            deployment.limits[host],
            memory["usable_bytes"],
            parts[host],
            memory["held_bytes"],
            _mapped_bytes(fleet, host, unit),
        )
        print(f"{host:8} " + " ".join(f"{size / MIB:7.1f}" for size in row))
        restarts = fleet.run(host, f"systemctl show --property NRestarts --value {unit}").strip()
        assert (host, fleet.killed(host) - before[host], restarts) == (host, 0, "0")
        assert memory["held_bytes"] <= parts[host] + PROCESS_BYTES


def _mapped_bytes(fleet, host, unit):
    pid = fleet.run(host, f"systemctl show --property MainPID --value {unit}").strip()
    return int(fleet.run(host, f"awk '/^RssFile/ {{print $2}}' /proc/{pid}/status")) * 1024


def test_what_lacks_a_tenth_does_not_fit(deployment):
    fleet, parts = deployment.fleet, planned(deployment.served)
    # Of a small part, a tenth is less than the kernel takes back from a host's own processes before it kills.
    host = max(deployment.hosts[1:] or deployment.hosts, key=parts.get)
    need = needed(deployment)[host]
    assert (need > parts[host]) == deployment.shape.loads_most
    deployment.stop()
    usable = fleet.tally(host, reserve_bytes=0)["memory"]["usable_bytes"]
    deployment.limit(host, deployment.limits[host] - usable + math.ceil(need / 1.1))
    # No reserve is to blame: the memory is not there.
    tallies, split = deployment.tallies(reserve=0), layers(deployment.served)
    short = next(tally for tally in tallies if tally["host"] == host)
    lent = short["memory"]["usable_bytes"]
    plan = deployment.plan(tallies, split)
    missing = plan["missing_bytes"]
    print(f"\n{host} lends {lent / MIB:.1f} of {need / MIB:.1f} MiB, {missing / MIB:.1f} are missing")
    assert not plan["feasible"]
    assert missing == need - lent
    lend(short, lent + missing)
    assert deployment.plan(tallies, split)["feasible"]

    before = fleet.killed(host)
    for name in reversed(deployment.hosts):
        fleet.run(name, f"systemctl start {deployment.unit(name)}")
    killed = f"journalctl --unit {deployment.unit(host)} --grep status=9/KILL --quiet"
    deadline = time.monotonic() + 120
    while fleet.killed(host) == before or not fleet.run(host, killed, must_work=False):
        assert time.monotonic() < deadline, f"nothing was killed on {host}"
        time.sleep(0.5)
