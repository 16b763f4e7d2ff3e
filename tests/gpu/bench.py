# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster on one machine: its worker and its leader are started by the runtime, from what the brain deploys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from module_utils.builds.find import find_llama_cpp
from module_utils.gguf.profile import model_profile
from module_utils.gguf.reader import read_header
from module_utils.hosts.devices import drive
from module_utils.hosts.tally import take_tally
from module_utils.hosts.tree import Tree
from module_utils.placement.planner import make_plan
from module_utils.placement.policy import Policy
from module_utils.runtime.archive import write_archive
from module_utils.serving.deploy import deploy

PROJECT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
# The machine plays two hosts: one that lends its card, and one that leads.
WORKER, LEADER = "card", "head"
PORTS = {WORKER: 50052, LEADER: 50053}
API_PORT = 18080
KEY = "a-key-of-the-check"
DEPLOYMENT = Path("/etc/drover/main/deployment.json")


class Bench:
    """``builds`` is the folder with the link ``current`` to the build; logs and the runtime go to ``folder``."""

    def __init__(self, builds: str, folder: Path):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.programs = find_llama_cpp(builds_path=builds)
        if self.programs["problem"] or not self.programs["found"]:
            raise RuntimeError(f"no programs in {builds}: {self.programs['problem']}")
        self.runtime = folder / "drover.pyz"
        write_archive(str(PROJECT / "plugins" / "module_utils"), str(self.runtime), "0")
        self.key_file = folder / "api_key"
        self.key_file.write_text(KEY + "\n")

    def tallies(self, lend=(), leader_gpus=True):
        """What both hosts lend, as this machine is now. ``leader_gpus`` false: the leader has no card."""
        tally = take_tally(Tree(), host=WORKER, backends=[], disk_path=str(self.folder))
        network = {**tally["network"], "address": "127.0.0.1", "addresses": [_loopback()], "arrived_at": "127.0.0.1"}
        found = []
        for host in (WORKER, LEADER):
            gpus = tally["gpus"] if host == WORKER or leader_gpus else []
            offered = self.programs["devices"] if host == WORKER or leader_gpus else []
            lends = list(lend) if host == WORKER else []
            own = {"host": host, "machine": None, "network": network, "port": PORTS[host], "gpus": gpus, "lend": lends}
            # No services are started here, so that systemd need not be there.
            found.append(drive({**tally, **own, "obstacles": []}, self.programs["backends"], offered))
        return found

    def refresh(self):
        """Ask the build again what is free: another program holds more or less by now."""
        self.programs["devices"] = find_llama_cpp(builds_path=str(Path(self.programs["server"]).parents[2]))["devices"]

    def plan(self, model: Path, tallies, **policy):
        return make_plan(model_profile(read_header(str(model))), tallies, Policy(**policy), model_host=LEADER)

    def start(self, model: Path, tallies, plan) -> Cluster:
        """Start what the brain deploys for ``plan``."""
        programs = {tally["host"]: {**self.programs, "devices": None} for tally in tallies}
        for tally in tallies:
            # The leader's copy of the tally may have had its card taken away.
            if not tally["gpus"] and len(tally["devices"]) == 1:
                programs[tally["host"]]["devices"] = []
            else:
                programs[tally["host"]]["devices"] = self.programs["devices"]
        files = [{"path": str(model), "bytes": model.stat().st_size}]
        wishes = {
            LEADER: {
                "llama_server_port": API_PORT,
                "llama_server_address": "127.0.0.1",
                "llama_server_api_key_file": str(self.key_file),
            },
            WORKER: {"rpc_server_cache": False},
        }
        served = {"path": str(model), "alias": "model", "files": files}
        known = [tally for tally in tallies if tally["host"] in plan["addresses"]]
        return Cluster(self, deploy(plan, known, programs, served, {h: wishes[h] for h in plan["addresses"]}), plan)


