# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the brain's ideas of a GPU against a real one: bytes, speed, and what runs on a card that is full to the brim.

Started by tests/gpu/run. Takes ten minutes on a machine with one NVIDIA card, half of them to compile, as root (it
writes /etc/drover/main/deployment.json), with CMake, Ninja, nvcc, numpy and PyTorch. What it finds is in --out at any
time; a step that fails is told of, and the next begins. Without a card the CPU stands in for one, which tries the
script.

The headers in --models name by their first letter what they are for: "a…" and "b…" fill a card to the brim, "x…" are
mixtures of experts, which are too large for a card; all others, and these, tell speeds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

from assets import demo_text
from module_utils.errors import DroverError
from module_utils.healing.gpu_metrics import GpuFigures
from module_utils.hosts.card_speed import card_speed
from module_utils.hosts.tree import Tree

from gpu import card_programs
from gpu.bench import LEADER, PROJECT, WORKER, Bench
from gpu.weights import fill

DEMO = PROJECT / "tests" / "assets" / "drover-demo.gguf"
CONTEXT_STEP = 256
BALLOON = """
import sys, torch
left = int(sys.argv[1]) << 20
free, _total = torch.cuda.mem_get_info()
held = torch.empty(max(0, free - left), dtype=torch.uint8, device="cuda")
torch.cuda.synchronize()
print(torch.cuda.mem_get_info()[0] >> 20, flush=True)
sys.stdin.read()
"""
COPY = """
import torch, statistics
source = torch.randint(0, 255, (4 << 30,), dtype=torch.uint8, device="cuda")
target = torch.empty_like(source)
times = []
for _ in range(12):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record(); target.copy_(source); end.record(); torch.cuda.synchronize()
    times.append(begin.elapsed_time(end) / 1000)
copied = 2 * source.numel() / statistics.median(times[2:])
times = []
for _ in range(12):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record(); source.view(torch.int64).sum(); end.record(); torch.cuda.synchronize()
    times.append(begin.elapsed_time(end) / 1000)
print(int(copied), int(source.numel() / statistics.median(times[2:])))
"""


