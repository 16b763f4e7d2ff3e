# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime as one file, ``drover.pyz``: the brain, which hosts and pods run without Ansible.

The same sources give the same bytes on any machine and any Python, so that an unchanged runtime is an unchanged file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile

from ..errors import DroverError

PACKAGE = "module_utils"
SHEBANG = b"#!/usr/bin/env python3\n"
# The first moment that a zip archive can tell.
MOMENT = (1980, 1, 1, 0, 0, 0)
MODE = 0o644
UNIX = 3
# The version is told by the start of the program: sources do not know it.
MAIN = """import sys

from {package}.runtime.command import main

sys.exit(main({version!r}))
"""
_VERSION = re.compile(r"""^version:\s*["']?([^"'\s#]+)""", re.MULTILINE)


def write_archive(sources: str, target: str, version: str) -> bool:
    """Write the archive of the Python files in the folder ``sources`` to ``target``; tell whether that changed it.

    ``version`` is what ``drover version`` says. The file appears whole or not at all.
    """
    content = archive_bytes(sources, version)
    try:
        with open(target, "rb") as file:
            if file.read() == content:
                return False
    except FileNotFoundError:
        pass
    unfinished = f"{target}.{os.getpid()}"
    try:
        with open(unfinished, "wb") as file:
            file.write(content)
        os.chmod(unfinished, 0o755)
        os.replace(unfinished, target)
    finally:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
    return True


def cache_archive(collection: str, folder: str) -> tuple[str, str]:
    """The path of the archive of the ``collection`` in this folder, below ``folder``, and the collection's version.

    It is called by its content, so that it is written once. Raises DroverError for a folder that is no collection.
    """
    version = collection_version(collection)
    sources = os.path.join(collection, "plugins", PACKAGE)
    digest = hashlib.sha256(archive_bytes(sources, version)).hexdigest()
    path = os.path.join(folder, digest[:16], "drover.pyz")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_archive(sources, path, version)
    except OSError as error:
        raise DroverError(
            f"The runtime cannot be written to {path} ({error.strerror}): make room there, or set XDG_CACHE_HOME to a "
            "folder that you may write to."
        ) from error
    return path, version


def collection_version(collection: str) -> str:
    """The version of the collection in this folder, an installed one (MANIFEST.json) or a checkout (galaxy.yml)."""
    try:
        with open(os.path.join(collection, "MANIFEST.json"), encoding="utf-8") as file:
            return str(json.load(file)["collection_info"]["version"])
    except (OSError, ValueError, LookupError, TypeError):
        pass
    try:
        with open(os.path.join(collection, "galaxy.yml"), encoding="utf-8") as file:
            found = _VERSION.search(file.read())
    except (OSError, UnicodeDecodeError):
        found = None
    if not found:
        raise DroverError(
            f"{collection} is not the folder of a collection, since neither its MANIFEST.json nor its galaxy.yml tells "
            "a version: give the one that holds roles and plugins."
        )
    return found[1]


def archive_bytes(sources: str, version: str) -> bytes:
    """The archive of the Python files in the folder ``sources``."""
    members = {"__main__.py": MAIN.format(package=PACKAGE, version=version).encode()}
    for folder, folders, names in os.walk(sources):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    members[f"{PACKAGE}/{os.path.relpath(path, sources)}".replace(os.sep, "/")] = file.read()
    if f"{PACKAGE}/runtime/command.py" not in members:
        raise DroverError(f"{sources} holds no runtime: give the folder plugins/{PACKAGE} of the collection.")
    packed = io.BytesIO()
    packed.write(SHEBANG)
    # Stored: how well a machine's zlib packs differs from version to version.
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members.items()):
            member = zipfile.ZipInfo(name, MOMENT)
            member.create_system = UNIX
            member.external_attr = MODE << 16
            archive.writestr(member, content)
    return packed.getvalue()
