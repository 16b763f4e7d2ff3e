# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way every host gets the same build of llama.cpp, and which hosts cannot have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import DroverError
from . import archive, backends
from .drivers import missing_driver
from .recipe import build_host, make_recipe

# What the user named comes first; packages need no naming.
METHODS = ("bundle", "archive", "source", "package")
_NEEDS = {
    "bundle": "llama_cpp_bundle, the folder that drover.llama.bundle made",
    "archive": "llama_cpp_tag and llama_cpp_archive_sha256",
    "source": "llama_cpp_tag, llama_cpp_source and llama_cpp_source_sha256",
}
# By package manager. Debian ships the RPC server and the backend that talks to it apart from llama-server. Homebrew's
# build has no RPC server; whether Fedora's and Arch's have one was never tried.
_PACKAGES = {"apt": ["llama.cpp-tools", "llama.cpp-tools-extra", "libggml0-backend-rpc"]}


# Debian's packages of the backends that drive GPUs; CUDA's is not in it.
_BACKEND_PACKAGES = {"vulkan": "libggml0-backend-vulkan", "hip": "libggml0-backend-hip"}


def choose(
    hosts: Sequence[dict],
    method: str = "auto",
    bundle: Sequence[dict] = (),
    archives: Sequence[dict] = (),
    source: dict | None = None,
    options: dict | None = None,
) -> dict:
    """Choose the way for all ``hosts``, a list of ``{host, platform, llama_cpp}`` as llama_cpp_info returns them, with
    ``keep``, how many builds are kept there.

    ``method`` is one of ``METHODS``, or ``auto``: the first of them that was given what it needs and works for every
    host, or else the one that leaves the fewest out. ``bundle`` and ``archives`` are offers (see offers.py),
    ``source`` is ``{label, sha256}`` and ``options`` are those of ``make_recipe``.

    Returns ``method``, ``label`` (what the build is called, None for packages), ``hosts`` (for each host that can have
    it ``id``, ``installed``, ``in_force`` (nothing is to be done for it: it is the one that was found, and there are no
    more builds than are kept), ``backends`` (that drive its devices, see backends.py), ``devices`` (that the build
    lists there, None before it is installed), ``build`` (its number where it is the distribution's, None before it is
    installed), ``packages`` to install, and ``archive``, ``recipe`` and ``build_host``,
    None where they do not apply), ``left_out`` (host to reason) and ``reasons`` (sentences).

    Raises ``DroverError`` when no host can have it.
    """
    given = {"bundle": bundle, "archive": archives, "source": source, "package": True}
    methods = [name for name in METHODS if given[name]] if method == "auto" else [method]
    if not given.get(methods[0]):
        raise DroverError(
            f"llama_cpp_method is {method}, which needs {_NEEDS[method]}: set it, or take another method."
        )
    chosen: dict = {}
    reasons = []
    for name in methods:
        result = {"method": name, **_WAYS[name](hosts, given[name], options or {})}
        if not chosen or len(result["left_out"]) < len(chosen["left_out"]):
            chosen = result
        if not result["left_out"]:
            break
        if len(methods) > 1:
            reasons.append(f"Method {name} does not serve every host: {_because(result['left_out'])}")
    if hosts and not chosen["hosts"]:
        raise DroverError(f"No host can get llama.cpp by method {chosen['method']}: {_because(chosen['left_out'])}")
    unused = [_unused_gpu(host, chosen, options or {}) for host in hosts]
    return {**chosen, "reasons": [*reasons, *filter(None, unused), _summary(chosen)]}


def _unused_gpu(host: dict, chosen: dict, options: dict) -> str | None:
    """A sentence for a host whose owner wants its GPU to be used, which Vulkan would drive if it could."""
    platform, way = host["platform"], chosen["hosts"].get(host["host"])
    wants = {backends.AUTO, "vulkan"} & set(options.get("backends") or ())
    if not way or not wants or way["backends"] != [backends.CPU] or not backends.by_vulkan(platform):
        return None
    packaged = chosen["method"] == "package" and "Vulkan" in host["llama_cpp"].get("package_backends", ())
    if not packaged and platform.get("vulkan_driver", True):
        return None
    maker = "cuda" if platform["gpus"] == ["cuda"] else "vulkan"
    return f"{host['host']} computes on its CPU, since Vulkan finds no GPU there: {missing_driver(maker, platform)}."


def _because(left_out: dict[str, str]) -> str:
    return " ".join(f"{host}: {reason}" for host, reason in sorted(left_out.items()))


def _summary(chosen: dict) -> str:
    what = f" {chosen['label']}" if chosen["label"] else ""
    new = sorted(host for host, way in chosen["hosts"].items() if not way["installed"])
    put = f"to be put on {', '.join(new)}" if new else "there already"
    return f"llama.cpp{what} by method {chosen['method']}, {put}."


def _way(**known: Any) -> dict:
    return {
        "id": None,
        "installed": False,
        "in_force": False,
        "backends": [backends.CPU],
        "devices": None,
        "build": None,
        "packages": [],
        "archive": None,
        "recipe": None,
        "build_host": None,
        **known,
    }


def _built(host: dict, build: str, to_come: list[str], **known: Any) -> dict:
    """The way of a host to the build with this id, which would have the backends ``to_come``."""
    there = host["llama_cpp"]
    if build == there["current"]:
        to_come, known["devices"] = backends.of_devices(there["devices"]), there["devices"]
    elif build in there.get("build_devices", ()):
        known["devices"] = there["build_devices"][build]
        to_come = backends.of_devices(known["devices"])
    elif build in there["builds"]:
        to_come = there["build_backends"][build]
    to_come = backends.drivable(to_come, host["platform"])
    in_force = build == there["current"] and len(there["builds"]) <= max(1, int(host.get("keep", 1)))
    return _way(id=build, installed=build in there["builds"], in_force=in_force, backends=to_come, **known)


