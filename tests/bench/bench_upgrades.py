#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to bring 3 and 10 hosts to another build of llama.cpp, and how long nobody is answered meanwhile.

The build is what the scenario ``source`` has compiled, packed under two names.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "molecule" / "resources"))

import builds  # noqa: E402

FLEETS = {"bench": 3, "ten": 10}
TAGS = ("b1", "b2")
TURNS = 3
GAP = re.compile(r"gave no answers for at most ([\d.]+) seconds")


def lab(*arguments: str) -> None:
    """Run one command of the lab, quietly."""
    command = [sys.executable, str(ROOT / "tests" / "lab" / "lab"), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def run(playbook: str, fleet: str, tag: str) -> tuple[float, str]:
    """Wall time of one playbook run that is to have the release ``tag``, and all it printed as one line."""
    settings = {
        "gguf_model_path": str(ROOT / "tests" / "assets" / "drover-demo.gguf"),
        "llama_server_context_size": 2048,
        "llama_cpp_method": "archive",
        "llama_cpp_tag": tag,
        "llama_cpp_mirror_url": (builds.cache() / "mirror").as_uri(),
        "llama_cpp_archive_sha256": {"x86_64": builds.sha256(builds.archive_path(tag))},
        "llama_cpp_cache": str(builds.cache()),
        "llama_cpp_keep_builds": 1,  # so that every turn copies the build anew
    }
    inventory = f"/var/lib/drover-lab/{fleet}/inventory.yml"
    command = ["ansible-playbook", "-i", inventory, f"playbooks/{playbook}.yml", "-e", json.dumps(settings)]
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    took = time.monotonic() - started
    if done.returncode:
        sys.exit(f"{playbook}.yml failed:\n{done.stdout}\n{done.stderr}")
    return took, " ".join(done.stdout.split())


def main() -> None:
    """Print, for each fleet, the medians of the whole upgrade and of the gap in it."""
    if not builds.compiled():
        sys.exit("Nothing is compiled yet: run `tests/checks/molecule source` first.")
    builds.facts()
    for tag in TAGS:
        builds.change(tag, lambda _name, data: data)
    print(f"{'hosts':>5} {'first deployment':>17} {'upgrade':>9} {'no answers for':>15}  seconds, medians of {TURNS}")
    for fleet, hosts in FLEETS.items():
        lab("up", fleet)
        try:
            first, _said = run("site", fleet, TAGS[0])
            turns = [run("upgrade", fleet, TAGS[1 - turn % 2]) for turn in range(TURNS)]
        finally:
            lab("down", fleet)
        gaps = [float(GAP.search(said)[1]) for _took, said in turns]
        took = statistics.median(took for took, _said in turns)
        print(f"{hosts:5} {first:17.1f} {took:9.1f} {statistics.median(gaps):15.1f}")


if __name__ == "__main__":
    main()
