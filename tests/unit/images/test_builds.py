# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which build goes into which image, and builds that are folders."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from module_utils.builds.archive import inspect_archive
from module_utils.errors import DroverError
from module_utils.images.builds import choose_builds, pack_folder
from unit.builds.raw_archive import release, tar

BOTH = ["amd64", "arm64"]


def offer(architecture, label="b100"):
    return {"architecture": architecture, "label": label}


def offers(bundle=(), archives=()):
    return {"bundle": list(bundle), "archives": list(archives)}


X64, ARM, OTHER = offer("x86_64"), offer("aarch64"), offer("aarch64", "b101")


@pytest.mark.parametrize(
    ("method", "given", "expected"),
    [
        ("auto", offers(), {"amd64": None, "arm64": None}),
        ("package", offers([X64, ARM]), {"amd64": None, "arm64": None}),
        ("auto", offers([X64, ARM], [OTHER]), {"amd64": X64, "arm64": ARM}),
        ("auto", offers(archives=[ARM, X64]), {"amd64": X64, "arm64": ARM}),
        ("archive", offers([OTHER], [ARM, X64]), {"amd64": X64, "arm64": ARM}),
        ("bundle", offers([ARM, X64, OTHER]), {"amd64": X64, "arm64": ARM}),
    ],
)
def test_the_build_of_the_method(method, given, expected):
    assert choose_builds(method, BOTH, [], given, "") == expected


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("archive", offers(archives=[X64]), "llama_cpp_archive_sha256 has no build of llama.cpp for arm64"),
        ("auto", offers(bundle=[ARM]), "llama_cpp_bundle has no build of llama.cpp for amd64"),
        ("auto", offers(archives=[X64, OTHER]), "has llama.cpp b100 for amd64 and b101 for arm64"),
        ("source", offers(archives=[X64, ARM]), "list in llama_image_builds"),
    ],
)
def test_builds_that_are_missing_or_unequal(method, given, words):
    with pytest.raises(DroverError, match=words):
        choose_builds(method, BOTH, [], given, "")


def test_own_builds_come_before_the_method(tmp_path):
    path = tar(tmp_path / "llama.tar.gz", release())
    assert choose_builds("source", ["amd64"], [str(path)], offers(), "")["amd64"]["path"] == str(path)


@pytest.fixture
def folder(tmp_path):
    with tarfile.open(tar(tmp_path / "llama.tar.gz", release(top="b100-0a1b2c3d/"))) as archive:
        archive.extractall(tmp_path / "builds", filter="fully_trusted")
    return tmp_path / "builds" / "b100-0a1b2c3d"


def test_a_folder_is_packed_as_it_is_called_on_hosts(folder, tmp_path):
    found = choose_builds("auto", ["amd64"], [str(folder)], offers(), str(tmp_path / "cache"))["amd64"]
    assert (found["id"], found["label"], found["architecture"]) == ("b100-0a1b2c3d", "b100", "x86_64")


def test_the_same_files_give_the_same_bytes(folder, tmp_path):
    first = pack_folder(str(folder), str(tmp_path / "cache"))
    content = Path(first).read_bytes()
    os.utime(folder / "llama-server", (1, 1))
    assert pack_folder(str(folder), str(tmp_path / "cache")) == first
    assert Path(first).read_bytes() == content
    (folder / "LICENSE").write_text("another")
    assert pack_folder(str(folder), str(tmp_path / "cache")) != first


def test_links_in_a_folder_stay_links(folder, tmp_path):
    with tarfile.open(pack_folder(str(folder), str(tmp_path / "cache"))) as archive:
        assert archive.getmember("b100-0a1b2c3d/libllama.so.0").linkname == "libllama.so.0.7.0"
        assert archive.getmember("b100-0a1b2c3d/llama-server").mode & 0o111
    inspect_archive(pack_folder(str(folder), str(tmp_path / "cache")))
