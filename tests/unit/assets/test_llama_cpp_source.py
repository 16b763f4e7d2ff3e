# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""llama_cpp_source.py: what it keeps of a source distribution, made by hand here, and that it makes it once."""

from __future__ import annotations

import io
import tarfile
import time

import pytest
from assets import llama_cpp_source as source

KEPT = [
    "CMakeLists.txt",
    "LICENSE",
    "cmake/common.cmake",
    "common/arg.cpp",
    "ggml/src/ggml-base.c",
    "ggml/src/ggml-cpu/arch/arm/quants.c",
    "ggml/src/ggml-cpu/ops.cpp",
    "ggml/src/ggml-rpc/ggml-rpc.cpp",
    "include/llama.h",
    "scripts/ui-assets.cmake",
    "src/models/llama.cpp",
    "tools/mtmd/models/llava.cpp",
    "tools/server/server.cpp",
    "tools/ui/CMakeLists.txt",
    "tools/ui/ui.cpp.in",
    "vendor/nlohmann/json.hpp",
]
LEFT_OUT = [
    "README.md",
    "docs/install.md",
    "examples/simple/simple.cpp",
    "ggml/src/ggml-cpu/arch/riscv/quants.c",
    "ggml/src/ggml-cpu/kleidiai/kernels.cpp",
    "ggml/src/ggml-cuda/common.cuh",
    "models/ggml-vocab.gguf",
    "scripts/release.sh",
    "tools/mtmd/test-1.jpeg",
    "tools/server/tests/unit/test_basic.py",
    "tools/ui/src/app.html",
]


@pytest.fixture
def sdist(tmp_path):
    path = tmp_path / "sdist.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        names = [source.INSIDE + name for name in [*reversed(KEPT), *LEFT_OUT]]
        for name in ["llama_cpp_python-0.3.36/CMakeLists.txt", *names]:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uid = len(name), int(time.time()), 1000
            archive.addfile(member, io.BytesIO(name.encode()))
    return path


def test_only_what_the_build_needs_is_kept(sdist, tmp_path):
    source.trim(sdist, tmp_path / "source.tar.gz")
    with tarfile.open(tmp_path / "source.tar.gz") as archive:
        assert archive.getnames() == [f"llama.cpp-0.5.0/{name}" for name in KEPT]
        content = archive.extractfile("llama.cpp-0.5.0/common/arg.cpp").read()
    assert content == (source.INSIDE + "common/arg.cpp").encode()


def test_the_same_bytes_each_time(sdist, tmp_path):
    source.trim(sdist, tmp_path / "first.tar.gz")
    source.trim(sdist, tmp_path / "second-with-another-name.tar.gz")
    assert (tmp_path / "first.tar.gz").read_bytes() == (tmp_path / "second-with-another-name.tar.gz").read_bytes()


def test_made_once(sdist, tmp_path, monkeypatch):
    downloads = []
    monkeypatch.setenv("DROVER_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(source, "download", lambda folder: downloads.append(folder) or sdist)
    path = source.tarball()
    assert path == source.tarball()
    assert len(downloads) == 1
    # Nothing of the making is left beside it.
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_download_leaves_nothing(tmp_path, monkeypatch):
    def fail(folder):
        (folder / "half").write_text("")
        raise RuntimeError("no network")

    monkeypatch.setenv("DROVER_LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(source, "download", fail)
    with pytest.raises(RuntimeError):
        source.tarball()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
