# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program or a library (an ELF file) needs to be loaded: its processor, its libraries, their versions.

Source of the formats: gabi "Object Files" (file header, program header, dynamic section) and the Linux Standard Base,
"Symbol Versioning".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Callable

from ..errors import DroverError

MAGIC = b"\x7fELF"
# e_machine and bits -> the name that uname gives such a machine.
ARCHITECTURES = {
    (3, 32): "i686",
    (40, 32): "armv7l",
    (21, 64): "ppc64le",
    (22, 64): "s390x",
    (62, 64): "x86_64",
    (183, 64): "aarch64",
    (243, 64): "riscv64",
    (258, 64): "loongarch64",
}
# e_machine of code for graphics cards and signal processors, which lies beside the programs that send it there.
DEVICES = {164: "Hexagon", 190: "CUDA", 224: "AMDGPU"}
# What no real library comes near: libstdc++ has some 70 versions, llama-server needs some 10 libraries.
MOST_ENTRIES = 4096
MOST_NAME_BYTES = 4096

_LOAD, _DYNAMIC = 1, 2  # p_type
_END, _NEEDED, _STRINGS, _STRINGS_SIZE = 0, 1, 5, 10  # d_tag
_VERSIONS_DEFINED, _DEFINED_COUNT, _VERSIONS_NEEDED, _NEEDED_COUNT = range(0x6FFFFFFC, 0x70000000)
_BASE, _WEAK = 1, 2  # vd_flags (the library's own name), vna_flags (the loader does without it)
# Versions of another series that came with one of this: glibc marks so that its loader knows DT_RELR, and libstdc++
# counts its parts apart. Source: "ABI Policy and Guidelines" of libstdc++, section "Versioning".
_MARKS: dict[str, dict[str, str]] = {
    "GLIBC_": {"GLIBC_ABI_DT_RELR": "2.36"},
    "GLIBCXX_": {
        "CXXABI_1.3.13": "3.4.30",
        "CXXABI_1.3.14": "3.4.31",
        "CXXABI_1.3.15": "3.4.33",
        "CXXABI_1.3.16": "3.4.34",
    },
}


# ``read_at(offset, size)``: bytes of a file, fewer where it ends.
ReadAt = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Elf:
    """``architecture`` as uname names it (or a device of ``DEVICES``), ``bits`` 32 or 64.

    Of files with 64 bits, for a processor, in the order of the file:

    ``libraries`` that it needs, by soname; ``needs``, pairs of such a soname and a version that it must define;
    ``defines``, the versions that this file itself defines.
    """

    architecture: str
    bits: int
    libraries: list[str] = field(default_factory=list)
    needs: list[tuple[str, str]] = field(default_factory=list)
    defines: list[str] = field(default_factory=list)


def read_elf(read_at: ReadAt, name: str) -> Elf:
    """Read what the ELF file ``name`` needs. ``read_at(offset, size)`` returns its bytes, fewer where it ends.

    Reads the headers, the dynamic section and the sections of versions, by what the loader itself goes by, so that
    stripped files are no different. Raises DroverError when it is no ELF file or its tables are broken.
    """
    return _Reader(read_at, name).read()


