# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole run that is killed at random points, see whole_run.py. What can be seen afterwards is right or not there, and
the next run completes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from module_utils.runtime import command
from module_utils.weights.manifest import find_manifest, keep_manifest
from tier import LONG
from unit.documents import worker_deployment
from unit.gguf.web_site import Page, serve
from unit.weights.models import sha256, write_model
from unit.weights.pieces import cached, unfinished

# While fetching and while placing, each in the middle of something.
KILLS = 60 if LONG else 10
# Tensors of 2.5 MB, so that both fetching and placing take some time.
LARGE = ["token_embd.weight", "output.weight", *(f"blk.{number}.ffn_gate.weight" for number in range(3))]
PROGRAM = Path(__file__).with_name("whole_run.py")


class Fleet:
    """A leader and a worker on this machine: what they are to have, and what they have."""

    def __init__(self, folder, site):
        source = folder / "source"
        source.mkdir()
        first = Path(write_model(source, loose=dict.fromkeys(LARGE, (20_000, 32)), split_max_size=7_000_000)).name
        self.tensors = keep_manifest(str(source / first), 1)["tensors"]
        shards = {path.name: path.read_bytes() for path in sorted(source.glob("*.gguf"))}
        site.pages.update({f"/{name}": Page(content) for name, content in shards.items()})
        self.sums = {name: sha256(content) for name, content in shards.items()}
        self.models, self.cache, self.offer = folder / "models", folder / "rpc", folder / "offer"
        self.model, clusters = self.models / first, folder / "etc"
        (clusters / "main").mkdir(parents=True)
        cache = {"directory": str(self.cache), "days": 30, "bytes": 1 << 30}
        deployment = worker_deployment(listen={"address": "127.0.0.1", "port": 50052}, cache=cache)
        (clusters / "main" / "deployment.json").write_text(json.dumps(deployment))
        self.given = {"url": site.url(f"/{first}"), "sums": list(self.sums.values()), "model": str(self.model)}
        self.given |= {"clusters": str(clusters), "offer": str(self.offer)}

    def nothing_wrong(self):
        """Whatever has a name by which it is served is what it is to be, to the bit."""
        for name, total in self.sums.items():
            path = self.models / name
            assert not path.exists() or sha256(path.read_bytes()) == total
        manifest = find_manifest(str(self.model))
        assert manifest is None or manifest["tensors"] == self.tensors
        found = cached(self.cache) if self.cache.exists() else {}
        right = {tensor["hash"]: tensor["sha256"] for tensor in self.tensors}
        assert {name: sha256(data) for name, data in found.items()}.items() <= right.items()

    def is_whole(self):
        """Whether all of it is there, and nothing else is left."""
        if not self.cache.exists() or unfinished(self.models) or unfinished(self.cache):
            return False
        there = {path.name for path in self.models.glob("*.gguf")}
        return there == set(self.sums) and set(cached(self.cache)) == {tensor["hash"] for tensor in self.tensors}

    def sizes(self):
        """Bytes that are there: of the model, and of the cache."""
        folders = [self.models, self.cache]
        return [sum(path.stat().st_size for path in each.iterdir()) if each.exists() else 0 for each in folders]


class Runs:
    """Starts runs that give the fleet all that it is to have, one after another."""

    def __init__(self, fleet, launcher):
        self.fleet, self.launcher = fleet, launcher
        launcher.stdin.write(f"{json.dumps(fleet.given)}\n")

    def start(self):
        """The number of the run's process."""
        self.fleet.offer.unlink(missing_ok=True)
        self.launcher.stdin.write("again\n")
        return int(self.launcher.stdout.readline())

    def end(self):
        """How it ended, when it has."""
        return int(self.launcher.stdout.readline())

    def is_running(self, seconds):
        """Whether it is, still, after so long."""
        return not select.select([self.launcher.stdout], [], [], seconds)[0]

    def complete(self):
        """Seconds that one takes which nobody kills."""
        began = time.monotonic()
        self.start()
        assert self.end() == 0
        took = time.monotonic() - began
        self.fleet.nothing_wrong()
        assert self.fleet.is_whole()
        return took


@pytest.fixture
def fleet(tmp_path):
    with serve() as site:
        yield Fleet(tmp_path, site)


@pytest.fixture
def runs(fleet):
    command_line = [sys.executable, "-B", "-u", PROGRAM, str(Path(command.__file__).parents[2])]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command_line, env={**os.environ, "no_proxy": "*"}, **pipes) as launcher:
        yield Runs(fleet, launcher)
        launcher.stdin.close()


@pytest.fixture
def dice():
    seed = random.randrange(1 << 32)
    print(f"seed: {seed}")
    return random.Random(seed)


def clear(*folders):
    for path in [path for folder in folders for path in folder.iterdir()]:
        path.unlink()


def test_a_run_that_is_killed(fleet, runs, dice):
    longest = [runs.complete()] * 2
    clear(fleet.models, fleet.cache)
    kills = [0, 0]  # until the leader has the model and its manifest, and while the worker gets its part of it
    while min(kills) < KILLS:
        before, placing = fleet.sizes(), find_manifest(str(fleet.model)) is not None
        run = runs.start()
        if runs.is_running(dice.uniform(0, longest[placing])):
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.killpg(run, signal.SIGKILL)
        status = runs.end()
        assert status in (0, signal.SIGKILL)
        fleet.nothing_wrong()
        if status and fleet.sizes() != before:
            kills[placing] += 1  # in the middle of something
        elif status:
            longest[placing] *= 1.3
        if fleet.is_whole():
            longest[placing] *= 0.7
            clear(fleet.models, fleet.cache)
    runs.complete()


def test_a_leader_that_is_killed_while_a_worker_fetches_from_it(fleet, runs, dice):
    runs.complete()
    kills, longest = 0, 0.1
    while kills < KILLS // 2:
        before = fleet.sizes()
        runs.start()
        while not fleet.offer.exists() and runs.is_running(0.001):
            pass
        time.sleep(dice.uniform(0, longest))
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(fleet.offer.read_text()), signal.SIGKILL)
        status = runs.end()
        fleet.nothing_wrong()
        if status and fleet.sizes() != before:
            kills += 1  # in the middle of something
        elif status:
            longest *= 1.3
        if fleet.is_whole():
            longest *= 0.7
            clear(fleet.cache)
    runs.complete()
