#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the planner's choice loses against the best of all layouts, and gains on llama.cpp's default, in the time of a
request: a prompt and an answer, which is what plans are made for.

Three hosts of the lab, a leader and two workers of different CPU share and link. Every layout of a small model over
them is started and measured, twice; then the fastest, the chosen and the default ones take turns. The median of those
turns counts: the fastest of many layouts by a few runs is often just the luckiest. Two questions are asked of the same
measurements: what if all of the model fits on the leader, and what if only a third of it does?

Run as `python tests/bench/bench_regret.py`, as root, on a machine with nothing else to do.
"""

from __future__ import annotations

import json
import shlex
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests"), str(ROOT / "tests" / "assets")]

import make_random_model  # noqa: E402
from lab.fleet import Fleet  # noqa: E402
from module_utils.gguf.profile import model_profile  # noqa: E402
from module_utils.gguf.reader import read_header  # noqa: E402
from module_utils.placement.planner import make_plan  # noqa: E402
from module_utils.placement.policy import Policy  # noqa: E402
from module_utils.serving.command_line import plan_arguments  # noqa: E402

# Five blocks of 50 MB: their large tensors are cached by the workers, so that starting a layout takes a second.
SHAPE = ["--blocks", "5", "--embedding", "1536", "--feed-forward", "4096"]
LEADER, WORKERS = "leader", ("near", "far")
THREADS = 1  # no host has more than one core
CONTEXT = 512
# As many of each as in the chat that is planned for by default, but fewer.
PROMPT_TOKENS = ANSWER_TOKENS = 48
ROUNDS, TURNS = 2, 8  # starts of all layouts, and then of those that matter
ANSWERS = 3  # measurements of each start
CONTENDERS = 4  # the fastest layouts, which are measured again
PLACE = "/var/lib/drover-bench"
SERVER, RPC = "bench-server", "bench-rpc"


def layouts(count: int):
    """Every way to share out ``count`` layers, as the ``split`` of the planner: the leader's first."""
    for kept in range(count + 1):
        left = count - kept
        yield {LEADER: kept, **({} if not left else {WORKERS[0]: left})}
        if left:
            yield {LEADER: kept, WORKERS[1]: left}
        for part in range(1, left):
            yield {LEADER: kept, WORKERS[0]: part, WORKERS[1]: left - part}
            yield {LEADER: kept, WORKERS[1]: part, WORKERS[0]: left - part}


def split_of(plan: dict) -> dict:
    """The ``split`` that gives this plan."""
    held = {LEADER: plan["leader_blocks"] + plan["host"]["holds_output"]}
    return {**held, **{one["host"]: one["block_count"] + one["holds_output"] for one in plan["devices"]}}


def text(split: dict) -> str:
    """``leader 2 > far 1 > near 3``."""
    return " > ".join(f"{host} {layers}" for host, layers in split.items() if layers)


