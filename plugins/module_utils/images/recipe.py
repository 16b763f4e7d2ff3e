# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the image of an architecture is made, as data: files, commands, and an id of all that the result depends on."""

from __future__ import annotations

import hashlib
import json
import os
import re

from ..errors import DroverError
from .base import ALTERNATIVES, MMDEBSTRAP, Base, packages_for, read_base, suite_for
from .builder import ARCHITECTURES
from .containerfile import ACCOUNT, BASE_FILE, GROUP, ROOT, containerfile

# Raise it when the role makes something else of the same recipe.
_FORMAT = 1
# Hosts and paths as registries take them: https://github.com/opencontainers/distribution-spec, "Pulling manifests".
_NAME = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
# Of a root file system that mmdebstrap makes: what apt and dpkg needed for that, and pages that nobody reads in a pod.
_SURPLUS = ("dev", "etc/apt", "etc/dpkg", "etc/hostname", "etc/resolv.conf", "var/cache", "var/lib/apt", "var/lib/dpkg")
_LEFT_OUT = ("doc/*", "info/*", "locale/*", "man/*")
_KEPT = "doc/*/copyright"
# Left to itself, buildah raises limits, which root may not do in a container.
_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
# As root without namespaces of its own or systemd; one layer a step, so that nodes fetch only what a new version
# changed; one date for all files, and no word of which version of buildah it was.
_BUILD = ("--isolation", "chroot", *_LIMITS, "--layers", "--timestamp", "0", "--identity-label=false")
TITLE = "drover-llama"


def make_recipe(architecture: str, build: dict | None, settings: dict, builder: dict, runtime: dict) -> dict:
    """The recipe of the image for ``architecture`` (amd64 or arm64) with ``build`` (an offer, None for packages).

    Of ``settings`` these are read: ``name`` (of the image, with its registry), ``base``, ``packages``, ``mirror``,
    ``apt_options``, ``auth_file`` and ``tls_verify`` (for the base's registry) and ``work`` (an absolute folder on the
    builder). ``builder`` is what ``describe_builder`` returned, ``runtime`` has ``path`` and ``version`` of the zipapp.

    Returns ``id``, ``architecture``, ``name``, ``label`` (the build's, None for packages), ``folder`` (where it is
    made), ``base`` and ``build`` (paths on the controller, or None), ``unpacked`` and ``place`` (the build's folder in
    its archive and in the image), ``texts`` (path in the folder -> content), ``root`` (the command that makes the root
    file system, or None), ``links`` (path in it -> where it leads to, which nobody has made since packages are not
    configured there), ``surplus`` (paths that it then takes away), ``containerfile``, ``asked`` (the programs can be
    run while it is made), ``make`` and ``export`` (commands), and ``layout`` (the folder that the latter fills).
    """
    name = _checked_name(settings["name"])
    suite = suite_for(build)
    base = read_base(settings["base"], architecture, suite)
    asked = architecture in builder["runs"]
    if not asked and base.kind != MMDEBSTRAP:
        raise DroverError(
            f"The builder runs no programs for {architecture}, which it takes to install packages into "
            f"{base.path or base.name}: install qemu-user-static and binfmt-support on it (and have "
            "/proc/sys/fs/binfmt_misc mounted), set "
            f"llama_image_base to mmdebstrap, or leave {architecture} out of llama_image_architectures."
        )
    packages = packages_for(build, base, settings["packages"])
    version = runtime["version"]
    labels = {
        "org.opencontainers.image.title": TITLE,
        "org.opencontainers.image.description": "llama.cpp's RPC server and llama-server, started by Drover",
        "org.opencontainers.image.version": version,
    }
    folder = os.path.join(settings["work"], architecture)
    own_root = base.kind == MMDEBSTRAP
    origin = {"registry": base.name, "oci": f"oci-archive:{folder}/{BASE_FILE}"}.get(base.kind, "scratch")
    file = {"tar": BASE_FILE, MMDEBSTRAP: ROOT}.get(base.kind)
    inner = [] if own_root else packages
    text = containerfile(origin, file, inner, build is not None, asked, labels)
    # What it is made with, wherever and by whatever it is made.
    inputs = [
        _FORMAT,
        architecture,
        name,
        [base.kind, base.name],
        packages,
        build["sha256"] if build else None,
        _digest_of(runtime["path"]),
        containerfile("", file, inner, build is not None, True, labels),
    ]
    identity = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]
    reference = f"localhost/drover-building:{architecture}-{identity}"
    buildah = ["buildah", "--storage-driver", "vfs", "--root", f"{settings['work']}/storage"]
    buildah += ["--runroot", f"{settings['work']}/run"]
    return {
        "id": f"{architecture}-{identity}",
        "architecture": architecture,
        "name": name,
        "label": build["label"] if build else None,
        "folder": folder,
        "base": base.path or None,
        "build": build["path"] if build else None,
        "unpacked": build["root"] if build else None,
        "place": build["id"] if build else None,
        "texts": {
            f"{ROOT}/etc/passwd": f"root:x:0:0:root:/root:/usr/sbin/nologin\n{ACCOUNT}\n",
            f"{ROOT}/etc/group": f"root:x:0:\n{GROUP}\n",
        }
        if own_root
        else {},
        "root": _mmdebstrap(architecture, base, packages, settings, folder) if own_root else None,
        "links": {
            f"{folder}/{ROOT}/usr/lib/{ARCHITECTURES[architecture]}-linux-gnu/{link}": target
            for link, target in (ALTERNATIVES.items() if own_root else ())
        },
        "surplus": [f"{folder}/{ROOT}/{path}" for path in _SURPLUS] if own_root else [],
        "containerfile": text,
        "asked": asked,
        "make": [
            *buildah,
            "build",
            *_BUILD,
            *(_registry_options(settings) if base.kind == "registry" else ()),
            "--platform",
            f"linux/{architecture}",
            "--tag",
            reference,
            folder,
        ],
        "export": [*buildah, "push", reference, f"oci:{folder}/layout:image"],
        "layout": f"{folder}/layout",
    }


