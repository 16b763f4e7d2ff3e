# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image stands on, and what is installed into it."""

from __future__ import annotations

import io
import tarfile

import pytest
from module_utils.builds.archive import digest_of
from module_utils.errors import DroverError
from module_utils.images.base import Base, packages_for, read_base, suite_for


def build(**changes):
    return {"file": "llama.tar.gz", "glibc": "2.38", "libraries": ["libgomp.so.1"], **changes}


def tar(path, *names):
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
    return str(path)


@pytest.mark.parametrize(
    ("offer", "suite"),
    [
        (None, "forky"),  # the first with packages of llama.cpp
        (build(glibc="2.34"), "trixie"),
        (build(glibc="2.41"), "trixie"),
        (build(glibc="2.42"), "forky"),
        (build(glibc="2.99"), "forky"),
        (build(glibc=None), "trixie"),
    ],
)
def test_the_suite_goes_by_what_the_build_needs(offer, suite):
    assert suite_for(offer) == suite


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Base("registry", "docker.io/library/debian:trixie-slim")),
        ("registry.lan:5000/debian:13", Base("registry", "registry.lan:5000/debian:13")),
        ("mmdebstrap", Base("mmdebstrap", "trixie")),
    ],
)
def test_bases_without_a_file(text, expected):
    assert read_base(text, "amd64", "trixie") == expected


@pytest.mark.parametrize(
    ("names", "kind"), [(["./usr/bin/env", "./usr"], "tar"), (["usr"], "tar"), (["oci-layout", "index.json"], "oci")]
)
def test_a_file_is_known_by_what_is_in_it(tmp_path, names, kind):
    path = tar(tmp_path / "base-arm64.tar", *names)
    found = read_base(str(tmp_path / "base-{architecture}.tar"), "arm64", "trixie")
    assert found == Base(kind, digest_of(path), path)


def test_a_file_for_the_other_architecture_alone(tmp_path):
    tar(tmp_path / "base-amd64.tar", "usr")
    with pytest.raises(DroverError, match=r"base-arm64\.tar is not on the controller"):
        read_base(str(tmp_path / "base-{architecture}.tar"), "arm64", "trixie")


def test_files_that_are_no_base(tmp_path):
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(DroverError, match="cannot be read as a tar archive"):
        read_base(str(tmp_path / "text"), "amd64", "trixie")
    with pytest.raises(DroverError, match=r"neither an OCI archive .* nor a root file system"):
        read_base(tar(tmp_path / "other.tar", "README"), "amd64", "trixie")


def test_packages_of_llama_cpp_and_of_what_an_archive_needs():
    registry, own = Base("registry", "debian:13"), Base("mmdebstrap", "forky")
    assert packages_for(None, registry, ["tini"]) == [
        "ca-certificates",
        "libggml0-backend-rpc",
        "llama.cpp-tools",
        "llama.cpp-tools-extra",
        "python3",
        "python3-numpy",
        "tini",
    ]
    of_archive = ["ca-certificates", "libgomp1", "libstdc++6", "python3", "python3-numpy"]
    assert packages_for(build(), registry, []) == of_archive
    # What is linked there is in it, whatever else could stand for it.
    assert {"base-files", "libblas3", "liblapack3"} <= set(packages_for(build(), own, []))


def test_a_library_that_nobody_knows_is_named_unless_a_package_was():
    odd = build(libraries=["libodd.so.1"])
    with pytest.raises(DroverError, match=r"llama\.tar\.gz needs libodd\.so\.1, .* llama_image_packages"):
        packages_for(odd, Base("registry", "debian:13"), [])
    assert "libodd1" in packages_for(odd, Base("registry", "debian:13"), ["libodd1"])