class Bench:
    """The hosts with RPC servers on them, ready to be measured."""

    def __init__(self, fleet: Fleet, model: Path):
        self.fleet = fleet
        self.gguf = model_profile(read_header(str(model)))
        fleet.run(LEADER, f"mkdir -p {PLACE}")
        fleet.send(LEADER, model, f"{PLACE}/model.gguf")
        self.tallies = [self._tally(name) for name in fleet.names]
        for name in WORKERS:
            self._serve_rpc(name)

    def _tally(self, name):
        tally = self.fleet.tally(name)
        # The lab limits cable and CPU behind the host's back; a real machine knows its own.
        host = self.fleet.lab.hosts[name]
        network = {**tally["network"], "speed_mbps": host.link // 10**6 if host.link else 10_000}
        bandwidth = int(tally["bandwidth_bytes_per_second"] * min(1.0, host.cpu))
        cpu, *gpus = tally["devices"]
        devices = [{**cpu, "bandwidth_bytes_per_second": bandwidth}, *gpus]
        return {**tally, "network": network, "bandwidth_bytes_per_second": bandwidth, "devices": devices}

    def _serve_rpc(self, name):
        program = "$(ls /usr/libexec/*/llama/bin/ggml-rpc-server)"
        self.fleet.run(
            name,
            f"systemctl stop {RPC} 2>/dev/null; systemd-run --quiet --collect --unit {RPC} --setenv LLAMA_CACHE={PLACE}"
            f" {program} --host {self.fleet.address(name)} --port 50052 --threads {THREADS} --cache",
        )

    def plan(self, tallies: list, **more) -> dict:
        policy = Policy(
            leader=LEADER, context_size=CONTEXT, prompt_tokens=PROMPT_TOKENS, answer_tokens=ANSWER_TOKENS, **more
        )
        return make_plan(self.gguf, tallies, policy, model_host=LEADER)

    def seconds(self, arguments: list) -> list:
        """Seconds that each of some requests takes ``llama-server`` with these arguments."""
        server = [
            "llama-server",
            "--model",
            f"{PLACE}/model.gguf",
            "--host",
            self.fleet.address(LEADER),
            "--port",
            "8080",
            "--threads",
            str(THREADS),
            *arguments,
        ]
        self._links(limited=False)
        self.fleet.run(LEADER, f"systemd-run --quiet --collect --unit {SERVER} {shlex.join(server)}")
        try:
            self._wait()
            self._links(limited=True)
            self._complete(4)
            timings = [self._complete(ANSWER_TOKENS)["timings"] for _answer in range(ANSWERS)]
            return [(one["prompt_ms"] + one["predicted_ms"]) / 1000 for one in timings]
        finally:
            self._links(limited=False)
            self.fleet.run(LEADER, f"systemctl stop {SERVER}", must_work=False)

    def _links(self, limited):
        for name in WORKERS:
            self.fleet.slow_down(name, self.fleet.lab.hosts[name].link if limited else None)

    def _wait(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://{self.fleet.address(LEADER)}:8080/health", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        raise RuntimeError(self.fleet.run(LEADER, f"journalctl --unit {SERVER} --lines 20 --no-pager"))

    def _complete(self, tokens):
        body = {
            "prompt": list(range(300, 300 + PROMPT_TOKENS)),
            "n_predict": tokens,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": False,  # each answer reads its prompt
        }
        request = urllib.request.Request(
            f"http://{self.fleet.address(LEADER)}:8080/completion",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.loads(reply.read())

    def default_arguments(self) -> list:
        """What a person types who knows no better: all workers, and llama.cpp decides."""
        endpoints = ",".join(f"{self.fleet.address(name)}:50052" for name in WORKERS)
        return ["--ctx-size", str(CONTEXT), "--parallel", "1", "--rpc", endpoints]


def lending(tally: dict, usable: int) -> dict:
    """The tally of a host that lends so many bytes."""
    cpu, *gpus = tally["devices"]
    devices = [{**cpu, "usable_bytes": usable}, *gpus]
    return {**tally, "memory": {**tally["memory"], "usable_bytes": usable}, "devices": devices}


def limited(bench: Bench) -> list:
    """The tallies, but for a leader that holds a third of the model and no more."""
    third = bench.gguf["weight_bytes"] // 3
    nothing = {LEADER: 0, WORKERS[0]: bench.gguf["block_count"] + 1}
    least = bench.plan(bench.tallies, split=nothing)["host"]["total_bytes"]
    return [
        lending(tally, int((least + third) * 1.06)) if tally["host"] == LEADER else tally for tally in bench.tallies
    ]


def measure(bench: Bench) -> None:
    questions = {"all of it fits on the leader": bench.tallies, "a third of it fits on the leader": limited(bench)}
    every = {text(split): bench.plan(bench.tallies, split=split) for split in layouts(bench.gguf["block_count"] + 1)}
    runs = {name: plan_arguments(plan) for name, plan in every.items()}
    runs["default"] = bench.default_arguments()
    possible = {
        question: [name for name, plan in every.items() if bench.plan(tallies, split=split_of(plan))["feasible"]]
        for question, tallies in questions.items()
    }
    chosen = {question: text(split_of(bench.plan(tallies))) for question, tallies in questions.items()}
    found = {name: [] for name in runs}
    for _round in range(ROUNDS):
        for name, arguments in runs.items():
            found[name] += bench.seconds(arguments)
    again = {"default", *chosen.values()}
    for names in possible.values():
        again.update(sorted(names, key=lambda name: min(found[name]))[:CONTENDERS])
    taken = {name: [] for name in again}
    for number in range(TURNS):
        for name in sorted(again, reverse=number % 2 == 1):
            taken[name] += bench.seconds(runs[name])

    def median(name):
        return statistics.median(taken[name])

    def row(title, name):
        return f"{title:40} {median(name):9.2f} {min(taken[name]):9.2f} {len(taken[name]):5}"

    for tally in bench.tallies:
        print(
            f"{tally['host']}: {tally['bandwidth_bytes_per_second'] / 1e9:.1f} GB/s measured,"
            f" {tally['network']['speed_mbps']} Mbit/s"
        )
    for question, names in possible.items():
        print(f"\n{question}: {len(names)} layouts, seconds of {PROMPT_TOKENS} + {ANSWER_TOKENS} tokens")
        print(f"{'layout':40} {'median':>9} {'best':>9} {'runs':>5} {'predicted':>10}")
        ranked = sorted(again.intersection(names), key=median)
        for name in ranked:
            note = "  <- the planner's" if name == chosen[question] else ""
            predicted = every[name]["predicted"]["request_seconds"]
            print(f"{row(name, name)} {predicted:10.2f}{note}")
        print(row("llama.cpp default over both workers", "default"))
        print(f"{'chosen / best':40} {median(ranked[0]) / median(chosen[question]):9.1%}  (aim: at least 97 %)")
        print(f"{'chosen / default':40} {median('default') / median(chosen[question]):9.1%}  (aim: at least 100 %)")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Fleet("regret") as fleet:
        model = Path(folder, "model.gguf")
        make_random_model.write(model, make_random_model.parse([str(model), *SHAPE]))
        measure(Bench(fleet, model))


if __name__ == "__main__":
    main()
