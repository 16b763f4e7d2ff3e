# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive of llama.cpp holds and where it runs, told before any host is touched."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re

from ..errors import DroverError
from . import elf
from .find import INSIDE_PREFIX, RPC_SERVER_NAMES, SERVER_NAMES
from .members import damage_told, walk
from .platform import LIBSTDCXX

# What every host with glibc and libstdc++ has; their versions are looked at apart.
_GLIBC = re.compile(
    r"(lib(anl|BrokenLocale|c|c_malloc_debug|dl|m|mvec|nss_\w+|pthread|resolv|rt|thread_db|util)|ld-linux[\w-]*|ld64)\.so\.\d+"
)
_RUNTIME_OF_GCC = (LIBSTDCXX, "libgcc_s.so.1")
_ANOTHER = "take another archive of the release, or method source"


def inspect_archive(path, sha256=None, label=None, id=None, url=None):
    """Look into the archive ``path`` and describe it: what binaries.md calls an *offer*.

    ``sha256`` is what the file's must be; ``label`` what the build is called (else by the archive's top folder), ``id``
    the name of its folder on hosts (else label and digest), ``url`` where it came from. Only ELF headers and tables are
    read of what is in it, in bounded memory, and nothing is unpacked. Raises DroverError when the file is not there, is
    no sound archive, or is not what every host that takes it can trust and use.
    """
    with damage_told(path):
        digest = _digest(path)
        size = os.path.getsize(path)
    if sha256 and digest != sha256.lower():
        raise DroverError(
            f"{path} has sha256 {digest}, expected {sha256.lower()}; it is damaged or was replaced: download it "
            "again, or correct the sha256."
        )
    contents = _Contents(str(path))
    with damage_told(path):
        for member in walk(path):
            contents.add(member)
    programs = contents.programs()
    contents.check_links()
    label = label or contents.label()
    return {
        "id": id or f"{label}-{digest[:8]}",
        "label": label,
        "file": os.path.basename(path),
        "path": str(path),
        "url": url,
        "sha256": digest,
        "size_bytes": size,
        "architecture": contents.architecture(),
        **contents.needs(),
        "root": contents.root,
        "programs": programs,
        "kind": None,
    }


def why_not(offer, platform):
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


def _short(distribution):
    """``Debian 12``, ``Debian forky``, ``Arch``."""
    version = distribution["version"] or distribution["codename"]
    return f"{distribution['id'].capitalize()} {version}".strip()


def _digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1024 * 1024), b""):
            digest.update(block)
    return digest.hexdigest()