class Cluster:
    """Its processes; a context that ends them."""

    def __init__(self, bench: Bench, deployments, plan):
        self.bench, self.deployments, self.plan = bench, deployments, plan
        self.processes: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> Cluster:
        parts = [WORKER, LEADER] if self.plan["mode"] == "rpc" else [LEADER]
        try:
            for host in parts:
                self._start(host)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception):
        for process in reversed(list(self.processes.values())):
            process.kill()
            process.wait()

    def _start(self, host):
        part = self.deployments[host]["part"]
        DEPLOYMENT.parent.mkdir(parents=True, exist_ok=True)
        DEPLOYMENT.write_text(json.dumps(self.deployments[host], indent=1))
        log = (self.bench.folder / f"{host}.log").open("ab")
        command = [sys.executable, str(self.bench.runtime), part, "--cluster", "main"]
        log.write(
            f"\n$ {' '.join([self.deployments[host]['program'], *self.deployments[host]['arguments']])}\n".encode()
        )
        log.write(f"{self.deployments[host]['environment']}\n".encode())
        log.flush()
        self.processes[host] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        listen = self.deployments[host]["listen"]
        self._wait(host, lambda: _listens(listen["port"]), 60)

    def _wait(self, host, done, seconds):
        deadline = time.monotonic() + seconds
        while not done():
            if self.processes[host].poll() is not None:
                raise RuntimeError(f"{host} ended with {self.processes[host].returncode}: {self.tail(host)}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{host} did not come in {seconds} s: {self.tail(host)}")
            time.sleep(0.1)

    def tail(self, host, lines=6):
        return (self.bench.folder / f"{host}.log").read_text(errors="replace").strip().splitlines()[-lines:]

    def await_leader(self, seconds=120):
        def healthy():
            try:
                return _get("/health").get("status") == "ok"
            except (OSError, ValueError):
                return False

        self._wait(LEADER, healthy, seconds)

    def ask(self, path="/completion", seconds=120, **body):
        """The answer of the API; RuntimeError where the leader ended instead."""
        try:
            return _get(path, body, seconds)
        except (OSError, ValueError) as error:
            time.sleep(1)
            code = self.processes[LEADER].poll()
            raise RuntimeError(f"no answer ({error}); the leader's exit code is {code}: {self.tail(LEADER)}") from error

    def held(self):
        """Host -> MiB of the card and of the machine's memory that its process holds."""
        cards = card_bytes()
        return {
            host: {"card": cards.get(process.pid, 0) // MIB, **main_memory(process.pid)}
            for host, process in self.processes.items()
            if process.poll() is None
        }


def card_bytes():
    """Process -> bytes of all cards, as the driver says."""
    try:
        told = subprocess.run(
            ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=10, check=False,
        ).stdout  # fmt: skip
    except OSError:
        return {}
    found: dict[int, int] = {}
    for line in told.splitlines():
        pid, size = (part.strip() for part in line.split(","))
        if pid.isdigit() and size.isdigit():
            found[int(pid)] = found.get(int(pid), 0) + int(size) * MIB
    return found


def main_memory(pid):
    """MiB of anonymous and shared memory, and of files."""
    table = Tree().table(f"/proc/{pid}/status")
    return {name: table.get(name, 0) // 1024 for name in ("RssAnon", "RssShmem", "RssFile")}


def _loopback():
    return {
        "address": "127.0.0.1", "prefix": 8, "network": "127.0.0.0/8", "interface": "lo", "kind": "ethernet",
        "speed_mbps": 10_000, "mtu": 65536, "private": True,
    }  # fmt: skip


def _listens(port):
    wanted = f":{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()


def _get(path, body=None, seconds=5):
    request = urllib.request.Request(
        f"http://127.0.0.1:{API_PORT}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return json.load(answer)


def environment():
    """What compilers need beside the usual."""
    return {**os.environ, "LC_ALL": "C"}
