# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive of llama.cpp holds and where it runs, told before any host is touched."""

from __future__ import annotations

import hashlib
import os

from ..errors import DroverError
from . import elf
from .contents import Contents
from .members import damage_told, walk
from .prune import BUILD_NAME


def inspect_archive(
    path: str, sha256: str | None = None, label: str | None = None, id: str | None = None, url: str | None = None
) -> dict:
    """Look into the archive ``path`` and describe it: what binaries.md calls an *offer*.

    ``sha256`` is what the file's must be; ``label`` what the build is called (else by the archive's top folder), ``id``
    the name of its folder on hosts (else the file's own, if that is a build's, or label and digest), ``url`` where it
    came from. Only ELF headers and tables are read of what is in it, in bounded memory, and nothing is unpacked. Raises
    DroverError when the file is not there, is no sound archive, or is not what every host that takes it can trust and
    use.
    """
    with damage_told(path):
        digest = digest_of(path)
        size = os.path.getsize(path)
    if sha256 and digest != sha256.lower():
        raise DroverError(
            f"{path} has sha256 {digest}, expected {sha256.lower()}; it is damaged or was replaced: download it "
            "again, or correct the sha256."
        )
    contents = Contents(str(path))
    with damage_told(path):
        for member in walk(path):
            contents.add(member)
    programs = contents.programs()
    contents.check_links()
    label = label or contents.label()
    return {
        "id": id or _named(path) or f"{label}-{digest[:8]}",
        "label": label,
        "file": os.path.basename(path),
        "path": str(path),
        "url": url,
        "sha256": digest,
        "size_bytes": size,
        "architecture": contents.architecture(),
        **contents.needs(),
        "backends": contents.backends(),
        "root": contents.root,
        "programs": programs,
        "kind": None,
    }


def why_not(offer: dict, platform: dict) -> str | None:
    """Why the archive ``offer`` does not run on a host of ``platform``, in one sentence with the remedy, or None."""
    archive, distribution = f"the archive of {offer['label']}", _short(platform["distribution"])
    if platform["system"] != "linux":
        return (
            f"{archive} is for Linux, and this host runs {platform['system']}: install llama-server and "
            "ggml-rpc-server on it yourself, anywhere on PATH, and take method package."
        )
    if offer["architecture"] != platform["architecture"]:
        return (
            f"{archive} is for {offer['architecture']}, and this host runs programs for {platform['architecture']}: "
            f"offer an archive for {platform['architecture']}, or take method source."
        )
    for library, field in (("glibc", "glibc"), ("libstdc++", "libstdcxx")):
        needed, there = offer[field], platform[field]
        if not needed:
            continue
        if not there and library == "glibc":
            return (
                f"{archive} needs glibc {needed}, and this host ({distribution}) has another C library: "
                "take method source."
            )
        if not there:
            return (
                f"{archive} needs libstdc++ {needed}, and this host ({distribution}) has none: install it (on Debian "
                "and Ubuntu it is the package libstdc++6), or take method source."
            )
        if elf.numbers_of(there) < elf.numbers_of(needed):
            return (
                f"{archive} needs {library} {needed}, and this host has {there} ({distribution}): take method source, "
                f"or an archive built on {distribution} or older."
            )
    return None


def _short(distribution: dict) -> str:
    """``Debian 12``, ``Debian forky``, ``Arch``."""
    version = distribution["version"] or distribution["codename"]
    return f"{distribution['id'].capitalize()} {version}".strip()


def _named(path: str) -> str | None:
    """The name of the file without its ending, where that names a build as Drover does: what hosts have compiled."""
    name = os.path.basename(path).split(".tar")[0]
    return name if BUILD_NAME.match(name) else None


def digest_of(path: str) -> str:
    """The sha256 of the file ``path``."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1024 * 1024), b""):
            digest.update(block)
    return digest.hexdigest()
