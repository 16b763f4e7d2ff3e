# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, sizes, rules, inventory, packages, locks and requirements of the lab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lab import host, inventory, names, network, packages, requirements, sizes, spec, state
from lab.errors import LabError

LAB = spec.parse({"name": "demo", "subnet": "10.9.8.0/24", "hosts": {"pi-1": None, "pi-2": {"groups": ["others"]}}})


@pytest.mark.parametrize("lab", ["demo", "a-lab-with-a-long-name"])
@pytest.mark.parametrize("name", ["pi-1", "a-host-with-a-long-name"])
def test_interface_names_fit_the_kernel(lab, name):
    assert len(names.bridge(lab)) <= 15
    assert len(names.interface(lab, name)) <= 15
    # systemd-nspawn makes the interface's name from the machine's.
    assert names.interface(lab, name) == "vb-" + names.machine(lab, name)


def test_the_same_host_in_two_labs_has_two_cables():
    long = "a-host-with-a-long-name"
    labs = ("demo", "default", "a-lab-with-a-long-name")
    assert len({names.interface(lab, name) for lab in labs for name in ("pi-1", long)}) == 6


@pytest.mark.parametrize(
    ("text", "size"), [("1GiB", 1 << 30), ("512MiB", 512 << 20), ("1.5 GiB", 3 << 29), (1 << 27, 1 << 27)]
)
def test_memory_sizes(text, size):
    assert sizes.parse_memory(text) == size


@pytest.mark.parametrize(("text", "rate"), [("100mbit", 10**8), ("1gbit", 10**9), ("2.5gbit", 25 * 10**8)])
def test_rates_are_read_and_shown(text, rate):
    assert sizes.parse_rate(text) == rate
    assert sizes.show_rate(rate) == text


@pytest.mark.parametrize(("size", "text"), [(1 << 30, "1 GiB"), (3 << 29, "1.5 GiB"), (20 << 20, "20 MiB"), (5, "5 B")])
def test_memory_is_shown(size, text):
    assert sizes.show_memory(size) == text


def test_rules_replace_the_labs_own_table_only():
    for line in network.rules(LAB).splitlines():
        assert line.split()[1:4][-1] == "drover-lab-demo"
    assert "masquerade" in network.rules(LAB)
    assert "drop" not in network.rules(LAB)


def test_a_lab_without_internet_is_kept_in():
    closed = spec.parse({"name": "demo", "internet": False, "hosts": {"a": None}})
    assert 'iifname "dl-demo" oifname != "dl-demo" drop' in network.rules(closed)
    assert "masquerade" not in network.rules(closed)


def test_the_inventory_has_every_host_in_its_groups():
    everyone = yaml.safe_load(inventory.render(LAB))["all"]
    assert everyone["hosts"] == {"pi-1": {"ansible_host": "10.9.8.11"}, "pi-2": {"ansible_host": "10.9.8.12"}}
    assert everyone["children"] == {
        "llama_cluster": {"hosts": {"pi-1": {}}},
        "others": {"hosts": {"pi-2": {}}},
    }
    assert everyone["vars"]["ansible_user"] == "root"
    assert "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null" in everyone["vars"]["ansible_ssh_common_args"]


def test_host_variables_reach_the_inventory():
    lab = spec.parse({"name": "x", "hosts": {"a": {"vars": {"placement_exclude": True}, "groups": []}}})
    everyone = yaml.safe_load(inventory.render(lab))["all"]
    assert everyone["hosts"]["a"]["placement_exclude"] is True
    assert everyone["children"] == {"ungrouped": {"hosts": {"a": {}}}}


def test_a_host_of_another_architecture_is_refused(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    wanted = spec.parse({"name": "x", "hosts": {"pi-5": {"architecture": "arm64"}}}).hosts["pi-5"]
    with pytest.raises(LabError, match=r"host pi-5: architecture arm64 is not this machine's \(amd64\)"):
        host.machine("x", wanted)


def test_downloaded_packages_go_from_host_to_host(monkeypatch, tmp_path):
    monkeypatch.setenv("DROVER_LAB_CACHE", str(tmp_path / "cache"))
    first, second = tmp_path / "first", tmp_path / "second"
    archives = "var/cache/apt/archives"
    (first / archives / "partial").mkdir(parents=True)
    (first / archives / "tree_1_amd64.deb").write_text("whole")
    (first / archives / "partial/htop_1_amd64.deb").write_text("ha")
    packages.harvest("forky", "amd64", first)
    packages.harvest("forky", "amd64", first)
    packages.seed("forky", "amd64", second)
    packages.seed("trixie", "amd64", tmp_path / "other")
    assert [path.name for path in (second / archives).iterdir()] == ["tree_1_amd64.deb"]
    assert (second / archives / "tree_1_amd64.deb").read_text() == "whole"
    assert list((tmp_path / "other" / archives).iterdir()) == []


@pytest.mark.parametrize(
    ("platform", "user", "installed", "message"),
    [
        ("darwin", 0, True, "runs on Linux only, and this is darwin"),
        ("linux", 1000, True, "must run as root"),
        ("linux", 0, False, "needs the Debian packages .*mmdebstrap.*: `lab setup` installs them"),
    ],
)
def test_a_machine_that_cannot_have_a_lab_is_told_so(platform, user, installed, message):
    with pytest.raises(LabError, match=message):
        requirements.check(platform, user, lambda command: "/usr/bin/" + command if installed else None)


def test_a_machine_that_has_everything_is_fine():
    assert requirements.check("linux", 0, lambda command: "/usr/bin/" + command) is None


def test_a_lock_waits_for_the_directory_that_is_there_now(tmp_path):
    """Who waited for a directory that was then removed must not believe to hold the new one."""
    directory = tmp_path / "lab"
    waits = []
    holder = state.hold(directory)
    holder.__enter__()

    def replaced_meanwhile():
        waits.append(True)
        directory.rmdir()
        directory.mkdir()
        holder.__exit__(None, None, None)

    with state.hold(directory, replaced_meanwhile):
        script = (
            "import fcntl, os, sys\n"
            "try: fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
            "except BlockingIOError: sys.exit(7)\n"
        )
        assert subprocess.run([sys.executable, "-c", script, directory]).returncode == 7
    assert waits == [True]


def test_a_file_is_written_whole_with_its_mode(tmp_path):
    path = tmp_path / "deep/authorized_keys"
    state.write(path, "key\n", 0o600)
    assert path.read_text() == "key\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["authorized_keys"]


def test_unknown_commands_of_the_machine_are_told():
    from lab.command import run

    with pytest.raises(LabError, match="no-such-command is not installed"):
        run("no-such-command")
    with pytest.raises(LabError, match=r"`sh -c echo sorry >&2; exit 3` failed \(3\): sorry"):
        run("sh", "-c", "echo sorry >&2; exit 3")


def test_the_executable_shows_its_commands():
    executable = Path(spec.__file__).parent / "lab"
    result = subprocess.run([sys.executable, executable, "--help"], capture_output=True, text=True)
    assert result.returncode == 0
    listed = [line.split()[0] for line in result.stdout.splitlines() if line.startswith("    ")]
    for command in ("up", "down", "inventory", "status", "link", "limit", "run", "kill", "start", "bytes", "doctor"):
        assert command in listed