class Check:
    def __init__(self, given):
        self.out, self.work = given.out, given.work
        self.began = time.monotonic()
        self.end = self.began + given.seconds
        self.results = (self.out / "results.jsonl").open("a")
        self.headers = sorted(given.models.glob("*.gguf")) if given.models else []
        self.questions, self.free = given.questions, given.free
        self.bench = None

    @property
    def card_name(self):
        return next((one["name"] for one in self.bench.programs["devices"]), None)

    @property
    def cards(self):
        return (self.card_name,) if self.card_name else ()

    def names(self, first=""):
        """Of the models."""
        return [header.stem for header in self.headers if header.stem.startswith(first)]

    def tell(self, what, **found):
        line = json.dumps({"at": round(time.monotonic() - self.began, 1), "what": what, **found})
        print(line, flush=True)
        self.results.write(line + "\n")
        self.results.flush()

    def step(self, function, *arguments, needs=20):
        if self.end - time.monotonic() < needs:
            self.tell("left out", step=function.__name__, arguments=[str(one) for one in arguments])
            return
        try:
            function(*arguments)
        except Exception as error:
            self.tell("failed", step=function.__name__, error=f"{error}", trace=traceback.format_exc(limit=-3))

    def model(self, name):
        return self.work / f"{name}.gguf"

    def fill_models(self):
        for header in self.headers:
            begin = time.monotonic()
            fill(header, self.model(header.stem))
            self.tell("model", name=header.stem, bytes=header.stat().st_size, seconds=time.monotonic() - begin)

    def bandwidth(self):
        """By PyTorch, which the brain's own figure is held against."""
        told = subprocess.run([sys.executable, "-c", COPY], capture_output=True, text=True, timeout=120, check=True)
        copied, read = (int(word) for word in told.stdout.split())
        self.tell("bandwidth", copied_bytes_per_second=copied, read_bytes_per_second=read)

    def card(self):
        """What the brain knows of the card, measured anew."""
        (gpu,) = self.bench.tallies()[0]["gpus"]
        begin = time.monotonic()
        measured = card_speed(gpu, str(self.work / "nowhere"), False)
        seconds = time.monotonic() - begin
        self.tell("card", gpu=gpu, measured_bytes_per_second=measured, seconds=seconds)

    # --- Parts ---------------------------------------------------------------------------------------------------

    def demo(self, name, split, lend=(), leader_gpus=True):
        """Every trained answer through one layout."""
        tallies = self.bench.tallies(lend, leader_gpus)
        plan = self.bench.plan(DEMO, tallies, context_size=2048, split=split, leader=LEADER)
        if not plan["feasible"]:
            self.tell("demo", name=name, refused=plan["shortfall"]["text"])
            return
        with self.bench.start(DEMO, tallies, plan) as cluster:
            idle = cluster.held()
            cluster.await_leader()
            loaded = cluster.held()
            right = 0
            questions = dict(list(demo_text.trained(demo_text.read()).items())[: self.questions])
            for question, answer in questions.items():
                body = {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 100}
                told = cluster.ask("/v1/chat/completions", **body)["choices"][0]["message"]["content"]
                right += told.strip() == answer.strip()
            self.tell(
                "demo",
                name=name,
                right=right,
                of=len(questions),
                devices=[(one["host"], one["device"], one["id"], one["block_count"]) for one in plan["devices"]],
                arguments={host: one["arguments"] for host, one in cluster.deployments.items()},
                environment={host: one["environment"] for host, one in cluster.deployments.items()},
                nodes={host: one["nodes"] for host, one in cluster.deployments.items()},
                idle=idle,
                loaded=loaded,
                used=cluster.held(),
                figures={host: GpuFigures(Tree()).of(one) for host, one in cluster.deployments.items()},
            )

    def speed(self, name, where, tokens=256, prompt=512):
        """Predicted and seen: bytes on the card, and tokens per second."""
        tallies = self.bench.tallies(self.cards, leader_gpus=where == LEADER)
        model = self.model(name)
        policy = {"context_size": 2048, "prompt_tokens": prompt, "answer_tokens": tokens, "leader": LEADER}
        count = self.layers(model)
        plan = self.bench.plan(model, tallies, **policy, split={where: count})
        if not plan["feasible"]:
            self.tell("speed", name=name, where=where, refused=plan["shortfall"]["text"])
            return
        with self.bench.start(model, tallies, plan) as cluster:
            cluster.await_leader()
            loaded = cluster.held()
            answers = [self.answer(cluster, prompt, tokens) for _ in range(3)]
            self.tell(
                "speed",
                name=name,
                where=where,
                layers=count,
                **self.planned(plan),
                predicted=plan["predicted"],
                loaded=loaded,
                used=cluster.held(),
                generated=[one["predicted_per_second"] for one in answers],
                prompted=[one["prompt_per_second"] for one in answers],
            )

    @contextlib.contextmanager
    def with_little_free(self, left_mib):
        """Another program leaves so little of the card; what the driver says is free, in MiB."""
        balloon = subprocess.Popen(
            [sys.executable, "-c", BALLOON, str(left_mib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            free = int(balloon.stdout.readline())
            self.bench.refresh()
            yield free
        finally:
            balloon.communicate("", timeout=30)
            self.bench.refresh()

    def experts(self, name, left_mib, tokens=128, prompt=512):
        """A mixture that is too large for what is free of the leader's card: what the planner makes of it alone."""
        with self.with_little_free(left_mib) as free:
            _worker, leader = self.bench.tallies()
            model = self.model(name)
            policy = {"context_size": 2048, "prompt_tokens": prompt, "answer_tokens": tokens, "leader": LEADER}
            plan = self.bench.plan(model, [leader], **policy)
            if not plan["feasible"]:
                self.tell("experts", name=name, free_mib=free, refused=plan["shortfall"]["text"])
                return
            with self.bench.start(model, [leader], plan) as cluster:
                cluster.await_leader()
                answers = [self.answer(cluster, prompt, tokens) for _ in range(3)]
                self.tell(
                    "experts",
                    name=name,
                    free_mib=free,
                    arguments=cluster.deployments[LEADER]["arguments"],
                    devices=plan["devices"],
                    predicted=plan["predicted"],
                    used=cluster.held(),
                    generated=[one["predicted_per_second"] for one in answers],
                    prompted=[one["prompt_per_second"] for one in answers],
                )

    def brim(self, name, left_mib, where, beyond=(0.05, 0.10, 0.15)):
        """A card with so little free, filled as far as the plan goes, and further."""
        with self.with_little_free(left_mib) as free:
            tallies = self.bench.tallies(self.cards, leader_gpus=where == LEADER)
            context = self.largest(name, tallies, where)
            self.fill_up(name, tallies, where, context, free_mib=free, beyond=0)
            for share in beyond:
                lied = [_with_more(tally, share) for tally in tallies]
                more = self.largest(name, lied, where)
                refused = self.brim_plan(name, tallies, where, more)
                told = None if refused["feasible"] else refused["shortfall"]["text"]
                if not self.fill_up(name, lied, where, more, free_mib=free, beyond=share, honestly_refused=told):
                    break

    def brim_plan(self, name, tallies, where, context):
        model = self.model(name)
        split = {where: self.layers(model)}
        return self.bench.plan(model, tallies, context_size=context, split=split, leader=LEADER)

    def largest(self, name, tallies, where):
        low, high = 0, 4096
        while high - low > 1:
            middle = (low + high) // 2
            plan = self.brim_plan(name, tallies, where, middle * CONTEXT_STEP)
            low, high = (middle, high) if plan["feasible"] else (low, middle)
        if not low:
            raise RuntimeError(f"{name} does not fit at all: {plan['shortfall']['text']}")
        return low * CONTEXT_STEP

    def fill_up(self, name, tallies, where, context, **about):
        plan = self.brim_plan(name, tallies, where, context)
        found = {"name": name, "where": where, "context": context, **about, **self.planned(plan)}
        try:
            with self.bench.start(self.model(name), tallies, plan) as cluster:
                cluster.await_leader(60)
                found["loaded"] = cluster.held()
                found["said"] = self.answer(cluster, context - 80, 64)
                found["used"] = cluster.held()
        except RuntimeError as error:
            found["died"] = str(error)
        self.tell("brim", **found)
        return "died" not in found

    # --- Help ----------------------------------------------------------------------------------------------------

    def layers(self, model):
        return len(self.bench.plan(model, self.bench.tallies(), leader=LEADER)["layer_weight_bytes"])

    @staticmethod
    def planned(plan):
        names = (
            "host",
            "id",
            "weight_bytes",
            "kv_bytes",
            "compute_bytes",
            "overhead_bytes",
            "total_bytes",
            "usable_bytes",
        )
        return {"planned": [{key: device[key] for key in names} for device in plan["devices"]]}

    @staticmethod
    def answer(cluster, prompt, tokens):
        words = [random.randrange(300, 760) for _ in range(prompt)]
        body = {"prompt": words, "n_predict": tokens, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
        timings = cluster.ask("/completion", **body)["timings"]
        names = ("prompt_n", "prompt_per_second", "predicted_n", "predicted_per_second")
        return {key: timings[key] for key in names}


def try_demo(check):
    card = check.card_name
    # Where the card is what is looked at, the worker lends no CPU besides, to which a split would spill over.
    check.step(check.demo, "worker lends its card", {WORKER: 9}, (card,) if card else (), False)
    check.step(check.demo, "leader keeps three, worker lends card and CPU", {LEADER: 3, WORKER: 6}, (), False)
    check.step(check.demo, "leader's card alone", {LEADER: 9})
    check.step(check.demo, "worker's CPU, then leader's card", {WORKER: 4, LEADER: 5}, ["CPU"])
    check.step(check.demo, "leader's CPU alone", {LEADER: 9}, (), False)


def try_speed(check):
    for name in check.names():
        if not name.startswith("x"):
            check.step(check.speed, name, LEADER, needs=30)
    for name in check.names()[:2]:
        check.step(check.speed, name, WORKER, needs=30)


def try_brim(check):
    for free, name, where in zip(check.free, ["a", "b", "b", "a"], [WORKER, WORKER, LEADER, LEADER]):
        for model in check.names(name):
            check.step(check.brim, model, free, where, needs=40)


def try_experts(check):
    for name in check.names("x"):
        for free in check.free[:2]:
            check.step(check.experts, name, free, needs=30)


# What is tried, by name.
STEPS = {
    "card": lambda check: check.step(check.card),
    "demo": try_demo,
    "speed": try_speed,
    "brim": try_brim,
    "experts": try_experts,
}


def _with_more(tally, share):
    """The tally as if its GPUs had more free than they have."""
    devices = [
        {**one, "usable_bytes": int(one["usable_bytes"] * (1 + share))} if one["kind"] != "cpu" else one
        for one in tally["devices"]
    ]
    return {**tally, "devices": devices}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for what is found")
    parser.add_argument(
        "--work", type=Path, default=Path("/dev/shm/drover-check"), help="folder for models and objects"
    )
    parser.add_argument("--source", type=Path, help="source tarball of llama.cpp to compile")
    parser.add_argument("--builds", default="/opt/llama.cpp", help="folder of builds, with the link current")
    parser.add_argument("--models", type=Path, help="folder of headers made by make_random_model.py --header-only")
    parser.add_argument("--seconds", type=int, default=570, help="after which nothing new begins")
    parser.add_argument("--questions", type=int, default=24, help="of the demo model's, asked through each layout")
    parser.add_argument(
        "--free", type=int, nargs="*", default=[4000, 6000, 8000, 4000], help="MiB that cards play to have free"
    )
    parser.add_argument(
        "--steps", nargs="*", choices=STEPS, default=list(STEPS), help="what is tried, in the order that is given"
    )
    given = parser.parse_args()
    for folder in (given.out, given.work):
        folder.mkdir(parents=True, exist_ok=True)
    check = Check(given)
    check.step(card_programs.record, given.out / "recorded.txt", needs=0)
    others = threading.Thread(target=lambda: (check.step(check.bandwidth), check.step(check.fill_models)))
    others.start()
    if given.source:
        check.step(card_programs.compile_programs, check.tell, given.source, given.work, Path(given.builds), given.out)
    others.join()
    check.bench = Bench(given.builds, given.work / "bench")
    check.step(card_programs.record_programs, check.bench, given.out / "recorded.txt")
    for step in given.steps:
        STEPS[step](check)
    subprocess.run(["tar", "-czf", str(given.out / "logs.tar.gz"), "-C", str(given.work), "bench"], check=False)
    check.step(card_programs.pack, check.tell, Path(given.builds), given.out, needs=60)
    check.tell("done")
    shutil.rmtree(given.work / "bench", ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except DroverError as error:
        sys.exit(str(error))
