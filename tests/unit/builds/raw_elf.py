# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small ELF files for tests: a header, one segment, and in it the dynamic section, names and versions."""

from __future__ import annotations

import struct

X86_64, AARCH64, S390X = 62, 183, 22
HEADER, SEGMENT = 64, 56
BASE = 0x400000  # the address that byte 0 is loaded at


def elf(libraries=(), needs=(), defines=(), machine=X86_64, order="<", pad=0, tables_last=False, changes=()):
    """The bytes of a library with 64 bits.

    ``needs`` are tuples (library, version[, flags]), ``defines`` names of versions. ``pad`` bytes lie between the
    tables and the dynamic section, which comes first with ``tables_last``. ``changes`` are pairs of a dynamic tag and
    the value to lie about it.
    """
    names = _Names()
    libraries = [names.index(name) for name in libraries]
    needed, needed_count = _needed(needs, names, order)
    defined, defined_count = _defined(defines, names, order)
    tables = [names.data, needed, defined]
    dynamic_bytes = 16 * (len(libraries) + 7 + len(changes))
    start = HEADER + 2 * SEGMENT
    dynamic_at = start if tables_last else start + sum(map(len, tables)) + pad
    at = start + dynamic_bytes + pad if tables_last else start
    places = []
    for table in tables:
        places.append(BASE + at)
        at += len(table)
    tags = [(1, index) for index in libraries]
    tags += [(5, places[0]), (10, len(names.data))]
    tags += [(0x6FFFFFFE, places[1]), (0x6FFFFFFF, needed_count), (0x6FFFFFFC, places[2]), (0x6FFFFFFD, defined_count)]
    tags += [*changes, (0, 0)]
    dynamic = b"".join(struct.pack(order + "QQ", *tag) for tag in tags)
    body = [dynamic, bytes(pad), *tables] if tables_last else [*tables, bytes(pad), dynamic]
    size = start + sum(map(len, body))
    return b"".join(
        [
            header(machine, order),
            struct.pack(order + "IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 4096),
            struct.pack(order + "IIQQQQQQ", 2, 4, dynamic_at, BASE + dynamic_at, 0, len(dynamic), len(dynamic), 8),
            *body,
        ]
    )


def header(machine=X86_64, order="<", bits=64, segments=2, segment_size=SEGMENT, table=HEADER):
    """The first 64 bytes of a library."""
    ident = b"\x7fELF" + bytes([bits // 32, "<>".index(order) + 1, 1]) + bytes(9)
    return ident + struct.pack(
        order + "HHIQQQIHHHHHH", 3, machine, 1, 0, table, 0, 0, HEADER, segment_size, segments, 0, 0, 0
    )


class _Names:
    def __init__(self):
        self.data = b"\0"

    def index(self, name):
        self.data += name.encode() + b"\0"
        return len(self.data) - len(name.encode()) - 1


def _needed(needs, names, order):
    libraries = list(dict.fromkeys(need[0] for need in needs))
    data = b""
    for library in libraries:
        versions = [(need[1], *need[2:]) for need in needs if need[0] == library]
        last = library == libraries[-1]
        data += struct.pack(
            order + "HHIII", 1, len(versions), names.index(library), 16, 0 if last else 16 + 16 * len(versions)
        )
        for number, (version, *flags) in enumerate(versions, 1):
            step = 0 if number == len(versions) else 16
            data += struct.pack(order + "IHHII", 0, *(flags or [0]), number, names.index(version), step)
    return data, len(libraries)


def _defined(defines, names, order):
    data = b""
    for number, version in enumerate(defines, 1):
        step = 0 if number == len(defines) else 28
        data += struct.pack(order + "HHHHIII", 1, 0, number, 1, 0, 20, step)
        data += struct.pack(order + "II", names.index(version), 0)
    return data, len(defines)
