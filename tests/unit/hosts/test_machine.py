# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine is told from another, a clone too."""

from __future__ import annotations

import pytest
from module_utils.hosts.machine import machine_digest

ID = "3d1219c7c4c5404aaa1f6d2a48adfda4"
UUID = "/sys/class/dmi/id/product_uuid"
CONTAINER = {
    "/etc/machine-id": ID,
    "/sys/class/net/lo/type": "772",
    "/sys/class/net/lo/address": "00:00:00:00:00:00",
    "/sys/class/net/eth0/type": "1",
    "/sys/class/net/eth0/address": "02:00:00:00:00:01",
}


def test_the_digest_of_a_machine_is_the_same_every_time_and_tells_nothing_of_it(machine, tmp_path):
    digest = machine_digest(machine("pi5"))
    assert machine_digest(machine("pi5")) == digest
    assert len(digest) == 64
    assert ID not in digest


@pytest.mark.parametrize(
    "files",
    [
        {"/etc/machine-id": "00000000000000000000000000000001"},
        {"/sys/class/net/eth0/address": "2c:cf:67:00:00:99"},  # the other card of a cloned SD card
        {"/sys/class/net/wlan0/address": "2c:cf:67:00:00:98"},
        {UUID: "4c4c4544-0042"},  # a cloned virtual machine that kept its addresses
    ],
)
def test_another_machine_has_another_digest(machine, files):
    first = machine_digest(machine("pi5"))
    assert machine_digest(machine("pi5", files=files)) != first


@pytest.mark.parametrize(
    "files",
    [
        {"/sys/class/net/docker0/address": "02:42:00:00:00:07"},
        {"/sys/class/net/veth4f2a/address": "02:42:00:00:00:08"},
        {"/sys/class/net/eth0/speed": "100", "/etc/hostname": "other"},
    ],
)
def test_what_comes_and_goes_does_not_count(machine, files):
    expected = machine_digest(machine("pi5"))
    assert machine_digest(machine("pi5", files=files)) == expected


def test_the_case_of_the_firmwares_uuid_does_not_count(machine):
    digests = {machine_digest(machine("pi5", files={UUID: uuid})) for uuid in ("4C4C4544-0042", "4c4c4544-0042")}
    assert len(digests) == 1


def test_containers_of_one_image_are_told_apart_by_their_virtual_cards(machine):
    first = machine_digest(machine(files=CONTAINER))
    other = {**CONTAINER, "/sys/class/net/eth0/address": "02:00:00:00:00:02"}
    assert machine_digest(machine(files=other)) != first


@pytest.mark.parametrize("identity", [None, "", "uninitialized"])
def test_a_machine_without_an_id(machine, identity):
    assert machine_digest(machine("pi5", files={"/etc/machine-id": identity})) is None
