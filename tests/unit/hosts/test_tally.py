# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole tally."""

from __future__ import annotations

import platform

import pytest
from module_utils.errors import DroverError
from module_utils.hosts import network, tally


@pytest.fixture
def addresses(monkeypatch):
    monkeypatch.setattr(network, "local_addresses", lambda: [("lo", "127.0.0.1"), ("eth0", "192.168.1.21")])
    monkeypatch.setattr(network, "ssh_address", lambda tree: "192.168.1.21")


def test_the_tally_of_a_pi(machine, addresses):
    taken = tally.take_tally(machine("pi5"), disk_path="/srv/models/not/yet", measure=False)
    assert list(taken) == [
        "host",
        "address",
        "architecture",
        "os",
        "cpu",
        "memory",
        "bandwidth_bytes_per_second",
        "gpus",
        "disk",
        "network",
    ]
    assert taken["address"] == taken["network"]["address"] == "192.168.1.21"
    assert taken["architecture"] == platform.machine()
    assert taken["os"] == {"id": "debian", "version_id": "13"}
    assert taken["bandwidth_bytes_per_second"] is None
    assert taken["disk"]["path"] == "/srv/models/not/yet"
    assert taken["disk"]["free_bytes"] > 0


def test_a_reserve_and_other_units(machine, addresses):
    taken = tally.take_tally(machine("server_v2"), units=["drover-rpc.service"], reserve_bytes=1, measure=False)
    assert taken["memory"]["held_bytes"] == 1024**3
    assert taken["memory"]["reserve_bytes"] == 1


def test_debian_testing_has_no_version(machine):
    assert tally.read_os(machine("container_lxcfs")) == {"id": "debian", "version_id": None}


def test_no_os_release(machine):
    assert tally.read_os(machine()) == {"id": None, "version_id": None}


def test_a_negative_reserve_is_refused(machine, addresses):
    with pytest.raises(DroverError, match=r"^reserve_bytes is -1 "):
        tally.take_tally(machine("pi5"), reserve_bytes=-1, measure=False)
