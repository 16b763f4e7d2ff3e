# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions, channels, files of releases and their checksums."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.k3s import release, version

GOOD = "a" * 64
LIST = f"{GOOD}  k3s\n{'b' * 64}  k3s-airgap-images-amd64.tar.gz\n{'c' * 64} *k3s-airgap-images-amd64.tar.zst\n"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("v1.34.3+k3s1", "v1.34.4+k3s1"),
        ("v1.34.4+k3s1", "v1.34.4+k3s2"),
        ("v1.9.9+k3s1", "v1.34.0+k3s1"),
        ("v1.35.0-rc2+k3s1", "v1.35.0+k3s1"),
        ("v1.35.0-rc2+k3s1", "v1.35.0-rc10+k3s1"),
    ],
)
def test_versions_are_in_the_order_of_their_release(earlier, later):
    assert version.parse_version(earlier) < version.parse_version(later)


@pytest.mark.parametrize("text", ["v1.34.4+k3s1", "v1.35.0-rc2+k3s1"])
def test_a_version_is_written_as_it_was_read(text):
    assert version.parse_release(text).tag == text


@pytest.mark.parametrize("text", ["", "1.34", "latest", "v1.34.4+rke2r1", "v1.34.4+k3s", None, 1.34])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(DroverError, match=r"must be a version such as v1\.34\.4"):
        version.parse_version(text)


def test_a_release_needs_the_number_of_its_own():
    with pytest.raises(DroverError, match=r"'1.34.4', which leaves open .* add its end, such as \+k3s1"):
        version.parse_release("1.34.4")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("k3s version v1.34.4+k3s1 (0a1b2c3d)\ngo version go1.24.11\n", "v1.34.4+k3s1"),
        ("k3s version v1.21.5+k3s2 (724ef700)\n", "v1.21.5+k3s2"),
        ("k3s version dev (HEAD)\n", None),
        ("bash: k3s: not found\n", None),
        ("", None),
    ],
)
def test_the_program_tells_its_version(said, told):
    assert version.version_told(said) == told


@pytest.mark.parametrize(
    ("told", "same"),
    [("v1.34.4+k3s1", True), ("v1.34.4", True), ("v1.34.4+k3s2", False), ("v1.34.3+k3s1", False), ("v1.34.3", False)],
)
def test_a_node_may_tell_the_version_of_kubernetes_alone(told, same):
    assert version.is_the_same(told, version.parse_version("v1.34.4+k3s1")) is same


CHANNELS = [{"id": "stable", "latest": "v1.34.4+k3s1"}, {"id": "v1.99"}, {"id": "latest", "latest": "v1.36.2+k3s1"}]


def test_a_channel_means_its_latest_release():
    assert version.latest_of_channel(CHANNELS, "stable").tag == "v1.34.4+k3s1"


@pytest.mark.parametrize(
    ("channels", "wanted", "named"), [(CHANNELS, "v1.99", "latest, stable"), ([], "stable", "none")]
)
def test_a_channel_without_a_release_is_refused(channels, wanted, named):
    with pytest.raises(DroverError, match=f"{wanted}.*which are {named}"):
        version.latest_of_channel(channels, wanted)


@pytest.mark.parametrize(
    ("machine", "program", "file"),
    [
        ("x86_64", "k3s", "sha256sum-amd64.txt"),
        ("aarch64", "k3s-arm64", "sha256sum-arm64.txt"),
        ("armv7l", "k3s-armhf", "sha256sum-arm.txt"),
    ],
)
def test_each_architecture_has_its_files(machine, program, file):
    found = release.files_for(f"{GOOD}  {program}\n", "https://mirror.lan/k3s/", "v1.34.4+k3s1", machine)
    assert found["list"] == {"name": file, "address": f"https://mirror.lan/k3s/v1.34.4%2Bk3s1/{file}"}
    assert found["program"]["address"] == f"https://mirror.lan/k3s/v1.34.4%2Bk3s1/{program}"
    assert found["program"]["sha256"] == GOOD
    assert found["images"] is None


def test_the_smallest_archive_of_images_is_taken():
    found = release.files_for(LIST, "https://mirror.lan", "v1.34.4+k3s1", "x86_64", True)
    assert (found["images"]["name"], found["images"]["sha256"]) == ("k3s-airgap-images-amd64.tar.zst", "c" * 64)


def test_without_the_list_only_its_place_is_told():
    assert set(release.files_for("", "https://mirror.lan", "v1.34.4+k3s1", "x86_64")) == {"list"}


@pytest.mark.parametrize(
    ("text", "machine", "images", "message"),
    [
        ("<html>Not found</html>", "x86_64", False, "has the line '<html>Not found</html>', which is no checksum"),
        ("   \n", "x86_64", False, "is empty"),
        (f"{GOOD[:-1]}  k3s\n", "x86_64", False, "which is no checksum"),
        (LIST, "aarch64", False, "names no k3s-arm64"),
        (f"{GOOD}  k3s\n", "x86_64", True, r"names no k3s-airgap-images-amd64.tar.zst or .*\.gz or .*\.tar: choose"),
        (LIST, "riscv64", False, "Its processor is 'riscv64', and K3s is made for aarch64"),
    ],
)
def test_a_list_that_will_not_do_is_refused(text, machine, images, message):
    with pytest.raises(DroverError, match=message):
        release.files_for(text, "https://mirror.lan", "v1.34.4+k3s1", machine, images)
