#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wall time of site.yml on three fresh hosts, of a second run, and of a bare fact-gathering play (the floor)."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "tests" / "lab" / "specs" / "bench.yml"
INVENTORY = "/var/lib/drover-lab/bench/inventory.yml"
SETTINGS = {
    "gguf_model_path": str(ROOT / "tests" / "assets" / "drover-demo.gguf"),
    "placement_spread": "all",
    "llama_server_context_size": 2048,
}
FLOOR = "---\n- hosts: llama_cluster\n  gather_facts: true\n"


def lab(*arguments: str) -> None:
    """Run one command of the lab, quietly."""
    command = [sys.executable, str(ROOT / "tests" / "lab" / "lab"), *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def seconds(playbook: str) -> float:
    """Return the wall time of one playbook run; a run that fails ends the measurement with what it printed."""
    command = ["ansible-playbook", "-i", INVENTORY, playbook, "-e", json.dumps(SETTINGS)]
    started = time.monotonic()
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    took = time.monotonic() - started
    if run.returncode:
        sys.exit(f"{playbook} failed:\n{run.stdout}\n{run.stderr}")
    return took


def main() -> None:
    """Print the table: median, minimum and maximum of each, and the second run in units of the floor."""
    first, again, floor = [], [], []
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as bare:
        bare.write(FLOOR)
        bare.flush()
        try:
            for _ in range(3):
                lab("down", str(SPEC))
                lab("up", str(SPEC))
                first.append(seconds("playbooks/site.yml"))
                for _ in range(2):
                    again.append(seconds("playbooks/site.yml"))
                    floor.append(seconds(bare.name))
        finally:
            lab("down", str(SPEC))
    print(f"{'three hosts':34} {'median':>8} {'min':>8} {'max':>8}  seconds")
    for name, times in [
        ("site.yml, fresh hosts", first),
        ("site.yml, nothing to change", again),
        ("facts only", floor),
    ]:
        print(f"{name:34} {statistics.median(times):8.1f} {min(times):8.1f} {max(times):8.1f}")
    ratio = statistics.median(again) / statistics.median(floor)
    print(f"{'nothing to change / facts only':34} {ratio:8.1f}           (aim: at most 4)")


if __name__ == "__main__":
    main()
