#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the leader takes to load a model over two workers, and what it sends meanwhile, at 1 Gbit/s and 100 Mbit/s.

`stock` has no tensor cache, as llama.cpp's RPC server is by default; `pre-placed` is what site.yml has put into the
workers' caches. With `--compiled` there is also `own build`: llama.cpp compiled with HASH_THRESHOLD lowered to so few
bytes that all is cached, once it was. Compiling takes a quarter of an hour on two cores, the first time.

Run as `python tests/bench/bench_weights.py`, as root, on a machine with nothing else to do. Half of the time goes into
100 Mbit/s.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests" / "assets"), str(ROOT / "tests")]

import llama_cpp_source  # noqa: E402
import make_random_model  # noqa: E402
from lab import state  # noqa: E402
from lab.fleet import Fleet  # noqa: E402
from module_utils.gguf.store import sum_of  # noqa: E402

LEADER, WORKERS = "leader", ("pi-1", "pi-2")
# F16, of the proportions of a model of 8B at Q8_0: of each block, the keys' and the values' matrices are of less than
# 10 MiB, 4 % of all.
# Of 2.1 GB, so that what a start takes with any model, most of a second, counts as little as with one that people have.
SHAPE = ["--blocks", "16", "--embedding", "2560", "--feed-forward", "6912"]
SPLIT = {LEADER: 4, "pi-1": 6, "pi-2": 7}  # the last of them is the output
LINKS = {"1 Gbit/s": 10**9, "100 Mbit/s": 10**8}
TURNS = 3
# Norms are smaller than this, and each would cost a question to save a few packets.
LOWERED_BYTES = 64 * 1024
CONSTANT = b"const size_t HASH_THRESHOLD = 10 * 1024 * 1024;"
# Until the API says that it is ready: seconds by the leader's clock, and bytes that have left its interface.
START = """
systemctl stop drover-server@main
sent() { cat /sys/class/net/host0/statistics/tx_bytes; }
before=$(sent); began=$(date +%s.%N)
systemctl start drover-server@main
until curl --silent --fail --output /dev/null --max-time 5 http://$ADDRESS:8080/health; do sleep 0.05; done
echo "$(date +%s.%N) $began $(sent) $before"
"""


@dataclass
class Load:
    """One start of the leader."""

    seconds: float
    bytes: int


def site(fleet: Fleet, model: Path, playbook: str = "site", **more: object) -> None:
    """Deploy; a run that fails ends the measurement with what it printed."""
    settings = {
        "gguf_model_path": str(model),
        "placement_split": SPLIT,
        "llama_server_context_size": 1024,
        "llama_server_heals": False,  # what agents say to each other is not what loading sends
        **more,
    }
    command = ["ansible-playbook", "-i", str(fleet.inventory), f"playbooks/{playbook}.yml", "-e", json.dumps(settings)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{playbook}.yml failed:\n{done.stdout}\n{done.stderr}")


def loads(fleet: Fleet) -> dict[str, list[Load]]:
    """Link -> the starts at it; the links take turns, and are as fast as they go afterwards."""
    found: dict[str, list[Load]] = {link: [] for link in LINKS}
    for _turn in range(TURNS):
        for link, rate in LINKS.items():
            cables(fleet, rate)
            line = f"ADDRESS={fleet.address(LEADER)}\n{START}"
            end, began, after, before = fleet.run(LEADER, line).split()
            found[link].append(Load(float(end) - float(began), int(after) - int(before)))
    cables(fleet, None)
    return found


def cables(fleet: Fleet, rate: int | None) -> None:
    for name in fleet.names:
        fleet.slow_down(name, rate)


def cached_bytes(fleet: Fleet) -> int:
    """What is in the workers' caches."""
    caches = [json.loads(fleet.run(name, "drover cached --cluster main")) for name in WORKERS]
    return sum(sum(cache["tensors"].values()) for cache in caches)


def lowered_source() -> Path:
    """llama.cpp's source with the one constant changed; in the lab's cache, beside what it was made of."""
    source = llama_cpp_source.tarball()
    lowered = source.with_name(f"{source.name.removesuffix('.tar.gz')}-{LOWERED_BYTES}.tar.gz")
    if lowered.exists():  # another with the same content would have another sha256, and be compiled anew
        return lowered
    with tarfile.open(source) as old, tempfile.TemporaryDirectory(dir=source.parent) as folder:
        with tarfile.open(Path(folder, lowered.name), "w:gz", compresslevel=1) as new:
            for member in old:
                data = old.extractfile(member).read() if member.isfile() else b""
                if member.name.endswith("/ggml-rpc.cpp"):
                    if data.count(CONSTANT) != 1:
                        sys.exit(f"{member.name} does not say {CONSTANT.decode()!r} once: look how it does.")
                    data = data.replace(CONSTANT, b"const size_t HASH_THRESHOLD = %d;" % LOWERED_BYTES)
                    member.size = len(data)
                new.addfile(member, io.BytesIO(data))
        os.replace(Path(folder, lowered.name), lowered)
    return lowered


def own_build(fleet: Fleet, model: Path) -> dict[str, list[Load]]:
    """The starts of the lowered build, after one that has filled the caches."""
    source = lowered_source()
    site(
        fleet,
        model,
        "upgrade",
        llama_cpp_method="source",
        llama_cpp_tag=f"{llama_cpp_source.LABEL}-lowered",
        llama_cpp_source=str(source),
        llama_cpp_source_sha256=sum_of(str(source)),
        llama_cpp_cpu="native",
        llama_cpp_cache=str(state.cache() / "builds" / "lowered"),
    )
    fleet.run(LEADER, f"ADDRESS={fleet.address(LEADER)}\n{START}")
    return loads(fleet)


def table(rows: dict[str, dict[str, list[Load]]]) -> None:
    """Medians of the turns, with the quickest and the slowest; and each against stock at the same link."""
    print(f"{'link':12}{'weights':14}{'load s':>8}{'min':>8}{'max':>8}{'sent MB':>10}{'faster':>9}{'fewer bytes':>13}")
    stock = rows["stock"]
    for link in LINKS:
        for name, row in rows.items():
            seconds = [load.seconds for load in row[link]]
            took, sent = (statistics.median(values) for values in (seconds, [load.bytes for load in row[link]]))
            took_stock = statistics.median(load.seconds for load in stock[link])
            sent_stock = statistics.median(load.bytes for load in stock[link])
            print(
                f"{link:12}{name:14}{took:8.1f}{min(seconds):8.1f}{max(seconds):8.1f}{sent / 1e6:10.1f}"
                f"{took_stock / took:8.1f}x{1 - sent / sent_stock:13.1%}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiled", action="store_true", help="also compile llama.cpp with a lower threshold")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Fleet("bench-weights") as fleet:
        model = Path(folder, "model.gguf")
        make_random_model.write(model, make_random_model.parse([str(model), *SHAPE]))
        site(fleet, model, rpc_server_cache=False)
        rows = {"stock": loads(fleet)}
        site(fleet, model)
        placed = cached_bytes(fleet)
        rows["pre-placed"] = loads(fleet)
        if given.compiled:
            rows["own build"] = own_build(fleet, model)
        print(f"A model of {model.stat().st_size / 1e6:.0f} MB, of which site.yml has placed {placed / 1e6:.0f} MB.")
    print(f"{TURNS} turns each; this machine's load was {' '.join(map('{:.1f}'.format, os.getloadavg()))}.")
    table(rows)


if __name__ == "__main__":
    main()
