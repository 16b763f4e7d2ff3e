# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask llama.cpp's programs which build they are, which flags they take and which devices they see.

Nothing that is started here outlives its question, whatever becomes of this process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from ..rpc import wire

VERSION_SECONDS = 10.0
HELP_SECONDS = 10.0
# A driver may first have to wake its cards.
DEVICES_SECONDS = 30.0
RPC_SECONDS = 30.0
MIB = 1024 * 1024

# "version: 0.7.0 (build 11669, commit Debian)", and before semantic versions "version: 6789 (abcdef)".
VERSION = re.compile(r"^version: (?P<version>\S+) \(build (?P<build>\d+), commit (?P<commit>[^)]*)\)", re.MULTILINE)
OLD_VERSION = re.compile(r"^version: (?P<build>\d+) \((?P<commit>[^)]*)\)", re.MULTILINE)
BACKEND = re.compile(r"^load_backend: loaded (\S+) backend", re.MULTILINE)
# Flags of one meaning begin a line ("-c,    --ctx-size N", "  -H HOST, --host HOST"). What is said of them is further
# in, and may name other flags.
FLAGS = re.compile(r"^ {0,4}((?:-[\w.-]+(?: [A-Z<]\S*)?, *)*-[\w.-]+)", re.MULTILINE)
LONG_FLAG = re.compile(r"(?<!\S)--[a-z0-9][\w.-]*")
# "  Vulkan0: llvmpipe (LLVM 21.1.8, 256 bits) (24105 MiB, 24079 MiB free)"
DEVICE = re.compile(
    r"^ +(?P<name>[^\s:]+): (?P<description>.*) \((?P<total>\d+) MiB, (?P<free>\d+) MiB free\)$", re.MULTILINE
)
# "ggml_vulkan: 0 = Intel(R) UHD Graphics 630 (CFL GT2) (Intel open-source Mesa driver) | uma: 1 | fp16: 1 | ..."
SHARED = re.compile(r"^ggml_vulkan: (?P<number>\d+) = .*\| uma: (?P<shared>[01]) \|", re.MULTILINE)
MISSING_LIBRARY = re.compile(r"error while loading shared libraries: ([^:\s]+)")
# Set by who wants a Vulkan device that a processor plays, which llama.cpp passes over otherwise.
SOFTWARE_TOO = "GGML_VK_VISIBLE_DEVICES"
PR_SET_PDEATHSIG = 1  # Linux include/uapi/linux/prctl.h


def ask_version(program: str) -> tuple[dict, str | None]:
    """What ``PROGRAM --version`` says (see ``parse_version``), and why the program does not run (or None)."""
    code, output, problem = _output(program, "--version", VERSION_SECONDS)
    return parse_version(output), problem or (explain_exit(program, code, output) if code else None)


def ask_flags(program: str) -> list[str]:
    """The sorted long flags that ``PROGRAM --help`` names; none when it does not say."""
    return parse_flags(_output(program, "--help", HELP_SECONDS)[1])


def ask_devices(server: str) -> list[dict]:
    """The devices that ``llama-server --list-devices`` offers (see ``parse_devices``); none when it does not say."""
    code, output, _problem = _output(server, "--list-devices", DEVICES_SECONDS)
    return [] if code else parse_devices(output)


def parse_version(output: str) -> dict:
    """``version``, ``build`` (an integer) and ``commit`` of what ``llama-server --version`` prints, or None."""
    match = VERSION.search(output) or OLD_VERSION.search(output)
    found = match.groupdict() if match else {}
    return {
        "version": found.get("version"),
        "build": int(found["build"]) if found else None,
        "commit": found.get("commit"),
    }


def parse_flags(output: str) -> list[str]:
    """The sorted long flags that a program's ``--help`` names, as ``--fit``; none when it prints something else."""
    return sorted({flag for line in FLAGS.findall(output) for flag in LONG_FLAG.findall(line)})


