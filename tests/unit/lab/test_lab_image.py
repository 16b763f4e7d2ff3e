# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems: made again when, and only when, something changes that they are made from."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from lab import image, initrd, kept, state
from lab.emulated_image import EmulatedRecipe

RECIPE = image.Recipe(
    suite="forky",
    architecture="amd64",
    packages=("tree",),
    mirror="http://mirror.example/debian",
    apt_options=('Acquire::Check-Valid-Until "false"',),
    certificates="",
)


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "trixie"},
        {"architecture": "arm64"},
        {"packages": ("htop", "tree")},
        {"mirror": None},
        {"apt_options": ()},
        {"certificates": "abc"},
    ],
)
def test_the_key_changes_with_the_recipe(change):
    assert replace(RECIPE, **change).key != RECIPE.key


def test_the_key_is_stable_and_names_the_suite():
    assert replace(RECIPE).key == RECIPE.key
    assert RECIPE.key.startswith("forky-amd64-")


@pytest.mark.parametrize("changed", ["BASE_PACKAGES", "_HOOKS", "_LIMITS_UNIT"])
def test_the_key_changes_when_the_lab_makes_them_otherwise(monkeypatch, changed):
    before = RECIPE.key
    value = getattr(image, changed)
    monkeypatch.setattr(image, changed, value + "x" if isinstance(value, str) else (*value, "x"))
    assert RECIPE.key != before


def test_the_command_has_all_packages_once_and_ends_with_suite_target_mirror():
    command = RECIPE.command(Path("/target"))
    included = next(part for part in command if part.startswith("--include="))[len("--include=") :].split(",")
    assert sorted(set(included)) == included
    assert {"tree", "systemd", "python3-apt", "openssh-server"} <= set(included)
    assert command[-3:] == ["forky", Path("/target"), "http://mirror.example/debian"]
    assert '--aptopt=Acquire::Check-Valid-Until "false"' in command


def test_an_emulated_image_is_extracted_and_then_configured():
    recipe = EmulatedRecipe(**{**vars(RECIPE), "architecture": "arm64", "certificates": "abc"})
    command = recipe.command(Path("/target"))
    assert "--variant=extract" in command
    included = ",".join(part[len("--include=") :] for part in command if str(part).startswith("--include="))
    assert {"?essential", "tree", "systemd", "udev", "busybox-static"} <= set(included.split(","))
    hooks = [part for part in command if str(part).startswith("--extract-hook=")]
    copied = next(index for index, hook in enumerate(hooks) if "ca-certificates" in hook)
    configured = next(index for index, hook in enumerate(hooks) if "configure_foreign" in hook)
    assert copied < configured < len(hooks) - 1
    assert not any("update-ca-certificates" in hook for hook in hooks)
    assert recipe.key != replace(RECIPE, architecture="arm64", certificates="abc").key


@pytest.mark.parametrize("changed", ["MODULES", "SCRIPT"])
def test_the_key_changes_with_how_an_emulated_machine_starts(monkeypatch, changed):
    recipe = EmulatedRecipe(**vars(RECIPE))
    before = recipe.key
    monkeypatch.setattr(initrd, changed, getattr(initrd, changed) * 2)
    assert recipe.key != before


def test_modules_are_loaded_after_what_they_need():
    dependencies = (
        "kernel/fs/jbd2/jbd2.ko.xz:\n"
        "kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz kernel/fs/jbd2/jbd2.ko.xz\n"
        "kernel/lib/crc16.ko.xz: kernel/lib/base.ko.xz\n"
        "kernel/drivers/virtio-blk.ko: kernel/fs/jbd2/jbd2.ko.xz\n"
    )
    assert initrd.load_order(dependencies, ("ext4", "built_in", "virtio_blk")) == [
        "kernel/fs/jbd2/jbd2.ko.xz",
        "kernel/lib/crc16.ko.xz",
        "kernel/fs/ext4/ext4.ko.xz",
        "kernel/drivers/virtio-blk.ko",
    ]


def test_the_first_file_system_is_an_archive_that_others_can_read(tmp_path):
    content = initrd.archive([("dev", 0o040755, b""), ("init", 0o100755, b"#!/busybox sh\n")])
    assert len(content) % 4 == 0
    # Python has no reader for it, and tar's libraries are not everywhere: the fields as the kernel reads them.
    assert content[:6] == b"070701"
    name_size, size = int(content[94:102], 16), int(content[54:62], 16)
    assert (content[110 : 110 + name_size], size) == (b"dev\0", 0)
    second = content[116:]
    assert (int(second[14:22], 16), int(second[54:62], 16)) == (0o100755, 14)
    assert second[110:115] == b"init\0"
    assert second[116:130] == b"#!/busybox sh\n"
    assert content.endswith(b"TRAILER!!!\0\0\0\0")


def test_without_a_mirror_mmdebstrap_takes_its_own():
    assert replace(RECIPE, mirror=None).command(Path("/target"))[-2:] == ["forky", Path("/target")]


@pytest.mark.parametrize(
    ("repositories", "mirror"),
    [
        ("", None),
        ("http://mirror.example/ubuntu/\nhttp://other.example/nodistro\n", None),
        ("http://mirror.example/debian-security/\n", None),
        ("http://a.example/debian-security/\nhttp://b.example/debian/\n", "http://b.example/debian"),
        ("http://s.example/archive/debian/20250520T000000Z/\n", "http://s.example/archive/debian/20250520T000000Z"),
    ],
)
def test_the_mirror_is_the_machines_own_debian_mirror(repositories, mirror):
    assert image.debian_mirror(repositories) == mirror


def test_only_old_images_that_no_lab_stands_on_are_deleted(monkeypatch, tmp_path):
    monkeypatch.setenv("DROVER_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(state, "STATE", tmp_path / "state")
    images = tmp_path / "cache/images"
    for name in ("used", "old", "new", "old.partial-demo"):
        (images / name / "root").mkdir(parents=True)
        if name != "new":
            os.utime(images / name, (1, 1))
    state.write(tmp_path / "state/demo/hosts/pi-1/fingerprint.json", '{"image": "used"}')
    (tmp_path / "state/demo/hosts/half-made").mkdir()
    assert kept.remove_unused(image.FOLDER, image.in_use(), 3600) == ["old"]
    assert sorted(path.name for path in images.iterdir()) == ["new", "old.partial-demo", "used"]
