# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find llama.cpp's programs and the builds of it on this machine, and ask the programs which build they are."""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from ..rpc import wire

SERVER_NAMES = ("llama-server",)
RPC_SERVER_NAMES = ("ggml-rpc-server", "rpc-server")  # upstream renamed it in 2026
INSIDE_PREFIX = ("bin", "build/bin", "")
CURRENT = "current"  # the link, among the builds, to the one in force
# Where distributions, source builds and Homebrew put them, after PATH.
FOLDERS = (
    "/usr/local/bin",
    "/usr/bin",
    "/usr/libexec/*/llama/bin",
    "/usr/libexec/llama*",
    "/usr/libexec/llama*/bin",
    "/usr/lib/*/llama*/bin",
    "/usr/lib*/llama*",
    "/usr/lib*/llama*/bin",
    "/opt/homebrew/bin",
)
VERSION_SECONDS = 10.0
RPC_SECONDS = 5.0

# "version: 0.7.0 (build 11669, commit Debian)", and before semantic versions "version: 6789 (abcdef)".
VERSION = re.compile(r"^version: (?P<version>\S+) \(build (?P<build>\d+), commit (?P<commit>[^)]*)\)", re.MULTILINE)
OLD_VERSION = re.compile(r"^version: (?P<build>\d+) \((?P<commit>[^)]*)\)", re.MULTILINE)
BACKEND = re.compile(r"^load_backend: loaded (\S+) backend", re.MULTILINE)
MISSING_LIBRARY = re.compile(r"error while loading shared libraries: ([^:\s]+)")
PR_SET_PDEATHSIG = 1  # Linux include/uapi/linux/prctl.h


def find_llama_cpp(prefix=None, builds_path=None, probe_rpc=True, search_path=None, folders=FOLDERS):
    """Describe the llama.cpp on this machine. Never raises; starts nothing that outlives the call.

    ``prefix`` is a folder to look into first, then comes the build in force among those in ``builds_path``, then PATH
    (``search_path``) and the usual ``folders``. Returns ``found`` (both programs are there), ``server`` and
    ``rpc_server`` (paths or None), ``version``, ``build``, ``commit``, ``rpc_protocol`` and ``backends`` (asked of the
    RPC server when ``probe_rpc``), ``problem``: why a program that is there does not run, with the remedy, or None, and
    ``builds`` and ``current`` (see ``find_builds``).
    """
    search_path = os.environ.get("PATH", os.defpath) if search_path is None else search_path
    builds, current = find_builds(builds_path)
    # A unit must name the build itself: the link may lead elsewhere by the time that it starts.
    prefixes = [prefix, os.path.join(builds_path, current) if current else None]
    places = _places(prefixes, search_path, folders)
    result = {
        "builds": builds,
        "current": current,
        "server": _find(places, SERVER_NAMES),
        "rpc_server": _find(places, RPC_SERVER_NAMES),
        "version": None,
        "build": None,
        "commit": None,
        "rpc_protocol": None,
        "backends": [],
        "problem": None,
    }
    result["found"] = result["server"] is not None and result["rpc_server"] is not None
    if result["server"]:
        output, result["problem"] = _run(result["server"])
        result.update(parse_version(output))
    if result["rpc_server"] and probe_rpc:
        protocol, backends, problem = _ask_rpc_server(result["rpc_server"])
        result.update(rpc_protocol=protocol, backends=backends, problem=result["problem"] or problem)
    return result


def find_builds(builds_path):
    """The sorted names of the builds (folders) in ``builds_path``, and which of them the link ``current`` leads to.

    Hidden folders are unfinished builds and are left out. Without a link that leads to one of the builds, and without a
    ``builds_path``, the second is None.
    """
    if not builds_path:
        return [], None
    try:
        with os.scandir(builds_path) as entries:
            folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:  # nothing was installed there yet
        return [], None
    builds = sorted(name for name in folders if not name.startswith("."))
    folder, name = os.path.split(os.path.realpath(os.path.join(builds_path, CURRENT)))
    return builds, name if name in builds and folder == os.path.realpath(builds_path) else None


def parse_version(output):
    """``version``, ``build`` (an integer) and ``commit`` of what ``llama-server --version`` prints, or None."""
    match = VERSION.search(output) or OLD_VERSION.search(output)
    found = match.groupdict() if match else {}
    return {
        "version": found.get("version"),
        "build": int(found["build"]) if found else None,
        "commit": found.get("commit"),
    }


def explain_exit(program, code, output):
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


def _places(prefixes, search_path, folders):
    places = [os.path.join(prefix, inside) for prefix in prefixes if prefix for inside in INSIDE_PREFIX]
    places += [folder for folder in search_path.split(os.pathsep) if folder]
    for pattern in folders:
        places += sorted(glob.glob(pattern))
    return places


def _find(places, names):
    for place in places:
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return os.path.normpath(path)
    return None


def _environment():
    """What a program needs to run, and nothing that makes it load models or talk to others."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME")
    return {"LC_ALL": "C", **{name: os.environ[name] for name in kept if name in os.environ}}


def _run(program):
    """The output of ``PROGRAM --version``, and why it did not run (or None)."""
    try:
        result = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=VERSION_SECONDS,
            check=False,
            env=_environment(),
        )
    except OSError as error:
        return "", _explain_start(program, error)
    except subprocess.TimeoutExpired:
        return "", f"{program} --version did not end within {VERSION_SECONDS:g} seconds; run it by hand to see why."
    output = result.stdout.decode("utf-8", "replace")
    return output, explain_exit(program, result.returncode, output) if result.returncode else None


def _explain_start(program, error):
    if error.errno == errno.ENOEXEC:
        machine = os.uname().machine
        return f"{program} is no program for this machine ({machine}); install llama.cpp built for {machine}."
    if error.errno == errno.ENOENT:
        return (
            f"{program} needs a loader that this machine does not have, so it was built for another distribution; "
            "install llama.cpp built for this one."
        )
    return f"{program} cannot be started ({error.strerror}); install llama.cpp again."


def _ask_rpc_server(program):
    """Start the RPC server for a moment on a free port of 127.0.0.1: its protocol, its backends, what went wrong."""
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
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
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


def _wait_for_answer(process, port):
    """Greet the server until it answers, ends, or its time is up."""
    deadline = time.monotonic() + RPC_SECONDS
    while True:
        state = wire.probe("127.0.0.1", port, timeout=max(0.1, deadline - time.monotonic()))
        if state["version"] or process.poll() is not None or time.monotonic() > deadline:
            return state
        time.sleep(0.01)


def _die_with_parent():
    """Whatever happens to this process, the server it started ends with it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
