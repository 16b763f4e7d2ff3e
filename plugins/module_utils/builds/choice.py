# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way every host gets the same build of llama.cpp, and which hosts cannot have it."""

from __future__ import annotations

from ..errors import DroverError
from . import archive
from .recipe import build_host, make_recipe

# What the user named comes first; packages need no naming.
METHODS = ("bundle", "archive", "source", "package")
_NEEDS = {
    "bundle": "llama_cpp_bundle, the folder that playbooks/bundle.yml made",
    "archive": "llama_cpp_tag and llama_cpp_archive_sha256",
    "source": "llama_cpp_source and llama_cpp_source_sha256",
}


def choose(hosts, method="auto", bundle=(), archives=(), source=None, options=None):
    """Choose the way for all ``hosts``, a list of ``{host, platform, llama_cpp}`` as llama_cpp_info returns them.

    ``method`` is one of ``METHODS``, or ``auto``: the first of them that was given what it needs and works for every
    host, or else the one that leaves the fewest out. ``bundle`` and ``archives`` are offers (see archive.py),
    ``source`` is ``{label, sha256}`` and ``options`` are those of ``make_recipe``.

    Returns ``method``, ``label`` (what the build is called, None for packages), ``hosts`` (for each host that can have
    it ``id``, ``installed``, ``archive``, ``recipe``, ``build_host``; None where it does not apply), ``left_out`` (host
    to reason) and ``reasons`` (sentences). Raises ``DroverError`` when no host can have it.
    """
    given = {"bundle": bundle, "archive": archives, "source": source, "package": True}
    methods = [name for name in METHODS if given[name]] if method == "auto" else [method]
    if not given.get(methods[0]):
        raise DroverError(
            f"llama_cpp_method is {method}, which needs {_NEEDS[method]}: set it, or take another method."
        )
    chosen, reasons = None, []
    for name in methods:
        result = _WAYS[name](hosts, given[name], options)
        if chosen is None or len(result["left_out"]) < len(chosen["left_out"]):
            chosen = {"method": name, **result}
        if not result["left_out"]:
            break
        if len(methods) > 1:
            reasons.append(f"Method {name} does not serve every host: {_because(result['left_out'])}")
    if hosts and not chosen["hosts"]:
        raise DroverError(f"No host can get llama.cpp by method {chosen['method']}: {_because(chosen['left_out'])}")
    return {**chosen, "reasons": [*reasons, _summary(chosen)]}


def _because(left_out):
    return " ".join(f"{host}: {reason}" for host, reason in sorted(left_out.items()))


def _summary(chosen):
    what = f" {chosen['label']}" if chosen["label"] else ""
    new = sorted(host for host, way in chosen["hosts"].items() if not way["installed"])
    put = f"to be put on {', '.join(new)}" if new else "there already"
    return f"llama.cpp{what} by method {chosen['method']}, {put}."


def _way(**known):
    return {"id": None, "installed": False, "archive": None, "recipe": None, "build_host": None, **known}


def _by_archive(hosts, offers, _options):
    labels = sorted({offer["label"] for offer in offers})
    if len(labels) > 1:
        raise DroverError(f"The archives hold different builds ({', '.join(labels)}): offer one build for all hosts.")
    served, left_out = {}, {}
    for host in hosts:
        offer, reason = _fitting(host, offers)
        if offer:
            installed = offer["id"] in host["llama_cpp"]["builds"]
            served[host["host"]] = _way(id=offer["id"], installed=installed, archive=offer)
        else:
            left_out[host["host"]] = reason
    return {"label": labels[0], "hosts": served, "left_out": left_out}


def _fitting(host, offers):
    """The first offer that runs on the host, or None and why the last one for its kind of processor does not."""
    architecture = host["platform"]["architecture"]
    there = sorted({offer["architecture"] for offer in offers})
    reason = (
        f"there is an archive for {', '.join(there)} and none for {architecture}; name one (with "
        "llama_cpp_archive_sha256 or bundle_archives), or take another method."
    )
    for offer in offers:
        if offer["architecture"] == architecture:
            reason = archive.why_not(offer, host["platform"])
            if reason is None:
                return offer, None
    return None, reason


def _by_source(hosts, source, options):
    served, left_out, likes = {}, {}, {}
    for host in hosts:
        try:
            recipe = make_recipe(source, host["platform"], options or {})
        except DroverError as error:
            left_out[host["host"]] = str(error)
            continue
        likes.setdefault(recipe["id"], []).append(host)
        installed = recipe["id"] in host["llama_cpp"]["builds"]
        served[host["host"]] = _way(id=recipe["id"], installed=installed, recipe=recipe)
    for way in served.values():
        way["build_host"] = build_host(likes[way["id"]])
    return {"label": source["label"], "hosts": served, "left_out": left_out}


def _by_package(hosts, _given, _options):
    served, left_out = {}, {}
    for host in hosts:
        if host["llama_cpp"]["found"]:
            served[host["host"]] = _way(installed=True)
            continue
        package, system = host["platform"]["package"], host["platform"]["distribution"]["name"]
        if package["manager"] == "apt" and (package["candidate"] or not package["known"]):
            served[host["host"]] = _way()
        else:
            # Homebrew's build has no RPC server; whether Fedora's and Arch's have one was never tried.
            has = "no llama.cpp packages" if package["manager"] == "apt" else "no llama.cpp packages that Drover knows"
            left_out[host["host"]] = (
                f"{system} has {has} (Debian has them from forky on); set llama_cpp_method to archive, source or "
                "bundle, or install llama-server and ggml-rpc-server yourself, anywhere on PATH."
            )
    return {"label": None, "hosts": served, "left_out": left_out}


_WAYS = {"bundle": _by_archive, "archive": _by_archive, "source": _by_source, "package": _by_package}