class _Contents:
    """What is known of an archive's members so far. Names are those of files after they were checked."""

    def __init__(self, path):
        self.path = path
        self.root = None
        self.files = {}  # name -> whether it may be executed
        self.links = {}  # name -> name that it leads to
        self.hardlinks = {}
        self.machines = {}  # (architecture, bits) -> the first file that is for it
        self.elves = set()
        self.libraries = set()
        self.versions = set()

    def refuse(self, why, remedy):
        return DroverError(f"{self.path} {why}; {remedy}.")

    def hostile(self, why):
        return self.refuse(f"{why}, which a sound archive does not", "take the archive from its publisher")

    def add(self, member):
        """Take in one member. Raises DroverError when unpacking it could harm a host."""
        name = self._checked(member.name)
        if name is None:
            if member.kind != "folder":
                raise self.refuse(f"has {member.name!r} outside of a folder", "pack it again, all in one folder")
            return
        if member.kind == "device":
            raise self.hostile(f"holds the device {name!r}")
        if member.kind == "link":
            self.links[name] = self._target(name, member.target)
        elif member.kind == "hardlink":
            self.hardlinks[name] = self._checked(member.target)
        elif member.kind == "file":
            self.files[name] = member.executable
            self._read(name, member)

    def _checked(self, name):
        """``name`` in its plain form, None for the top folder itself."""
        parts = [part for part in name.split("/") if part]
        if name.startswith("/") or ".." in parts or not parts or not name.isprintable():
            raise self.hostile(f"has a member of the name {name[:200]!r}")
        first, inside = parts[0], [part for part in parts[1:] if part != "."]
        if self.root is None:
            self.root = first
        if first != self.root:
            raise self.refuse(f"has {first!r} beside {self.root!r}", "pack it again, all in one folder")
        return posixpath.join(first, *inside) if inside else None

    def _target(self, name, target):
        """The name that a link leads to. Its ``..`` must come first, or another link among them would mislead."""
        folder, parts = name.split("/")[:-1], [part for part in target.split("/") if part not in ("", ".")]
        ups = len([part for part in parts if part == ".."])
        if target.startswith("/") or not target or ".." in parts[ups:] or ups > len(folder) - 1:
            raise self.hostile(f"has a link from {name!r} to {target[:200]!r}, out of its folder")
        return "/".join(folder[: len(folder) - ups] + parts[ups:])

    def check_links(self):
        """Refuse files that would be written through a link: where they land depends on what is there."""
        for name in [*self.files, *self.links, *self.hardlinks]:
            folder = posixpath.dirname(name)
            while folder:
                if folder in self.links:
                    raise self.hostile(f"puts {name!r} behind the link {folder!r}")
                folder = posixpath.dirname(folder)

    def _read(self, name, member):
        if member.read_at(0, len(elf.MAGIC)) != elf.MAGIC:
            return
        found = elf.read_elf(member.read_at, f"{name} in {self.path}")
        if found.architecture in elf.DEVICES.values():
            return
        self.elves.add(name)
        self.machines.setdefault((found.architecture, found.bits), name)
        self.libraries.update(found.libraries)
        self.versions.update(version for _library, version in found.needs)

    def programs(self):
        """The names of both programs. Raises DroverError without one of them."""
        return {
            "server": self._program(SERVER_NAMES, "take a release archive of llama.cpp, or method source"),
            "rpc_server": self._program(
                RPC_SERVER_NAMES,
                "upstream's archives for Linux without CUDA have it, builds of Homebrew and of containers do not: take "
                "one of upstream's, or method source",
            ),
        }

    def label(self):
        """What the build is called by its folder: upstream's are named llama-TAG."""
        return self.root.removeprefix("llama-") if self.root != "." else os.path.basename(self.path).split(".tar")[0]

    def _program(self, names, remedy):
        for inside in INSIDE_PREFIX:
            for name in names:
                path = posixpath.join(self.root or "", inside, name)
                file = self._followed(path)
                if file is None:
                    continue
                if file not in self.elves:
                    raise self.refuse(f"has a {path} that is no program for Linux (ELF)", _ANOTHER)
                if not self.files[file]:
                    raise self.refuse(
                        f"has a {path} that may not be executed", "pack it again with the file modes kept"
                    )
                return path
        raise self.refuse(f"has no {names[0]} in it", remedy)

    def _followed(self, name):
        """The file that ``name`` leads to, through links, or None."""
        for _step in range(40):  # as many as Linux follows
            if name in self.files:
                return name
            name = self.links.get(name) or self.hardlinks.get(name)
            if name is None:
                return None
        return None

    def architecture(self):
        """What all programs and libraries are for. Raises DroverError when that is not one architecture of 64 bits."""
        for (architecture, bits), name in self.machines.items():
            if bits != 64:
                raise self.refuse(f"holds programs of {bits} bits ({name} for {architecture})", _ANOTHER)
        if len(self.machines) > 1:
            kinds = ", ".join(
                f"{name} for {architecture}" for (architecture, _bits), name in sorted(self.machines.items())
            )
            raise self.refuse(f"holds programs for more than one architecture ({kinds})", _ANOTHER)
        return next(iter(self.machines))[0]

    def needs(self):
        """``glibc`` and ``libstdcxx``, the lowest versions that will do, and ``libraries`` that the host must have."""
        inside = {posixpath.basename(name) for name in [*self.files, *self.links, *self.hardlinks]}
        wanted = self.libraries - inside
        own_libstdcxx = LIBSTDCXX in inside
        return {
            "glibc": elf.highest("GLIBC_", self.versions),
            "libstdcxx": None if own_libstdcxx else elf.highest("GLIBCXX_", self.versions),
            "libraries": sorted(name for name in wanted if not _GLIBC.fullmatch(name) and name not in _RUNTIME_OF_GCC),
        }
