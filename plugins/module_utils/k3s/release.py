# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a release of K3s: what they are called for an architecture, where they are, and their checksums."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from ..errors import DroverError
from .version import Version, parse_release

# What uname calls a machine: what K3s's releases call it.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv8l": "arm"}
# The program is named after its architecture, but for the first that there was.
_PROGRAMS = {"amd64": "k3s", "arm64": "k3s-arm64", "arm": "k3s-armhf"}
# The best to transfer first; all hold the same images.
_PACKED = (".tar.zst", ".tar.gz", ".tar")
_LINE = re.compile(r"([0-9a-f]{64})[ \t]+[*]?(?:\./)?(\S+)")


def architecture_of(machine: str) -> str:
    """What releases call the architecture that uname calls ``machine``; raises DroverError where there is none."""
    if machine not in ARCHITECTURES:
        choices = ", ".join(sorted(ARCHITECTURES))
        raise DroverError(f"Its processor is {machine!r}, and K3s is made for {choices}: leave the host out.")
    return ARCHITECTURES[machine]


def checksum_file(architecture: str) -> str:
    """The name of the release's list of checksums."""
    return f"sha256sum-{architecture}.txt"


def address_of(base: str, version: Version, file: str) -> str:
    """Where a file of a release is below ``base``, which is where the releases' own folders are."""
    return f"{base.rstrip('/')}/{quote(version.tag)}/{quote(file)}"


def parse_checksums(text: str, where: str) -> dict[str, str]:
    """File name -> sha256, of a list as ``sha256sum`` writes it; raises DroverError, with ``where`` it came from, for
    anything else: such as the page that a wrong address leads to."""
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        match = _LINE.fullmatch(line)
        if not match:
            raise DroverError(
                f"{where} has the line {line[:60]!r}, which is no checksum of a file: see whether the address is right."
            )
        found[match[2]] = match[1]
    if not found:
        raise DroverError(f"{where} is empty, where the checksums of a release were expected: see whether it is whole.")
    return found


def files_of(checksums: dict[str, str], architecture: str, where: str, with_images: bool) -> dict[str, Any]:
    """What a host of that architecture gets of the release: ``program`` and ``images`` (None unless
    ``with_images``), each a dictionary with ``name`` and ``sha256``.

    Raises DroverError when the list, which came from ``where``, names none.
    """
    images = [f"k3s-airgap-images-{architecture}{packed}" for packed in _PACKED]
    return {
        "program": _first([_PROGRAMS[architecture]], checksums, where),
        "images": _first(images, checksums, where) if with_images else None,
    }


def _first(names: list[str], checksums: dict[str, str], where: str) -> dict[str, str]:
    for name in names:
        if name in checksums:
            return {"name": name, "sha256": checksums[name]}
    raise DroverError(f"{where} names no {' or '.join(names)}: choose a release that has it, or correct the list.")


def files_for(text: str, base: str, version: str, machine: str, with_images: bool = False) -> dict[str, Any]:
    """Where the files are that a host of that architecture (as uname calls it) gets of a release: ``list``, that of the
    checksums, and once its ``text`` is given ``program`` and ``images`` as ``files_of`` tells, each with an
    ``address``."""
    release, architecture = parse_release(version), architecture_of(machine)
    name = checksum_file(architecture)
    where = address_of(base, release, name)
    found: dict[str, Any] = {"list": {"name": name, "address": where}}
    if text:
        for part, file in files_of(parse_checksums(text, where), architecture, where, with_images).items():
            found[part] = file and {**file, "address": address_of(base, release, file["name"])}
    return found
