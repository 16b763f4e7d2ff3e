#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make llama.cpp 0.5.0's source tarball for the tests, and print its path.

It comes from the source distribution of llama-cpp-python, which carries llama.cpp's whole tree; only what compiling
the two programs for a CPU needs is kept. The tarball stays in the lab's cache, so a second call is instant.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab import state

PROJECT, VERSION = "llama_cpp_python", "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
LABEL = "0.5.0"
INSIDE = f"{PROJECT}-{VERSION}/vendor/llama.cpp/"
WANTED = re.compile(
    r"(CMakeLists\.txt|LICENSE|scripts/ui-assets\.cmake|(cmake|common|ggml|include|src|tools|vendor)/.*)$"
)
# Other backends, other processors, the user interface, and what only people read or test with.
UNWANTED = re.compile(
    r"ggml/src/ggml-(?!cpu/|rpc/)[^/]+/"
    r"|ggml/src/ggml-cpu/(kleidiai|spacemit|arch/(loongarch|powerpc|riscv|s390|wasm))/"
    r"|tools/ui/[^/]+/|tools/[^/]+/(tests|bench|legacy|examples)/"
    r"|.*\.(md|jpeg|jpg|png|mp3|sh|py|json)$"
)
# What pip runs to learn of the package's dependencies. The package's own would first be installed, for a minute.
BACKEND = f'''
import pathlib

def prepare_metadata_for_build_wheel(folder, settings=None):
    metadata = pathlib.Path(folder, "{PROJECT}-{VERSION}.dist-info", "METADATA")
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\\nName: {PROJECT}\\nVersion: {VERSION}\\n")
    return metadata.parent.name
'''


def tarball() -> Path:
    """Path of the tarball, made when it is not in the cache. Its top folder is ``llama.cpp-0.5.0``."""
    made_of = hashlib.sha256("\n".join([SHA256, WANTED.pattern, UNWANTED.pattern]).encode()).hexdigest()[:12]
    path = state.cache() / "sources" / made_of / f"llama.cpp-{LABEL}.tar.gz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            new = Path(folder, path.name)
            trim(download(Path(folder)), new)
            new.rename(path)
    return path


def download(folder: Path) -> Path:
    """Have pip fetch the source distribution, as it is set up on this machine, and check its sha256."""
    backend = folder / "backend" / "scikit_build_core"
    backend.mkdir(parents=True)
    (backend / "build.py").write_text(BACKEND)
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{PROJECT}=={VERSION} --hash=sha256:{SHA256}\n")
    options = ["--no-deps", "--no-binary=:all:", "--no-build-isolation", "--require-hashes", "--no-cache-dir"]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            *options,
            f"--dest={folder}",
            f"--requirement={requirement}",
        ],
        check=True,
        env={**os.environ, "PYTHONPATH": str(backend.parent), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    return folder / f"{PROJECT}-{VERSION}.tar.gz"


def trim(sdist: Path, target: Path) -> None:
    """Write the files of ``sdist`` that are wanted to ``target``: the same bytes, whenever and wherever it is made."""
    files = {}
    with tarfile.open(sdist) as archive:
        for member in archive:
            name = member.name[len(INSIDE) :]
            if member.isfile() and member.name.startswith(INSIDE) and WANTED.match(name) and not UNWANTED.match(name):
                files[name] = archive.extractfile(member).read()
    with (
        open(target, "wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
        tarfile.open(mode="w", fileobj=packed, format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(f"llama.cpp-{LABEL}/{name}")
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))


if __name__ == "__main__":
    print(tarball())
