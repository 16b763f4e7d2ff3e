# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a builder can do: its own architecture, what the kernel emulates, and where its packages come from."""

from __future__ import annotations

import pytest
from module_utils.errors import DroverError
from module_utils.hosts.tree import Tree
from module_utils.images.builder import debian_mirror, describe_builder

ENABLED = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: {}\noffset 0\n"


def described(tmp_path, handler=None, machine="x86_64", repositories=""):
    if handler is not None:
        path = tmp_path / "proc/sys/fs/binfmt_misc/qemu-aarch64"
        path.parent.mkdir(parents=True)
        path.write_text(handler)
    return describe_builder(Tree(str(tmp_path)), lambda command: repositories, machine)


@pytest.mark.parametrize(
    ("handler", "runs"),
    [
        (None, ["amd64"]),
        (ENABLED.format("OCF"), ["amd64", "arm64"]),
        (ENABLED.format("F"), ["amd64", "arm64"]),
        (ENABLED.format("OC"), ["amd64"]),  # the emulator would be looked for in the image
        (ENABLED.format("OCF").replace("enabled", "disabled"), ["amd64"]),
    ],
)
def test_what_it_runs(tmp_path, handler, runs):
    assert described(tmp_path, handler) == {"architecture": "amd64", "runs": runs, "mirror": None}


def test_an_arm_machine(tmp_path):
    assert described(tmp_path, machine="arm64") == {"architecture": "arm64", "runs": ["arm64"], "mirror": None}


def test_a_machine_that_makes_no_images(tmp_path):
    with pytest.raises(DroverError, match="this machine is riscv64"):
        described(tmp_path, machine="riscv64")


@pytest.mark.parametrize(
    ("repositories", "mirror"),
    [
        ("", None),
        ("http://packages.example/tools/\n", None),
        ("http://a.example/debian-security/\nhttp://b.example/debian/\n", "http://b.example/debian"),
        ("http://b.example/debian\nhttp://c.example/debian/\n", "http://b.example/debian"),
        ("http://archive.example/ubuntu/\n", None),
    ],
)
def test_the_archive_of_debian_is_found_among_others(repositories, mirror):
    assert debian_mirror(repositories) == mirror
