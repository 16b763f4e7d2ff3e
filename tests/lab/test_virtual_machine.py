# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated ARM64 host next to a container: needs root, and takes about three minutes once its image is made."""

from __future__ import annotations

import pytest

from lab import names, state
from lab.limits import Group
from lab.test_lab import BOTH_WAYS, bytes_are_counted, lab, the_rate_holds, traces, write

NAME = "selftest-arm"
SPEC = {
    "name": NAME,
    "subnet": "10.213.201.0/24",
    "hosts": {
        "arm": {"architecture": "arm64", "memory": "1GiB", "cpu": 2.0},
        "own": {"memory": "256MiB"},
    },
}


def on(host, command, check=True):
    return lab("run", f"{NAME}/{host}", "--", command, check=check)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("spec"), SPEC)
    lab("up", path)
    yield path
    lab("down", path)
    assert traces(NAME) == []


def test_it_is_what_the_spec_says(spec):
    assert on("arm", "hostname; uname -m; nproc; systemctl is-system-running").stdout.split() == [
        "arm",
        "aarch64",
        "2",
        "running",
    ]
    assert " asimddp" in on("arm", "cat /proc/cpuinfo").stdout
    assert 900 < int(on("arm", "free -m").stdout.split("Mem:")[1].split()[0]) <= 1024


def test_it_reaches_others_by_name_and_is_reached(spec):
    on("arm", "ping -c1 -W5 own")
    on("own", "ping -c1 -W5 arm")


@pytest.mark.parametrize("command", BOTH_WAYS)
def test_the_rate_holds_both_ways(spec, command):
    the_rate_holds(f"{NAME}/arm", command)


def test_bytes_are_counted_as_the_host_sees_them(spec):
    bytes_are_counted(f"{NAME}/arm")


def test_its_memory_is_not_changed_while_it_runs(spec):
    refused = lab("limit", f"{NAME}/arm", "--memory", "512MiB", check=False)
    assert "Host arm is a virtual machine, and its memory is what it was made with" in refused.stderr
    lab("limit", f"{NAME}/arm", "--cpu", "1.5")
    assert "1.5" in lab("status").stdout
    lab("limit", f"{NAME}/arm", "--cpu", "2")


def test_a_second_up_leaves_it_alone(spec):
    assert "arm: already running" in lab("up", spec).stdout


def test_a_power_cut_keeps_the_disk(spec):
    on("arm", "echo kept > /root/note && sync")
    before = on("arm", "cat /proc/sys/kernel/random/boot_id").stdout
    lab("kill", f"{NAME}/arm")
    assert Group(names.group(NAME, "arm")).processes() == []
    lab("start", f"{NAME}/arm")
    assert on("arm", "cat /root/note").stdout == "kept\n"
    assert on("arm", "cat /proc/sys/kernel/random/boot_id").stdout != before


def test_packages_that_it_downloaded_are_kept(spec, tmp_path):
    on("arm", "apt-get update && apt-get install --yes --download-only tree && sync")
    without = {**SPEC, "hosts": {"own": SPEC["hosts"]["own"]}}
    assert "arm: no longer in the spec" in lab("up", write(tmp_path, without)).stdout
    assert list((state.cache() / "packages/forky-arm64").glob("tree_*.deb"))
