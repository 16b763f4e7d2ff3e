# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides which programs run on this machine, and which it can get or compile."""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable
from typing import Callable

from ..errors import DroverError
from ..hosts.apple import read_apple
from ..hosts.cpu import read_cpu
from ..hosts.gpus import gpu_problem, read_gpus
from ..hosts.memory import read_memory
from ..hosts.os_release import read_os_release
from ..hosts.tree import Tree
from . import elf
from .drivers import has_hip_driver, has_vulkan_driver
from .tools import tools_there

# apt goes through all of its lists at first, which a small or emulated host takes its time for.
SECONDS = 120
# Takes a command and returns what it prints, nothing when it is not there or fails; raises subprocess.TimeoutExpired.
Run = Callable[[list[str]], str]
LIBSTDCXX = "libstdc++.so.6"
# Where the loader looks without its cache, and where Debian keeps them.
LIBRARY_FOLDERS = (
    "/lib64",
    "/usr/lib64",
    "/lib/{machine}-linux-gnu",
    "/usr/lib/{machine}-linux-gnu",
    "/lib",
    "/usr/lib",
)
# A kernel of 64 bits under programs of 32 bits, as 32-bit Raspberry Pi OS has it.
ARCHITECTURES_OF_32_BITS = {"x86_64": "i686", "aarch64": "armv7l"}


def read_platform(tree: Tree, package: str | None = None, run: Run | None = None) -> dict:
    """Describe this machine, whose files are below ``tree``: what binaries.md calls a *platform*.

    ``architecture`` and ``system`` as uname names them; ``distribution``; ``glibc`` and ``libstdcxx``, or None;
    ``cpu_isa``, ``cpu_model`` and ``cores``; ``gpus`` (kinds, see ``hosts.gpus``) and ``compute_capabilities`` of
    NVIDIA's, each once, and ``gpu_problem``; ``vulkan_driver`` and ``hip_driver``, whether there is one;
    ``memory_bytes``, what can be had now without stopping a service; ``build_tools``, the programs on PATH that
    llama.cpp can be compiled with; ``package``, which is asked for ``package`` by name. ``run`` takes a command and
    returns its output.
    """
    run = run or _output
    system, architecture = platform.system().lower(), architecture_of(platform.machine(), struct.calcsize("P") * 8)
    cpu, memory = _cpu_and_memory(tree, system)
    gpus = read_gpus(tree, ())
    return {
        "architecture": architecture,
        "system": system,
        "distribution": read_distribution(tree),
        "glibc": glibc_version(),
        "libstdcxx": libstdcxx_version(tree, architecture, run) if system == "linux" else None,
        "cpu_isa": cpu["isa"],
        "cpu_model": cpu["model"],
        "cores": cpu["cores"],
        "gpus": sorted({gpu["kind"] for gpu in gpus}),
        "compute_capabilities": _in_order({gpu["compute_capability"] for gpu in gpus} - {None}),
        "gpu_problem": gpu_problem(tree, gpus),
        "vulkan_driver": has_vulkan_driver(tree),
        "hip_driver": has_hip_driver(tree, architecture),
        # What the services hold comes back when they stop, and compiling does not stop them.
        "memory_bytes": max(0, memory["usable_bytes"] - memory["held_bytes"]),
        "build_tools": tools_there(shutil.which),
        "package": read_package(tree, package, run),
    }


def _in_order(capabilities: Iterable[str]) -> list[str]:
    return sorted(capabilities, key=lambda one: [int(part) for part in one.split(".")])


def architecture_of(machine: str, bits: int) -> str:
    """The architecture of programs on a kernel that says ``machine``, when those that run have ``bits`` bits."""
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(machine.lower(), machine)  # macOS, BSD
    return ARCHITECTURES_OF_32_BITS.get(machine, machine) if bits == 32 else machine


def read_distribution(tree: Tree) -> dict:
    """The distribution by os-release(5): ``id``, ``version`` and ``codename`` (empty where it has none), ``like`` (ids
    that it descends from) and ``name`` (for people)."""
    fields = read_os_release(tree)
    return {
        "id": fields.get("ID", "linux"),
        "version": fields.get("VERSION_ID", ""),
        "codename": fields.get("VERSION_CODENAME", ""),
        "like": fields.get("ID_LIKE", "").split(),
        "name": fields.get("PRETTY_NAME") or fields.get("NAME") or platform.system(),
    }


def glibc_version() -> str | None:
    """The version of the C library that this process runs with, or None when it is not glibc."""
    try:
        name, _space, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, OSError, ValueError):  # musl and macOS do not know the question
        return None
    return version if name == "glibc" else None


