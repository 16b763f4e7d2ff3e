# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes archives for tests: like a release of llama.cpp, or as wrong as one pleases."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile

from unit.builds import raw_elf

LIBC, LIBSTDCXX = "libc.so.6", "libstdc++.so.6"
SERVER = raw_elf.elf(["libllama.so.0", LIBC, LIBSTDCXX], [(LIBC, "GLIBC_2.34"), (LIBSTDCXX, "GLIBCXX_3.4.9")])
RPC_SERVER = raw_elf.elf(["libggml.so", LIBC], [(LIBC, "GLIBC_2.17")])
LIBRARY = raw_elf.elf(
    ["libgomp.so.1", "libm.so.6", "libgcc_s.so.1", LIBC],
    [(LIBC, "GLIBC_2.38"), (LIBC, "GLIBC_PRIVATE"), (LIBSTDCXX, "GLIBCXX_3.4.30"), ("libgomp.so.1", "GOMP_1.0")],
)


def release(top="llama-b100/", rpc_name="ggml-rpc-server", **changes):
    """Name -> contents (bytes), link target (str) or None for a folder; ``changes`` replace, ``...`` leaves out."""
    members = {
        "": None,
        "LICENSE": b"Do as you please.\n",
        "llama-server": SERVER,
        rpc_name: RPC_SERVER,
        "libllama.so.0": "libllama.so.0.7.0",
        "libllama.so.0.7.0": LIBRARY,
        "libggml.so": raw_elf.elf([LIBC]),
    }
    members.update(changes)
    return {top + name: content for name, content in members.items() if content is not ...}


def tar(path, members, kind="gz", edit=None):
    """Write ``members`` as a tar; ``edit`` may change the header of each. Only what is a program may be executed."""
    with tarfile.open(path, f"w:{kind}", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            data = b""
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                data = content
                info.mode = 0o755 if name.endswith("-server") else 0o644
            info.size = len(data)
            if edit:
                edit(info)
            archive.addfile(info, io.BytesIO(data) if data else None)
    return path


def zip_(path, members):
    """Write ``members`` as a zip with Unix modes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            mode = stat.S_IFLNK | 0o777 if isinstance(content, str) else stat.S_IFREG | 0o644
            if name.endswith("-server"):
                mode = stat.S_IFREG | 0o755
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content or b"")
    return path
