# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walk through an archive that nobody vouches for: one member after the other, in bounded memory, writing nothing."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from ..errors import DroverError
from .elf import ReadAt

zstd: Any = None
with contextlib.suppress(ImportError):  # it comes with Python 3.14
    zstd = importlib.import_module("compression.zstd")

MIB = 1024 * 1024
# Builds with GPU code unpack to a few GiB. What claims more is no build, and would keep us busy for long.
MOST_BYTES = 32 * 1024 * MIB
MOST_MEMBERS = 100_000
# Between two members stand their headers, which are to be this short: a header of a GiB would be read whole.
MOST_HEADER_BYTES = MIB
# What a decompressor may keep: the best compression of xz takes 64 MiB, of zstd (without --ultra) 8 MiB.
MOST_WINDOW_BYTES = 128 * MIB
# How much of the begin of a file is kept, and of what came last. Its tables are there, unless somebody moved them.
HEAD_BYTES = 8 * MIB
TAIL_BYTES = 4 * MIB
_CHUNK_BYTES = 64 * 1024

_GZIP, _XZ, _ZSTD, _ZIP = b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK"
_DAMAGE = (
    EOFError,
    NotImplementedError,  # a method of compression that Python does not know
    OSError,  # what gzip raises for its own format
    OverflowError,
    RuntimeError,  # a password
    ValueError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    *((zstd.ZstdError,) if zstd else ()),
)


@dataclass(frozen=True)
class Member:
    """``kind`` is ``file``, ``folder``, ``link``, ``hardlink`` or ``device``; ``target`` where a link leads to.

    ``read_at(offset, size)`` returns a file's bytes until the next member is asked for. ``executable`` is about files.
    """

    name: str
    kind: str
    size: int = 0
    target: str = ""
    executable: bool = False
    read_at: ReadAt | None = None


class _Stream(Protocol):
    """What can be read forward."""

    def read(self, size: int, /) -> bytes: ...


def walk(path: str) -> Iterator[Member]:
    """Yield the members of the archive ``path``: tar in gzip or xz, in zstd from Python 3.14 on, or zip.

    Raises DroverError when it is none or claims to hold more than any build does. Use it within ``damage_told``.
    """
    with open(path, "rb") as file:
        start = file.read(6)
        file.seek(0)
        members = _zip_members(file) if start.startswith(_ZIP) else _tar_members(_decompressed(path, file, start))
        total = 0
        for count, member in enumerate(members):
            total += member.size
            if count >= MOST_MEMBERS or not 0 <= member.size <= MOST_BYTES or total > MOST_BYTES:
                raise DroverError(
                    f"{path} claims to hold more than {MOST_MEMBERS} files or {MOST_BYTES // MIB} MiB, which no build "
                    "of llama.cpp does; take the archive from its publisher."
                )
            yield member


@contextlib.contextmanager
def damage_told(path: str) -> Iterator[None]:
    """Turn what Python raises while it reads a damaged archive or one of its members into a DroverError."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise DroverError(f"{path} cannot be read ({error.strerror}); give the path of an archive.") from None
    except _DAMAGE as error:
        why = str(error).rstrip(".") or type(error).__name__
        raise DroverError(f"{path} is damaged or cut off ({why}); copy or download it again.") from None


def _decompressed(path: str, file: BinaryIO, start: bytes) -> _Stream:
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file)
    if start == _XZ:
        return _Decompressed(file, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_WINDOW_BYTES))
    if start.startswith(_ZSTD):
        if zstd is None:
            raise DroverError(
                f"{path} is compressed with zstd, which Python can read from 3.14 on; pack it again as .tar.gz."
            )
        window = {zstd.DecompressionParameter.window_log_max: MOST_WINDOW_BYTES.bit_length() - 1}
        return _Decompressed(file, zstd.ZstdDecompressor(options=window))
    raise DroverError(
        f"{path} is no archive (.tar.gz, .tar.xz, .tar.zst or .zip); give a release archive of llama.cpp."
    )


class _Decompressed:
    """A stream, of what Python would decompress in any amount of memory that the file asks for."""

    def __init__(self, file: BinaryIO, decompressor: Any) -> None:
        self.file, self.decompressor = file, decompressor

    def read(self, size: int) -> bytes:
        while not self.decompressor.eof:
            data = self.file.read(_CHUNK_BYTES) if self.decompressor.needs_input else b""
            if self.decompressor.needs_input and not data:
                raise EOFError("the compressed data has no end")
            data = bytes(self.decompressor.decompress(data, max_length=size))
            if data:
                return data
        return b""


class _Allowance:
    """A stream that ends in an error when more of it is read than was allowed: tarfile reads headers of any length."""

    def __init__(self, stream: _Stream) -> None:
        self.stream, self.left = stream, MOST_HEADER_BYTES

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise tarfile.ReadError(f"the header of a member is longer than {MOST_HEADER_BYTES} bytes")
        return data


class _Header(tarfile.TarInfo):
    """A header that tells: tarfile itself takes a damaged or missing one for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # the end, as it should be
            raise tarfile.ReadError("a header is damaged or missing") from None