def libstdcxx_version(tree: Tree, architecture: str, run: Run) -> str | None:
    """The highest GLIBCXX version of the libstdc++.so.6 that the loader finds, such as ``3.4.30``, or None without one.

    The loader's cache comes first, since only it tells the order of folders that were added to the usual ones.
    """
    try:
        listed = run(["ldconfig", "-p"])
    except subprocess.TimeoutExpired:
        listed = ""
    cached = re.findall(rf"^\s*{re.escape(LIBSTDCXX)} \(.*\) => (/.+)$", listed, re.MULTILINE)
    usual = [f"{folder.format(machine=architecture)}/{LIBSTDCXX}" for folder in LIBRARY_FOLDERS]
    for path in [*cached, *usual]:
        try:
            library = elf.read_elf_file(tree.path(path))
        except (OSError, DroverError):
            continue
        if library.architecture == architecture:
            return elf.highest("GLIBCXX_", library.defines)
    return None


def read_package(tree: Tree, package: str | None, run: Run) -> dict:
    """Ask this machine's package manager for ``package`` (a name, or None to ask nothing).

    Returns ``manager``, ``candidate`` (the version that it would install) and ``known``, which is false when its lists
    were never fetched or it did not answer in time, so that nobody can say.
    """
    for manager, (program, ask, has_lists) in _MANAGERS.items():
        if shutil.which(program):
            try:
                candidate = ask(package, run) if package else None
                known = bool(candidate) or has_lists(tree, run)
            except subprocess.TimeoutExpired:
                candidate, known = None, False
            return {"manager": manager, "candidate": candidate, "known": known}
    return {"manager": None, "candidate": None, "known": True}


def _ask_apt(package: str, run: Run) -> str | None:
    match = re.search(r"^  Candidate: (?!\(none\))(\S+)$", run(["apt-cache", "policy", package]), re.MULTILINE)
    return match[1] if match else None


def _has_apt_lists(tree: Tree, _run: Run) -> bool:
    return any("_Packages" in name for name in tree.names("/var/lib/apt/lists"))


# dnf, pacman and brew: written from their manuals, NOT RUN yet.
def _ask_dnf(package: str, run: Run) -> str | None:
    query = ["repoquery", "--latest-limit=1", "--qf=%{version}-%{release}", package]
    return run(["dnf", "--quiet", "--cacheonly", *query]).strip() or None


def _has_dnf_lists(_tree: Tree, run: Run) -> bool:
    return "repo" in run(["dnf", "--quiet", "--cacheonly", "repolist"])


def _ask_pacman(package: str, run: Run) -> str | None:
    match = re.search(r"^Version\s*: (\S+)$", run(["pacman", "-Si", package]), re.MULTILINE)
    return match[1] if match else None


def _has_pacman_lists(tree: Tree, _run: Run) -> bool:
    return any(name.endswith(".db") for name in tree.names("/var/lib/pacman/sync"))


def _ask_brew(package: str, run: Run) -> str | None:
    match = re.search(r"^==> \S+: stable (\S+)", run(["brew", "info", "--formula", package]), re.MULTILINE)
    return match[1].rstrip(",") if match else None


_MANAGERS: dict[str, tuple[str, Callable[[str, Run], str | None], Callable[[Tree, Run], bool]]] = {
    "apt": ("apt-cache", _ask_apt, _has_apt_lists),
    "dnf": ("dnf", _ask_dnf, _has_dnf_lists),
    "pacman": ("pacman", _ask_pacman, _has_pacman_lists),
    "brew": ("brew", _ask_brew, lambda _tree, _run: True),  # it fetches them itself
}


def _cpu_and_memory(tree: Tree, system: str) -> tuple[dict, dict]:
    if system == "darwin":
        parts = read_apple()
        return parts["cpu"], parts["memory"]
    return read_cpu(tree, ()), read_memory(tree, ())


def _output(command: list[str]) -> str:
    """What ``command`` prints, and nothing when it is not there or fails. Administrators' programs count as there.

    Raises subprocess.TimeoutExpired when it does not end in ``SECONDS``.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    program = shutil.which(command[0], path=path)
    if program is None:
        return ""
    try:
        result = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
            env={"LC_ALL": "C", "PATH": path, "HOME": os.environ.get("HOME", "/")},
        )
    except OSError:
        return ""
    return result.stdout.decode("utf-8", "replace") if result.returncode == 0 else ""
