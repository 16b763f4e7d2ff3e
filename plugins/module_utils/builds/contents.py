# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive that nobody vouches for holds: gathered member by member, and refused when it could harm a host."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable

from ..errors import DroverError
from . import elf
from .backends import of_libraries
from .find import INSIDE_PREFIX, RPC_SERVER_NAMES, SERVER_NAMES
from .members import Member
from .platform import LIBSTDCXX

# What every host with glibc and libstdc++ has; their versions are looked at apart.
_GLIBC = re.compile(
    r"(lib(anl|BrokenLocale|c|c_malloc_debug|dl|m|mvec|nss_\w+|pthread|resolv|rt|thread_db|util)|ld-linux[\w-]*|ld64)\.so\.\d+"
)
_RUNTIME_OF_GCC = (LIBSTDCXX, "libgcc_s.so.1")
_ANOTHER = "take another archive of the release, or method source"


class Contents:
    """What is known of an archive's members so far. Names are those of files after they were checked."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.root = ""  # the one folder that all is in, once something was added
        self.files: dict[str, bool] = {}  # name -> whether it may be executed
        self.links: dict[str, str] = {}  # name -> name that it leads to
        self.hardlinks: dict[str, str | None] = {}
        self.machines: dict[tuple[str, int], str] = {}  # (architecture, bits) -> the first file that is for it
        self.elves: set[str] = set()
        self.libraries: set[str] = set()
        self.versions: set[str] = set()

    def refuse(self, why: str, remedy: str) -> DroverError:
        return DroverError(f"{self.path} {why}; {remedy}.")

    def hostile(self, why: str) -> DroverError:
        return self.refuse(f"{why}, which a sound archive does not", "take the archive from its publisher")

    def add(self, member: Member) -> None:
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
            if member.read_at:
                self._read(name, member.read_at)

    def _checked(self, name: str) -> str | None:
        """``name`` in its plain form, None for the top folder itself."""
        parts = [part for part in name.split("/") if part]
        if name.startswith("/") or ".." in parts or not parts or not name.isprintable():
            raise self.hostile(f"has a member of the name {name[:200]!r}")
        first, inside = parts[0], [part for part in parts[1:] if part != "."]
        if not self.root:
            self.root = first
        if first != self.root:
            raise self.refuse(f"has {first!r} beside {self.root!r}", "pack it again, all in one folder")
        return posixpath.join(first, *inside) if inside else None

    def _target(self, name: str, target: str) -> str:
        """The name that a link leads to. Its ``..`` must come first, or another link among them would mislead."""
        folder, parts = name.split("/")[:-1], [part for part in target.split("/") if part not in ("", ".")]
        ups = len([part for part in parts if part == ".."])
        if target.startswith("/") or not target or ".." in parts[ups:] or ups > len(folder) - 1:
            raise self.hostile(f"has a link from {name!r} to {target[:200]!r}, out of its folder")
        return "/".join(folder[: len(folder) - ups] + parts[ups:])

    def check_links(self) -> None:
        """Refuse files that would be written through a link: where they land depends on what is there."""
        for name in [*self.files, *self.links, *self.hardlinks]:
            folder = posixpath.dirname(name)
            while folder:
                if folder in self.links:
                    raise self.hostile(f"puts {name!r} behind the link {folder!r}")
                folder = posixpath.dirname(folder)

    def _read(self, name: str, read_at: elf.ReadAt) -> None:
        if read_at(0, len(elf.MAGIC)) != elf.MAGIC:
            return
        found = elf.read_elf(read_at, f"{name} in {self.path}")
        if found.architecture in elf.DEVICES.values():
            return
        self.elves.add(name)
        self.machines.setdefault((found.architecture, found.bits), name)
        self.libraries.update(found.libraries)
        self.versions.update(version for _library, version in found.needs)

    def programs(self) -> dict[str, str]:
        """The names of both programs. Raises DroverError without one of them."""
        return {
            "server": self._program(SERVER_NAMES, "take a release archive of llama.cpp, or method source"),
            "rpc_server": self._program(
                RPC_SERVER_NAMES,
                "upstream's archives for Linux without CUDA have it, builds of Homebrew and of containers do not: take "
                "one of upstream's, or method source",
            ),
        }

    def label(self) -> str:
        """What the build is called by its folder: upstream's are named llama-TAG."""
        return self.root.removeprefix("llama-") if self.root != "." else os.path.basename(self.path).split(".tar")[0]

    def _program(self, names: Iterable[str], remedy: str) -> str:
        for inside in INSIDE_PREFIX:
            for name in names:
                path = posixpath.join(self.root, inside, name)
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
        raise self.refuse(f"has no {next(iter(names))} in it", remedy)

    def _followed(self, name: str) -> str | None:
        """The file that ``name`` leads to, through links, or None."""
        for _step in range(40):  # as many as Linux follows
            if name in self.files:
                return name
            name = self.links.get(name) or self.hardlinks.get(name) or ""
        return None

    def architecture(self) -> str:
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

    def needs(self) -> dict:
        """``glibc`` and ``libstdcxx``, the lowest versions that will do, and ``libraries`` that the host must have."""
        inside = self._names()
        wanted = self.libraries - inside
        own_libstdcxx = LIBSTDCXX in inside
        return {
            "glibc": elf.highest("GLIBC_", self.versions),
            "libstdcxx": None if own_libstdcxx else elf.highest("GLIBCXX_", self.versions),
            "libraries": sorted(name for name in wanted if not _GLIBC.fullmatch(name) and name not in _RUNTIME_OF_GCC),
        }

    def backends(self) -> list[str]:
        """The backends that its programs have, see backends.py."""
        return of_libraries(self._names() | self.libraries)

    def _names(self) -> set[str]:
        return {posixpath.basename(name) for name in [*self.files, *self.links, *self.hardlinks]}
