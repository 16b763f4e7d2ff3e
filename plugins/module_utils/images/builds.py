# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which build of llama.cpp goes into the image of each architecture: the same ones that hosts get."""

from __future__ import annotations

import gzip
import os
import re
import tarfile
from collections.abc import Iterable

from ..builds.archive import digest_of, inspect_archive
from ..errors import DroverError
from .builder import ARCHITECTURES

METHODS = ("auto", "package", "archive", "source", "bundle")


def choose_builds(method: str, architectures: list[str], own: list[str], offers: dict, cache: str) -> dict:
    """Architecture (amd64, arm64) -> the offer (see builds/archive.py) that goes into its image, None for packages.

    ``own`` are paths on the controller of archives, or of folders with one build each, which are packed into ``cache``;
    ``offers`` is what ``builds.offers.gather`` returned for the role's settings. Raises DroverError when one of the
    architectures has nothing.
    """
    if own:
        return _of_each(architectures, [_inspected(path, cache) for path in own], "llama_image_builds")
    if method == "source":
        raise DroverError(
            "llama_cpp_method is source, and an image takes what was compiled already: list in llama_image_builds the "
            "archives that lie in llama_cpp_cache, or the folders of builds, one of each architecture."
        )
    if method in ("bundle", "archive"):
        kind, name = ("bundle", "llama_cpp_bundle") if method == "bundle" else ("archives", "llama_cpp_archive_sha256")
        return _of_each(architectures, offers[kind], name)
    for kind in ("bundle", "archives"):
        if method == "auto" and offers[kind]:
            return _of_each(
                architectures, offers[kind], f"llama_cpp_{'bundle' if kind == 'bundle' else 'archive_sha256'}"
            )
    return dict.fromkeys(architectures)


def _of_each(architectures: Iterable[str], offers: list[dict], setting: str) -> dict:
    chosen = {}
    for architecture in architectures:
        fitting = [offer for offer in offers if offer["architecture"] == ARCHITECTURES[architecture]]
        if not fitting:
            raise DroverError(
                f"{setting} has no build of llama.cpp for {architecture} ({ARCHITECTURES[architecture]}): add one, or "
                "leave that architecture out of llama_image_architectures."
            )
        chosen[architecture] = fitting[0]
    if len({offer["label"] for offer in chosen.values()}) > 1:
        told = " and ".join(f"{offer['label']} for {name}" for name, offer in chosen.items())
        raise DroverError(
            f"{setting} has llama.cpp {told}, and RPC works between equal builds only: give the same release for each."
        )
    return chosen


def _inspected(path: str, cache: str) -> dict:
    if not os.path.isdir(path):
        return inspect_archive(path)
    # A build's folder is called by the release and the digest of its archive, which each architecture has of its own.
    name = os.path.basename(os.path.realpath(path))
    return inspect_archive(pack_folder(path, cache), label=re.sub(r"-[0-9a-f]{8}$", "", name))


def pack_folder(folder: str, cache: str) -> str:
    """Pack the build in ``folder`` as upstream packs its releases; return the archive's path, which is in ``cache``.

    It is named by its content: the same files give the same bytes, whoever owns them and whenever they were made.
    """
    folder = os.path.realpath(folder)
    name = os.path.basename(folder)
    unfinished = os.path.join(cache, f".{name}.{os.getpid()}")
    try:
        os.makedirs(cache, exist_ok=True)
        with open(unfinished, "wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
            _write(packed, folder, name)
        digest = digest_of(unfinished)
        os.makedirs(os.path.join(cache, digest[:16]), exist_ok=True)
        # By this name it is called like the build on hosts.
        path = os.path.join(cache, digest[:16], f"{name}.tar.gz")
        os.replace(unfinished, path)
    except OSError as error:
        raise DroverError(
            f"The build in {folder} cannot be packed ({error.strerror}: {error.filename}): run as somebody who may "
            "read it, or give its archive."
        ) from error
    finally:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
    return path


def _write(packed: gzip.GzipFile, folder: str, name: str) -> None:
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, folder, name)


def _add(archive: tarfile.TarFile, path: str, name: str) -> None:
    member = archive.gettarinfo(path, name)
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    if member.isfile():
        with open(path, "rb") as file:
            archive.addfile(member, file)
        return
    archive.addfile(member)
    if member.isdir():
        for entry in sorted(os.listdir(path)):
            _add(archive, os.path.join(path, entry), f"{name}/{entry}")
