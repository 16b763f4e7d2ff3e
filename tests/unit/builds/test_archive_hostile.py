# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that are damaged or that somebody made to do harm: one sentence, in bounded time and memory."""

from __future__ import annotations

import gzip
import io
import lzma
import random
import struct
import tarfile
import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from module_utils.builds import members
from module_utils.builds.archive import inspect_archive
from module_utils.errors import DroverError
from unit.builds import raw_elf
from unit.builds.raw_archive import SERVER, release, tar, zip_

MIB = 1024 * 1024


def refuse(path, *parts):
    with pytest.raises(DroverError) as error:
        inspect_archive(path)
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value), str(error.value)


def header(name="llama-b100/x", size=0, kind=tarfile.REGTYPE, **more):
    """A tar header that may lie."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for field, value in more.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def write(path, *parts):
    with gzip.open(path, "wb", compresslevel=1) as file:
        for part in parts:
            file.write(part)
    return path


def padded(data):
    return data + bytes(-len(data) % 512)


def pax(*texts):
    """A pax header: ``LENGTH KEY=VALUE`` and a newline for each of ``texts``, with the length of them all."""
    records = b"".join(b"%d %s\n" % (len(text) + 4, text) for text in texts)
    return header(kind=tarfile.XHDTYPE, size=len(records)) + padded(records)


def raw_pax(text):
    return header(kind=tarfile.XHDTYPE, size=len(text)) + padded(text)


END = bytes(1024)
SPARSE = pax(b"GNU.sparse.major=1", b"GNU.sparse.minor=0")
HOSTILE = {
    "size of 2^63": ([header(size=2**63)], "claims to hold more"),
    "size of 2^63 in a program": ([header("a/llama-server", size=2**63), SERVER], "claims to hold more"),
    "size below 0": ([header(size=-1), b"x" * 512], "claims to hold more"),
    "size below 0, far": ([header(size=-(2**40)), b"x" * 512], "claims to hold more"),
    "sizes that add up": ([header(size=20 * 1024 * MIB)], "damaged or cut off"),
    "long name of 2^40": ([header(kind=tarfile.GNUTYPE_LONGNAME, size=2**40), bytes(8 * MIB)], "header of a member"),
    "long name below 0": ([header(kind=tarfile.GNUTYPE_LONGNAME, size=-512), bytes(8 * MIB)], "damaged or cut off"),
    "long link of 8 MiB": ([header(kind=tarfile.GNUTYPE_LONGLINK, size=8 * MIB), b"x" * 9 * MIB], "header of a member"),
    "pax header of 8 MiB": ([header(kind=tarfile.XHDTYPE, size=8 * MIB), b"0" * 9 * MIB], "header of a member"),
    "pax without an end": ([raw_pax(b"99 path=x\n"), header(), END],),
    "pax length 0": ([raw_pax(b"0 path=x\n"), header(), END], "damaged or cut off"),
    "pax size": ([pax(b"size=99999999999999999999"), header(), END], "claims to hold more"),
    "pax size below 0": ([pax(b"size=-99999"), header(), END], "claims to hold more"),
    "pax size in words": ([pax(b"size=large"), header(size=9), padded(b"x" * 9), END],),
    "pax upwards": ([pax(b"path=a/../../etc/x"), header(), END], "a member of the name 'a/../../etc/x'"),
    "pax link": (
        [pax(b"linkpath=../../x"), header("a/b", kind=tarfile.SYMTYPE), END],
        "a link from 'a/b' to '../../x'",
    ),
    "sparse map of words": ([SPARSE, header(size=512), b"x" * 512, END], "damaged or cut off"),
    "sparse map without an end": ([SPARSE, header(size=8 * MIB), b"9999\n", b"1" * 8 * MIB], "damaged or cut off"),
    "sparse map of many": ([SPARSE, header(size=8 * MIB), b"99999999\n", b"1\n" * 4 * MIB], "header of a member"),
    "old sparse header": ([header(kind=tarfile.GNUTYPE_SPARSE, size=512), b"x" * 512, END],),
    "garbage between members": ([header(), b"garbage " * 64, END], "a header is damaged or missing"),
    "no end": ([header()], "a header is damaged or missing"),
    "half a header": ([header()[:100]], "damaged or cut off"),
    "half a file": ([header(size=1000), b"x" * 100], "damaged or cut off"),
    "many bytes behind the end": ([header(), END, bytes(8 * MIB)], "damaged or cut off"),
    "a name of zeros": ([header(""), END],),
}


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE)
def test_hostile_tars(tmp_path, case):
    parts, *expected = case
    path = write(tmp_path / "x.tar.gz", *parts)
    tracemalloc.start()
    refuse(path, *expected)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MIB


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "MOST_MEMBERS", 6)
    path = tar(tmp_path / "x.tar.gz", release())
    refuse(path, "more than 6 files")
    monkeypatch.setattr(members, "MOST_MEMBERS", 7)
    assert inspect_archive(path)["label"] == "b100"


@pytest.mark.parametrize("pack", [tar, zip_])
def test_too_many_bytes_in_all(tmp_path, monkeypatch, pack):
    content = release()
    total = sum(len(data) for data in content.values() if isinstance(data, bytes))
    path = pack(tmp_path / "x", content)
    monkeypatch.setattr(members, "MOST_BYTES", total - 1)
    refuse(path, "claims to hold more")
    monkeypatch.setattr(members, "MOST_BYTES", total)
    assert inspect_archive(path)["label"] == "b100"


@pytest.mark.parametrize("tables_last", [False, True])
@pytest.mark.parametrize("pack", [tar, zip_])
def test_memory_does_not_grow_with_the_archive(tmp_path, pack, tables_last):
    library = raw_elf.elf(["libbig.so"], pad=64 * MIB, tables_last=tables_last)
    path = pack(tmp_path / "x", release(big=library, blob=bytes(32 * MIB)))
    del library
    tracemalloc.start()
    assert inspect_archive(path)["libraries"] == ["libbig.so", "libgomp.so.1"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * MIB


def test_tables_where_nobody_looks_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "HEAD_BYTES", 256)
    monkeypatch.setattr(members, "TAIL_BYTES", 256)
    path = tar(tmp_path / "x.tar.gz", release(big=raw_elf.elf(["libbig.so"], pad=MIB)))
    refuse(path, "behind what was passed already")


def test_xz_may_not_ask_for_any_amount_of_memory(tmp_path, monkeypatch):
    path = tar(tmp_path / "x.tar.xz", release(), "xz")
    monkeypatch.setattr(members, "MOST_WINDOW_BYTES", MIB)
    refuse(path, "damaged or cut off (Memory usage limit exceeded)")


def test_a_wrong_checksum_at_the_very_end(tmp_path):
    path = tar(tmp_path / "x.tar.gz", release())
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    refuse(path, "CRC check failed")


def test_a_zip_with_a_password(tmp_path):
    path = zip_(tmp_path / "x.zip", release())
    data = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        folder = data.index(mark)
        data[data.index(mark, folder + 4) + flags] |= 1
    path.write_bytes(data)
    refuse(path, "password")


def packed(kind):
    """The bytes of a sound archive: in each kind of wrapping, and a tar to be wrapped again."""
    stream = io.BytesIO()
    stream.name = kind
    if kind == "zip":
        zip_(stream, release())
    else:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, content in release(**{"long" * 40: b"x" * 600, "\u00fc": b""}).items():
                info = tarfile.TarInfo(name)
                data = content if isinstance(content, bytes) else b""
                info.size, info.mode = len(data), 0o755
                if isinstance(content, str):
                    info.type, info.linkname = tarfile.SYMTYPE, content
                elif content is None:
                    info.type = tarfile.DIRTYPE
                archive.addfile(info, io.BytesIO(data))
    data = stream.getvalue()
    return gzip.compress(data, 1) if kind == "tar.gz" else lzma.compress(data, preset=0) if kind == "tar.xz" else data


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "zip"])
def test_truncations_are_refused(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    sound = packed(kind)
    path.write_bytes(sound)
    assert inspect_archive(path)["glibc"] == "2.38"
    sizes = random.Random(20260101).sample(range(len(sound)), 150)
    for size in [*sizes, len(sound) - 1]:
        path.write_bytes(sound[:size])
        refuse(path, str(path))


SOUND = {kind: packed(kind) for kind in ("tar", "tar.gz", "tar.xz", "zip")}


def with_sums(data):
    """A tar whose headers have right checksums, so that what they say is believed."""
    data = bytearray(data)
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changed_bytes_give_a_sentence_or_an_offer(tmp_path, data):
    kind = data.draw(st.sampled_from(["tar", "tar", "tar", "tar.gz", "tar.xz", "zip"]))
    changed = bytearray(SOUND[kind])
    bytes_ = st.one_of(st.integers(0, 255), st.sampled_from([0, 0x7F, 0x80, 0xFF, ord("/"), ord("."), ord("9")]))
    for _change in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(changed) - 1))
        if kind == "tar":  # headers and the begin of files are what matters
            at = at // 512 * 512 + data.draw(st.integers(0, 300))
        changed[min(at, len(changed) - 1)] = data.draw(bytes_)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(with_sums(changed), 1) if kind == "tar" else changed)
    try:
        offer = inspect_archive(path)
    except DroverError as error:
        assert "\n" not in str(error)
        assert str(path) in str(error)
    else:
        assert offer["architecture"] == "x86_64"
        assert all(".." not in name.split("/") for name in offer["programs"].values())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"]), st.binary(max_size=2000)
)
def test_noise_is_refused(tmp_path, start, noise):
    (tmp_path / "x").write_bytes(start + noise)
    refuse(tmp_path / "x", str(tmp_path / "x"))
    (tmp_path / "x").write_bytes(struct.pack("<10B", 31, 139, 8, 0, 0, 0, 0, 0, 0, 3) + zlib.compress(noise)[2:])
    refuse(tmp_path / "x", str(tmp_path / "x"))