def _broken(host: dict, build: str | None) -> str | None:
    """Why the build that would be used as it is does not run on the host, or None."""
    problem: str | None = host["llama_cpp"]["problem"]
    return problem if build == host["llama_cpp"]["current"] else None


def _by_archive(hosts: Sequence[dict], offers: Sequence[dict], _options: dict) -> dict:
    labels = sorted({offer["label"] for offer in offers})
    if len(labels) > 1:
        raise DroverError(f"The archives hold different builds ({', '.join(labels)}): offer one build for all hosts.")
    served, left_out = {}, {}
    for host in hosts:
        offer, reason = _fitting(host, offers)
        reason = reason or _broken(host, offer["id"])
        if reason:
            left_out[host["host"]] = reason
        else:
            served[host["host"]] = _built(host, offer["id"], offer.get("backends", [backends.CPU]), archive=offer)
    return {"label": labels[0], "hosts": served, "left_out": left_out}


def _fitting(host: dict, offers: Sequence[dict]) -> tuple[dict, str | None]:
    """The first offer that runs on the host and None, or the last one for its kind of processor and why it does not."""
    architecture = host["platform"]["architecture"]
    there = sorted({offer["architecture"] for offer in offers})
    reason = (
        f"there is an archive for {', '.join(there)} and none for {architecture}; name one (with "
        "llama_cpp_archive_sha256 or bundle_archives), or take another method."
    )
    for offer in offers:
        if offer["architecture"] == architecture:
            why_not = archive.why_not(offer, host["platform"])
            if why_not is None:
                return offer, None
            reason = why_not
    return {}, reason


def _by_source(hosts: Sequence[dict], source: dict, options: dict) -> dict:
    served: dict[str, dict] = {}
    left_out: dict[str, str] = {}
    likes: dict[str, list[dict]] = {}
    for host in hosts:
        try:
            recipe = make_recipe(source, host["platform"], options)
        except DroverError as error:
            left_out[host["host"]] = str(error)
            continue
        problem = _broken(host, recipe["id"])
        if problem:
            left_out[host["host"]] = problem
            continue
        likes.setdefault(recipe["id"], []).append(host)
        compiled = backends.of_options(recipe["backends"])
        served[host["host"]] = _built(host, recipe["id"], compiled, recipe=recipe)
    for like in likes.values():
        # Hosts that have it do not compile it for one that comes later: its archive may be gone from the controller.
        new = [host for host in like if not served[host["host"]]["installed"]]
        able = [host for host in new if not served[host["host"]]["recipe"]["obstacle"]]
        for host in [] if able else new:
            left_out[host["host"]] = served.pop(host["host"])["recipe"]["obstacle"]
        get_it = [host for host in like if host["host"] in served]
        for host in get_it:
            served[host["host"]]["build_host"] = build_host(able or get_it)
    return {"label": source["label"], "hosts": served, "left_out": left_out}


def _by_package(hosts: Sequence[dict], _given: object, options: dict) -> dict:
    served, left_out = {}, {}
    for host in hosts:
        there, package = host["llama_cpp"], host["platform"]["package"]
        packages = _PACKAGES.get(package["manager"])
        asked = backends.wanted(options.get("backends") or [], host["platform"], _BACKEND_PACKAGES)
        more = [name for name in _BACKEND_PACKAGES if name in asked and packages]
        loaded = backends.of_options(name.lower() for name in there["backends"])
        # One that is there and does not load lacks a driver, and no package of llama.cpp's.
        there_already = {backends.CPU, *loaded, *there.get("package_backends", ())}
        lacking = [name for name in more if not set(backends.of_options([name])) <= there_already]
        to_come = backends.drivable(backends.of_options(more), host["platform"])
        if there["problem"]:
            left_out[host["host"]] = there["problem"]
        elif there["found"] and lacking:
            served[host["host"]] = _way(backends=to_come, packages=[_BACKEND_PACKAGES[name] for name in lacking])
        elif there["found"]:
            # Builds of Drover's may be left from before, to be removed.
            devices, in_force = there["devices"], not there["builds"]
            known = {"backends": backends.of_devices(devices), "devices": devices, "build": there.get("build")}
            served[host["host"]] = _way(installed=True, in_force=in_force, **known)
        elif packages and (package["candidate"] or not package["known"]):
            served[host["host"]] = _way(
                backends=to_come, packages=[*packages, *(_BACKEND_PACKAGES[name] for name in more)]
            )
        else:
            has = "no llama.cpp packages" if packages else "no llama.cpp packages that Drover knows"
            left_out[host["host"]] = (
                f"{host['platform']['distribution']['name']} has {has} (Debian has them from forky on); set "
                "llama_cpp_method to archive, source or bundle, or install llama-server and ggml-rpc-server yourself, "
                "anywhere on PATH."
            )
    return {"label": None, "hosts": served, "left_out": left_out}


# hosts, what the way was given, options -> label, hosts, left_out
_WAYS: dict[str, Callable[[Sequence[dict], Any, dict], dict]] = {
    "bundle": _by_archive,
    "archive": _by_archive,
    "source": _by_source,
    "package": _by_package,
}
