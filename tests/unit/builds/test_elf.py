# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ELF files: held against binutils' readelf on this machine's own, and against files that lie."""

from __future__ import annotations

import functools
import glob
import os
import re
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from module_utils.builds import elf
from module_utils.errors import DroverError
from unit.builds import raw_elf

MACHINES = {"Advanced Micro Devices X86-64": "x86_64", "AArch64": "aarch64"}


def reader(data, asked=None):
    def read_at(offset, size):
        if asked is not None:
            asked.append(size)
        return data[offset : offset + size]

    return read_at


def read(data, **more):
    return elf.read_elf(reader(data, **more), "the file")


def real_files():
    """Some of this machine's programs and libraries, those that matter most among them."""
    libraries = sorted({os.path.realpath(path) for path in glob.glob("/usr/lib/*-linux-gnu/*.so.*")})
    named = [path for path in libraries if re.search(r"/(libstdc\+\+|libgcc_s|libc|libm|ld-linux[\w-]*)\.so", path)]
    programs = [os.path.realpath(f"/usr/bin/{name}") for name in ("readelf", "ls", "python3", "gcc")]
    some = libraries[:: max(1, len(libraries) // 40)]
    return list(dict.fromkeys([*named, *programs, "/sbin/ldconfig", *some]))


def readelf(path):
    """What readelf says: machine, libraries, needs and defines, as elf.Elf has them."""
    command = ["readelf", "--wide", "--file-header", "--dynamic", "--version-info", path]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout
    needs, defines, library = [], [], None
    for line in text.splitlines():
        if found := re.search(r"Version: 1  File: (\S+)  Cnt", line):
            library = found[1]
        elif (found := re.search(r"  Name: (\S+)  Flags: (.+?)  Version: \d+", line)) and "WEAK" not in found[2]:
            needs.append((library, found[1]))
        elif (found := re.search(r"Rev: 1  Flags: (.+?)\s+Index: \d+  Cnt: \d+  Name: (\S+)", line)) and (
            "BASE" not in found[1]
        ):
            defines.append(found[2])
    libraries = re.findall(r"\(NEEDED\)\s+Shared library: \[(.+)\]", text)
    return MACHINES[re.search(r"Machine:\s+(.+)", text)[1]], libraries, needs, defines


@pytest.mark.parametrize("path", real_files(), ids=os.path.basename)
def test_readelf_says_the_same(path):
    found = elf.read_elf_file(path)
    assert (found.architecture, found.libraries, found.needs, found.defines) == readelf(path)
    assert found.bits == 64


def test_the_real_files_have_something_of_everything():
    found = [elf.read_elf_file(path) for path in real_files()]
    assert len(found) > 20
    assert max(len(file.needs) for file in found) > 10
    assert max(len(file.defines) for file in found) > 40
    assert any(not file.libraries for file in found)


@pytest.mark.parametrize("tables_last", [False, True])
@pytest.mark.parametrize(("machine", "order", "architecture"), [(62, "<", "x86_64"), (22, ">", "s390x")])
def test_both_byte_orders_and_both_places_of_the_tables(machine, order, architecture, tables_last):
    data = raw_elf.elf(
        libraries=["libc.so.6", "libm.so.6"],
        needs=[("libc.so.6", "GLIBC_2.38"), ("libm.so.6", "GLIBC_2.29"), ("libc.so.6", "GLIBC_2.4", 2)],
        defines=["A_1", "A_2"],
        machine=machine,
        order=order,
        tables_last=tables_last,
        pad=1000,
    )
    expected = elf.Elf(
        architecture,
        64,
        ["libc.so.6", "libm.so.6"],
        [("libc.so.6", "GLIBC_2.38"), ("libm.so.6", "GLIBC_2.29")],  # without the weak one
        ["A_1", "A_2"],
    )
    assert read(data) == expected


@pytest.mark.parametrize(
    ("machine", "bits", "architecture"),
    [(40, 32, "armv7l"), (3, 32, "i686"), (164, 32, "Hexagon"), (224, 64, "AMDGPU"), (8, 32, "machine 8 of 32 bits")],
)
def test_of_what_no_host_of_ours_runs_only_the_kind_is_read(machine, bits, architecture):
    assert read(raw_elf.header(machine, bits=bits)) == elf.Elf(architecture, bits)


@pytest.mark.parametrize(
    ("prefix", "versions", "expected"),
    [
        ("GLIBC_", ["GLIBC_2.4", "GLIBC_2.38", "GLIBC_2.2.5", "GLIBC_PRIVATE", "GLIBCXX_9.9"], "2.38"),
        ("GLIBC_", ["GLIBC_2.34", "GLIBC_ABI_DT_RELR"], "2.36"),
        ("GLIBCXX_", ["GLIBCXX_3.4.9", "GLIBCXX_3.4.30", "GLIBCXX_TUNABLES", "CXXABI_1.3.13"], "3.4.30"),
        ("GLIBCXX_", ["GLIBCXX_3.4.32", "CXXABI_1.3.15"], "3.4.33"),
        ("GLIBCXX_", ["CXXABI_1.3"], None),
        ("GLIBC_", [], None),
    ],
)
def test_the_highest_version(prefix, versions, expected):
    assert elf.highest(prefix, versions) == expected


SOUND = raw_elf.elf(["libc.so.6"], [("libc.so.6", "GLIBC_2.38")], ["A_1"])
DAMAGED = {
    "empty": (b"", "ends before byte 16"),
    "a script": (b"#!/bin/sh\nexec llama-server\n", "is no program or library for Linux"),
    "class": (b"\x7fELF\x03" + SOUND[5:], "class is 3"),
    "byte order": (b"\x7fELF\x02\x00" + SOUND[6:], "byte order 0"),
    "header only": (SOUND[:64], "ends before byte"),
    "program headers far away": (raw_elf.header(table=2**63), "ends before byte"),
    "program headers at the very end": (raw_elf.header(table=2**64 - 1), "ends before byte"),
    "size of program headers": (raw_elf.header(segment_size=1), "have 1 bytes, expected 56"),
    "number of program headers": (raw_elf.header(segments=0xFFFF), "has 65535 program headers"),
    "no such address": (raw_elf.elf(["a"], changes=[(5, 2**64 - 1)]), "no segment holds the address"),
    "names far away": (raw_elf.elf(["a"], changes=[(1, 2**63)]), "outside of its table"),
    "names beyond the end": (raw_elf.elf(["a"], changes=[(1, 2**62), (10, 2**63)]), "is no name"),
    "name without an end": (raw_elf.elf(["a" * 5000]), "is no name"),
    "name in another tongue": (raw_elf.elf(["b\u00fccher"]), "is no name"),
    "name on two lines": (raw_elf.elf(["a\nb"]), "is no name"),
    "no names": (raw_elf.elf(["a"], changes=[(10, 0)]), "outside of its table"),
    "too many needs": (raw_elf.elf(needs=[("a", "b")], changes=[(0x6FFFFFFF, 2**64 - 1)]), "entries of versions"),
    "more needs than there are": (raw_elf.elf(needs=[("a", "b")], changes=[(0x6FFFFFFF, 9)]), "8 entries of versions"),
    "more defines than there are": (raw_elf.elf(defines=["a"], changes=[(0x6FFFFFFD, 2)]), "1 entries of versions"),
    "needs without a place": (raw_elf.elf(needs=[("a", "b")], changes=[(0x6FFFFFFE, 0)]), "no segment holds"),
}


@pytest.mark.parametrize(("data", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_files(data, message):
    with pytest.raises(DroverError, match=message) as error:
        read(data)
    assert str(error.value).startswith("the file ")
    assert "\n" not in str(error.value)


def test_a_dynamic_section_without_an_end():
    size = struct.unpack_from("<Q", SOUND, 64 + 56 + 32)[0]
    data = bytearray(SOUND)
    struct.pack_into("<Q", data, 64 + 56 + 32, size - 16)
    with pytest.raises(DroverError, match="its dynamic section has no end"):
        read(bytes(data))


def test_many_needs_in_one_library_are_bounded():
    data = bytearray(raw_elf.elf(needs=[("a", "b")] * 10))
    at = data.index(struct.pack("<HH", 1, 10))
    struct.pack_into("<H", data, at + 2, 65535)
    with pytest.raises(DroverError, match="needs 65535 versions"):
        read(bytes(data))


def test_every_truncation_is_refused():
    for size in range(len(SOUND)):
        with pytest.raises(DroverError):
            read(SOUND[:size])


@functools.cache
def real_bytes():
    """A real library with many versions, and where its tables are: from its begin, and in its dynamic section."""
    path = next(path for path in real_files() if "/libstdc++.so" in path)
    with open(path, "rb") as file:
        data = file.read()
    headers = [struct.unpack_from("<IIQQQQQQ", data, 64 + 56 * index) for index in range(data[56])]
    dynamic = next(header[2] for header in headers if header[0] == 2)
    sections = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout
    versions = [int(at, 16) for at in re.findall(r"\.gnu\.version_[rd]\s+\S+\s+\S+ (\S+)", sections)]
    return data, [*[(0, 64 + 56 * len(headers))] * 2, (dynamic, 600), *[(at, 400) for at in versions]]


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_real_library_with_changed_bytes_is_read_or_refused(data):
    sound, places = real_bytes()
    changed = {}
    for _change in range(data.draw(st.integers(1, 4))):
        start, size = data.draw(st.sampled_from(places))
        at = start + data.draw(st.integers(0, size - 1))
        new = data.draw(st.one_of(st.binary(min_size=1, max_size=1), st.sampled_from([b"\xff" * 8, bytes(8), b"\x80"])))
        changed[at] = new
    asked = []

    def read_at(offset, size):
        asked.append(size)
        piece = bytearray(sound[offset : offset + size])
        for at, new in changed.items():
            for index, byte in enumerate(new, at - offset):
                if 0 <= index < len(piece):
                    piece[index] = byte
        return bytes(piece)

    try:
        found = elf.read_elf(read_at, "the file")
    except DroverError as error:
        assert "\n" not in str(error)
    else:
        assert all(name.isprintable() for name in [*found.libraries, *found.defines])
    assert max(asked) < 2**18
    assert len(asked) < 10 * elf.MOST_ENTRIES
