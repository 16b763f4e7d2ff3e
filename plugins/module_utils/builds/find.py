# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find llama.cpp's programs and the builds of it on this machine, and have the programs say what they can."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable

from ..hosts.figures import keep, recall
from . import ask, backends
from .prints import find_prints

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
# The flags of the programs that were asked last. Gone with the next boot, as all that is only looked at.
FLAGS_FILE = "/run/drover/programs.json"
# Where Debian's packages of ggml's backends put them.
PACKAGED_BACKENDS = ("/usr/lib/*/ggml/backends*",)
# Where packages put ggml itself.
LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/lib/*-linux-*", "/usr/local/lib")
# Loaded by a build that can drive no GPU, and so has no devices to list.
_NO_GPU = {"RPC", "CPU", "BLAS"}


def find_llama_cpp(
    prefix: str | None = None,
    builds_path: str | None = None,
    use_current: bool = True,
    probe_rpc: bool = True,
    search_path: str | None = None,
    folders: Iterable[str] = FOLDERS,
    flags_file: str = FLAGS_FILE,
    may_write: bool = False,
    packaged: Iterable[str] = PACKAGED_BACKENDS,
    libraries: Iterable[str] = LIBRARY_FOLDERS,
) -> dict:
    """Describe the llama.cpp on this machine. Never raises; starts nothing that outlives the call.

    ``prefix`` is a folder to look into first, then comes the build in force among those in ``builds_path`` (unless not
    ``use_current``), then PATH (``search_path``) and the usual ``folders``. Returns ``found`` (both programs are
    there), ``server`` and ``rpc_server`` (paths or None), ``version``, ``build``, ``commit``, ``rpc_protocol`` and
    ``backends`` (asked of the RPC server when ``probe_rpc``), ``devices``, ``server_flags`` and ``rpc_server_flags``
    (see ask.py; empty when a program does not say), ``problem``: why a program that is there does not run, with the
    remedy, or None, ``builds``, ``current`` and ``build_backends`` (see ``find_builds``), ``build_devices`` (name to
    devices, of those builds with GPUs' backends that were put there since ``current``, and wait to be in force), and
    ``package_backends``, those whose libraries packages have put into the folders ``packaged``, and ``prints``: by
    which the files of both programs are known again, with ggml's own in ``packaged`` and ``libraries``.

    Flags are recalled from ``flags_file`` while the programs are the same, and kept there only when ``may_write``.
    """
    search_path = os.environ.get("PATH", os.defpath) if search_path is None else search_path
    builds, current = find_builds(builds_path)
    # A unit must name the build itself: the link may lead elsewhere by the time that it starts.
    prefixes = [prefix, os.path.join(builds_path, current) if builds_path and current and use_current else None]
    places = _places(prefixes, search_path, folders)
    server, rpc_server = _find(places, SERVER_NAMES), _find(places, RPC_SERVER_NAMES)
    version, problem = ask.ask_version(server) if server else (ask.parse_version(""), None)
    protocol, loaded, rpc_problem = ask.ask_rpc_server(rpc_server) if rpc_server and probe_rpc else (None, [], None)
    flags: dict = {"server_flags": [], "rpc_server_flags": []}
    if not problem and not rpc_problem:
        flags = _flags(server, rpc_server, version, flags_file, may_write)
    return {
        "found": server is not None and rpc_server is not None,
        "server": server,
        "rpc_server": rpc_server,
        **version,
        "rpc_protocol": protocol,
        "backends": loaded,
        "devices": _devices(server, loaded) if server and not problem else [],
        **flags,
        "problem": problem or rpc_problem,
        "builds": sorted(builds),
        "current": current,
        "build_backends": builds,
        "build_devices": _devices_to_come(builds_path, builds),
        "package_backends": backends.of_libraries(
            os.path.basename(path) for pattern in packaged for path in glob.glob(f"{pattern}/*")
        ),
        "prints": find_prints([server, rpc_server], [*packaged, *libraries]),
    }


def find_builds(builds_path: str | None) -> tuple[dict[str, list[str]], str | None]:
    """The builds (folders with both programs) in ``builds_path``, name to the backends that they have by their
    libraries, and which of them the link ``current`` leads to.

    Hidden folders are unfinished builds and are left out. Without a link that leads to one of the builds, and without a
    ``builds_path``, the second is None.
    """
    if not builds_path:
        return {}, None
    try:
        with os.scandir(builds_path) as entries:
            folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:  # nothing was installed there yet
        return {}, None
    places = {name: os.path.join(builds_path, name) for name in sorted(folders) if name[0] != "."}
    builds = {name: _backends_in(place) for name, place in places.items() if _is_whole(place)}
    folder, name = os.path.split(os.path.realpath(os.path.join(builds_path, CURRENT)))
    return builds, name if name in builds and folder == os.path.realpath(builds_path) else None


def _is_whole(build: str) -> bool:
    places = _places([build], "", ())
    return all(_find(places, names) for names in (SERVER_NAMES, RPC_SERVER_NAMES))


def _backends_in(build: str) -> list[str]:
    names: list[str] = []
    for inside in (*INSIDE_PREFIX, "lib"):
        try:
            names += os.listdir(os.path.join(build, inside))
        except OSError:  # most have but one of them
            continue
    return backends.of_libraries(names)


def _places(prefixes: Iterable[str | None], search_path: str, folders: Iterable[str]) -> list[str]:
    places = [os.path.join(prefix, inside) for prefix in prefixes if prefix for inside in INSIDE_PREFIX]
    places += [folder for folder in search_path.split(os.pathsep) if folder]
    for pattern in folders:
        places += sorted(glob.glob(pattern))
    return places


def _find(places: Iterable[str], names: Iterable[str]) -> str | None:
    for place in places:
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return os.path.normpath(path)
    return None


def _devices(server: str, loaded: list[str]) -> list[dict]:
    """The devices of a build whose RPC server has ``loaded`` these backends, or has them built in and told none.

    What is free of their memory changes, so that it cannot be recalled; but most builds need not be asked.
    """
    return ask.ask_devices(server) if not loaded or set(loaded) - _NO_GPU else []


def _devices_to_come(builds_path: str | None, builds: dict[str, list[str]]) -> dict[str, list[dict]]:
    """The devices of the builds that wait to be in force: a run that ended before it served has left them there. Those
    that were in force before the present one are not asked."""
    found = {}
    for name, has in builds.items():
        folder, link = os.path.join(str(builds_path), name), os.path.join(str(builds_path), CURRENT)
        server = _find(_places([folder], "", ()), SERVER_NAMES) if set(has) - _NO_GPU else None
        if server and _changed(folder) > _changed(link):
            found[name] = ask.ask_devices(server)
    return found


def _changed(path: str) -> float:
    """When the folder or link was put there; 0 without one."""
    try:
        return os.lstat(path).st_ctime
    except OSError:
        return 0.0


def _flags(server: str | None, rpc_server: str | None, version: dict, file: str, may_write: bool) -> dict:
    """``server_flags`` and ``rpc_server_flags``. Asking takes longer than all else that is done with a CPU's build."""
    # The version is part of it because the flags are a library's, which may change without the programs.
    identity = [_identity(server), _identity(rpc_server), *version.values()]
    known = recall(file, identity)
    if isinstance(known, dict):
        return known
    flags = {
        "server_flags": ask.ask_flags(server) if server else [],
        "rpc_server_flags": ask.ask_flags(rpc_server) if rpc_server else [],
    }
    if may_write and all(flags.values()):
        keep(file, identity, flags)
    return flags


def _identity(program: str | None) -> list[str | int] | None:
    try:
        found = os.stat(program) if program else None
    except OSError:  # gone since it was found
        return None
    return [str(program), found.st_size, found.st_mtime_ns] if found else None