def translated_programs(image: dict, recipe: dict) -> dict:
    """The document of the programs in the image that ``recipe`` makes, by an ``image`` of another architecture.

    For programs that cannot be run while their image is made. Versions, flags and backends are those of the sources,
    which are the same; only folders carry the name of the architecture, or the digest of its archive.
    """
    old, new = ARCHITECTURES[image["architecture"]], ARCHITECTURES[recipe["architecture"]]
    text = json.dumps(image["programs"]).replace(f"/{old}-linux-gnu/", f"/{new}-linux-gnu/")
    if recipe["place"]:
        text = text.replace(image["place"], recipe["place"])
    found: dict = json.loads(text)
    return found


def _mmdebstrap(architecture: str, base: Base, packages: list[str], settings: dict, folder: str) -> list[str]:
    """Packages are unpacked and not configured: that takes no program of the other architecture, leaves no logs, and
    brings in what is needed alone, without a shell where nothing needs one."""
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{path}" for path in _LEFT_OUT]
    return [
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=extract",
        "--format=directory",
        f"--architectures={architecture}",
        f"--include={','.join(packages)}",
        *excluded,
        f"--dpkgopt=path-include=/usr/share/{_KEPT}",
        *(f"--aptopt={option}" for option in settings["apt_options"]),
        base.name,
        f"{folder}/{ROOT}",
        *([settings["mirror"]] if settings["mirror"] else []),
    ]


def _registry_options(settings: dict) -> list[str]:
    file = ["--authfile", settings["auth_file"]] if settings["auth_file"] else []
    return [*file, f"--tls-verify={str(settings['tls_verify']).lower()}"]


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise DroverError(
            f"The image would be called {name!r}, which is no name of an image: set llama_image_registry to HOST or "
            "HOST:PORT with a path of lower-case letters, and llama_image_name to a word of them, without a tag."
        )
    return name


def _digest_of(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
