# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps Drover from a host is found before anything is changed there."""

from __future__ import annotations

import errno
import os
import shutil

import pytest
from module_utils.hosts import obstacles

BOOTED = {"/run/systemd/system/.keep": "", "/etc/hostname": "pi-1"}


def look(tree, **more):
    given = {
        "system": "Linux",
        "python": (3, 11),
        "user": 0,
        "find_program": lambda name: f"/usr/sbin/{name}",
        "new_namespace": lambda: 0,
        **more,
    }
    return obstacles.find_obstacles(tree, **given)


def only(*names):
    return lambda name: name if name in names else None


@pytest.mark.parametrize(
    ("files", "more", "told"),
    [
        (BOOTED, {}, []),
        (BOOTED, {"python": (3, 9)}, []),
        (BOOTED, {"find_program": only("nft")}, []),
        (BOOTED, {"find_program": only("apt-get")}, []),
        (BOOTED, {"new_namespace": lambda: errno.EINVAL}, []),
        ({"/etc/hostname": "pi-1"}, {}, ["systemd is not the first process here"]),
        (BOOTED, {"python": (3, 7)}, ["Python is 3.7 here and must be 3.9 or later"]),
        (BOOTED, {"user": 1000}, ["Drover came here as an ordinary user and needs root"]),
        (BOOTED, {"user": 1000, "new_namespace": lambda: errno.EPERM}, ["Drover came here as an ordinary user"]),
        (BOOTED, {"new_namespace": lambda: errno.EPERM}, ["This is a container that may not make namespaces"]),
        (BOOTED, {"find_program": only()}, ["There is no nft here"]),
        ({"/run/systemd/system/.keep": ""}, {}, ["/etc cannot be written here"]),
        (
            {},
            {"python": (3, 8), "new_namespace": lambda: errno.EPERM, "find_program": only()},
            ["Python is 3.8", "systemd is not", "This is a container", "/etc cannot", "There is no nft"],
        ),
        (BOOTED, {"system": "Darwin", "user": 501}, ["macOS has no systemd, which Drover's services need, and is not"]),
        (BOOTED, {"system": "FreeBSD"}, ["FreeBSD has no systemd"]),
    ],
)
def test_every_obstacle_is_told(machine, files, more, told):
    found = look(machine(files=files), **more)
    assert [sentence[: len(start)] for sentence, start in zip(found, told)] == told
    assert len(found) == len(told)
    for sentence in found:
        assert sentence.endswith(".")
        assert ". " not in sentence
        assert ";" in sentence  # the remedy


@pytest.mark.parametrize(
    ("needs", "there", "missing"),
    [
        (["nftables", "stunnel4"], ["nft"], ["There is no stunnel here, which rpc_server_tls takes"]),
        (["nftables", "stunnel4"], ["nft", "stunnel"], []),
        (["nftables", "stunnel4"], ["apt-get"], []),
        (["stunnel4"], [], ["There is no stunnel here"]),
        (["haproxy", "openssl"], ["openssl"], ["There is no haproxy here, which a gateway is"]),
        (["haproxy", "openssl"], ["haproxy"], ["There is no openssl here, which makes a gateway's certificate"]),
        (["haproxy", "openssl"], ["haproxy", "openssl"], []),
    ],
)
def test_what_a_part_takes_is_there_or_can_be_installed(machine, needs, there, missing):
    found = look(machine(files=BOOTED), needs=needs, find_program=only(*there))
    assert [sentence[: len(start)] for sentence, start in zip(found, missing)] == missing
    assert len(found) == len(missing)
    assert all(sentence.endswith(".") and "; install " in sentence for sentence in found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may ask for a namespace")
def test_a_namespace_is_asked_for_without_changing_our_own():
    before = os.readlink("/proc/self/ns/mnt")
    # util-linux asks the same of the kernel.
    unshare = shutil.which("unshare")
    expected = 0 if unshare and os.system(f"{unshare} --mount true 2>/dev/null") == 0 else errno.EPERM
    assert obstacles._new_namespace() == expected
    assert os.readlink("/proc/self/ns/mnt") == before