def parse_devices(output: str) -> list[dict]:
    """What ``--list-devices`` prints: for each device ``name`` (``Vulkan0``), ``description``, ``unified`` (whether it
    works in the machine's memory, None when that was not told), ``total_bytes`` and ``free_bytes``. CPUs are not among
    them."""
    shared = {f"Vulkan{found['number']}": found["shared"] == "1" for found in SHARED.finditer(output)}
    return [
        {
            "name": found["name"],
            "description": found["description"],
            "unified": shared.get(found["name"]),
            "total_bytes": int(found["total"]) * MIB,
            "free_bytes": int(found["free"]) * MIB,
        }
        for found in DEVICE.finditer(output)
    ]


def explain_exit(program: str, code: int, output: str) -> str:
    """One sentence for a program that ended with ``code`` (negative: by that signal), with the remedy."""
    missing = MISSING_LIBRARY.search(output)
    if missing:
        return (
            f"{program} does not start because the library {missing[1]} is missing or too old; install the package "
            "that brings it, or install llama.cpp again for this distribution."
        )
    if code == -signal.SIGILL:
        return (
            f"{program} ends with an illegal instruction, so it was built for a newer processor than this one; install "
            "a build for this processor, such as the distribution's own package."
        )
    if code < 0:
        name = signal.Signals(-code).name
        return f"{program} was ended by {name}; run it by hand to see why, or install llama.cpp again."
    last = output.strip().splitlines()[-1:] or ["no output"]
    return f"{program} ended with exit code {code} ({last[0]}); run it by hand to see why, or install llama.cpp again."


def _environment() -> dict[str, str]:
    """What a program needs to run, and nothing that makes it load models or talk to others. CUDA numbers cards as
    nvidia-smi does, rather than the fastest one first."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME", SOFTWARE_TOO)
    told = {name: os.environ[name] for name in kept if name in os.environ}
    return {"LC_ALL": "C", "CUDA_DEVICE_ORDER": "PCI_BUS_ID", **told}


def _output(program: str, flag: str, seconds: float) -> tuple[int, str, str | None]:
    """Exit code and output of ``PROGRAM FLAG``, and why it did not start or end (or None)."""
    try:
        result = subprocess.run(
            [program, flag],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            env=_environment(),
            preexec_fn=_before_start,
        )
    except OSError as error:
        return -1, "", _explain_start(program, error)
    except subprocess.TimeoutExpired:
        return -1, "", f"{program} {flag} did not end within {seconds:g} seconds; run it by hand to see why."
    return result.returncode, result.stdout.decode("utf-8", "replace"), None


def _explain_start(program: str, error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        machine = os.uname().machine
        return f"{program} is no program for this machine ({machine}); install llama.cpp built for {machine}."
    if error.errno == errno.ENOENT:
        return (
            f"{program} needs a loader that this machine does not have, so it was built for another distribution; "
            "install llama.cpp built for this one."
        )
    return f"{program} cannot be started ({error.strerror}); install llama.cpp again."


def ask_rpc_server(program: str) -> tuple[str | None, list[str], str | None]:
    """Start the RPC server for a moment on a free port of 127.0.0.1: the version of its protocol, the backends that it
    loads, and what went wrong (or None)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                [program, "--host", "127.0.0.1", "--port", str(port), "--threads", "1"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                preexec_fn=_before_start,
            )
        except OSError as error:
            return None, [], _explain_start(program, error)
        try:
            state = _wait_for_answer(process, port)
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        output = log.read().decode("utf-8", "replace")
    backends = BACKEND.findall(output)
    if state["version"]:
        return "{major}.{minor}.{patch}".format(**state["version"]), backends, None
    if process.returncode != -signal.SIGKILL:
        return None, backends, explain_exit(program, process.returncode, output)
    return None, backends, f"{program} started and did not answer within {RPC_SECONDS:g} seconds ({state['problem']})."


def _wait_for_answer(process: subprocess.Popen[bytes], port: int) -> dict:
    """Greet the server until it answers, ends, or its time is up."""
    deadline = time.monotonic() + RPC_SECONDS
    while True:
        state = wire.probe("127.0.0.1", port, timeout=max(0.1, deadline - time.monotonic()))
        if state["version"] or process.poll() is not None or time.monotonic() > deadline:
            return state
        time.sleep(0.01)


def _die_with_parent() -> None:
    """Whatever happens to this process, the program that it started ends with it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


_before_start = _die_with_parent if sys.platform == "linux" else None