def _tar_members(packed: _Stream) -> Iterator[Member]:
    allowance = _Allowance(packed)
    source: Any = allowance  # of a file's methods tarfile only calls read when the mode has a bar
    with tarfile.open(fileobj=source, mode="r|", bufsize=_CHUNK_BYTES, tarinfo=_Header) as archive:
        seen: list = vars(archive)["members"]  # it keeps all that it has seen
        for info in archive:
            seen.clear()
            if 0 <= info.size <= MOST_BYTES:
                allowance.left = info.size + MOST_HEADER_BYTES
            kinds = {
                "file": info.isreg(),
                "folder": info.isdir(),
                "link": info.issym(),
                "hardlink": info.islnk(),
            }
            kind = next((name for name, is_it in kinds.items() if is_it), "device")
            stream = archive.extractfile(info) if kind == "file" else None
            yield Member(
                info.name,
                kind,
                size=info.size if kind == "file" else 0,
                target=info.linkname,
                executable=bool(info.mode & 0o111),
                read_at=_Window(stream, info.size).read_at if stream else None,
            )
        while allowance.read(_CHUNK_BYTES):  # the checksum stands at the end
            pass


def _zip_members(file: BinaryIO) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if info.filename.endswith("/"):
                yield Member(info.filename.rstrip("/"), "folder")
                continue
            with archive.open(info) as stream:
                if stat.S_ISLNK(mode):
                    yield Member(info.filename, "link", target=stream.read(MOST_HEADER_BYTES).decode())
                    continue
                kind = "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "device"
                read_at = _Window(stream, info.file_size).read_at
                yield Member(info.filename, kind, info.file_size, executable=bool(mode & 0o111), read_at=read_at)


class _Window:
    """Bytes of a stream that can only be read forward: its begin, and what came last, can be asked for again."""

    def __init__(self, stream: _Stream, size: int) -> None:
        self.stream, self.size = stream, size
        self.head, self.tail = bytearray(), bytearray()
        self.position = 0

    def read_at(self, offset: int, size: int) -> bytes:
        end = min(offset + size, self.size)
        while self.position < end:
            self._step(end - self.position)
        if end <= len(self.head):
            return bytes(self.head[offset:end])
        start = self.position - len(self.tail)
        if offset >= start:
            return bytes(self.tail[offset - start : max(end, offset) - start])
        if start == len(self.head) and offset < start:
            return bytes(self.head[offset:] + self.tail[: end - start])
        raise EOFError(f"the tables of a program lie {offset} bytes after its begin, behind what was passed already")

    def _step(self, wanted: int) -> None:
        """Read on, at most to the end of the head."""
        room = HEAD_BYTES - len(self.head)
        data = self.stream.read(min(wanted, _CHUNK_BYTES, room or wanted))
        if not data:
            raise EOFError("a file in it ends too early")
        self.position += len(data)
        if room:
            self.head += data
            return
        self.tail += data
        if len(self.tail) > 2 * TAIL_BYTES:
            del self.tail[:-TAIL_BYTES]