def read_elf_file(path: str) -> Elf:
    """``read_elf`` of the file ``path``. Raises OSError when it cannot be read."""
    with open(path, "rb") as file:

        def read_at(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        return read_elf(read_at, path)


def highest(prefix: str, versions: Iterable[str]) -> str | None:
    """The highest of ``versions`` with ``prefix``, without it: of GLIBC_2.4 and GLIBC_2.38 it is ``2.38``, or None."""
    marks = _MARKS.get(prefix, {})
    numbers = [marks[version] for version in versions if version in marks]
    numbers += [version[len(prefix) :] for version in versions if re.fullmatch(rf"{prefix}\d+(\.\d+)*", version)]
    return max(numbers, key=numbers_of, default=None)


def numbers_of(version: str) -> tuple[int, ...]:
    """``2.38`` as ``(2, 38)``, to compare by."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


class _Reader:
    def __init__(self, read_at: ReadAt, name: str) -> None:
        self.read_at, self.name = read_at, name
        self.order = "<"
        self.loads: list[tuple[int, int, int]] = []  # (address, offset, size)
        self.tags: dict[int, int] = {}
        self.libraries: list[int] = []  # where their names begin

    def damaged(self, what: str) -> DroverError:
        return DroverError(f"{self.name} is damaged: {what}; copy or download it again.")

    def raw(self, offset: int, size: int) -> bytes:
        # Offsets are unsigned 64-bit numbers, which no file reaches and Python's files do not take.
        data = self.read_at(offset, size) if offset < 2**62 else b""
        if len(data) < size:
            raise self.damaged(f"it ends before byte {offset + size}")
        return data

    def unpack(self, layout: str, offset: int) -> tuple[Any, ...]:
        layout = self.order + layout
        return struct.unpack(layout, self.raw(offset, struct.calcsize(layout)))

    def read(self) -> Elf:
        start = self.raw(0, 16)
        if start[:4] != MAGIC:
            raise DroverError(f"{self.name} is no program or library for Linux (ELF); take one that is.")
        if start[4] not in (1, 2) or start[5] not in (1, 2):
            raise self.damaged(f"its class is {start[4]} and its byte order {start[5]}, expected 1 or 2")
        bits, self.order = 32 * start[4], "<>"[start[5] - 1]
        (machine,) = self.unpack("H", 18)
        unknown = f"machine {machine} of {bits} bits"
        architecture = ARCHITECTURES.get((machine, bits)) or DEVICES.get(machine, unknown)
        if bits == 32 or machine in DEVICES:
            return Elf(architecture, bits)
        self._read_dynamic(self._read_segments())
        libraries = [self._string(offset) for offset in self.libraries]
        return Elf(architecture, bits, libraries, list(self._needs()), list(self._defines()))

    def _read_segments(self) -> tuple[int, int]:
        """Offset and size of the dynamic section, (0, 0) without one; remembers what is loaded where."""
        (table,) = self.unpack("Q", 32)
        entry_size, count = self.unpack("HH", 54)
        if count and entry_size != 56:
            raise self.damaged(f"its program headers have {entry_size} bytes, expected 56")
        if count > MOST_ENTRIES:
            raise self.damaged(f"it has {count} program headers")
        dynamic = (0, 0)
        for values in struct.iter_unpack(self.order + "IIQQQQQQ", self.raw(table, 56 * count)):
            kind, _flags, offset, address, _physical, size = values[:6]
            if kind == _LOAD:
                self.loads.append((address, offset, size))
            elif kind == _DYNAMIC:
                dynamic = (offset, size)
        return dynamic

    def _read_dynamic(self, dynamic: tuple[int, int]) -> None:
        offset, size = dynamic
        data = self.raw(offset, min(size, 16 * MOST_ENTRIES) // 16 * 16)
        for tag, value in struct.iter_unpack(self.order + "QQ", data):
            if tag == _END:
                return
            if tag == _NEEDED:
                self.libraries.append(value)
            self.tags[tag] = value
        if size:
            raise self.damaged("its dynamic section has no end")

    def _offset(self, address: int) -> int:
        for start, offset, size in self.loads:
            if start <= address < start + size:
                return offset + address - start
        raise self.damaged(f"no segment holds the address {address:#x}")

    def _string(self, index: int) -> str:
        if _STRINGS not in self.tags or index >= self.tags.get(_STRINGS_SIZE, 0):
            raise self.damaged(f"a name begins at byte {index}, outside of its table")
        start = self._offset(self.tags[_STRINGS]) + index
        data = self.read_at(start, MOST_NAME_BYTES) if start < 2**62 else b""
        text, end, _rest = data.partition(b"\0")
        try:
            name = text.decode("ascii")
        except UnicodeDecodeError:
            name = ""
        if not end or not name.isprintable() or not name:
            raise self.damaged(f"{text[:40]!r} is no name of a library or a version")
        return name

    def _chain(self, address_tag: int, count_tag: int, layout: str) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The entries of a section of versions: offset and values. The last value is the step to the next one."""
        count = self.tags.get(count_tag, 0)
        if count > MOST_ENTRIES:
            raise self.damaged(f"it has {count} entries of versions")
        if count:
            yield from self._steps(self._offset(self.tags.get(address_tag, 0)), count, layout)

    def _steps(self, offset: int, count: int, layout: str) -> Iterator[tuple[int, tuple[int, ...]]]:
        for left in range(count - 1, -1, -1):
            values = self.unpack(layout, offset)
            yield offset, values
            if not values[-1] and left:
                raise self.damaged(f"{left} entries of versions are missing")
            offset += values[-1]

    def _needs(self) -> Iterator[tuple[str, str]]:
        total = 0
        for offset, (_version, count, file, names, _next) in self._chain(_VERSIONS_NEEDED, _NEEDED_COUNT, "HHIII"):
            total += count
            if total > MOST_ENTRIES:
                raise self.damaged(f"it needs {total} versions")
            library = self._string(file)
            for _offset, (_hash, flags, _index, name, _next) in self._steps(offset + names, count, "IHHII"):
                if not flags & _WEAK:
                    yield library, self._string(name)

    def _defines(self) -> Iterator[str]:
        for offset, values in self._chain(_VERSIONS_DEFINED, _DEFINED_COUNT, "HHHHIII"):
            flags, names = values[1], values[5]
            if not flags & _BASE:
                (name,) = self.unpack("I", offset + names)
                yield self._string(name)
