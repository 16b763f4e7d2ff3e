# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile llama.cpp by the recipe that the role has for this machine, and record what programs and drivers print."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from module_utils.builds.platform import read_platform
from module_utils.builds.recipe import make_recipe
from module_utils.hosts.tree import Tree

from .bench import environment

SMI = "nvidia-smi --format=csv,noheader,nounits"
QUESTIONS = (
    f"{SMI} --query-gpu=uuid,name,memory.total,memory.free,pci.bus_id,compute_cap,mig.mode.current",
    f"{SMI} --query-compute-apps=gpu_uuid,pid,used_memory",
    "nvidia-smi --list-gpus",
    "nvidia-smi --query",
    "nvidia-smi",
    "cat /proc/driver/nvidia/version /proc/driver/nvidia/gpus/*/information",
    "ls -lR /dev/nvidia* /dev/dri /dev/nvidia-caps",
    "cat /etc/os-release; uname -a; lscpu; free -m; gcc --version; cmake --version; nvcc --version",
)
PIECE = "15M"


def record(file: Path) -> None:
    """What the machine's own programs print, as far as they are there."""
    for question in QUESTIONS:
        _record(file, question)


def record_programs(bench, file: Path) -> None:
    """What the programs and the runtime print."""
    server, rpc = bench.programs["server"], bench.programs["rpc_server"]
    for question in (
        f"{server} --version",
        f"CUDA_DEVICE_ORDER=PCI_BUS_ID {server} --list-devices",
        f"CUDA_VISIBLE_DEVICES= {server} --list-devices",
        f"{rpc} --help",
        f"{sys.executable} {bench.runtime} tally --host card",
    ):
        _record(file, question)
    bench_tallies = bench.tallies()
    _append(file, "platform, programs, tallies", json.dumps([read_platform(Tree()), bench.programs, bench_tallies]))


def compile_programs(tell, source: Path, work: Path, builds: Path, out: Path) -> None:
    """Compile ``source`` into a build in ``builds``, in force."""
    recipe = recipe_here(source)
    tell("recipe", **recipe)
    (work / "source").mkdir(exist_ok=True)
    subprocess.run(["tar", "-xzf", str(source), "-C", str(work / "source")], check=True)
    (top,) = (work / "source").iterdir()
    objects = work / "objects"
    begin = time.monotonic()
    with (out / "compile.log").open("w") as log:
        for command in (
            ["cmake", "-S", str(top), "-B", str(objects), "-G", "Ninja", *recipe["cmake_options"]],
            ["cmake", "--build", str(objects), "--parallel", str(recipe["jobs"]), "--target", *recipe["targets"]],
        ):
            subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True, env=environment())
    tell("compiled", seconds=time.monotonic() - begin)
    build = builds / recipe["id"]
    build.mkdir(parents=True)
    shutil.move(objects / "bin", build / "bin")
    (builds / "current").unlink(missing_ok=True)
    (builds / "current").symlink_to(recipe["id"])


def pack(tell, builds: Path, out: Path) -> None:
    """Leave the build that is in force, packed in pieces, in ``out``."""
    name = (builds / "current").readlink()
    command = f"tar -C {builds} -c {name} current | xz -T0 -6 | split -b {PIECE} - {out}/build.tar.xz."
    subprocess.run(command, shell=True, check=True)
    tell("packed", sizes=[path.stat().st_size for path in sorted(out.glob("build.tar.xz.*"))])


def recipe_here(source: Path) -> dict:
    """The recipe for this machine; with a card of NVIDIA's, for that."""
    platform = read_platform(Tree())
    made = {"label": source.name.removesuffix(".tar.gz").removeprefix("llama.cpp-")}
    made["sha256"] = hashlib.sha256(source.read_bytes()).hexdigest()
    backends = ["cpu", *(["cuda"] if platform["compute_capabilities"] else [])]
    return make_recipe(made, platform, {"backends": backends})


def _record(file: Path, question: str) -> None:
    try:
        told = subprocess.run(
            question,
            shell=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            env=environment(),
            check=False,
        )
        _append(file, f"$ {question}", told.stdout.decode(errors="replace") + f"(exit code {told.returncode})")
    except subprocess.TimeoutExpired:
        _append(file, f"$ {question}", "(no answer in 60 s)")


def _append(file: Path, heading: str, text: str) -> None:
    with file.open("a") as target:
        target.write(f"{heading}\n{text}\n\n")
