# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime is one file: the same bytes of the same sources, run by any Python."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from module_utils.errors import DroverError
from module_utils.runtime.archive import cache_archive, collection_version, write_archive

COLLECTION = Path(__file__).resolve().parents[3]
SOURCES = COLLECTION / "plugins" / "module_utils"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    target = tmp_path_factory.mktemp("runtime") / "drover.pyz"
    assert write_archive(str(SOURCES), str(target), "1.2.3")
    return target


def run(archive, *arguments, **options):
    return subprocess.run(
        [sys.executable, str(archive), *arguments], capture_output=True, text=True, check=False, timeout=60, **options
    )


def small_collection(folder, version="version: 0.4.0\n"):
    sources = folder / "plugins" / "module_utils"
    (sources / "runtime").mkdir(parents=True)
    for name in ("errors.py", "runtime/command.py", "runtime/__init__.py", "__init__.py"):
        (sources / name).write_text(f"# {name}\n")
    (folder / "galaxy.yml").write_text(version)
    return sources


def test_the_same_sources_give_the_same_bytes_whenever_and_wherever(tmp_path):
    for name in ("one", "other"):
        sources = small_collection(tmp_path / name)
        write_archive(str(sources), str(tmp_path / f"{name}.pyz"), "1")
    later = time.time() + 5000
    os.utime(sources / "errors.py", (later, later))
    (sources / "errors.py").chmod(0o600)
    (sources / "__pycache__").mkdir()
    (sources / "__pycache__" / "errors.py").write_text("left by a Python")
    (sources / "notes.txt").write_text("no source")
    write_archive(str(sources), str(tmp_path / "later.pyz"), "1")
    contents = {(tmp_path / f"{name}.pyz").read_bytes() for name in ("one", "other", "later")}
    assert len(contents) == 1


def test_other_sources_and_another_version_give_other_bytes(tmp_path):
    sources = small_collection(tmp_path)
    target = tmp_path / "drover.pyz"
    assert write_archive(str(sources), str(target), "1")
    assert not write_archive(str(sources), str(target), "1")
    assert write_archive(str(sources), str(target), "2")
    (sources / "errors.py").write_text("# another\n")
    assert write_archive(str(sources), str(target), "2")
    assert sorted(os.listdir(tmp_path)) == ["drover.pyz", "galaxy.yml", "plugins"], "nothing unfinished is left"


def test_it_holds_the_brain_and_nothing_else(archive):
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        moments = {member.date_time for member in opened.infolist()}
        kinds = {member.compress_type for member in opened.infolist()}
    expected = {f"module_utils/{path.relative_to(SOURCES).as_posix()}" for path in SOURCES.rglob("*.py")}
    assert set(names) == {"__main__.py", *expected}
    assert names == sorted(names)
    assert moments == {(1980, 1, 1, 0, 0, 0)}
    assert kinds == {zipfile.ZIP_STORED}, "how well zlib packs differs"


def test_it_runs_by_itself_and_tells_its_version(archive):
    assert os.access(archive, os.X_OK)
    assert archive.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    told = run(archive, "version")
    assert (told.stdout, told.stderr, told.returncode) == ("1.2.3\n", "", 0)


def test_a_part_is_started_without_what_needs_memory_that_is_writable_and_executable(archive):
    """ctypes does, and units forbid it; what a part does not need would only make its start slow."""
    program = (
        f"import sys; sys.path.insert(0, {str(archive)!r}); sys.argv = ['drover', 'worker', '--cluster', 'nobody']\n"
        "from module_utils.runtime.command import main\n"
        "code = main('1')\n"
        "unwanted = {'ctypes', 'subprocess', 'module_utils.placement', 'module_utils.hosts'}\n"
        "print(code, sorted(unwanted & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert told.stdout == "78 []\n", told.stderr


def test_all_that_is_in_it_can_be_imported_from_it(archive):
    """Nothing of it leans on Ansible, or on a file beside the sources."""
    program = (
        "import importlib, sys, zipfile\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "for name in zipfile.ZipFile(sys.argv[1]).namelist():\n"
        "    if name != '__main__.py' and not name.endswith('__init__.py'):\n"
        "        importlib.import_module(name[:-3].replace('/', '.'))\n"
        "print(any(name.startswith('ansible') for name in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program, str(archive)], capture_output=True, text=True, check=False)
    assert told.stdout == "False\n", told.stderr


@pytest.mark.parametrize("text", ["version: 0.4.0\n", "namespace: x\nversion: '0.4.0'  # next\n", 'version: "0.4.0"\n'])
def test_the_version_is_the_collections(tmp_path, text):
    small_collection(tmp_path, text)
    assert collection_version(str(tmp_path)) == "0.4.0"


def test_an_installed_collection_tells_its_version_by_its_manifest(tmp_path):
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "0.5.0"}}')
    assert collection_version(str(tmp_path)) == "0.5.0"


def test_the_cache_holds_it_by_its_content(tmp_path):
    sources = small_collection(tmp_path / "collection")
    path, version = cache_archive(str(tmp_path / "collection"), str(tmp_path / "cache"))
    assert (os.path.basename(path), version) == ("drover.pyz", "0.4.0")
    before = os.stat(path).st_mtime_ns
    assert cache_archive(str(tmp_path / "collection"), str(tmp_path / "cache"))[0] == path
    assert os.stat(path).st_mtime_ns == before, "it is not written twice"
    (sources / "errors.py").write_text("# another\n")
    assert cache_archive(str(tmp_path / "collection"), str(tmp_path / "cache"))[0] != path


def test_a_folder_that_is_no_collection_is_refused(tmp_path):
    with pytest.raises(DroverError, match=r"is not the folder of a collection, .* give the one that holds roles"):
        cache_archive(str(tmp_path), str(tmp_path / "cache"))
    with pytest.raises(DroverError, match="holds no runtime: give the folder"):
        write_archive(str(tmp_path), str(tmp_path / "drover.pyz"), "1")
