# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""llama.cpp to install in the scenarios: the source, where what was compiled of it is kept, and a mirror made of that.

Run as a program it prints all of it as JSON.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests"), str(ROOT / "tests" / "assets")]

import llama_cpp_source  # noqa: E402
from lab import state  # noqa: E402
from module_utils.builds.archive import inspect_archive  # noqa: E402

TAG = llama_cpp_source.LABEL
# All that decides what the scenario ``source`` compiles.
_COMPILING = [
    *sorted(ROOT.glob("roles/llama_cpp/tasks/compile*.yml")),
    ROOT / "plugins/module_utils/builds/recipe.py",
    ROOT / "molecule/source/converge.yml",
    ROOT / "tests/assets/llama_cpp_source.py",
]


def cache() -> Path:
    """Where the scenarios keep archives: another folder whenever what the scenario ``source`` compiles changes."""
    made_by = hashlib.sha256(b"".join(path.read_bytes() for path in _COMPILING)).hexdigest()[:12]
    return state.cache() / "builds" / made_by


def compiled() -> list[Path]:
    """The archives that the scenario ``source`` has compiled, the one for the oldest distribution first."""
    archives = cache().glob(f"{TAG}-{'[0-9a-f]' * 8}.tar.gz")
    return sorted(archives, key=lambda path: [int(part) for part in inspect_archive(str(path))["glibc"].split(".")])


def archive_path(tag: str = TAG) -> Path:
    """Where a mirror has the x86_64 archive of a release."""
    return cache() / "mirror" / tag / f"llama-{tag}-bin-ubuntu-x64.tar.gz"


def sha256(path: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def change(tag: str, contents: Callable[[str, bytes], bytes | None]) -> None:
    """Put an archive on the mirror as the release ``tag``: the compiled one, with each file as ``contents(name, data)``
    has it, and without those for which it returns None."""
    path = archive_path(tag)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive_path()) as good, tarfile.open(path, "w:gz", compresslevel=1) as changed:
        for member in good:
            data = contents(member.name, good.extractfile(member).read()) if member.isfile() else b""
            if data is not None:
                member.size = len(data)
                changed.addfile(member, io.BytesIO(data))


def facts() -> dict:
    """What the scenarios' playbooks are to know; ``archive_sha256`` is empty until something was compiled."""
    source = llama_cpp_source.tarball()
    found = {"tag": TAG, "source": str(source), "source_sha256": sha256(source), "cache": str(cache())}
    archives = compiled()
    if archives:
        archive_path().parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archives[0], archive_path())
    return {
        **found,
        "compiled": [str(path) for path in archives],
        "mirror": (cache() / "mirror").as_uri(),
        "archive_sha256": sha256(archive_path()) if archives else "",
    }


if __name__ == "__main__":
    print(json.dumps(facts()))
