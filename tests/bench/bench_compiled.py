#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens a second of the generic and the native build of llama.cpp on one host, and how long compiling them takes.

Takes most of an hour on two cores, since both are compiled with everything that users get.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "molecule" / "resources"), str(ROOT / "tests" / "assets"), str(ROOT / "tests")]

import builds  # noqa: E402
import make_random_model  # noqa: E402
from lab.fleet import Fleet  # noqa: E402

SHAPE = ["--blocks", "4", "--embedding", "1536", "--feed-forward", "4096"]
HOST = "pc"
PROMPT, TOKENS, TURNS = 256, 32, 5


def deploy(playbook: str, fleet: Fleet, model: Path, cpu: str) -> float:
    """Run site.yml or upgrade.yml with the build for ``cpu``; returns its wall time."""
    found = builds.facts()
    settings = {
        "gguf_model_path": str(model),
        "llama_server_context_size": 1024,
        "llama_cpp_method": "source",
        "llama_cpp_tag": found["tag"],
        "llama_cpp_source": found["source"],
        "llama_cpp_source_sha256": found["source_sha256"],
        "llama_cpp_cache": str(model.parent),  # empty, or nothing would be compiled
        "llama_cpp_cpu": cpu,
        "llama_server_extra_arguments": ["--no-cache-prompt"],
    }
    command = ["ansible-playbook", "-i", str(fleet.inventory), f"playbooks/{playbook}.yml", "-e", json.dumps(settings)]
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{playbook}.yml failed:\n{done.stdout}\n{done.stderr}")
    return time.monotonic() - started


def rates(fleet: Fleet) -> tuple[float, float]:
    """Prompt and generated tokens a second of one completion, after one that warms up."""
    key = fleet.run(HOST, "cat /etc/drover/main/api_key").strip()
    body = {"prompt": list(range(300, 300 + PROMPT)), "n_predict": TOKENS, "temperature": 0, "ignore_eos": True}
    request = urllib.request.Request(
        f"http://{fleet.address(HOST)}:8080/completion",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    for _turn in range(2):
        with urllib.request.urlopen(request, timeout=300) as reply:
            timings = json.loads(reply.read())["timings"]
    return timings["prompt_per_second"], timings["predicted_per_second"]


def main() -> None:
    """Print one line for each build: the medians of turns in which they took each other's place."""
    with tempfile.TemporaryDirectory() as folder, Fleet("compile") as fleet:
        model = Path(folder, "model.gguf")
        make_random_model.write(model, make_random_model.parse([str(model), *SHAPE]))
        took = {
            cpu: deploy(playbook, fleet, model, cpu) for playbook, cpu in (("site", "generic"), ("upgrade", "native"))
        }
        measured = {cpu: [] for cpu in took}
        for _turn in range(TURNS):
            for cpu, turns in measured.items():
                deploy("upgrade", fleet, model, cpu)
                turns.append(rates(fleet))
    print(f"{'build':10} {'deployed in':>12} {'prompt':>10} {'generation':>11}  seconds, tokens a second")
    for cpu, turns in measured.items():
        prompt, generation = (statistics.median(values) for values in zip(*turns))
        print(f"{cpu:10} {took[cpu]:12.0f} {prompt:10.1f} {generation:11.1f}")


if __name__ == "__main__":
    main()
